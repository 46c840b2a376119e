//! One private server: what can be done to it is the same for each kind.

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

/// Recovery of a large write-ahead log after a kill is the slowest start there is.
const START_LIMIT: Duration = Duration::from_mins(3);
const STOP_LIMIT: Duration = Duration::from_mins(1);
/// The kernel needs no longer than this to carry out SIGKILL or SIGSTOP, short of a disk that hangs.
const SIGNAL_LIMIT: Duration = Duration::from_secs(20);

/// A PostgreSQL or RabbitMQ server in its own folder. Dropping it stops it and leaves no process behind.
#[derive(Debug)]
pub struct Server {
    kind: ServerKind,
    launch: Launch,
    processes: ServerProcesses,
    port: u16,
    url: String,
    process: Option<Process>,
    // After `process`: the folder is unlocked when nothing runs in it any more.
    folder: ServerFolder,
}

/// What a kind of server is called and how it is recognised.
#[derive(Debug)]
pub(crate) struct ServerKind {
    pub(crate) name: &'static str,
    /// The names of all programs it runs for longer than a moment.
    pub(crate) programs: &'static [&'static str],
    /// Whether the server at this address answers a client's first message, as it does when it is ready.
    pub(crate) is_ready: fn(SocketAddr) -> bool,
    /// A file in its working folder that a killed server leaves and that could hinder the next.
    pub(crate) stale_file: Option<&'static str>,
}

impl ServerKind {
    /// The processes whose working folder is `folder`.
    pub(crate) fn processes(&self, folder: PathBuf) -> ServerProcesses {
        ServerProcesses { folder, programs: self.programs }
    }

    /// Ends what a killed owner may have left running, so that a folder can be worked on.
    pub(crate) fn stop_leftovers(&self, processes: &ServerProcesses, stop: Signal) -> Result<(), Error> {
        // A leftover server was told to shut down by the kernel when its owner died. Let it finish cleanly.
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
        Err(Error::DidNotEnd { server: self.name, processes: ids })
    }
}

impl Server {
    /// Starts what `launch` says and waits until it is ready.
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

    /// The URL a client connects with, user and password included. It stays the same as long as this value lives.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that holds its data, settings and log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        self.launch.log()
    }

    /// Whether its main process runs (paused counts).
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.ended().is_none())
    }

    /// The ids of all its processes alive now.
    pub fn processes(&self) -> Vec<u32> {
        self.processes.ids()
    }

    /// Shuts down cleanly; data is on disk afterwards. Stopping a stopped server is fine.
    pub fn stop(&mut self) -> Result<(), Error> {
        if let Some(mut process) = self.process.take() {
            process.ask_to_stop();
            self.processes.signal(Signal::SIGCONT);
            process.stop(STOP_LIMIT);
        }
        self.kill_all()
    }

    /// Kills every process of it at once, as a power cut would. [`Server::restart`] brings it back.
    pub fn kill(&mut self) -> Result<(), Error> {
        if let Some(mut process) = self.process.take() {
            if process.ended().is_none() {
                // A stopped leader forks nobody while the others are counted.
                process.signal(Signal::SIGSTOP);
                self.processes.signal(Signal::SIGKILL);
            }
            process.kill();
        }
        self.kill_all()
    }

    /// Freezes every process of it: connections stay open and nothing answers.
    pub fn pause(&mut self) -> Result<(), Error> {
        let paused = self.is_running()
            && wait_until(SIGNAL_LIMIT, || {
                // Again and again, because what was not stopped yet may have forked meanwhile.
                self.processes.signal(Signal::SIGSTOP);
                self.processes.all_stopped()
            });
        if paused { Ok(()) } else { Err(self.not_signalled("paused")) }
    }

    /// Lets a paused server go on.
    pub fn resume(&mut self) -> Result<(), Error> {
        if !self.is_running() {
            return Err(self.not_signalled("resumed"));
        }
        self.processes.signal(Signal::SIGCONT);
        Ok(())
    }

    /// Stops what still runs and starts it again: the same port, the same data. Returns when it is ready.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        self.run()
    }

    fn run(&mut self) -> Result<(), Error> {
        if let Some(leftover) = self.kind.stale_file {
            // Nobody runs here: the folder is locked and its processes are gone. The process id in such a file may by now
            // belong to somebody else, whom the server would take for its own.
            let leftover = self.processes.folder.join(leftover);
            if leftover.exists() {
                fs::remove_file(&leftover).map_err(Error::file("remove", &leftover))?;
            }
        }
        let mut process = Process::start(&self.launch)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut ended = false;
        wait_until(START_LIMIT, || {
            ended = process.ended().is_some();
            ended || (self.kind.is_ready)(address)
        });
        // Asked last: another server on that port could have answered in its place.
        let ready = !ended && (self.kind.is_ready)(address) && process.ended().is_none();
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
        // A drop has nobody to tell, and what SIGKILL did not end nothing else would.
        let _ = self.stop();
    }
}

/// The end of a log, for a message.
fn last_lines(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
