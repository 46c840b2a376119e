//! The census: what a tenant's whole roster holds at one moment, read in one pass before the chunks of a large file.
//!
//! To look up each row costs 4 µs where the index and the table are in memory, and many times that where they are not. To read
//! all users of the tenant in the order of the table costs less than 1 µs for each.
//!
//! It is kept as hashes: 16 bytes for each user.

mod key_filter;

use std::pin::pin;

use futures_util::TryStreamExt as _;
use rollcall_schema::ids::TenantId;
use rollcall_schema::postgres::client::SessionPool;
use rollcall_schema::postgres::error::DatabaseError;
use tokio_postgres::binary_copy::BinaryCopyOutStream;
use tokio_postgres::types::Type;
use tracing::Span;
use uuid::Uuid;

pub use key_filter::KeyFilter;

use crate::rows::key_hash::key_hash;

pub const TAKE_CENSUS: &str = include_str!("../sql/take_census.sql");
pub const FORGET_ROSTER_CHANGES: &str = include_str!("../sql/forget_roster_changes.sql");

const TYPES: [Type; 3] = [Type::TEXT, Type::UUID, Type::TEXT];

/// A transaction that sees one moment, and reads the table in the order in which it is stored: an index has its users in an
/// order of its own, and would read each page of the table many times.
const AT_ONE_MOMENT: &str =
    "set transaction isolation level repeatable read; set local enable_indexscan = off";

/// Bytes that the census keeps for a user.
const BYTES_PER_USER: u64 = 16;

/// A tenant's roster, as hashes.
#[derive(Debug)]
pub struct Census {
    /// In ascending order.
    users: Vec<CountedUser>,
    /// Where in `users` those begin whose keys have the same first bits. A search among all of them would wait for the memory
    /// twenty times.
    groups: Groups,
    /// Of the users' barcodes, in ascending order.
    barcodes: Vec<u32>,
}

/// The users, grouped by the first bits of their keys' hashes: some eight in each group.
#[derive(Debug, Default)]
struct Groups {
    /// How far a hash is shifted to have only these bits left.
    shift: u32,
    /// Where each group begins, and the end of the last.
    starts: Vec<u32>,
}

/// A user, and the digest of the row that was last applied to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CountedUser {
    /// The upper half of its key's hash.
    key: u32,
    /// Half of its row digest, in two parts that need no space between them. That of a user who has none is zero.
    digest: [u32; 2],
}

/// Of what size a roster is still counted.
#[derive(Debug, Clone, Copy)]
pub struct CensusLimits {
    /// Bytes of memory.
    pub memory: u64,
    /// Users: to count many more than the file names takes longer than to look these up.
    pub users: u64,
}

impl Census {
    /// Reads the tenant's roster. `None` if it exceeds the limits, which is known after as many users.
    ///
    /// From then on, changes to it by others than imports are recorded: see [`super::load::foresee`].
    pub async fn take(
        sessions: &SessionPool,
        tenant: TenantId,
        limits: CensusLimits,
    ) -> Result<Option<Self>, DatabaseError> {
        let limit = limits.users.min(limits.memory / BYTES_PER_USER);
        let txn = sessions.transaction_for(tenant).await?;
        txn.begin().await?;
        txn.batch_execute(AT_ONE_MOMENT).await?;
        // The changes that this transaction sees are those whose effect it sees.
        txn.execute(FORGET_ROSTER_CHANGES, &[&tenant]).await?;
        let mut rows = pin!(BinaryCopyOutStream::new(txn.copy_out(TAKE_CENSUS).await?, &TYPES));
        let mut census = Self { users: Vec::new(), groups: Groups::default(), barcodes: Vec::new() };
        while let Some(row) = rows.try_next().await? {
            if census.users.len() as u64 >= limit {
                // Dropping the transaction ends it.
                return Ok(None);
            }
            census.users.push(CountedUser::new(key_hash(row.try_get(0)?), row.try_get(1)?));
            if let Some(barcode) = row.try_get(2)? {
                census.barcodes.push(upper_half(key_hash(barcode)));
            }
        }
        txn.commit().await?;
        Span::current().record("rollcall.census.users", census.users.len());
        let sorted = tokio::task::spawn_blocking(|| census.sorted()).await;
        Ok(Some(sorted.expect("sorting does not panic")))
    }

