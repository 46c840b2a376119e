//! The worker's settings: command-line arguments that are also environment variables, so that `--help` is
//! their documentation.

use std::time::Duration;

use clap::Parser;
use rollcall_schema::config::{BrokerSettings, DatabaseSettings, KeySettings, UploadSettings};
use rollcall_schema::wake_up::Lane;

/// Rollcall's worker: reads uploaded rosters, checks their rows and merges them into Postgres.
///
/// Run as many as there is work for; they share it through RabbitMQ and never work on the same import at once.
/// Stop one with SIGTERM: it finishes the chunk at hand and gives its imports back.
#[derive(Debug, Clone, Parser)]
#[command(name = "rollcall-worker", version)]
pub struct Settings {
    /// Where Postgres is.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Where RabbitMQ is.
    #[command(flatten)]
    pub broker: BrokerSettings,
    /// The service's key.
    #[command(flatten)]
    pub key: KeySettings,
    /// Where uploads are kept.
    #[command(flatten)]
    pub uploads: UploadSettings,

    /// Small imports worked on at once.
    #[arg(long, env = "ROLLCALL_SMALL_LANE", default_value_t = 4, value_name = "IMPORTS", value_parser = at_least_one, help_heading = "Work")]
    pub small_lane: usize,

    /// Bulk imports worked on at once. Each holds two chunks more in memory than it has lanes.
    #[arg(long, env = "ROLLCALL_BULK_LANE", default_value_t = 2, value_name = "IMPORTS", value_parser = at_least_one, help_heading = "Work")]
    pub bulk_lane: usize,

    /// Rows in a chunk: what one transaction merges. A chunk of long rows holds fewer.
    #[arg(long, env = "ROLLCALL_CHUNK_ROWS", default_value_t = 10_000, value_name = "ROWS", value_parser = at_least_one, help_heading = "Work")]
    pub chunk_rows: usize,

    /// Chunks of one import merged side by side, each on a database connection of its own [default: the number of
    /// cores, at most 4].
    #[arg(long, env = "ROLLCALL_LANES", default_value_t = default_lanes(), hide_default_value = true, value_name = "CHUNKS", value_parser = at_least_one, help_heading = "Work")]
    pub lanes: usize,

    /// Passwords hashed at once, each with 12 MiB, on threads that run when nobody else wants the processor. With 0 this
    /// worker leaves them to the others [default: the number of cores].
    #[arg(long, env = "ROLLCALL_WORKER_HASHING_THREADS", value_name = "THREADS", help_heading = "Work")]
    pub hashing_threads: Option<u16>,

    /// Seconds after which an import whose worker fell silent may be taken over by another.
    #[arg(long, env = "ROLLCALL_LEASE_SECONDS", default_value_t = 30.0, value_name = "SECONDS", value_parser = seconds, help_heading = "Promises")]
    pub lease_seconds: f64,

    /// Failed attempts in a row, without a chunk merged, after which an import is given up with a result that says why.
    #[arg(long, env = "ROLLCALL_MAX_ATTEMPTS", default_value_t = 5, value_name = "ATTEMPTS", value_parser = clap::value_parser!(i32).range(1..=1000), help_heading = "Promises")]
    pub max_attempts: i32,

    /// Seconds between two looks for wake-ups that were never confirmed or seem lost.
    #[arg(long, env = "ROLLCALL_RELAY_SECONDS", default_value_t = 2.0, value_name = "SECONDS", value_parser = seconds, help_heading = "Promises")]
    pub relay_seconds: f64,

    /// Seconds after which a wake-up that nobody answered is published again; doubles each time, up to eight times that.
    #[arg(long, env = "ROLLCALL_WAKE_UP_PATIENCE_SECONDS", default_value_t = 60.0, value_name = "SECONDS", value_parser = seconds, help_heading = "Promises")]
    pub wake_up_patience_seconds: f64,

    /// Days for which the upload of a finished import is kept, sealed, so that `rollcall jobs retry` can run it again.
    #[arg(long, env = "ROLLCALL_UPLOAD_RETENTION_DAYS", default_value_t = 7.0, value_name = "DAYS", value_parser = days, help_heading = "Promises")]
    pub upload_retention_days: f64,

    /// Seconds after which an upload to which nothing was added, or that never became an import, is taken for left behind
    /// and removed. Far longer than the API waits for an upload's next byte and for the database; 600 at least.
    #[arg(long, env = "ROLLCALL_HALF_UPLOAD_SECONDS", default_value_t = 3600.0, value_name = "SECONDS", value_parser = half_upload_seconds, help_heading = "Promises")]
    pub half_upload_seconds: f64,

    /// Seconds between two looks for uploads that can be removed.
    #[arg(long, env = "ROLLCALL_CLEANING_SECONDS", default_value_t = 300.0, value_name = "SECONDS", value_parser = seconds, help_heading = "Promises")]
    pub cleaning_seconds: f64,

    /// Seconds that the chunks at hand are given to end when the worker is told to stop. What has not ended then is cut
    /// off, and another worker goes on with it when its lease has run out.
    #[arg(long, env = "ROLLCALL_SHUTDOWN_SECONDS", default_value_t = 25.0, value_name = "SECONDS", value_parser = seconds, help_heading = "Promises")]
    pub shutdown_seconds: f64,
}

impl Settings {
    /// Imports of a lane worked on at once.
    pub fn slots(&self, lane: Lane) -> usize {
        match lane {
            Lane::Small => self.small_lane,
            Lane::Bulk => self.bulk_lane,
        }
    }

    /// Connections that the work takes beside its chunks, at most: for each import one for its lease and its row count,
    /// and some for the relay and the hashing.
    pub fn connections(&self) -> usize {
        self.small_lane + self.bulk_lane + 4
    }

    /// Sessions that chunks take at most: for each import one per lane.
    pub fn sessions(&self) -> usize {
        (self.small_lane + self.bulk_lane) * self.lanes
    }

    /// Passwords hashed at once.
    pub fn hashing_threads(&self) -> usize {
        match self.hashing_threads {
            Some(threads) => threads.into(),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// How long the upload of a finished import is kept.
    pub fn upload_retention(&self) -> Duration {
        Duration::from_secs_f64(self.upload_retention_days * 86_400.0)
    }

    /// How long a lease lasts.
    pub fn lease(&self) -> Duration {
        Duration::from_secs_f64(self.lease_seconds)
    }
}

/// As many as there are cores, up to a number of connections that every server has to spare.
fn default_lanes() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(4)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("give a whole number from 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn half_upload_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (600.0..=31_536_000.0).contains(&seconds) => Ok(seconds),
        _ => Err("give a number of seconds from 600 to 31536000".to_owned()),
    }
}

fn days(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(days) if (0.0..=36_500.0).contains(&days) => Ok(days),
        _ => Err("give a number of days from 0 to 36500; 0 keeps none".to_owned()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("give a number of seconds from 0.01 to 86400".to_owned()),
    }
}
