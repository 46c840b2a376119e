//! An import, top to bottom: survey the file, read it chunk by chunk, merge each chunk in one transaction (several side
//! by side where they do not touch each other), finish in the last one's.
//!
//! A worker killed anywhere leaves whole chunks behind, each with its outcomes and the cursor; whoever claims the
//! import next goes on behind them.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use std::time::Duration;

use diesel_async::AsyncConnection as _;
use futures_util::TryFutureExt as _;
use futures_util::future::try_join;
use rollcall_schema::database::{Database, DatabaseError};
use rollcall_schema::edge::{self, Edge};
use rollcall_schema::import::{self, Advance, Claimed, Ending, Lease, Reading};
use rollcall_schema::outcome::{self, ChunkOutcomes};
use rollcall_schema::seal::{PasswordKeys, RowKey};
use rollcall_schema::session::{Sessions, Transaction};
use rollcall_schema::tenant::PasswordPolicy;
use rollcall_schema::upload::{UploadError, UploadStore};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument as _, Span};

use crate::merge::chunk::{Chunk, ChunkLimits, Merged, Rows, read_chunks};
use crate::merge::commit_order::{CommitOrder, CommitTicket};
use crate::lease::Heartbeat;
use crate::read::refusal::{ReadError, Refusal};
use crate::read::{self, Survey};
use crate::users::row_digest::RowDigester;
use crate::users::roster::Passwords;
use crate::{memberships, users};

/// How often a chunk is begun again because somebody else changed its users meanwhile, or because it was too early.
const BEGUN_AGAIN: u32 = 5;
/// How long a chunk waits for its turn before it asks whether the import is still this worker's. It holds rows that the
/// tenant's next import may want, if this one was cancelled or taken over; and a transaction that says nothing for long
/// is ended by the server.
const ASKED_AGAIN: Duration = Duration::from_secs(1);
/// How long an import runs before its rows are counted: most are finished by then, and never read a third time.
const COUNTED_AFTER: Duration = Duration::from_secs(1);

/// What every import of this worker works with.
#[derive(Clone)]
pub struct Engine {
    /// The way to Postgres.
    pub database: Database,
    /// The way that chunks take there.
    pub sessions: Sessions,
    /// Where the uploads are.
    pub uploads: UploadStore,
    /// The keys that passwords need.
    pub passwords: PasswordKeys,
    /// The key that rows are digested with.
    pub rows: RowKey,
    /// Counts the passwords that an attempt leaves to be hashed, however it ends. Each attempt has its own.
    pub sealed: Arc<AtomicU64>,
    /// Rows in a chunk.
    pub chunk_rows: usize,
    /// Chunks of one import that are merged side by side, each on a connection of its own.
    pub lanes: usize,
}

/// How an attempt ended, when nothing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The import has its result.
    Finished,
    /// The worker is to stop: the import is to be given back.
    Interrupted,
    /// Another worker has the import by now, or ended it.
    LeaseLost,
}

/// Why an attempt failed. What the file's sender can mend is none of these: it ends as a result. Their Display is told
/// to the client, their sources only to the log.
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
    Read(#[source] std::io::Error),
    /// What was stored is not what was uploaded, or was sealed with another key.
    #[error("the stored upload is damaged, or was sealed with another key")]
    Damaged(#[source] std::io::Error),
    /// A part of the work panicked.
    #[error("the work on it broke down")]
    Broken(#[from] tokio::task::JoinError),
    /// Users were changed by others each time that they were to be written.
    #[error("its users were changed by somebody else again and again")]
    Overtaken,
}

impl AttemptError {
    /// Whether another attempt may get further.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Damaged(_) => false,
            Self::Database(DatabaseError::Statement(error)) => !error.code().is_some_and(is_about_the_data),
            _ => true,
        }
    }
}

