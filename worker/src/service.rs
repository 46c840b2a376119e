//! The worker's process: everything that it runs, from start to shutdown.

use std::sync::Arc;

use anyhow::Context as _;
use rollcall_schema::crypto::row_digest::RowDigestKey;
use rollcall_schema::imports::outbox::Outbox;
use rollcall_schema::installation::Installation;
use rollcall_schema::key_ring::rotation::process_name;
use rollcall_schema::lane::Lane;
use rollcall_schema::passwords::keys::PasswordKeys;
use rollcall_schema::postgres::client::SessionPool;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::rabbitmq::connection::Broker;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::consumer::Consumer;
use crate::engine::Engine;
use crate::hashing::hash_queue::HashQueue;
use crate::hashing::hasher::PasswordHasher;
use crate::janitor::Janitor;
use crate::overdue::OverdueImports;
use crate::presence::Presence;
use crate::query_plans::plan_key_lookups;
use crate::relay::Relay;
use crate::runner::Runner;
use crate::settings::Settings;
use crate::slots::Slots;

/// Runs the worker until SIGTERM or SIGINT.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let stop = CancellationToken::new();
    let mut tasks = start(&settings, &stop).await?;
    tracing::info!(small = settings.small_lane, bulk = settings.bulk_lane, "waiting for wake-ups");

    let ended_task = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        // No task ends before `stop`, unless it panics.
        ended = tasks.join_next() => ended,
    };
    tracing::info!("shutting down: finishing the chunks at hand and releasing the imports");
    stop.cancel();
    let drained = async { while tasks.join_next().await.is_some() {} };
    let aborted = tokio::select! {
        () = drained => None,
        () = tokio::time::sleep(settings.shutdown_limit) => Some("shutdown timed out"),
        _ = terminate.recv() => Some("received a second signal"),
        _ = interrupt.recv() => Some("received a second signal"),
    };
    if let Some(why) = aborted {
        tracing::warn!("{why}: aborting; other workers resume the imports when their leases have expired");
        tasks.abort_all();
    }
    match ended_task {
        None => Ok(()),
        Some(ended) => {
            ended.context("a task of the worker panicked")?;
            anyhow::bail!("a task of the worker ended unexpectedly")
        }
    }
}

/// Connects to everything and starts the worker's tasks, which run until `stop`.
async fn start(settings: &Settings, stop: &CancellationToken) -> anyhow::Result<JoinSet<()>> {
    let key = settings.key.key()?;
    let folder = settings.uploads.folder()?;
    let address =
        plan_key_lookups(settings.database.address()?.named(&process_name("rollcall-worker", &key)));
    let database = Database::new(address.clone(), settings.pool_sizes());
    let sessions = SessionPool::new(&address, settings.chunk_sessions());
    let holder = format!("worker-{}-{}", std::process::id(), uuid::Uuid::new_v4());
    let broker = Arc::new(Broker::new(settings.broker.address()?, holder.clone()));
    database.wait_until_migrated().await?;
    let (Installation { keys, uploads }, ()) =
        tokio::try_join!(async { Ok(Installation::open(&database, &key, &folder).await?) }, async {
            Ok::<_, anyhow::Error>(broker.check_settings().await?)
        },)?;

    let outbox = Outbox::new(database.clone(), Arc::clone(&broker));
    let hash_queue = HashQueue::new(database.clone(), Arc::clone(&broker));
    let password_keys = PasswordKeys::new(&keys);

    let mut tasks = JoinSet::new();
    let slots = Slots::new(settings.small_lane, settings.bulk_lane);
    let presence = Presence {
        database: database.clone(),
        broker: Arc::clone(&broker),
        slots: slots.clone(),
        holder: holder.as_str().into(),
        lease: settings.lease,
    };
    tasks.spawn(presence.run(stop.clone()));
    let runner = Runner {
        engine: Engine {
            database: database.clone(),
            sessions: sessions.clone(),
            uploads: uploads.clone(),
            password_keys: password_keys.clone(),
            row_key: RowDigestKey::new(&keys.keys().digests),
            census_memory: settings.census_memory_mib * 1024 * 1024,
            chunk_rows: settings.chunk_rows,
            parallel_chunks: settings.parallel_chunks,
        },
        outbox: outbox.clone(),
        hash_queue: hash_queue.clone(),
        slots,
        holder: holder.as_str().into(),
        lease: settings.lease,
        max_attempts: settings.max_attempts,
    };
    for &lane in Lane::ALL {
        for _ in 0..settings.consumers(lane) {
            let consumer = Consumer { lane, broker: Arc::clone(&broker), runner: runner.clone() };
            tasks.spawn(consumer.run(stop.clone()));
        }
    }
    tasks.spawn(OverdueImports { runner }.run(settings.relay_interval, stop.clone()));
    let relay = Relay {
        database: database.clone(),
        outbox: outbox.clone(),
        hash_queue: hash_queue.clone(),
        republish_after: settings.republish_after,
    };
    tasks.spawn(relay.run(settings.relay_interval, stop.clone()));
    let janitor = Janitor {
        database: database.clone(),
        uploads: uploads.clone(),
        retention: settings.upload_retention,
        incomplete_after: settings.incomplete_upload,
    };
    tasks.spawn(janitor.run(settings.janitor_interval, stop.clone()));
    let threads = settings.hashing_threads();
    if threads > 0 {
        let hasher =
            PasswordHasher::new(database.clone(), Arc::clone(&broker), password_keys.clone(), threads);
        tasks.spawn(hasher.run(stop.clone()));
    }
    Ok(tasks)
}
