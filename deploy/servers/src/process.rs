//! A child process that logs to a file, leads a group of its own, and does not outlive us.

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

/// What to run and how.
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
    /// Runs `program`, its output appended to the file `log`.
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

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Does not pass a variable of our own environment on.
    #[must_use]
    pub fn without_env(mut self, name: impl AsRef<OsStr>) -> Self {
        self.removed_environment.push(name.as_ref().to_owned());
        self
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Passes nothing of our own environment on but the search path: a server must not pick up another's settings.
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

    /// The signal that asks for a clean end; SIGTERM unless told.
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
        // The kernel sends this signal when the thread that started the child ends, and keeps the wish across `exec`.
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
        // A group of its own, so that Ctrl-C at a terminal reaches only us and we end things in order.
        command.stdin(Stdio::null()).stdout(log).stderr(second).process_group(0);
        Ok(command)
    }
}

/// A running child, leader of its own process group. Dropping it kills the group.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stop_signal: Signal,
}

impl Process {
    /// Starts it. That it runs does not mean that it is ready.
    pub fn start(launch: &Launch) -> Result<Self, Error> {
        let child = spawn_from_lasting_thread(launch.command()?).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NotInstalled { program: "setpriv", package: "util-linux" },
            _ => Error::Program { program: launch.program.display().to_string(), reason: error.to_string() },
        })?;
        Ok(Self { child, stop_signal: launch.stop_signal })
    }

    /// Its process id, which is its group's too.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        // The child is ours and nobody else reaps it, so that asking does not fail.
        self.child.try_wait().ok().flatten()
    }

    /// Asks for a clean end without waiting for it, so that several can end at the same time.
    pub fn ask_to_stop(&mut self) {
        if self.ended().is_none() {
            self.signal(self.stop_signal);
            // A stopped process would hear it only once it goes on.
            self.signal_group(Signal::SIGCONT);
        }
    }

    /// Freezes the group. What it holds, it holds on to, and its connections stay open.
    pub fn pause(&mut self) {
        if self.ended().is_none() {
            self.signal_group(Signal::SIGSTOP);
        }
    }

    /// Lets a frozen group go on.
    pub fn resume(&mut self) {
        if self.ended().is_none() {
            self.signal_group(Signal::SIGCONT);
        }
    }

    /// Asks for a clean end, waits up to `limit`, then kills the group. Says whether the end was clean.
    pub fn stop(&mut self, limit: Duration) -> bool {
        self.ask_to_stop();
        let clean = wait_until(limit, || self.ended().is_some());
        self.kill();
        clean
    }

    /// Kills the group and reaps the child.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.signal_group(Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }

    /// To the child alone. Only for a child that is not reaped yet, whose id nobody else can have.
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

type Order = (Command, Sender<io::Result<Child>>);

/// Starts children from one thread that lasts as long as we do: the signal at a parent's death is sent when the *thread*
/// that started the child ends, and a test or a worker thread ends long before the server is done with.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    static NURSERY: OnceLock<Sender<Order>> = OnceLock::new();
    let nursery = NURSERY.get_or_init(|| {
        let (orders, received) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in received {
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, child) = channel();
    nursery.send((command, answer)).expect("the thread lasts as long as its static sender");
    child.recv().expect("the thread answers every order")
}
