//! Sealing waiting passwords again with the newest data key, at the end of a rotation: then what an old service key could
//! open is gone from the database.

use uuid::Uuid;

use super::keys::{PasswordKeys, owner};
use crate::ids::{TenantId, UserId};
use crate::postgres::error::DatabaseError;
use crate::postgres::pool::Database;

const WAITING_PASSWORDS: &str = include_str!("sql/waiting_passwords.sql");
const RESEAL: &str = include_str!("sql/reseal.sql");
const SAMPLE: &str = include_str!("sql/sample_waiting.sql");
const FIND: &str = include_str!("sql/find_waiting.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[
    ("waiting_passwords", WAITING_PASSWORDS),
    ("reseal", RESEAL),
    ("sample_waiting", SAMPLE),
    ("find_waiting", FIND),
];

/// Passwords sealed again with one statement.
const BATCH: i64 = 500;

/// The outcome.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resealed {
    pub resealed: u64,
    /// They do not open with the installation's keys, and stay as they are.
    pub unopened: u64,
}

/// Seals every waiting password again that an older data key seals. For the owner of the tables: the passwords are every
/// tenant's.
pub async fn reseal_waiting(database: &Database, keys: &PasswordKeys) -> Result<Resealed, DatabaseError> {
    let session = database.session_for_all().await?;
    let mut done = Resealed::default();
    let (mut tenant, mut user) = (Uuid::nil(), Uuid::nil());
    loop {
        let rows = session.query(WAITING_PASSWORDS, &[&tenant, &user, &BATCH]).await?;
        let Some(last) = rows.last() else { return Ok(done) };
        (tenant, user) = (last.try_get(0)?, last.try_get(1)?);
        let (mut tenants, mut users, mut opened, mut sealed) = (vec![], vec![], vec![], vec![]);
        for row in &rows {
            let (of, id): (TenantId, UserId) = (row.try_get(0)?, row.try_get(1)?);
            let (name, seal): (String, Vec<u8>) = (row.try_get(2)?, row.try_get(3)?);
            if keys.is_newest(&seal) {
                continue;
            }
            let owner = owner(of, &name);
            match keys.open(&owner, &seal).await {
                Ok(password) => {
                    sealed.push(keys.seal(&owner, &password));
                    tenants.push(of.as_uuid());
                    users.push(id.as_uuid());
                    opened.push(seal);
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(tenant = %of, user = %id, error, "a waiting password was not sealed again");
                    done.unopened += 1;
                }
            }
        }
        done.resealed += session.execute(RESEAL, &[&tenants, &users, &opened, &sealed]).await?;
    }
}

/// Whether waiting passwords open.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tried {
    pub opened: usize,
    pub failed: usize,
}

/// Tries to open some of the waiting passwords, of any tenants.
pub async fn try_waiting(
    database: &Database,
    keys: &PasswordKeys,
    limit: usize,
) -> Result<Tried, DatabaseError> {
    let limit = i64::try_from(limit).unwrap_or(BATCH);
    let sample = database.session_for_all().await?.query(SAMPLE, &[&limit]).await?;
    let mut tried = Tried::default();
    for row in sample {
        let (tenant, user): (TenantId, UserId) = (row.try_get(0)?, row.try_get(1)?);
        let session = database.session_for(tenant).await?;
        // Hashed meanwhile.
        let Some(row) = session.query_opt(FIND, &[&tenant, &user]).await? else { continue };
        let (name, seal): (String, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        match keys.open(&owner(tenant, &name), &seal).await {
            Ok(_) => tried.opened += 1,
            Err(_) => tried.failed += 1,
        }
    }
    Ok(tried)
}
