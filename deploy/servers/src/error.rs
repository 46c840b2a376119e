//! What can go wrong, each as a sentence that names the mend.

use std::io;
use std::path::{Path, PathBuf};

/// Why a server or a process could not be started, found or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that has to be there is not.
    #[error("{program} was not found. Install the package `{package}` (deploy/install-missing does).")]
    NotInstalled {
        /// What was looked for.
        program: &'static str,
        /// Debian's name of the package that holds it.
        package: &'static str,
    },

    /// Another process runs its servers in this folder.
    #[error("{} is in use by process {owner}. Stop that one first, or use another folder.", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process id its owner wrote down, or `?`.
        owner: String,
    },

    /// A server that refuses to run as root cannot reach its folder as anyone else.
    #[error(
        "{} has to run as the user `{user}`, because it refuses to run as root, and `{user}` may not enter {}. \
         Use a folder elsewhere, or allow passage with: chmod o+x {}",
        server, blocked.display(), blocked.display()
    )]
    OutOfReach {
        /// The server.
        server: &'static str,
        /// The ordinary user.
        user: String,
        /// The first folder on the way that the user may not enter.
        blocked: PathBuf,
    },

    /// There is no user to run as instead of root.
    #[error(
        "{server} refuses to run as root and there is neither a user `{preferred}` nor `nobody`. Run this as an ordinary user."
    )]
    NoOrdinaryUser {
        /// The server.
        server: &'static str,
        /// The user its package would have created.
        preferred: &'static str,
    },

    /// The server ended, or did not answer in time.
    #[error("{server} did not start. Its log {} ends with:\n{tail}", log.display())]
    DidNotStart {
        /// The server.
        server: &'static str,
        /// The whole log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },

    /// Processes are still there although the kernel was asked to end them.
    #[error("{server} left processes behind that do not end: {processes}. Look at their state with `ps`.")]
    DidNotEnd {
        /// The server.
        server: &'static str,
        /// Their ids.
        processes: String,
    },

    /// A signal could not take hold.
    #[error("{server} could not be {action}; is it running?")]
    NotSignalled {
        /// The server.
        server: &'static str,
        /// What was tried: paused, resumed.
        action: &'static str,
    },

    /// No free port was met.
    #[error("no free port was found on 127.0.0.1 between {} and {}. Stop what holds them.", range.start, range.end)]
    NoFreePort {
        /// Where it was looked for.
        range: std::ops::Range<u16>,
    },

    /// A program could not be run, or failed.
    #[error("`{program}` could not do its work: {reason}")]
    Program {
        /// The program.
        program: String,
        /// What it said.
        reason: String,
    },

    /// A file or folder could not be read or written.
    #[error("{}: cannot {action}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err` on an operation on the file or folder `path`.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }
}
