//! One private server, of either kind: start, stop, kill, pause and restart it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::error::Error;
use crate::process::{Launch, Process};
use crate::server_folder::ServerFolder;
use crate::server_processes::ServerProcesses;
use crate::wait::wait_until;

/// The slowest start is PostgreSQL's recovery of a large write-ahead log after a kill.
const START_LIMIT: Duration = Duration::from_mins(3);
const STOP_LIMIT: Duration = Duration::from_mins(1);
/// SIGKILL and SIGSTOP take effect within this time, unless a disk hangs.
const SIGNAL_LIMIT: Duration = Duration::from_secs(20);

/// A PostgreSQL or RabbitMQ server in its own folder. Dropping it stops it and all its processes.
#[derive(Debug)]
pub struct Server {
    kind: ServerKind,
    launch: Launch,
    processes: ServerProcesses,
    port: u16,
    url: String,
    process: Option<Process>,
    // Declared last so that it is dropped last: the folder is unlocked after the process has exited.
    folder: ServerFolder,
}

/// What differs between PostgreSQL and RabbitMQ.
#[derive(Debug)]
pub(crate) struct ServerKind {
    pub(crate) name: &'static str,
    /// The names of the server's long-running programs.
    pub(crate) programs: &'static [&'static str],
    /// Whether the server at this address answers a client's first message.
    pub(crate) is_ready: fn(SocketAddr) -> bool,
    /// A file that a killed server leaves in its working folder and that could prevent the next start.
    pub(crate) stale_file: Option<&'static str>,
}

impl ServerKind {
    /// The processes whose working folder is `folder`.
    pub(crate) fn processes(&self, folder: PathBuf) -> ServerProcesses {
        ServerProcesses { folder, programs: self.programs }
    }

    /// Stops processes that still run because their owner was killed, so that the folder can be used.
    pub(crate) fn stop_leftovers(&self, processes: &ServerProcesses, stop: Signal) -> Result<(), Error> {
        // The kernel sent these processes the stop signal when their owner died: let them shut down cleanly.
        processes.signal(Signal::SIGCONT);
        processes.signal(stop);
        if !wait_until(STOP_LIMIT, || processes.ids().is_empty()) {
            processes.signal(Signal::SIGKILL);
        }
        self.wait_until_gone(processes)
    }

    fn wait_until_gone(&self, processes: &ServerProcesses) -> Result<(), Error> {
        if wait_until(SIGNAL_LIMIT, || processes.ids().is_empty()) {
            return Ok(());
        }
        let ids = processes.ids().iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        Err(Error::DidNotExit { server: self.name, processes: ids })
    }
}

impl Server {
    /// Starts the server and waits until it is ready.
    pub(crate) fn start(
        kind: ServerKind,
        folder: ServerFolder,
        launch: Launch,
        processes: ServerProcesses,
        port: u16,
        url: String,
    ) -> Result<Self, Error> {
        let mut server = Self { kind, launch, processes, port, url, process: None, folder };
        server.run()?;
        Ok(server)
    }

    /// The URL that clients connect to, with user and password. It does not change when the server restarts.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder with the server's data, settings and log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn log(&self) -> &Path {
        self.launch.log()
    }

    /// Whether the main process runs. A paused server counts as running.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.ended().is_none())
    }

    /// The ids of all running processes of the server.
    pub fn processes(&self) -> Vec<u32> {
        self.processes.ids()
    }

    /// Shuts down cleanly: all data is on disk afterwards. Does nothing if the server is stopped.
    pub fn stop(&mut self) -> Result<(), Error> {
        if let Some(mut process) = self.process.take() {
            process.ask_to_stop();
            self.processes.signal(Signal::SIGCONT);
            process.stop(STOP_LIMIT);
        }
        self.kill_all()
    }

    /// Kills all processes of the server at once, as a power failure would. [`Server::restart`] starts it again.
    pub fn kill(&mut self) -> Result<(), Error> {
        if let Some(mut process) = self.process.take() {
            if process.ended().is_none() {
                // The main process must not fork while its children are listed.
                process.signal(Signal::SIGSTOP);
                self.processes.signal(Signal::SIGKILL);
            }
            process.kill();
        }
        self.kill_all()
    }

    /// Pauses all processes of the server: connections stay open, but the server does not answer.
    pub fn pause(&mut self) -> Result<(), Error> {
        let paused = self.is_running()
            && wait_until(SIGNAL_LIMIT, || {
                // Repeated, because a process may have forked before it was stopped.
                self.processes.signal(Signal::SIGSTOP);
                self.processes.all_stopped()
            });
        if paused { Ok(()) } else { Err(self.not_signalled("paused")) }
    }

    /// Continues a paused server.
    pub fn resume(&mut self) -> Result<(), Error> {
        if !self.is_running() {
            return Err(self.not_signalled("resumed"));
        }
        self.processes.signal(Signal::SIGCONT);
        Ok(())
    }

    /// Stops the server if it runs and starts it with the same port and data. Returns when it is ready.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        self.run()
    }

    fn run(&mut self) -> Result<(), Error> {
        if let Some(name) = self.kind.stale_file {
            // The folder is locked and no process of this server runs, so the file is stale. The process id in it may
            // now belong to another process: the server would mistake that for a running server and refuse to start.
            let stale_file = self.processes.folder.join(name);
            if stale_file.exists() {
                fs::remove_file(&stale_file).map_err(Error::file("remove", &stale_file))?;
            }
        }
        let mut process = Process::start(&self.launch)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut answered = false;
        wait_until(START_LIMIT, || {
            let ended = process.ended().is_some();
            // Asked once: on a busy machine the next answer may be late, or all its connections taken.
            answered = !ended && (self.kind.is_ready)(address);
            ended || answered
        });
        // The process is checked last: if it has exited, another server on this port answered.
        let ready = answered && process.ended().is_none();
        self.process = Some(process);
        if ready {
            return Ok(());
        }
        self.kill()?;
        Err(Error::DidNotStart {
            server: self.kind.name,
            log: self.launch.log().to_owned(),
            tail: last_lines(self.launch.log()),
        })
    }

    fn kill_all(&self) -> Result<(), Error> {
        self.processes.signal(Signal::SIGKILL);
        self.kind.wait_until_gone(&self.processes)
    }

    fn not_signalled(&self, action: &'static str) -> Error {
        Error::NotSignalled { server: self.kind.name, action }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Drop cannot return an error, and a process that survives SIGKILL cannot be stopped in any other way.
        let _ = self.stop();
    }
}

/// The last lines of a log, for an error message.
fn last_lines(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
