//! The census: what a tenant's whole roster holds at one moment, read in one pass before the chunks of a large file.
//!
//! To look up each row costs 4 µs where the index and the table are in memory, and many times that where they are not. To read
//! all users of the tenant in the order of the table costs less than 1 µs for each.
//!
//! Each kind of import keeps of a user what its rows are compared with, as hashes.

mod groups;
mod key_filter;

use std::pin::pin;

use futures_util::TryStreamExt as _;
use rollcall_schema::ids::TenantId;
use rollcall_schema::postgres::client::{Session, SessionPool};
use rollcall_schema::postgres::error::DatabaseError;
use tokio_postgres::Error;
use tokio_postgres::binary_copy::{BinaryCopyOutRow, BinaryCopyOutStream};
use tokio_postgres::types::Type;
use tracing::Span;

pub use groups::Groups;
pub use key_filter::KeyFilter;

pub const FORGET_ROSTER_CHANGES: &str = include_str!("sql/forget_roster_changes.sql");
pub const IS_ROSTER_CHANGED: &str = include_str!("sql/is_roster_changed.sql");

/// A transaction that sees one moment, and reads the table in the order in which it is stored: an index has its users in an
/// order of its own, and would read each page of the table many times.
const AT_ONE_MOMENT: &str =
    "set transaction isolation level repeatable read; set local enable_indexscan = off";

/// Of what size a roster is still counted.
#[derive(Debug, Clone, Copy)]
pub struct CensusLimits {
    /// Bytes of memory.
    pub memory: u64,
    /// Users: to count many more than the file names takes longer than to look these up.
    pub users: u64,
}

/// What a census reads, and keeps, of each user.
pub trait Counted: Default + Send + 'static {
    /// A `copy … to stdout (format binary)` of the users of the tenant that is set in the transaction.
    const COPY: &str;
    /// The types of its columns.
    const TYPES: &[Type];
    /// Bytes that are kept of a user.
    const BYTES: u64;

    fn count(&mut self, user: &BinaryCopyOutRow) -> Result<(), Error>;

    /// All users are counted.
    fn finish(&mut self);
}

/// Counts the tenant's users. `None` if they exceed the limits, which is known after as many users.
///
/// From then on, changes to the roster by others than imports are recorded: see [`is_roster_changed`].
pub async fn take<C: Counted>(
    sessions: &SessionPool,
    tenant: TenantId,
    limits: CensusLimits,
) -> Result<Option<C>, DatabaseError> {
    let limit = limits.users.min(limits.memory / C::BYTES);
    let txn = sessions.transaction_for(tenant).await?;
    txn.begin().await?;
    txn.batch_execute(AT_ONE_MOMENT).await?;
    // The changes that this transaction sees are those whose effect it sees.
    txn.execute(FORGET_ROSTER_CHANGES, &[&tenant]).await?;
    let mut users = pin!(BinaryCopyOutStream::new(txn.copy_out(C::COPY).await?, C::TYPES));
    let mut census = C::default();
    let mut counted = 0;
    while let Some(user) = users.try_next().await? {
        if counted >= limit {
            // Dropping the transaction ends it.
            return Ok(None);
        }
        census.count(&user)?;
        counted += 1;
    }
    txn.commit().await?;
    Span::current().record("rollcall.census.users", counted);
    let finished = tokio::task::spawn_blocking(|| {
        census.finish();
        census
    });
    Ok(Some(finished.await.expect("sorting does not panic")))
}

/// Whether an operator or another program has changed the tenant's users since the last census.
pub async fn is_roster_changed(session: &Session, tenant: TenantId) -> Result<bool, Error> {
    session.query_one(IS_ROSTER_CHANGED, &[&tenant]).await?.try_get(0)
}
