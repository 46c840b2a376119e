//! `rollcall tenant`: adds, lists and changes tenants.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use diesel_async::AsyncConnection as _;
use rollcall_schema::audit::{self, Action, Entry};
use rollcall_schema::ids::TenantId;
use rollcall_schema::postgres::pool::Connection;
use rollcall_schema::settings::OwnerSettings;
use rollcall_schema::tenants::tenant::{
    self, FoundTenant, PasswordPolicy, Tenant, TenantError, TenantUpdate,
};
use serde::Serialize;

use crate::database;
use crate::error::CommandError;
use crate::host_name::HostName;
use crate::operator;
use crate::output::{Output, table};
use crate::size::Size;

/// [`tenant::DEFAULT_UPLOAD_LIMIT_BYTES`] as the help shows it.
const DEFAULT_UPLOAD_LIMIT: &str = "2GiB";

/// Tenants that a warning names.
const MAX_LISTED: usize = 10;

const TENANT_KEYS: &str = "{\"id\":…,\"name\":…,\"hosts\":[…],\"password_policy\":…,\"upload_limit_bytes\":…,\"max_queued_imports\":…,\"protect_administrators\":…,\"presentation_group_limit\":…}";

/// Add, list and change tenants: schools or districts, each with its own users, groups and imports
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rollcall tenant add riverside --host library.riverside.edu
  rollcall tenant set riverside --upload-limit 500MB
  rollcall tenant list")]
pub enum Command {
    Add(Add),
    List(List),
    Set(Set),
}

/// Add a tenant
#[derive(Debug, Args)]
#[command(after_help = format!("\
A request is for the tenant that its URL names (`?tenantId=NAME`), else for the tenant with the request's host name, \
else, if there is only one tenant, for that one.

Examples:
  rollcall tenant add riverside
  rollcall tenant add riverside --host library.riverside.edu --host import.riverside.edu
  rollcall tenant add riverside --upload-limit 500MB --password-policy on-create --if-missing

With --json: {{\"outcome\":\"created\"|\"unchanged\",\"tenant\":TENANT,\"warning\":…}}, where TENANT is
  {TENANT_KEYS}
warning says which tenants URLs without tenantId no longer reach, or is null. It is printed to standard error as well."))]
pub struct Add {
    /// The name that clients send as `tenantId`: at most 63 letters, digits, dots, dashes and underscores; stored in
    /// lower case
    name: String,
    /// Host name whose requests are for this tenant; can be repeated
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<HostName>,
    /// When an import sets the password that its file contains
    #[arg(long, value_name = "POLICY", default_value = "when-changed")]
    password_policy: Policy,
    /// The size of the largest file that the tenant may upload, such as 500MB or 2GiB
    #[arg(long, value_name = "SIZE", default_value = DEFAULT_UPLOAD_LIMIT)]
    upload_limit: Size,
    /// If a tenant of this name exists, succeed without changing it
    #[arg(long)]
    if_missing: bool,
    #[command(flatten)]
    database: OwnerSettings,
}

/// List the tenants and their settings
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  rollcall tenant list
  rollcall tenant list --json | jq -r '.[].name'

With --json: an array of
  {TENANT_KEYS}"))]
pub struct List {
    #[command(flatten)]
    database: OwnerSettings,
}

/// Change a tenant's host names and settings; settings that are not given stay unchanged
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("change")
        .args(["add_host", "remove_host", "password_policy", "upload_limit", "max_queued_imports", "protect_administrators", "presentation_group_limit"])
        .multiple(true)
        .required(true),
    after_help = format!("\
Either all changes take effect or, if one of them fails, none.

Examples:
  rollcall tenant set riverside --add-host library.riverside.edu
  rollcall tenant set riverside --remove-host old.riverside.edu --add-host new.riverside.edu
  rollcall tenant set riverside --upload-limit 4GiB --password-policy always
  rollcall tenant set riverside --protect-administrators off

With --json: the tenant after the change,
  {TENANT_KEYS}"))]
pub struct Set {
    /// The tenant's name
    name: String,
    /// Host name to add to the tenant; can be repeated
    #[arg(long, value_name = "HOST")]
    add_host: Vec<HostName>,
    /// Host name to remove from the tenant; can be repeated
    #[arg(long, value_name = "HOST")]
    remove_host: Vec<HostName>,
    /// When an import sets the password that its file contains
    #[arg(long, value_name = "POLICY")]
    password_policy: Option<Policy>,
    /// The size of the largest file that the tenant may upload, such as 500MB or 2GiB
    #[arg(long, value_name = "SIZE")]
    upload_limit: Option<Size>,
    /// How many imports of the tenant may be waiting or running; further uploads are refused until one of them ends
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..))]
    max_queued_imports: Option<i32>,
    /// Whether imports leave `enabled` and the password of administrators alone, so that no file can lock them out
    #[arg(long, value_name = "ON|OFF")]
    protect_administrators: Option<Switch>,
    /// How many presentation groups one import may create; rows that name a further new one fail
    #[arg(long, value_name = "GROUPS", value_parser = clap::value_parser!(i32).range(0..))]
    presentation_group_limit: Option<i32>,
    #[command(flatten)]
    database: OwnerSettings,
}