/// Whether a server that says this would say it again of the same rows: that a value cannot be stored, or must not be.
fn is_about_the_data(code: &SqlState) -> bool {
    code.code().starts_with("22") || [SqlState::NOT_NULL_VIOLATION, SqlState::CHECK_VIOLATION].contains(code)
}

impl From<std::io::Error> for AttemptError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            // See `UploadOpener`.
            std::io::ErrorKind::InvalidData => Self::Damaged(error),
            _ => Self::Read(error),
        }
    }
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
) -> Result<AttemptOutcome, AttemptError> {
    let heartbeat = Heartbeat::start(engine.database.clone(), claimed.lease);
    tokio::select! {
        biased;
        attempted = work(&engine, &claimed, &stop) => attempted,
        // Dropped amid a transaction, a connection is closed, and the transaction with it.
        () = heartbeat.lost() => Ok(AttemptOutcome::LeaseLost),
    }
}

async fn work(
    engine: &Engine,
    claimed: &Claimed,
    stop: &CancellationToken,
) -> Result<AttemptOutcome, AttemptError> {
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
    let policy = claimed.password_policy;
    let (mut chunks, reader) = start_reader(engine, claimed, &survey).await?;
    let mut commit_order = CommitOrder::default();
    // Dropped with the attempt, however it ends: then no chunk goes on.
    let mut merging = JoinSet::new();
    let mut counter = None;
    let mut last_begun = false;

    while !last_begun && !stop.is_cancelled() {
        let Some(chunk) = chunks.recv().await else { break };
        if !chunk.is_last && counter.is_none() {
            // Only a file of several chunks has a progress that is worth a further reading.
            counter = Some(count_rows(engine.clone(), lease, Arc::clone(&survey)));
        }
        while commit_order.len() >= engine.lanes || commit_order.overlaps(&chunk.write_set) {
            if !next_merged(&mut merging, &mut commit_order).await? {
                return Ok(AttemptOutcome::LeaseLost);
            }
        }
        last_begun = chunk.is_last;
        let ticket = commit_order.begin(&chunk.write_set);
        let merge = merge(engine.clone(), Job { lease, policy }, reading.take(), chunk, ticket);
        merging.spawn(merge.in_current_span());
    }
    while !commit_order.is_empty() {
        if !next_merged(&mut merging, &mut commit_order).await? {
            return Ok(AttemptOutcome::LeaseLost);
        }
    }
    if last_begun {
        return Ok(AttemptOutcome::Finished);
    }
    if stop.is_cancelled() {
        return Ok(AttemptOutcome::Interrupted);
    }
    // The last chunk never came: the reader says why.
    reader.await??;
    Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())
}

