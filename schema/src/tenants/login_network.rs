//! The networks that accounts logged in from. A pair of account and network that was good on at least two days is
//! *familiar*: the API checks its logins first when others flood it with wrong ones.

use crate::ids::{TenantId, UserId};
use crate::postgres::client::Session;
use crate::postgres::error::DatabaseError;

const REMEMBER: &str = include_str!("sql/remember_login.sql");
const FAMILIAR: &str = include_str!("sql/familiar_logins.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[("remember_login", REMEMBER), ("familiar_logins", FAMILIAR)];

/// A verified login of an account from a network. `pair` is the API's digest of the two.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GoodLogin {
    pub tenant: TenantId,
    pub user: UserId,
    pub network: String,
    pub pair: i64,
}

/// Notes that a login was good today, and forgets the account's networks that were not for long.
pub async fn remember(session: &Session, login: &GoodLogin) -> Result<(), DatabaseError> {
    let GoodLogin { tenant, user, network, pair } = login;
    session.execute(REMEMBER, &[tenant, user, network, pair]).await?;
    Ok(())
}

/// The familiar pairs of all tenants, at most `limit`, the most recent ones first.
pub async fn familiar_pairs(session: &Session, limit: i64) -> Result<Vec<i64>, DatabaseError> {
    let rows = session.query(FAMILIAR, &[&limit]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}