    fn sorted(mut self) -> Self {
        self.users.sort_unstable();
        self.barcodes.sort_unstable();
        self.groups = Groups::of(&self.users);
        self
    }

    /// How many users were counted.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether a row with this digest is the last that was applied to its user, so that it changes nothing. `user` is the hash
    /// of its username key.
    ///
    /// A wrong yes is as unlikely as a digest whose first half is that of another one: 1 in 2⁶⁴, with a key that only the service knows.
    pub fn is_applied(&self, user: u64, digest: Uuid) -> bool {
        self.near(user).binary_search(&CountedUser::new(user, Some(digest))).is_ok()
    }

    /// False only if there is no user with this key's hash.
    pub fn may_have_user(&self, user: u64) -> bool {
        let key = upper_half(user);
        self.near(user).iter().any(|counted| counted.key == key)
    }

    /// The users among whom one with this key's hash is, if there is one.
    fn near(&self, user: u64) -> &[CountedUser] {
        let group = (upper_half(user) >> self.groups.shift) as usize;
        let bounds = self.groups.starts.get(group).zip(self.groups.starts.get(group + 1));
        bounds.and_then(|(start, end)| self.users.get(*start as usize..*end as usize)).unwrap_or_default()
    }

    /// False only if no user has a barcode with this hash.
    pub fn may_have_barcode(&self, barcode: u64) -> bool {
        self.barcodes.binary_search(&upper_half(barcode)).is_ok()
    }
}

impl Groups {
    /// Of users in the order of their keys' hashes.
    fn of(users: &[CountedUser]) -> Self {
        let bits = (users.len() / 8).max(1).ilog2().clamp(1, 31);
        let shift = u32::BITS - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        for (index, user) in users.iter().enumerate() {
            let group = (user.key >> shift) as usize;
            if starts.len() <= group {
                starts.resize(group + 1, u32::try_from(index).unwrap_or(u32::MAX));
            }
        }
        starts.resize((1 << bits) + 1, u32::try_from(users.len()).unwrap_or(u32::MAX));
        Self { shift, starts }
    }
}

impl CountedUser {
    fn new(key: u64, digest: Option<Uuid>) -> Self {
        let digest = digest.map_or(0, |digest| digest.as_u64_pair().0);
        Self { key: upper_half(key), digest: [upper_half(digest), lower_half(digest)] }
    }
}

fn upper_half(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn lower_half(hash: u64) -> u32 {
    upper_half(hash << u32::BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(users: u64) -> Census {
        let counted = (0..users).map(|n| CountedUser::new(key_hash(&format!("user{n}")), digest(n)));
        let barcodes = (0..users).map(|n| upper_half(key_hash(&format!("b{n}"))));
        Census { users: counted.collect(), groups: Groups::default(), barcodes: barcodes.collect() }.sorted()
    }

    /// Every third user has none.
    fn digest(n: u64) -> Option<Uuid> {
        (!n.is_multiple_of(3)).then(|| Uuid::from_u64_pair(u64::MAX / (n + 1), n))
    }

    #[test]
    fn a_census_knows_every_user_and_its_digest() {
        for users in [0, 1, 2, 7, 100, 5_000] {
            let census = census(users);
            assert_eq!(census.len() as u64, users);
            for n in 0..users {
                let user = key_hash(&format!("user{n}"));
                assert!(census.may_have_user(user) && census.may_have_barcode(key_hash(&format!("b{n}"))));
                let applied = digest(n);
                assert_eq!(
                    census.is_applied(user, applied.unwrap_or(Uuid::from_u64_pair(n + 1, n))),
                    applied.is_some()
                );
                assert!(!census.is_applied(user, Uuid::from_u128(u128::MAX)), "{n} of {users}");
            }
            // One in a million is taken for another.
            let mistaken =
                (users..users + 1000).filter(|n| census.may_have_user(key_hash(&format!("user{n}"))));
            assert_eq!(mistaken.count(), 0, "of {users}");
        }
    }
}