/// Waits for one of the chunks in flight. `false`: the lease is lost.
async fn next_merged(
    merging: &mut JoinSet<Result<bool, AttemptError>>,
    commit_order: &mut CommitOrder,
) -> Result<bool, AttemptError> {
    let Some(merged) = merging.join_next().await else { return Ok(true) };
    commit_order.clear_committed();
    merged?
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
async fn refuse(engine: &Engine, lease: &Lease, refusal: &Refusal) -> Result<AttemptOutcome, AttemptError> {
    let ended = end(&engine.database, lease, &Ending::Refused(refusal.to_string())).await?;
    Ok(if ended { AttemptOutcome::Finished } else { AttemptOutcome::LeaseLost })
}

/// Ends an import that has no further rows to merge. `false`: the lease is lost.
pub async fn end(database: &Database, lease: &Lease, ending: &Ending) -> Result<bool, DatabaseError> {
    let mut conn = database.connection().await?;
    let finished = conn
        .transaction(async |conn| {
            let finished = import::finish_in_txn(conn, lease, ending).await;
            edge::pass_for(lease.tenant, Edge::BeforeEndCommit);
            finished
        })
        .await?;
    edge::pass_for(lease.tenant, Edge::AfterEndCommit);
    Ok(finished)
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
    let survey = Arc::clone(survey);
    let digester = RowDigester::new(engine.rows.clone(), claimed.lease.tenant, claimed.password_policy);
    let limits = ChunkLimits { rows: engine.chunk_rows, done: claimed.rows_done };
    let reader = tokio::task::spawn_blocking(move || {
        read_chunks(upload, &survey, &digester, &limits, |chunk| send.blocking_send(chunk).is_ok())
    });
    Ok((receive, reader))
}

/// Counts the file's rows beside the work, for who asks how far it is. Nothing depends on it, and it ends with the
/// attempt.
fn count_rows(engine: Engine, lease: Lease, survey: Arc<Survey>) -> DropGuard {
    let ended = CancellationToken::new();
    let guard = ended.clone().drop_guard();
    let cancelled = ended.clone();
    let count = async move {
        tokio::time::sleep(COUNTED_AFTER).await;
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
    let unless_ended = async move {
        let _ = cancelled.run_until_cancelled(counted).await;
    };
    tokio::spawn(unless_ended.instrument(tracing::info_span!("count rows")));
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

/// What the chunks of an attempt share.
#[derive(Clone, Copy)]
struct Job {
    lease: Lease,
    policy: PasswordPolicy,
}

/// Why a chunk's transaction was rolled back.
#[derive(Debug)]
enum Unmerged {
    /// See [`Merged::TooEarly`].
    TooEarly,
    /// See [`Merged::Overtaken`].
    Overtaken,
    /// The lease is another's.
    LeaseLost,
    /// The database failed.
    Failed(DatabaseError),
}

impl From<DatabaseError> for Unmerged {
    fn from(error: DatabaseError) -> Self {
        Self::Failed(error)
    }
}

impl From<tokio_postgres::Error> for Unmerged {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            // Somebody else made a user of the same name between the look and the write (what the rows themselves claim
            // twice has been noticed before), or writes the same users in another order: the last chunks, say, of an
            // import that has just been cancelled.
            Some(
                &SqlState::UNIQUE_VIOLATION
                | &SqlState::T_R_DEADLOCK_DETECTED
                | &SqlState::T_R_SERIALIZATION_FAILURE,
            ) => Self::Overtaken,
            _ => Self::Failed(error.into()),
        }
    }
}

/// Merges a chunk, beside the earlier ones if it can be, behind them if not. `false`: the lease is lost, and nothing
/// was changed.
async fn merge(
    engine: Engine,
    job: Job,
    reading: Option<Reading>,
    chunk: Chunk,
    mut ticket: CommitTicket,
) -> Result<bool, AttemptError> {
    let span = tracing::info_span!(
        "chunk",
        rollcall.chunk.first_row = chunk.first_row,
        rollcall.chunk.rows = chunk.rows.len(),
        rollcall.chunk.failed = tracing::field::Empty,
        rollcall.chunk.begun_again = tracing::field::Empty,
    );
    let work = async {
        for begun_again in 0..=BEGUN_AGAIN {
            match merge_once(&engine, job, reading.as_ref(), &chunk, &ticket).await {
                Ok(sealed_passwords) => {
                    edge::pass_for(job.lease.tenant, Edge::AfterChunkCommit);
                    Span::current().record("rollcall.chunk.begun_again", begun_again);
                    engine.sealed.fetch_add(sealed_passwords, Ordering::Relaxed);
                    ticket.mark_committed();
                    return Ok(true);
                }
                Err(Unmerged::TooEarly | Unmerged::Overtaken) => ticket.wait_for_predecessors().await,
                Err(Unmerged::LeaseLost) => return Ok(false),
                Err(Unmerged::Failed(error)) => return Err(error.into()),
            }
        }
        Err(AttemptError::Overtaken)
    };
    work.instrument(span).await
}

/// Merges a chunk in one transaction: its rows, their outcomes, the counters and so the cursor, and with the last
/// chunk the import's end. Returns how many passwords wait under seal since. Why no two transactions can wait for each
/// other stands in [`crate::merge::commit_order`].
async fn merge_once(
    engine: &Engine,
    job: Job,
    reading: Option<&Reading>,
    chunk: &Chunk,
    ticket: &CommitTicket,
) -> Result<u64, Unmerged> {
    let txn = engine.sessions.transaction().await?;
    match merge_in_txn(engine, &txn, job, reading, chunk, ticket).await {
        Ok(sealed_passwords) => {
            txn.commit().await?;
            Ok(sealed_passwords)
        }
        // The connection is not to be trusted any more.
        Err(Unmerged::Failed(error)) => Err(Unmerged::Failed(error)),
        Err(unmerged) => {
            txn.roll_back().await?;
            Err(unmerged)
        }
    }
}

async fn merge_in_txn(
    engine: &Engine,
    txn: &Transaction,
    job: Job,
    reading: Option<&Reading>,
    chunk: &Chunk,
    ticket: &CommitTicket,
) -> Result<u64, Unmerged> {
    let lease = &job.lease;
    let (outcomes, sealed_passwords) = match merge_rows(engine, txn, job, chunk, ticket).await? {
        Merged::Rows { outcomes, sealed_passwords } => (outcomes, sealed_passwords),
        Merged::TooEarly => return Err(Unmerged::TooEarly),
        Merged::Overtaken => return Err(Unmerged::Overtaken),
    };
    let tally = outcomes.tally();
    Span::current().record("rollcall.chunk.failed", tally.failed);

    while timeout(ASKED_AGAIN, ticket.predecessors_committed()).await.is_err() {
        if !import::is_held(txn, lease).await? {
            return Err(Unmerged::LeaseLost);
        }
    }
    let advance = Advance { first_row: chunk.first_row, tally, reading, is_last: chunk.is_last };
    // Sent one behind the other.
    txn.prepare(&[outcome::STORE, import::ADVANCE]).await?;
    let ((), advanced) =
        try_join(outcome::store_in_txn(txn, lease, &outcomes), import::advance_in_txn(txn, lease, advance))
            .await?;
    if !advanced {
        return Err(Unmerged::LeaseLost);
    }
    edge::pass_for(lease.tenant, Edge::BeforeChunkCommit);
    Ok(sealed_passwords)
}

/// Begins the transaction and merges the rows in it. What only reads is sent along with the beginning.
async fn merge_rows(
    engine: &Engine,
    txn: &Transaction,
    job: Job,
    chunk: &Chunk,
    ticket: &CommitTicket,
) -> Result<Merged, Unmerged> {
    let tenant = job.lease.tenant;
    let begun = async {
        let ((), held) = try_join(txn.begin(), import::is_held(txn, &job.lease)).await?;
        if held { Ok(()) } else { Err(Unmerged::LeaseLost) }
    };
    match &chunk.rows {
        Rows::None => {
            begun.await?;
            Ok(Merged::Rows { outcomes: ChunkOutcomes::starting_at(chunk.first_row), sealed_passwords: 0 })
        }
        Rows::Users(rows) => {
            let beyond = users::merge::probe_key_ranges(txn, tenant, rows).err_into();
            let ((), beyond) = try_join(begun, beyond).await?;
            let passwords = Passwords { tenant, policy: job.policy, keys: &engine.passwords };
            Ok(users::merge::merge_in_txn(txn, passwords, chunk.first_row, rows, beyond, ticket).await?)
        }
        Rows::Memberships(chunk_rows) => {
            let rows: Vec<_> = block_in_place(|| chunk_rows.rows().collect());
            let found = memberships::merge::find(txn, tenant, &rows).err_into();
            let ((), found) = try_join(begun, found).await?;
            Ok(memberships::merge::merge_in_txn(txn, tenant, chunk.first_row, rows, found).await?)
        }
    }
}
