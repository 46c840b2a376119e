//! One chunk, one transaction. The rules, and the proof that the result is that of one row after another, are in
//! [`crate::merge`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::TryFutureExt as _;
use futures_util::future::try_join;
use rollcall_schema::crash_point::{self, CrashPoint};
use rollcall_schema::imports::lease::{self, Lease, LeaseError};
use rollcall_schema::imports::outcomes::{self, ChunkOutcomes};
use rollcall_schema::imports::progress::{self, Advance, FileFormat};
use rollcall_schema::passwords::keys::PasswordKeys;
use rollcall_schema::postgres::client::{SessionPool, Transaction};
use rollcall_schema::tenants::tenant::PasswordPolicy;
use tokio::time::timeout;
use tracing::{Instrument as _, Span};

use super::chunk::{Chunk, Rows};
use super::commit_order::CommitTicket;
use super::error::ChunkError;
use crate::rows::merged::MergedRows;
use crate::users::merge::ImportRules;
use crate::users::roster::Passwords;
use crate::{blocking, memberships, users};

/// How often merging a chunk starts again, because of a conflict or a pending predecessor.
const MAX_RESTARTS: u32 = 5;
/// For how long a lease that was held is taken to be held still. A chunk that waits for its predecessors checks it as often: it
/// has locked rows that the tenant's next import may need, if this one was cancelled or taken over; and the server ends a
/// transaction that is idle for long.
const LEASE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// What the chunks of an attempt share.
#[derive(Clone)]
pub struct MergeContext {
    pub sessions: SessionPool,
    pub password_keys: PasswordKeys,
    pub password_policy: PasswordPolicy,
    pub rules: ImportRules,
    pub lease: Lease,
    /// When the attempt began: its lease was held then.
    pub began: Instant,
    /// Counts the passwords that the attempt has sealed, which are to be hashed however the attempt ends.
    pub sealed_passwords: Arc<AtomicU64>,
}

/// Merges a chunk: at the same time as its predecessors if possible, otherwise after them. `format` is stored with the
/// first chunk of an attempt.
pub async fn merge_chunk(
    context: MergeContext,
    format: Option<FileFormat>,
    chunk: Chunk,
    mut ticket: CommitTicket,
) -> Result<(), ChunkError> {
    let span = tracing::info_span!(
        "chunk",
        rollcall.chunk.first_row = chunk.first_row,
        rollcall.chunk.rows = chunk.rows.len(),
        rollcall.chunk.failed = tracing::field::Empty,
        rollcall.chunk.restarts = tracing::field::Empty,
    );
    let merge = async {
        let mut restarts = 0;
        // What the forecasts call new may exist by now.
        let mut trusts_forecasts = true;
        let sealed_passwords = loop {
            match try_merge_chunk(&context, format.as_ref(), &chunk, &ticket, trusts_forecasts).await {
                Err(error @ (ChunkError::PredecessorPending | ChunkError::Conflict))
                    if restarts < MAX_RESTARTS =>
                {
                    ticket.wait_for_predecessors().await;
                    restarts += 1;
                    if matches!(error, ChunkError::Conflict) {
                        trusts_forecasts = false;
                        chunk.rows.conflicted();
                    }
                }
                merged => break merged?,
            }
        };
        crash_point::reached_for(context.lease.tenant, CrashPoint::AfterChunkCommit);
        Span::current().record("rollcall.chunk.restarts", restarts);
        context.sealed_passwords.fetch_add(sealed_passwords, Ordering::Relaxed);
        ticket.mark_committed();
        Ok(())
    };
    merge.instrument(span).await
}

/// Merges a chunk in one transaction and commits it. Returns how many passwords it has sealed.
async fn try_merge_chunk(
    context: &MergeContext,
    format: Option<&FileFormat>,
    chunk: &Chunk,
    ticket: &CommitTicket,
    trusts_forecasts: bool,
) -> Result<u64, ChunkError> {
    let txn = context.sessions.transaction_for(context.lease.tenant).await?;
    match merge_in_txn(context, &txn, format, chunk, ticket, trusts_forecasts).await {
        Ok(sealed_passwords) => {
            txn.commit().await?;
            Ok(sealed_passwords)
        }
        // The connection cannot be trusted any more. Dropping the transaction closes it.
        Err(ChunkError::Failed(error)) => Err(ChunkError::Failed(error)),
        Err(error) => {
            txn.roll_back().await?;
            Err(error)
        }
    }
}

