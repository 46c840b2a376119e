//! The ids of a tenant's users, from a census.

use std::hash::{BuildHasher as _, RandomState};

use tokio_postgres::Error;
use tokio_postgres::binary_copy::BinaryCopyOutRow;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::census::{Counted, Groups};

pub const TAKE_USER_IDS: &str = include_str!("sql/take_user_ids.sql");

/// The ids of a tenant's users by their username keys.
#[derive(Debug, Default)]
pub struct UserIds {
    /// Random for each census. Two keys share 128 bits neither by chance nor by intent.
    hashers: [RandomState; 2],
    /// In ascending order.
    users: Vec<CountedUser>,
    groups: Groups,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CountedUser {
    /// The hashes of its username key.
    key: [u64; 2],
    id: Uuid,
}

impl Counted for UserIds {
    const COPY: &str = TAKE_USER_IDS;
    const TYPES: &[Type] = &[Type::TEXT, Type::UUID];
    const BYTES: u64 = 32;

    fn count(&mut self, user: &BinaryCopyOutRow) -> Result<(), Error> {
        let key = self.hashes(user.try_get(0)?);
        self.users.push(CountedUser { key, id: user.try_get(1)? });
        Ok(())
    }

    fn finish(&mut self) {
        self.users.sort_unstable();
        self.groups = Groups::of(self.users.iter().map(|user| first_bits(user.key)));
    }
}

impl UserIds {
    /// The id of the user with this key, if it was counted.
    pub fn find(&self, username_key: &str) -> Option<Uuid> {
        let key = self.hashes(username_key);
        let near = self.users.get(self.groups.near(first_bits(key)))?;
        near.iter().find(|user| user.key == key).map(|user| user.id)
    }

    fn hashes(&self, username_key: &str) -> [u64; 2] {
        self.hashers.each_ref().map(|hasher| hasher.hash_one(username_key))
    }
}

fn first_bits(key: [u64; 2]) -> u32 {
    (key[0] >> 32) as u32
}
