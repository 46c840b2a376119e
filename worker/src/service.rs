//! The worker as a process: everything it runs, from start to a clean stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rollcall_schema::broker::Broker;
use rollcall_schema::database::{Database, DatabaseAddress};
use rollcall_schema::outbox::Outbox;
use rollcall_schema::session::Sessions;
use rollcall_schema::wake_up::Lane;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::hashing::hasher::Hasher;
use crate::hashing::hash_queue::HashQueue;
use crate::import::Engine;
use crate::janitor::Janitor;
use crate::consumer::Consumer;
use crate::relay::Relay;
use crate::settings::Settings;

/// Runs the worker until SIGTERM or SIGINT.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let key = settings.key.key()?;
    let address = by_key(settings.database.address()?);
    let database = Database::new(address.clone(), settings.connections());
    let sessions = Sessions::new(address, settings.sessions());
    let holder = format!("worker-{}-{}", std::process::id(), uuid::Uuid::new_v4());
    let broker = Arc::new(Broker::new(settings.broker.address()?, holder.clone()));
    let uploads = settings.uploads.store(key.clone())?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?;
    database.wait_until_migrated().await?;

    let stop = CancellationToken::new();
    let outbox = Outbox::new(database.clone(), Arc::clone(&broker));
    let turns = HashQueue::new(database.clone(), Arc::clone(&broker));
    let engine = Engine {
        database: database.clone(),
        sessions,
        uploads,
        passwords: key.password_keys(),
        rows: key.row_key(),
        sealed: Arc::default(),
        chunk_rows: settings.chunk_rows,
        lanes: settings.lanes,
    };

    let mut parts = JoinSet::new();
    for lane in Lane::ALL {
        for _ in 0..settings.slots(lane) {
            let consumer = Consumer {
                lane,
                engine: engine.clone(),
                broker: Arc::clone(&broker),
                outbox: outbox.clone(),
                turns: turns.clone(),
                holder: holder.as_str().into(),
                lease: settings.lease(),
                max_attempts: settings.max_attempts,
            };
            parts.spawn(consumer.run(stop.clone()));
        }
    }
    parts.spawn(Relay::new(database.clone(), outbox).run(
        turns,
        Duration::from_secs_f64(settings.relay_seconds),
        Duration::from_secs_f64(settings.wake_up_patience_seconds),
        stop.clone(),
    ));
    let janitor = Janitor {
        database: database.clone(),
        uploads: engine.uploads.clone(),
        retention: settings.upload_retention(),
        abandoned_after: Duration::from_secs_f64(settings.half_upload_seconds),
    };
    parts.spawn(janitor.run(Duration::from_secs_f64(settings.cleaning_seconds), stop.clone()));
    let threads = settings.hashing_threads();
    if threads > 0 {
        let hasher = Hasher::new(database, broker, engine.passwords, threads);
        parts.spawn(hasher.run(stop.clone()));
    }
    tracing::info!(small = settings.small_lane, bulk = settings.bulk_lane, "the worker waits for wake-ups");

    let ended_part = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        // None of them ends by itself.
        ended = parts.join_next() => ended,
    };
    tracing::info!("stopping: the chunks at hand are finished, the imports given back");
    stop.cancel();
    let drained = async { while parts.join_next().await.is_some() {} };
    let limit = Duration::from_secs_f64(settings.shutdown_seconds);
    let cut_off = tokio::select! {
        () = drained => None,
        () = tokio::time::sleep(limit) => Some("the time to stop is up"),
        _ = terminate.recv() => Some("told to stop once more"),
        _ = interrupt.recv() => Some("told to stop once more"),
    };
    if let Some(why) = cut_off {
        tracing::warn!(
            "{why}: what is under way is cut off, and goes on elsewhere when its lease has run out"
        );
        parts.abort_all();
    }
    match ended_part {
        None => Ok(()),
        Some(ended) => {
            ended.context("a part of the worker broke down")?;
            anyhow::bail!("a part of the worker ended by itself")
        }
    }
}

/// Sessions in which rows are found by key, some thousand at a time, which is all that a worker asks for.
fn by_key(address: DatabaseAddress) -> DatabaseAddress {
    address
        // For a table of some hundred thousand rows the planner would rather read all of it, chunk after chunk: ten
        // times the work, measured at 400,000 users.
        .setting("enable_seqscan", "off")
        .setting("enable_hashjoin", "off")
        .setting("enable_mergejoin", "off")
        // What is discouraged above looks dear, and would be compiled anew for each chunk.
        .setting("jit", "off")
        // A chunk's arrays become a table of some megabytes, which is to stay in memory.
        .setting("work_mem", "32MB")
}
