//! An import, top to bottom: survey the file, read it chunk by chunk, merge each chunk in one transaction, finish
//! in the last one's.
//!
//! A worker killed anywhere leaves whole chunks behind, each with its outcomes and the cursor; whoever claims the
//! import next goes on behind them.

use std::io::Read;
use std::sync::Arc;

use diesel_async::AsyncConnection as _;
use rollcall_schema::account;
use rollcall_schema::database::{Connection, Database, DatabaseError};
use rollcall_schema::import::{self, Claimed, Ending, Lease, Reading};
use rollcall_schema::outcome::{self, ChunkOutcomes};
use rollcall_schema::seal::PasswordKeys;
use rollcall_schema::upload::{UploadError, UploadStore};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument as _, Span};

use crate::chunk::{Chunk, Rows, read_chunks};
use crate::lease::Keeper;
use crate::read::refusal::{ReadError, Refusal};
use crate::read::{self, Survey};
use crate::{memberships, users};

/// What every import of this worker works with.
#[derive(Clone)]
pub struct Engine {
    /// The way to Postgres.
    pub database: Database,
    /// Where the uploads are.
    pub uploads: UploadStore,
    /// The keys that passwords need.
    pub passwords: PasswordKeys,
    /// Told when passwords wait to be hashed.
    pub sealed: Arc<Notify>,
    /// Rows in a chunk.
    pub chunk_rows: usize,
}

/// How an attempt ended, when nothing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted {
    /// The import has its result.
    Finished,
    /// The worker is to stop: the import is to be given back.
    Interrupted,
    /// Another worker has the import by now, or ended it.
    LeaseLost,
}

/// Why an attempt failed. All of these may pass; what cannot ends as a result. Their Display is told to the client,
/// their sources only to the log.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] DatabaseError),
    /// The upload could not be opened.
    #[error("the upload could not be opened")]
    Upload(#[from] UploadError),
    /// The upload could not be read.
    #[error("the upload could not be read")]
    Read(#[from] std::io::Error),
    /// A part of the work panicked.
    #[error("the work on it broke down")]
    Broken(#[from] tokio::task::JoinError),
}

impl From<diesel::result::Error> for AttemptError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Works on an import until it is finished, `stop` is asked for, or the lease is lost.
pub async fn attempt(
    engine: Engine,
    claimed: Claimed,
    stop: CancellationToken,
) -> Result<Attempted, AttemptError> {
    let keeper = Keeper::start(engine.database.clone(), claimed.lease);
    tokio::select! {
        biased;
        attempted = work(&engine, &claimed, &stop) => attempted,
        // Dropped amid a transaction, a connection is closed, and the transaction with it.
        () = keeper.lost() => Ok(Attempted::LeaseLost),
    }
}

async fn work(
    engine: &Engine,
    claimed: &Claimed,
    stop: &CancellationToken,
) -> Result<Attempted, AttemptError> {
    let lease = claimed.lease;
    let survey = match survey(engine, claimed).await? {
        Ok(survey) => Arc::new(survey),
        Err(refusal) => return refuse(engine, &lease, &refusal).await,
    };
    let mut reading = Some(Reading {
        kind: survey.header.as_ref().map(|header| header.columns.kind()),
        encoding: survey.encoding.name().to_owned(),
        delimiter: survey.delimiter.to_string(),
        ignored_columns: survey.header.as_ref().map_or_else(Vec::new, |header| header.ignored.clone()),
    });
    let (mut chunks, reader) = start_reader(engine, claimed, &survey).await?;
    let mut counter = None;

    while let Some(chunk) = chunks.recv().await {
        if !chunk.is_last && counter.is_none() {
            // Only a file of several chunks has a progress that is worth a second reading.
            counter = Some(count_rows(engine.clone(), lease, Arc::clone(&survey)));
        }
        let is_last = chunk.is_last;
        if !merge(engine, &lease, reading.take(), chunk).await? {
            return Ok(Attempted::LeaseLost);
        }
        if is_last {
            return Ok(Attempted::Finished);
        }
        if stop.is_cancelled() {
            return Ok(Attempted::Interrupted);
        }
    }
    // The last chunk never came: the reader says why.
    reader.await??;
    Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())
}

/// The first reading: encoding, delimiter, header. The inner error is the file's own fault.
async fn survey(engine: &Engine, claimed: &Claimed) -> Result<Result<Survey, Refusal>, AttemptError> {
    let upload = engine.uploads.open(claimed.lease.tenant, claimed.lease.import).await?;
    let (endpoint, charset) = (claimed.endpoint, claimed.charset.clone());
    let span = tracing::info_span!("survey");
    let surveyed = tokio::task::spawn_blocking(move || {
        let _entered = span.entered();
        read::survey(upload, endpoint, charset.as_deref())
    })
    .await?;
    match surveyed {
        Ok(survey) => Ok(Ok(survey)),
        Err(ReadError::Refused(refusal)) => Ok(Err(refusal)),
        Err(ReadError::Io(error)) => Err(error.into()),
    }
}

/// Ends an import whose file cannot be imported at all.
async fn refuse(engine: &Engine, lease: &Lease, refusal: &Refusal) -> Result<Attempted, AttemptError> {
    let ended = end(&engine.database, lease, Ending::Refused(refusal.to_string())).await?;
    Ok(if ended { Attempted::Finished } else { Attempted::LeaseLost })
}

/// Ends an import that has no further rows to merge. `false`: the lease is lost.
pub async fn end(database: &Database, lease: &Lease, ending: Ending) -> Result<bool, DatabaseError> {
    let mut conn = database.connection().await?;
    let ended = conn
        .transaction(async |conn| {
            Ok::<_, diesel::result::Error>(
                import::hold_in_txn(conn, lease).await?
                    && import::finish_in_txn(conn, lease, &ending).await?,
            )
        })
        .await?;
    Ok(ended)
}

/// The second reading, on a thread of its own: it checks the next chunk while this one is merged, and is never
/// more than that ahead.
async fn start_reader(
    engine: &Engine,
    claimed: &Claimed,
    survey: &Arc<Survey>,
) -> Result<(mpsc::Receiver<Chunk>, tokio::task::JoinHandle<std::io::Result<()>>), AttemptError> {
    let upload = engine.uploads.open(claimed.lease.tenant, claimed.lease.import).await?;
    let (send, receive) = mpsc::channel(1);
    let (survey, done, chunk_rows) = (Arc::clone(survey), claimed.rows_done, engine.chunk_rows);
    let reader = tokio::task::spawn_blocking(move || {
        read_chunks(upload, &survey, done, chunk_rows, |chunk| send.blocking_send(chunk).is_ok())
    });
    Ok((receive, reader))
}

/// Counts the file's rows beside the work, for who asks how far it is. Nothing depends on it, and it ends with the
/// attempt.
fn count_rows(engine: Engine, lease: Lease, survey: Arc<Survey>) -> DropGuard {
    let ended = CancellationToken::new();
    let guard = ended.clone().drop_guard();
    let count = async move {
        let upload =
            Unless { ended: ended.clone(), source: engine.uploads.open(lease.tenant, lease.import).await? };
        let rows = tokio::task::spawn_blocking(move || read::count_rows(upload, &survey)).await??;
        let mut conn = engine.database.connection().await?;
        import::record_total(&mut conn, &lease, rows).await?;
        Ok::<_, AttemptError>(())
    };
    let counted = async move {
        if let Err(error) = count.await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the rows were not counted");
        }
    };
    tokio::spawn(counted.instrument(tracing::info_span!("count rows")));
    guard
}

