//! The worker's settings: command-line arguments that are also environment variables, so that `--help` documents them.

use std::time::Duration;

use clap::Parser;
use rollcall_schema::lane::Lane;
use rollcall_schema::postgres::pool::PoolSizes;
use rollcall_schema::settings::renamed::Renamed;
use rollcall_schema::settings::{
    BrokerSettings, DatabaseSettings, KeySettings, UploadSettings, positive_seconds,
};

/// Rollcall's worker: reads uploaded rosters, checks their rows and merges them into Postgres.
///
/// Run as many workers as you need. They share the imports through RabbitMQ, and no two process the same import at the
/// same time. Stop a worker with SIGTERM: it finishes the chunks at hand and releases its imports.
#[derive(Debug, Clone, Parser)]
#[command(name = "rollcall-worker", version)]
pub struct Settings {
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub broker: BrokerSettings,
    #[command(flatten)]
    pub key: KeySettings,
    #[command(flatten)]
    pub uploads: UploadSettings,

    /// Small imports processed at the same time.
    #[arg(
        long, env = "ROLLCALL_SMALL_LANE", value_name = "IMPORTS", default_value_t = 4,
        value_parser = at_least_one, help_heading = "Work"
    )]
    pub small_lane: usize,

    /// Bulk imports processed at the same time. Each holds up to two chunks in memory in addition to its parallel chunks.
    #[arg(
        long, env = "ROLLCALL_BULK_LANE", value_name = "IMPORTS", default_value_t = 2,
        value_parser = at_least_one, help_heading = "Work"
    )]
    pub bulk_lane: usize,

    /// Rows in a chunk, which is what one transaction merges. A chunk of long rows has fewer.
    #[arg(
        long, env = "ROLLCALL_CHUNK_ROWS", value_name = "ROWS", default_value_t = 10_000,
        value_parser = at_least_one, help_heading = "Work"
    )]
    pub chunk_rows: usize,

    /// Chunks of one import merged at the same time, each on its own database connection [default: the number of cores,
    /// at most 4].
    #[arg(
        long, alias = "lanes", env = "ROLLCALL_PARALLEL_CHUNKS", value_name = "CHUNKS",
        default_value_t = default_parallel_chunks(), hide_default_value = true,
        value_parser = at_least_one, help_heading = "Work"
    )]
    pub parallel_chunks: usize,

    /// MiB of memory for the census of an import: what the tenant's roster held before it, at 16 bytes for each user, or, for a
    /// group import, 32 for each user and 16 for each membership. Where that is not enough, the file's rows are looked up one
    /// by one, which takes several times as long; with 0 all are.
    #[arg(
        long = "census-memory-mib", env = "ROLLCALL_CENSUS_MEMORY_MIB", value_name = "MIB", default_value_t = 96,
        value_parser = clap::value_parser!(u64).range(0..=1_048_576), help_heading = "Work"
    )]
    pub census_memory_mib: u64,

    /// Passwords hashed at the same time, each in 12 MiB of memory, on threads of the lowest priority. With 0 this worker
    /// hashes none and leaves them to other workers [default: the number of cores].
    #[arg(long, env = "ROLLCALL_WORKER_HASHING_THREADS", value_name = "THREADS", help_heading = "Work")]
    pub hashing_threads: Option<u16>,

    /// Seconds without a heartbeat after which another worker may claim an import.
    #[arg(
        long = "lease-seconds", env = "ROLLCALL_LEASE_SECONDS", value_name = "SECONDS", default_value = "30",
        value_parser = positive_seconds, help_heading = "Recovery"
    )]
    pub lease: Duration,

    /// Failed attempts that the file may have caused, without a merged chunk between them, after which an import is abandoned
    /// with a result that says why. What a server, a disk or a network causes is not counted.
    #[arg(
        long, env = "ROLLCALL_MAX_ATTEMPTS", value_name = "ATTEMPTS", default_value_t = 5,
        value_parser = clap::value_parser!(i32).range(1..=1000), help_heading = "Recovery"
    )]
    pub max_attempts: i32,

    /// Seconds between two sweeps for wake-ups that were not confirmed or may be lost.
    #[arg(
        long = "relay-interval-seconds", alias = "relay-seconds", env = "ROLLCALL_RELAY_INTERVAL_SECONDS",
        value_name = "SECONDS", default_value = "2", value_parser = positive_seconds, help_heading = "Recovery"
    )]
    pub relay_interval: Duration,

    /// Seconds after which a wake-up that had no effect is published again. Doubles each time, up to eight times the
    /// value.
    #[arg(
        long = "republish-after-seconds", alias = "wake-up-patience-seconds",
        env = "ROLLCALL_REPUBLISH_AFTER_SECONDS", value_name = "SECONDS", default_value = "60",
        value_parser = positive_seconds, help_heading = "Recovery"
    )]
    pub republish_after: Duration,

    /// Seconds that chunks being merged have to finish when the worker is stopped. What is left then is aborted, and another
    /// worker resumes it when the lease has expired.
    #[arg(
        long = "shutdown-seconds", env = "ROLLCALL_SHUTDOWN_SECONDS", value_name = "SECONDS", default_value = "25",
        value_parser = positive_seconds, help_heading = "Recovery"
    )]
    pub shutdown_limit: Duration,

    /// Days for which the upload of a finished import is kept, sealed, so that `rollcall jobs retry` can run it again.
    #[arg(
        long = "upload-retention-days", env = "ROLLCALL_UPLOAD_RETENTION_DAYS", value_name = "DAYS",
        default_value = "7", value_parser = days, help_heading = "Cleanup"
    )]
    pub upload_retention: Duration,

    /// Seconds after which an upload that received no more data, or that never became an import, is treated as a leftover
    /// and deleted. Must be much longer than the API waits for the next byte of an upload and for the database; at least
    /// 600.
    #[arg(
        long = "incomplete-upload-seconds", alias = "half-upload-seconds",
        env = "ROLLCALL_INCOMPLETE_UPLOAD_SECONDS", value_name = "SECONDS", default_value = "3600",
        value_parser = incomplete_upload_seconds, help_heading = "Cleanup"
    )]
    pub incomplete_upload: Duration,

    /// Seconds between two sweeps for uploads and idempotency keys that can be deleted.
    #[arg(
        long = "janitor-interval-seconds", alias = "cleaning-seconds", env = "ROLLCALL_JANITOR_INTERVAL_SECONDS",
        value_name = "SECONDS", default_value = "300", value_parser = positive_seconds, help_heading = "Cleanup"
    )]
    pub janitor_interval: Duration,
}

