//! `rollcall audit`: shows who did what, from where, with which result.

use chrono::{DateTime, Utc};
use clap::Args;
use rollcall_schema::audit::{self, AuditView};
use rollcall_schema::settings::OwnerSettings;

use crate::database;
use crate::error::CommandError;
use crate::output::{Output, table};
use crate::tenant;
use crate::time::{since, timestamp};

/// Show who imported, cancelled, and changed tenants, groups, administrators and tokens, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Rows are added in the transaction that they tell of, and cannot be changed. An import's result is that of the import as it \
stands. Failed logins are in the API's log, not here.

Examples:
  rollcall audit riverside --since 7d
  rollcall audit --since 2026-11-01 --json | jq -r '.[] | select(.action == \"administrator added\") | .object'

With --json: an array of objects with the keys
  id, at       (at: RFC 3339 in UTC)
  tenant       the tenant's name, or null for what concerns the installation
  actorKind    \"administrator\", \"token\" or \"operator\"
  actor        the username, the token's name, or the operator's account on its machine
  origin       the client's address, or the operator's machine
  action       \"import submitted\", \"import cancelled\", \"import retried\", \"tenant added\", \"tenant changed\",
               \"group added\", \"administrator added\", \"token added\" or \"token removed\"
  object       the import's id, or the name of what was added, changed or removed
  details      what changed, or null
  result       how the import ended, or its state; null for what is no import")]
pub struct Audit {
    /// The tenant's name; without it, all tenants and the installation
    tenant: Option<String>,
    /// Only what was done since: a length of time such as 7d, a day such as 2026-11-30, or a time in RFC 3339
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<DateTime<Utc>>,
    /// How many rows to show
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    limit: i64,
    #[command(flatten)]
    database: OwnerSettings,
}

pub async fn run(audit: &Audit, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&audit.database).await?;
    let tenant = match &audit.tenant {
        Some(name) => Some(tenant::find(&mut *database.connection().await?, name).await?.id),
        None => None,
    };
    let rows = audit::list(&database.session_for_all().await?, tenant, audit.since, audit.limit).await?;
    output.print(&rows, || {
        if rows.is_empty() {
            return "The audit has no such rows.".to_owned();
        }
        table(
            ["AT", "TENANT", "BY", "FROM", "ACTION", "OF", "DETAILS"],
            &rows.iter().map(cells).collect::<Vec<_>>(),
        )
    })?;
    Ok(())
}

fn cells(row: &AuditView) -> [String; 7] {
    let or_dash = |text: Option<&String>| text.map_or_else(|| "-".to_owned(), Clone::clone);
    let by = if row.actor_kind == "administrator" {
        row.actor.clone()
    } else {
        format!("{} {}", row.actor_kind, row.actor)
    };
    let details = [row.details.as_deref(), row.result.as_deref()].into_iter().flatten().collect::<Vec<_>>();
    [
        timestamp(row.at),
        or_dash(row.tenant.as_ref()),
        by,
        row.origin.clone(),
        row.action.clone(),
        row.object.clone(),
        if details.is_empty() { "-".to_owned() } else { details.join("; ") },
    ]
}
