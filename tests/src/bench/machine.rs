//! The machine and the Postgres settings, which are the same for both sides.

use std::thread::available_parallelism;

use super::conditions::connect;
use crate::harness::servers;

/// The Postgres settings that affect the figures.
const SETTINGS: [&str; 7] = [
    "server_version",
    "shared_buffers",
    "max_wal_size",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "autovacuum",
];

/// The server's version and settings and the number of cores, in one line.
pub async fn settings() -> String {
    let client = connect(&servers().database_url).await;
    let mut facts = Vec::new();
    for name in SETTINGS {
        let row =
            client.query_one("select current_setting($1)", &[&name]).await.expect("settings can be read");
        facts.push(format!("{name}={}", row.get::<_, String>(0)));
    }
    format!("Postgres: {}; cores: {}", facts.join(" "), cores())
}

/// The number of threads that can run in parallel.
pub fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}