/// Environment variables that were renamed.
pub const RENAMED: &[Renamed] = &[
    Renamed { old: "ROLLCALL_LANES", new: "ROLLCALL_PARALLEL_CHUNKS", flag: "--parallel-chunks" },
    Renamed {
        old: "ROLLCALL_RELAY_SECONDS",
        new: "ROLLCALL_RELAY_INTERVAL_SECONDS",
        flag: "--relay-interval-seconds",
    },
    Renamed {
        old: "ROLLCALL_WAKE_UP_PATIENCE_SECONDS",
        new: "ROLLCALL_REPUBLISH_AFTER_SECONDS",
        flag: "--republish-after-seconds",
    },
    Renamed {
        old: "ROLLCALL_HALF_UPLOAD_SECONDS",
        new: "ROLLCALL_INCOMPLETE_UPLOAD_SECONDS",
        flag: "--incomplete-upload-seconds",
    },
    Renamed {
        old: "ROLLCALL_CLEANING_SECONDS",
        new: "ROLLCALL_JANITOR_INTERVAL_SECONDS",
        flag: "--janitor-interval-seconds",
    },
];

impl Settings {
    /// How many consumers a lane has: each processes one import at a time.
    pub fn consumers(&self, lane: Lane) -> usize {
        match lane {
            Lane::Small => self.small_lane,
            Lane::Bulk => self.bulk_lane,
        }
    }

    /// Database connections at most, without those of chunks: one session for each import's lease, some for the relay, the
    /// janitor, the hashing, overdue imports and the worker's reports, and a few connections for row counts.
    pub fn pool_sizes(&self) -> PoolSizes {
        PoolSizes { connections: 2, sessions: self.small_lane + self.bulk_lane + 6 }
    }

    /// Database sessions that merge chunks, at most. A pool of their own, so that chunks cannot delay a heartbeat.
    pub fn chunk_sessions(&self) -> usize {
        (self.small_lane + self.bulk_lane) * self.parallel_chunks
    }

    /// Passwords hashed at the same time.
    pub fn hashing_threads(&self) -> usize {
        match self.hashing_threads {
            Some(threads) => threads.into(),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// The number of cores, limited so that any Postgres server has enough connections.
fn default_parallel_chunks() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(4)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("give a whole number, at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// Not [`positive_seconds`]: an upload that the API still receives must not be deleted, however slow it is.
fn incomplete_upload_seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (600.0..=31_536_000.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give a number of seconds from 600 to 31536000".to_owned()),
    }
}

fn days(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(days) if (0.0..=36_500.0).contains(&days) => Ok(Duration::from_secs_f64(days * 86_400.0)),
        _ => Err("give a number of days from 0 to 36500; 0 keeps no uploads".to_owned()),
    }
}
