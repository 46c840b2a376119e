//! What a census keeps for a group import: the ids of the tenant's users, and their memberships.

use std::sync::atomic::{AtomicBool, Ordering};

use rollcall_schema::ids::{GroupId, TenantId};
use rollcall_schema::postgres::client::SessionPool;
use rollcall_schema::postgres::error::DatabaseError;
use tokio_postgres::Error;
use tokio_postgres::binary_copy::BinaryCopyOutRow;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::census::{CensusLimits, Counted, Groups, Moment, WideHash, WideHasher};

pub const TAKE_USER_IDS: &str = include_str!("sql/take_user_ids.sql");
pub const TAKE_MEMBERSHIPS: &str = include_str!("sql/take_memberships.sql");

/// A tenant's users and memberships.
#[derive(Debug)]
pub struct Census {
    users: UserIds,
    /// `None` if they exceed the limits.
    memberships: Option<Memberships>,
    /// Whether a membership that was not counted turned out to exist. Then there may be more of them: the file may have its
    /// rows twice.
    is_distrusted: AtomicBool,
}

impl Census {
    /// Counts the tenant's users and memberships. `None` if the users exceed the limits.
    pub async fn take(
        sessions: &SessionPool,
        tenant: TenantId,
        limits: CensusLimits,
    ) -> Result<Option<Self>, DatabaseError> {
        let moment = Moment::begin(sessions, tenant).await?;
        let Some((moment, users)) = moment.count::<UserIds>(limits).await? else { return Ok(None) };
        let limits = CensusLimits { memory: limits.memory.saturating_sub(users.bytes()), ..limits };
        let memberships = match moment.count(limits).await? {
            Some((moment, memberships)) => {
                moment.end().await?;
                Some(memberships)
            }
            None => None,
        };
        Ok(Some(Self { users, memberships, is_distrusted: AtomicBool::new(false) }))
    }

    /// The id of the user with this key, if it was counted.
    pub fn find_user(&self, username_key: &str) -> Option<Uuid> {
        self.users.find(username_key)
    }

    /// The memberships that there are, if they were counted and may be relied on.
    pub fn memberships(&self) -> Option<&Memberships> {
        self.memberships.as_ref().filter(|_| !self.is_distrusted.load(Ordering::Relaxed))
    }

    /// From now on, memberships are looked for where they are inserted.
    pub fn distrust_memberships(&self) {
        self.is_distrusted.store(true, Ordering::Relaxed);
    }
}

/// The ids of a tenant's users by their username keys.
#[derive(Debug, Default)]
struct UserIds {
    hasher: WideHasher,
    /// In ascending order.
    users: Vec<CountedUser>,
    groups: Groups,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CountedUser {
    key: WideHash,
    id: Uuid,
}

impl Counted for UserIds {
    const COPY: &str = TAKE_USER_IDS;
    const TYPES: &[Type] = &[Type::TEXT, Type::UUID];
    const BYTES: u64 = 32;
    const ATTRIBUTE: &str = "rollcall.census.users";

    fn count(&mut self, user: &BinaryCopyOutRow) -> Result<(), Error> {
        let key = self.hasher.hash(user.try_get::<&str>(0)?);
        self.users.push(CountedUser { key, id: user.try_get(1)? });
        Ok(())
    }

    fn finish(&mut self) {
        self.users.sort_unstable();
        self.groups = Groups::of(self.users.iter().map(|user| user.key.first_bits()));
    }
}

impl UserIds {
    fn find(&self, username_key: &str) -> Option<Uuid> {
        let key = self.hasher.hash(username_key);
        let near = self.users.get(self.groups.near(key.first_bits()))?;
        near.iter().find(|user| user.key == key).map(|user| user.id)
    }

    fn bytes(&self) -> u64 {
        self.users.len() as u64 * Self::BYTES
    }
}

/// Which users are in which groups.
#[derive(Debug, Default)]
pub struct Memberships {
    hasher: WideHasher,
    /// Of user and group, in ascending order.
    counted: Vec<WideHash>,
    groups: Groups,
}

impl Counted for Memberships {
    const COPY: &str = TAKE_MEMBERSHIPS;
    const TYPES: &[Type] = &[Type::UUID, Type::UUID];
    const BYTES: u64 = 16;
    const ATTRIBUTE: &str = "rollcall.census.memberships";

    fn count(&mut self, membership: &BinaryCopyOutRow) -> Result<(), Error> {
        let (user, group): (Uuid, Uuid) = (membership.try_get(0)?, membership.try_get(1)?);
        self.counted.push(self.hasher.hash((user, group)));
        Ok(())
    }

    fn finish(&mut self) {
        self.counted.sort_unstable();
        self.groups = Groups::of(self.counted.iter().map(|membership| membership.first_bits()));
    }
}

impl Memberships {
    pub fn contain(&self, user: Uuid, group: GroupId) -> bool {
        let membership = self.hasher.hash((user, group.as_uuid()));
        let near = self.counted.get(self.groups.near(membership.first_bits()));
        near.is_some_and(|near| near.contains(&membership))
    }
}