/// On or off, as a command-line argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// [`PasswordPolicy`] as a command-line argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Policy {
    /// When it differs from the password that the last import set, so that a nightly file does not reset passwords that
    /// users have changed
    WhenChanged,
    /// For every row that contains a password
    Always,
    /// Only when the row creates the user
    OnCreate,
}

impl From<Policy> for PasswordPolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::WhenChanged => Self::WhenChanged,
            Policy::Always => Self::Always,
            Policy::OnCreate => Self::OnCreate,
        }
    }
}

pub async fn run(command: Command, output: Output) -> Result<(), CommandError> {
    match command {
        Command::Add(add) => run_add(add, output).await,
        Command::List(list) => run_list(&list, output).await,
        Command::Set(set) => run_set(set, output).await,
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Created,
    Unchanged,
}

#[derive(Serialize)]
struct Added {
    outcome: Outcome,
    tenant: Tenant,
    warning: Option<String>,
}

async fn run_add(add: Add, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&add.database).await?;
    let mut conn = database.connection().await?;
    let hosts: Vec<String> = add.hosts.into_iter().map(String::from).collect();
    let added = conn
        .transaction(async |conn| {
            let policy = add.password_policy.into();
            let id = tenant::add(conn, &add.name, &hosts, policy, add.upload_limit.bytes()).await?;
            let name = add.name.to_lowercase();
            let entry = Entry { tenant: Some(id), action: Action::TenantAdded, object: &name, details: None };
            audit::record_in_txn(conn, &operator::actor(), entry).await?;
            Ok::<_, TenantError>(id)
        })
        .await;
    let (id, outcome) = match added {
        Ok(id) => (id, Outcome::Created),
        Err(TenantError::NameTaken(name)) if add.if_missing => {
            (find(&mut conn, &name).await?.id, Outcome::Unchanged)
        }
        Err(error) => return Err(error.into()),
    };
    let warning = match outcome {
        Outcome::Created => missing_hosts(&tenant::list(&mut conn).await?),
        Outcome::Unchanged => None,
    };
    if let Some(warning) = &warning {
        eprintln!("warning: {warning}");
    }
    let added = Added { outcome, tenant: load(&mut conn, id, &add.name).await?, warning };
    output.print(&added, || match added.outcome {
        Outcome::Created => format!(
            "Added the tenant {0}. Next, add an administrator with `rollcall admin add {0} USERNAME`.",
            added.tenant.name
        ),
        Outcome::Unchanged => {
            format!("The tenant {} already exists; nothing was changed.", added.tenant.name)
        }
    })?;
    Ok(())
}

/// Which tenants a URL without `tenantId` does not reach, if there are several tenants.
fn missing_hosts(tenants: &[Tenant]) -> Option<String> {
    let without: Vec<&str> =
        tenants.iter().filter(|tenant| tenant.hosts.is_empty()).map(|tenant| tenant.name.as_str()).collect();
    if tenants.len() < 2 || without.is_empty() {
        return None;
    }
    let (have, them, each) = match without.len() {
        1 => ("has", "this tenant", "give it"),
        _ => ("have", "these tenants", "give each of them"),
    };
    let listed = without.iter().take(MAX_LISTED).copied().collect::<Vec<_>>().join(", ");
    let more = match without.len().saturating_sub(MAX_LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "there are {} tenants now, and {listed}{more} {have} no host name. URLs without tenantId no longer reach {them}: \
         add ?tenantId=NAME to their URLs, or {each} a host name with `rollcall tenant set NAME --add-host HOST`.",
        tenants.len()
    ))
}

async fn run_list(list: &List, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&list.database).await?;
    let tenants = tenant::list(&mut *database.connection().await?).await?;
    output.print(&tenants, || {
        if tenants.is_empty() {
            "There are no tenants yet. Add one with `rollcall tenant add NAME`.".to_owned()
        } else {
            tenant_table(&tenants)
        }
    })?;
    Ok(())
}

