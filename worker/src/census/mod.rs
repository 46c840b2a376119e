//! The census: what a tenant's whole roster holds at one moment, read in one pass before the chunks of a large file.
//!
//! To look up each row costs 4 µs where the index and the table are in memory, and many times that where they are not. To read
//! all users of the tenant in the order of the table costs less than 1 µs for each.
//!
//! Each kind of import keeps of a user what its rows are compared with, as hashes.

mod groups;
mod key_filter;
mod wide_hash;

use std::pin::pin;

use futures_util::TryStreamExt as _;
use rollcall_schema::ids::TenantId;
use rollcall_schema::postgres::client::{Session, SessionPool, Transaction};
use rollcall_schema::postgres::error::DatabaseError;
use tokio_postgres::Error;
use tokio_postgres::binary_copy::{BinaryCopyOutRow, BinaryCopyOutStream};
use tokio_postgres::types::Type;
use tracing::Span;

pub use groups::Groups;
pub use key_filter::KeyFilter;
pub use wide_hash::{WideHash, WideHasher};

pub const FORGET_ROSTER_CHANGES: &str = include_str!("sql/forget_roster_changes.sql");
pub const IS_ROSTER_CHANGED: &str = include_str!("sql/is_roster_changed.sql");

/// A transaction that sees one moment, and reads the table in the order in which it is stored: an index has its users in an
/// order of its own, and would read each page of the table many times.
const AT_ONE_MOMENT: &str = "set transaction isolation level repeatable read; \
    set local enable_indexscan = off; set local enable_indexonlyscan = off";

/// Of what size a roster is still counted.
#[derive(Debug, Clone, Copy)]
pub struct CensusLimits {
    /// Bytes of memory.
    pub memory: u64,
    /// Users, or memberships: to count many more than the file has rows takes longer than to look these up.
    pub rows: u64,
}

/// What a census reads, and keeps, of each user or membership.
pub trait Counted: Default + Send + 'static {
    /// A `copy … to stdout (format binary)` of those of the tenant that is set in the transaction.
    const COPY: &str;
    /// The types of its columns.
    const TYPES: &[Type];
    /// Bytes that are kept of each.
    const BYTES: u64;
    /// The attribute of the census's span that says how many there are.
    const ATTRIBUTE: &str;

    fn count(&mut self, row: &BinaryCopyOutRow) -> Result<(), Error>;

    /// All are counted.
    fn finish(&mut self);
}

/// A tenant's roster at one moment.
pub struct Moment {
    txn: Transaction,
}

impl Moment {
    /// From this moment on, changes to the roster by others than imports are recorded: see [`is_roster_changed`].
    pub async fn begin(sessions: &SessionPool, tenant: TenantId) -> Result<Self, DatabaseError> {
        let txn = sessions.transaction_for(tenant).await?;
        txn.begin().await?;
        txn.batch_execute(AT_ONE_MOMENT).await?;
        // The changes that this transaction sees are those whose effect it sees.
        txn.execute(FORGET_ROSTER_CHANGES, &[&tenant]).await?;
        Ok(Self { txn })
    }

    /// Counts. `None` if there are more than the limits allow, which is known after as many: then the moment is over.
    pub async fn count<C: Counted>(self, limits: CensusLimits) -> Result<Option<(Self, C)>, DatabaseError> {
        let limit = limits.rows.min(limits.memory / C::BYTES);
        let mut counted = C::default();
        let mut number = 0;
        {
            let mut rows = pin!(BinaryCopyOutStream::new(self.txn.copy_out(C::COPY).await?, C::TYPES));
            while let Some(row) = rows.try_next().await? {
                if number >= limit {
                    // Dropping the transaction ends it.
                    return Ok(None);
                }
                counted.count(&row)?;
                number += 1;
            }
        }
        Span::current().record(C::ATTRIBUTE, number);
        let finished = tokio::task::spawn_blocking(|| {
            counted.finish();
            counted
        });
        Ok(Some((self, finished.await.expect("sorting does not panic"))))
    }

    pub async fn end(self) -> Result<(), DatabaseError> {
        Ok(self.txn.commit().await?)
    }
}

/// Whether an operator or another program has changed the tenant's users, or removed memberships, since the last census.
pub async fn is_roster_changed(session: &Session, tenant: TenantId) -> Result<bool, Error> {
    session.query_one(IS_ROSTER_CHANGED, &[&tenant]).await?.try_get(0)
}
