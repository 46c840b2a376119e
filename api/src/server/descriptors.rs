//! File descriptors: a process without a free one can accept no connection, and would answer nothing.

use rollcall_schema::settings::error::SettingError;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections at once where the setting gives none and the limit on open files allows so many.
const DEFAULT_CONNECTIONS: u64 = 8192;
/// Fewer are no service.
const MIN_CONNECTIONS: u64 = 32;
/// Files that the process opens besides connections, uploads and the database's: listener, RabbitMQ, logs, resolver,
/// certificate, probes of the upload store.
const OTHER_FILES: u64 = 64;

/// Raises the soft limit on open files to the hard limit. Returns the limit then in force, `None` if there is none.
pub fn raise_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(error = %error, "failed to raise the limit on open files");
    }
    getrlimit(Resource::Nofile).current
}

/// How many connections may be open at once. `configured` is the setting, `files` the limit on open files, and
/// `reserved` how many files the process may open for other purposes that the settings count.
pub fn connection_limit(
    configured: Option<u32>,
    files: Option<u64>,
    reserved: u64,
) -> Result<usize, SettingError> {
    let room = files.map_or(u64::MAX, |files| files.saturating_sub(reserved + OTHER_FILES));
    let limit = configured.map_or_else(|| DEFAULT_CONNECTIONS.min(room), u64::from);
    if limit > room || room < MIN_CONNECTIONS {
        let files = files.unwrap_or(u64::MAX);
        let needed = limit.max(MIN_CONNECTIONS) + reserved + OTHER_FILES;
        return Err(SettingError::new(
            "ROLLCALL_CONNECTIONS",
            format!(
                "does not fit: the process may open {files} files (ulimit -n), and {} connections, {reserved} uploads and \
                 connections to servers, and {OTHER_FILES} others need {needed}. Raise the hard limit (LimitNOFILE= in \
                 systemd), or lower ROLLCALL_CONNECTIONS or ROLLCALL_UPLOADS_AT_ONCE",
                limit.max(MIN_CONNECTIONS)
            ),
        ));
    }
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_into_the_limit_on_open_files() {
        for (configured, files, expected) in [
            (None, Some(1_048_576), Some(8192)),
            (None, None, Some(8192)),
            (None, Some(1024), Some(860)),
            (Some(860), Some(1024), Some(860)),
            (Some(861), Some(1024), None),
            (None, Some(195), None),
            (None, Some(196), Some(32)),
            (Some(1), Some(1024), Some(1)),
        ] {
            let found = connection_limit(configured, files, 100).ok();
            assert_eq!(found, expected, "{configured:?} {files:?}");
        }
        let error = connection_limit(Some(5000), Some(1024), 100).expect_err("it does not fit").to_string();
        assert!(error.contains("may open 1024 files") && error.contains("need 5164"), "{error}");
    }
}
