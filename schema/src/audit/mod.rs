//! The audit: who did what, from where. Rows are only ever added, in the transaction that they tell of.
//!
//! It names accounts that act, tokens, operators and users that were made administrators, and nothing else of a roster
//! (invariant 12). How an import ended is not copied into it but read from `imports` when the audit is shown.

mod listing;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::ids::TenantId;
use crate::postgres::pool::Connection;
use crate::postgres::tables::audit;
use crate::stored_words::stored_words;

pub use listing::{AuditView, list};

pub(crate) use listing::STATEMENTS;

stored_words! {
    /// What kind of actor acted.
    pub enum ActorKind ("kind of actor") {
        /// An account of a tenant, over HTTP.
        Administrator = "administrator",
        /// An import token of a tenant, over HTTP.
        Token = "token",
        /// A person or script with the operator's command.
        Operator = "operator",
    }
}

stored_words! {
    /// What was done.
    pub enum Action ("audited action") {
        ImportSubmitted = "import submitted",
        ImportCancelled = "import cancelled",
        ImportRetried = "import retried",
        TenantAdded = "tenant added",
        TenantChanged = "tenant changed",
        GroupAdded = "group added",
        /// Also by a group import, which then acts for the account or token that submitted it.
        AdministratorAdded = "administrator added",
        TokenAdded = "token added",
        TokenRemoved = "token removed",
    }
}

/// Who acts, and from where.
#[derive(Debug, Clone)]
pub struct Actor {
    pub kind: ActorKind,
    /// The username, the token's name, or the operator's account on its machine.
    pub name: String,
    /// The client's address, or the operator's machine.
    pub origin: String,
}

/// A row to be added.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// `None` for what concerns the installation.
    pub tenant: Option<TenantId>,
    pub action: Action,
    /// What it was done to: an import's id, or a name.
    pub object: &'a str,
    /// What changed, in words; never a secret.
    pub details: Option<&'a str>,
}

/// Adds a row in the transaction that it tells of.
pub async fn record_in_txn(conn: &mut Connection, actor: &Actor, entry: Entry<'_>) -> QueryResult<()> {
    diesel::insert_into(audit::table)
        .values((
            audit::tenant_id.eq(entry.tenant),
            audit::actor_kind.eq(actor.kind),
            audit::actor.eq(&actor.name),
            audit::origin.eq(&actor.origin),
            audit::action.eq(entry.action),
            audit::object.eq(entry.object),
            audit::details.eq(entry.details),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
