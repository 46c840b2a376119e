//! Finds the processes of one server.
//!
//! Neither the process group nor the process tree contains them all: children of PostgreSQL and Erlang start sessions
//! of their own, and lose their parent when it is killed. They all keep the server's working folder, so that identifies
//! them. The program's name has to match too, so that a shell that was started in this folder is left alone.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How to recognise the processes of one server.
#[derive(Debug, Clone)]
pub(crate) struct ServerProcesses {
    /// Their working folder, absolute and without symbolic links.
    pub(crate) folder: PathBuf,
    /// The program names in `/proc/PID/comm`.
    pub(crate) programs: &'static [&'static str],
}

impl ServerProcesses {
    /// The ids of all running processes. Zombies are not included.
    pub(crate) fn ids(&self) -> Vec<u32> {
        // Unreachable in practice: without /proc, starting a server fails before this is called.
        let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
        processes
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|&id| self.matches(id))
            .collect()
    }

    /// Sends `signal` to each process. Errors are ignored: a process may have just exited.
    pub(crate) fn signal(&self, signal: Signal) {
        for id in self.ids() {
            let _ = kill(Pid::from_raw(id.cast_signed()), signal);
        }
    }

    /// Whether all processes are stopped, as by SIGSTOP.
    pub(crate) fn all_stopped(&self) -> bool {
        self.ids().into_iter().all(is_stopped)
    }

    fn matches(&self, id: u32) -> bool {
        fs::read_to_string(format!("/proc/{id}/comm"))
            .is_ok_and(|name| self.programs.contains(&name.trim_end()))
            && fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|folder| folder == self.folder)
    }
}

/// In `/proc/PID/stat` the state follows the name, which is in parentheses and may contain any character.
fn is_stopped(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
}
