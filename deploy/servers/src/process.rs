//! Child processes that log to a file, lead their own process group and exit when their owner exits.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::error::Error;
use crate::system_user::SystemUser;
use crate::wait::wait_until;

/// How to start a process.
#[derive(Debug, Clone)]
pub struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    removed_environment: Vec<OsString>,
    clean_environment: bool,
    working_folder: Option<PathBuf>,
    log: PathBuf,
    stop_signal: Signal,
    user: Option<SystemUser>,
}

impl Launch {
    /// Runs `program` and appends its output to the file `log`.
    pub fn new(program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            removed_environment: Vec::new(),
            clean_environment: false,
            working_folder: None,
            log: log.into(),
            stop_signal: Signal::SIGTERM,
            user: None,
        }
    }

    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Removes a variable from the environment that the process inherits.
    #[must_use]
    pub fn without_env(mut self, name: impl AsRef<OsStr>) -> Self {
        self.removed_environment.push(name.as_ref().to_owned());
        self
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Inherits only `PATH`: a private server must not pick up the settings of another server.
    #[must_use]
    pub(crate) fn clean_environment(mut self) -> Self {
        self.clean_environment = true;
        self
    }

    #[must_use]
    pub(crate) fn working_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.working_folder = Some(folder.into());
        self
    }

    /// The signal for a clean shutdown; the default is SIGTERM.
    #[must_use]
    pub(crate) fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    #[must_use]
    pub(crate) fn user(mut self, user: Option<&SystemUser>) -> Self {
        self.user = user.cloned();
        self
    }

    fn command(&self) -> Result<Command, Error> {
        // The kernel sends this signal when the thread that started the child ends. The setting survives `exec`.
        let mut command = Command::new("setpriv");
        command.arg(format!("--pdeathsig={}", self.stop_signal.as_str().trim_start_matches("SIG")));
        if let Some(user) = &self.user {
            command.args(user.setpriv_args());
        }
        command.arg("--").arg(&self.program).args(&self.arguments);
        if self.clean_environment {
            let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
            command.env_clear().env("PATH", path).env("LC_ALL", "C.UTF-8");
        }
        for name in &self.removed_environment {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.working_folder {
            command.current_dir(folder);
        }
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.log)
            .map_err(Error::file("open the log", &self.log))?;
        let second = log.try_clone().map_err(Error::file("open the log", &self.log))?;
        // A process group of its own, so that Ctrl-C at a terminal reaches only the owner, which stops its children in
        // the right order.
        command.stdin(Stdio::null()).stdout(log).stderr(second).process_group(0);
        Ok(command)
    }
}

/// A child process that leads its own process group. Dropping it kills the group.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stop_signal: Signal,
}

impl Process {
    /// Starts the process and returns at once, before it is ready.
    pub fn start(launch: &Launch) -> Result<Self, Error> {
        let child = spawn_from_long_lived_thread(launch.command()?).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NotInstalled { program: "setpriv", package: "util-linux" },
            _ => Error::Program { program: launch.program.display().to_string(), reason: error.to_string() },
        })?;
        Ok(Self { child, stop_signal: launch.stop_signal })
    }

    /// The process id, which is also the id of the process group.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, or `None` while the process runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        // Cannot fail: only this value reaps the child.
        self.child.try_wait().ok().flatten()
    }

    /// Requests a clean shutdown and returns at once, so that several processes can shut down at the same time.
    pub fn ask_to_stop(&mut self) {
        if self.ended().is_none() {
            self.signal(self.stop_signal);
            // A paused process receives the signal only when it continues.
            self.signal_group(Signal::SIGCONT);
        }
    }

    /// Pauses the process group with SIGSTOP. It keeps its locks, and its connections stay open.
    pub fn pause(&mut self) {
        if self.ended().is_none() {
            self.signal_group(Signal::SIGSTOP);
        }
    }

    /// Continues a paused process group.
    pub fn resume(&mut self) {
        if self.ended().is_none() {
            self.signal_group(Signal::SIGCONT);
        }
    }

    /// Requests a clean shutdown, waits up to `limit`, then kills the group. Returns whether the shutdown was clean.
    pub fn stop(&mut self, limit: Duration) -> bool {
        self.ask_to_stop();
        let clean = wait_until(limit, || self.ended().is_some());
        self.kill();
        clean
    }

    /// Kills the process group and reaps the child.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.signal_group(Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }

    /// Signals only the child, not its group. Call it only before the child is reaped: afterwards another process may
    /// have its id.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.id().cast_signed()), signal);
    }

    fn signal_group(&self, signal: Signal) {
        let _ = killpg(Pid::from_raw(self.id().cast_signed()), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

type SpawnRequest = (Command, Sender<io::Result<Child>>);

/// Starts a child from a thread that runs as long as this process. The kernel sends the parent-death signal when the
/// *thread* that started the child ends, and the thread of a test or of a runtime may end while the server is in use.
fn spawn_from_long_lived_thread(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<SpawnRequest>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = channel::<SpawnRequest>();
        thread::spawn(move || {
            for (mut command, reply) in requests {
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, child) = channel();
    spawner.send((command, reply)).expect("the thread runs as long as its static sender exists");
    child.recv().expect("the thread replies to every request")
}
