//! Errors. Each message says what is wrong and how to fix it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a server or process could not be started, found or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{program} was not found. Install the package `{package}`, for example with deploy/install-missing."
    )]
    NotInstalled {
        program: &'static str,
        /// The Debian package that contains the program.
        package: &'static str,
    },

    /// Another process holds the lock on the folder.
    #[error("{} is in use by process {owner}. Stop that process first, or use another folder.", folder.display())]
    InUse {
        folder: PathBuf,
        /// The process id in the lock file, or `?`.
        owner: String,
    },

    /// A server that refuses to run as root cannot reach its folder as another user.
    #[error(
        "{} has to run as the user `{user}`, because it refuses to run as root, and `{user}` cannot enter {}. \
         Use another folder, or give that user access with: chmod o+x {}",
        server, blocked.display(), blocked.display()
    )]
    OutOfReach {
        server: &'static str,
        user: String,
        /// The first folder on the path that the user cannot enter.
        blocked: PathBuf,
    },

    /// There is no user to run the server as instead of root.
    #[error(
        "{server} refuses to run as root and neither the user `{preferred}` nor the user `nobody` exists. \
         Run this command as an ordinary user."
    )]
    NoOrdinaryUser {
        server: &'static str,
        /// The user that the server's package creates.
        preferred: &'static str,
    },

    /// The server exited, or did not become ready in time.
    #[error("{server} did not start. Its log {} ends with:\n{tail}", log.display())]
    DidNotStart {
        server: &'static str,
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },

    /// Processes still run after SIGKILL.
    #[error("{server} has processes that do not exit: {processes}. Check their state with `ps`.")]
    DidNotExit {
        server: &'static str,
        /// Process ids, separated by commas.
        processes: String,
    },

    #[error("{server} could not be {action}: check that it is running.")]
    NotSignalled {
        server: &'static str,
        /// `paused` or `resumed`.
        action: &'static str,
    },

    #[error(
        "no free port was found on 127.0.0.1 between {} and {}. Stop some of the programs that listen there.",
        range.start, range.end
    )]
    NoFreePort { range: std::ops::Range<u16> },

    /// A program could not be run, or exited with an error.
    #[error("`{program}` failed: {reason}")]
    Program {
        program: String,
        /// The program's error output, or the reason why it could not be run.
        reason: String,
    },

    /// A file or folder could not be read or written.
    #[error("{}: cannot {action}", path.display())]
    File {
        /// A verb and its object, such as `create the folder`.
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl Error {
    /// For `map_err` on an operation on the file or folder `path`.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }
}