async fn run_set(set: Set, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&set.database).await?;
    let mut conn = database.connection().await?;
    let found = find(&mut conn, &set.name).await?;
    let before = load(&mut conn, found.id, &set.name).await?;
    let change = TenantUpdate {
        remove_hosts: set.remove_host.into_iter().map(String::from).collect(),
        add_hosts: set.add_host.into_iter().map(String::from).collect(),
        password_policy: set.password_policy.map(PasswordPolicy::from),
        upload_limit_bytes: set.upload_limit.map(Size::bytes),
        max_queued_imports: set.max_queued_imports,
        protect_administrators: set.protect_administrators.map(|switch| switch == Switch::On),
        presentation_group_limit: set.presentation_group_limit,
    };
    if let Some(host) = change.remove_hosts.iter().find(|host| !before.hosts.contains(host)) {
        return Err(CommandError::UnknownHost {
            tenant: before.name,
            host: host.clone(),
            known: before.hosts,
        });
    }
    let details = described(&change);
    conn.transaction(async |conn| {
        tenant::update(conn, found.id, &change).await?;
        let entry = Entry {
            tenant: Some(found.id),
            action: Action::TenantChanged,
            object: &found.name,
            details: Some(&details),
        };
        audit::record_in_txn(conn, &operator::actor(), entry).await?;
        Ok::<_, TenantError>(())
    })
    .await?;
    let after = load(&mut conn, found.id, &set.name).await?;
    output.print(&after, || tenant_table(std::slice::from_ref(&after)))?;
    Ok(())
}

/// A change as the audit tells of it.
fn described(change: &TenantUpdate) -> String {
    let TenantUpdate {
        remove_hosts,
        add_hosts,
        password_policy,
        upload_limit_bytes,
        max_queued_imports,
        protect_administrators,
        presentation_group_limit,
    } = change;
    let hosts = |verb: &str, hosts: &[String]| {
        (!hosts.is_empty()).then(|| format!("host names {verb}: {}", hosts.join(", ")))
    };
    let protection = protect_administrators.map(|on| if on { "protected" } else { "not protected" });
    [
        hosts("removed", remove_hosts),
        hosts("added", add_hosts),
        password_policy.map(|policy| format!("password policy: {}", policy.as_str())),
        upload_limit_bytes.map(|bytes| format!("upload limit: {}", Size::from_bytes(bytes))),
        max_queued_imports.map(|limit| format!("queued imports: {limit} at most")),
        protection.map(|protection| format!("administrators: {protection}")),
        presentation_group_limit
            .map(|limit| format!("new presentation groups of an import: {limit} at most")),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join("; ")
}

/// Finds a tenant by name. If there is none of this name, the error lists the names that exist.
pub async fn find(conn: &mut Connection, name: &str) -> Result<FoundTenant, CommandError> {
    match tenant::by_name(conn, name).await {
        Err(TenantError::Unknown(name)) => Err(unknown_tenant(conn, &name).await?),
        found => Ok(found?),
    }
}

async fn unknown_tenant(conn: &mut Connection, name: &str) -> Result<CommandError, CommandError> {
    let known: Vec<String> = tenant::list(conn).await?.into_iter().map(|tenant| tenant.name).collect();
    Ok(if known.is_empty() {
        CommandError::NoTenant
    } else {
        CommandError::UnknownTenant { name: name.to_owned(), known }
    })
}

/// Loads a tenant with its settings.
async fn load(conn: &mut Connection, id: TenantId, name: &str) -> Result<Tenant, CommandError> {
    match tenant::list(conn).await?.into_iter().find(|tenant| tenant.id == id) {
        Some(tenant) => Ok(tenant),
        None => Err(unknown_tenant(conn, name).await?),
    }
}

fn tenant_table(tenants: &[Tenant]) -> String {
    let rows: Vec<_> = tenants
        .iter()
        .map(|tenant| {
            [
                tenant.name.clone(),
                if tenant.hosts.is_empty() { "-".to_owned() } else { tenant.hosts.join(", ") },
                tenant.password_policy.as_str().to_owned(),
                Size::from_bytes(tenant.upload_limit_bytes).to_string(),
                tenant.max_queued_imports.to_string(),
                if tenant.protect_administrators { "protected" } else { "not protected" }.to_owned(),
                tenant.presentation_group_limit.to_string(),
            ]
        })
        .collect();
    table(
        ["TENANT", "HOSTS", "PASSWORDS", "UPLOAD LIMIT", "QUEUE LIMIT", "ADMINISTRATORS", "NEW GROUPS"],
        &rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_upload_limit_is_that_of_the_schema() {
        let default: Size = DEFAULT_UPLOAD_LIMIT.parse().expect("a size");
        assert_eq!(default.bytes(), tenant::DEFAULT_UPLOAD_LIMIT_BYTES);
    }
}
