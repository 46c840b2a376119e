//! What a census keeps of a user for an import of users: the hashes of its key and its barcode, and half of its row digest.

use rollcall_schema::ids::TenantId;
use rollcall_schema::postgres::client::SessionPool;
use rollcall_schema::postgres::error::DatabaseError;
use tokio_postgres::Error;
use tokio_postgres::binary_copy::BinaryCopyOutRow;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::census::{CensusLimits, Counted, Groups, Moment};
use crate::rows::key_hash::key_hash;

pub const TAKE_CENSUS: &str = include_str!("sql/take_census.sql");

/// A tenant's roster, as hashes.
#[derive(Debug, Default)]
pub struct Census {
    /// In ascending order.
    users: Vec<CountedUser>,
    groups: Groups,
    /// Of the users' barcodes, in ascending order.
    barcodes: Vec<u32>,
}

/// A user, and the digest of the row that was last applied to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CountedUser {
    /// The upper half of its key's hash.
    key: u32,
    /// Half of its row digest, in two parts that need no space between them. That of a user who has none is zero.
    digest: [u32; 2],
}

impl Counted for Census {
    const COPY: &str = TAKE_CENSUS;
    const TYPES: &[Type] = &[Type::TEXT, Type::UUID, Type::TEXT];
    const BYTES: u64 = 16;
    const ATTRIBUTE: &str = "rollcall.census.users";

    fn count(&mut self, user: &BinaryCopyOutRow) -> Result<(), Error> {
        self.users.push(CountedUser::new(key_hash(user.try_get(0)?), user.try_get(1)?));
        if let Some(barcode) = user.try_get(2)? {
            self.barcodes.push(upper_half(key_hash(barcode)));
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.users.sort_unstable();
        self.barcodes.sort_unstable();
        self.groups = Groups::of(self.users.iter().map(|user| user.key));
    }
}

impl Census {
    /// Counts the tenant's users. `None` if they exceed the limits.
    pub async fn take(
        sessions: &SessionPool,
        tenant: TenantId,
        limits: CensusLimits,
    ) -> Result<Option<Self>, DatabaseError> {
        let moment = Moment::begin(sessions, tenant).await?;
        let Some((moment, census)) = moment.count(limits).await? else { return Ok(None) };
        moment.end().await?;
        Ok(Some(census))
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

    /// False only if no user has a barcode with this hash.
    pub fn may_have_barcode(&self, barcode: u64) -> bool {
        self.barcodes.binary_search(&upper_half(barcode)).is_ok()
    }

    /// The users among whom one with this key's hash is, if there is one.
    fn near(&self, user: u64) -> &[CountedUser] {
        self.users.get(self.groups.near(upper_half(user))).unwrap_or_default()
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
        let mut census =
            Census { users: counted.collect(), groups: Groups::default(), barcodes: barcodes.collect() };
        census.finish();
        census
    }

    /// Every third user has none.
    fn digest(n: u64) -> Option<Uuid> {
        (!n.is_multiple_of(3)).then(|| Uuid::from_u64_pair(u64::MAX / (n + 1), n))
    }

    #[test]
    fn a_census_knows_every_user_and_its_digest() {
        for users in [0, 1, 2, 7, 100, 5_000] {
            let census = census(users);
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
