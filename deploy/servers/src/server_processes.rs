//! The processes of one server, wherever they have gone.
//!
//! Neither a process group nor a tree finds them all: PostgreSQL's and Erlang's children open sessions of their own, and
//! lose their parent when it is killed. What they keep is their working folder, which is the server's own. A program's
//! name has to match too, so that a shell somebody opened in that folder is left alone.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How to recognise a server's processes.
#[derive(Debug, Clone)]
pub(crate) struct ServerProcesses {
    /// Their working folder, absolute and free of links.
    pub(crate) folder: PathBuf,
    /// The names the kernel has for their programs.
    pub(crate) programs: &'static [&'static str],
}

impl ServerProcesses {
    /// The ids of those alive now. The dead who wait for their parent to notice are not among them.
    pub(crate) fn ids(&self) -> Vec<u32> {
        // Without /proc nothing can be found; everything else here would fail before this does.
        let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
        processes
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|&id| self.matches(id))
            .collect()
    }

    /// Sends `signal` to each; one that has just ended needs none.
    pub(crate) fn signal(&self, signal: Signal) {
        for id in self.ids() {
            let _ = kill(Pid::from_raw(id.cast_signed()), signal);
        }
    }

    /// Whether all of them are stopped (as by SIGSTOP).
    pub(crate) fn all_stopped(&self) -> bool {
        self.ids().into_iter().all(is_stopped)
    }

    fn matches(&self, id: u32) -> bool {
        fs::read_to_string(format!("/proc/{id}/comm"))
            .is_ok_and(|name| self.programs.contains(&name.trim_end()))
            && fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|folder| folder == self.folder)
    }
}

/// The state stands behind the name, which is in parentheses and may hold any character.
fn is_stopped(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
}