async fn merge_in_txn(
    context: &MergeContext,
    txn: &Transaction,
    format: Option<&FileFormat>,
    chunk: &Chunk,
    ticket: &CommitTicket,
    trusts_forecasts: bool,
) -> Result<u64, ChunkError> {
    let lease = &context.lease;
    let MergedRows { outcomes, sealed_passwords, new_groups, mut warnings } =
        apply_rows(context, txn, chunk, ticket, trusts_forecasts).await?;
    let tally = outcomes.tally();
    Span::current().record("rollcall.chunk.failed", tally.failed);

    while timeout(LEASE_CHECK_INTERVAL, ticket.predecessors_committed()).await.is_err() {
        lease::check(txn, lease).await?;
    }
    warnings.splice(0..0, chunk.warnings.iter().cloned());
    let advance = Advance {
        first_row: chunk.first_row,
        tally,
        format,
        new_groups,
        warnings: &warnings,
        is_last: chunk.is_last,
    };
    // Sent in this order without waiting for answers.
    txn.prepare(&[outcomes::STORE_OUTCOMES, progress::ADVANCE]).await?;
    try_join(
        outcomes::store_in_txn(txn, lease, &outcomes).err_into::<ChunkError>(),
        // The fence: moves the import's cursor over the chunk, if the lease is still held.
        progress::advance_in_txn(txn, lease, advance).err_into(),
    )
    .await?;
    crash_point::reached_for(lease.tenant, CrashPoint::BeforeChunkCommit);
    Ok(sealed_passwords)
}

/// Begins the transaction and applies the rows in it. Statements that only read are sent together with the beginning.
async fn apply_rows(
    context: &MergeContext,
    txn: &Transaction,
    chunk: &Chunk,
    ticket: &CommitTicket,
    trusts_forecasts: bool,
) -> Result<MergedRows, ChunkError> {
    let tenant = context.lease.tenant;
    let begun = async {
        let held = async {
            // What the fence would reject is not begun.
            if context.began.elapsed() > LEASE_CHECK_INTERVAL {
                lease::check(txn, &context.lease).await?;
            }
            Ok::<_, LeaseError>(())
        };
        try_join(txn.begin_for(context.lease.import).err_into(), held).await?;
        Ok::<_, ChunkError>(())
    };
    match &chunk.rows {
        Rows::None => {
            begun.await?;
            Ok(MergedRows {
                outcomes: ChunkOutcomes::starting_at(chunk.first_row),
                sealed_passwords: 0,
                new_groups: 0,
                warnings: Vec::new(),
            })
        }
        Rows::Users(rows) => {
            let foreknowledge = users::load::foresee(txn, tenant, rows, trusts_forecasts).err_into();
            let ((), foreknowledge) = try_join(begun, foreknowledge).await?;
            let passwords =
                Passwords { tenant, policy: context.password_policy, keys: &context.password_keys };
            let predecessors = ticket.predecessors();
            let merged = users::merge::merge_in_txn(
                txn,
                passwords,
                context.rules,
                chunk.first_row,
                rows,
                foreknowledge,
                predecessors,
            );
            Ok(merged.await?)
        }
        Rows::Memberships(chunk_rows) => {
            let rows: Vec<_> = blocking::with_rows(chunk_rows.len(), || chunk_rows.rows().collect());
            let found = memberships::merge::find(txn, tenant, &rows, chunk_rows.counted()).err_into();
            let ((), found) = try_join(begun, found).await?;
            let import = context.lease.import;
            Ok(memberships::merge::merge_in_txn(txn, tenant, import, chunk.first_row, &rows, found).await?)
        }
    }
}