/// A source that fails once it is of no more use, so that the thread that reads it ends.
struct Unless<R> {
    ended: CancellationToken,
    source: R,
}

impl<R: Read> Read for Unless<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.ended.is_cancelled() {
            return Err(std::io::Error::other("the attempt has ended"));
        }
        self.source.read(buffer)
    }
}

/// Merges a chunk in one transaction: its rows, their outcomes, the counters and so the cursor, and with the last
/// chunk the import's end. `false`: the lease is lost, and nothing was changed.
///
/// No deadlock: every chunk takes its locks in the same order (the import's row, the tenant's roster, then the
/// users), and the roster's lock lets one transaction at a time at a tenant's users; the hasher, who comes without
/// it, asks for no lock that it would have to wait for.
async fn merge(
    engine: &Engine,
    lease: &Lease,
    reading: Option<Reading>,
    chunk: Chunk,
) -> Result<bool, AttemptError> {
    let span = tracing::info_span!(
        "chunk",
        rollcall.chunk.first_row = chunk.first_row,
        rollcall.chunk.rows = chunk.rows.len(),
        rollcall.chunk.failed = tracing::field::Empty,
    );
    let work = async {
        let mut conn = engine.database.connection().await?;
        let Chunk { first_row, rows, is_last } = chunk;
        let sealed = conn
            .transaction(async move |conn| {
                if !import::hold_in_txn(conn, lease).await? {
                    return Ok(None);
                }
                account::lock_roster(conn, lease.tenant).await?;
                if let Some(reading) = &reading {
                    import::record_reading_in_txn(conn, lease, reading).await?;
                }
                let (outcomes, sealed) = merge_rows(engine, conn, lease, first_row, rows).await?;
                Span::current().record("rollcall.chunk.failed", outcomes.tally().failed);
                if !outcomes.is_empty() {
                    outcome::store_in_txn(conn, lease, &outcomes).await?;
                    import::add_tally_in_txn(conn, lease, outcomes.tally()).await?;
                }
                if is_last {
                    import::finish_in_txn(conn, lease, &Ending::Imported).await?;
                }
                Ok::<_, diesel::result::Error>(Some(sealed))
            })
            .await?;
        if sealed == Some(true) {
            engine.sealed.notify_one();
        }
        Ok(sealed.is_some())
    };
    work.instrument(span).await
}

async fn merge_rows(
    engine: &Engine,
    conn: &mut Connection,
    lease: &Lease,
    first_row: u64,
    rows: Rows,
) -> diesel::QueryResult<(ChunkOutcomes, bool)> {
    match rows {
        Rows::Users(rows) => {
            let merged =
                users::merge::merge_in_txn(conn, lease.tenant, &engine.passwords, first_row, rows).await?;
            Ok((merged.outcomes, merged.sealed_passwords))
        }
        Rows::Memberships(rows) => {
            Ok((memberships::merge::merge_in_txn(conn, lease.tenant, first_row, rows).await?, false))
        }
    }
}
