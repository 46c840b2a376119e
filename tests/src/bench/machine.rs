//! What the figures were taken on: the settings are the same for both sides.

use std::thread::available_parallelism;

use super::conditions::connect;
use crate::harness::servers;

/// The settings of Postgres that figures hang on.
const SETTINGS: [&str; 7] = [
    "server_version",
    "shared_buffers",
    "max_wal_size",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "autovacuum",
];

/// One line: the server's version and settings, and the cores.
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

/// How many threads run at once.
pub fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}
