//! `rollcall group`: defines the groups that group imports add users to.

use clap::{ArgGroup, Args, Subcommand};
use diesel_async::AsyncConnection as _;
use rollcall_schema::audit::{self, Action, Entry};
use rollcall_schema::names;
use rollcall_schema::settings::OwnerSettings;
use rollcall_schema::tenants::group::{self, Group, GroupKind};
use serde::Serialize;

use crate::database;
use crate::error::CommandError;
use crate::operator;
use crate::output::{Output, table};
use crate::tenant;

const GROUP_KEYS: &str = "{\"kind\":\"library\"|\"system\",\"name\":…,\"grants_administration\":true|false}";

/// Define and list groups: group imports add users to them, but never define them
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rollcall group add riverside 'Year 9 borrowers' --library
  rollcall group list riverside")]
pub enum Command {
    Add(Add),
    List(List),
}

/// Define a library group or a system group
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("kind").args(["library", "system"]).required(true),
    after_help = format!("\
The file of a group import must contain the group's name, in the same upper and lower case. Composed and decomposed \
accents are the same, and several spaces are one; the name is stored in that form. A group that already exists is left \
unchanged.

Examples:
  rollcall group add riverside 'Year 9 borrowers' --library
  rollcall group add riverside Librarians --system
  rollcall group add riverside 'Import robots' --system --grants-administration

With --json: {{\"outcome\":\"created\"|\"unchanged\",\"group\":GROUP}}, where GROUP is
  {GROUP_KEYS}"))]
pub struct Add {
    /// The tenant's name
    tenant: String,
    /// The group's name, as it is written in files: at most 255 characters, without control characters and invisible
    /// characters
    #[arg(value_parser = name)]
    name: String,
    /// Define a library group: what its members may borrow and see
    #[arg(long)]
    library: bool,
    /// Define a system group: what its members may do
    #[arg(long)]
    system: bool,
    /// Make the members of this system group system administrators, who may upload imports
    #[arg(long, conflicts_with = "library")]
    grants_administration: bool,
    #[command(flatten)]
    database: OwnerSettings,
}

/// List a tenant's library groups and system groups
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  rollcall group list riverside
  rollcall group list riverside --json | jq -r '.[] | select(.grants_administration) | .name'

With --json: an array of
  {GROUP_KEYS}"))]
pub struct List {
    /// The tenant's name
    tenant: String,
    #[command(flatten)]
    database: OwnerSettings,
}

pub async fn run(command: Command, output: Output) -> Result<(), CommandError> {
    match command {
        Command::Add(add) => run_add(add, output).await,
        Command::List(list) => run_list(&list, output).await,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Created,
    Unchanged,
}

#[derive(Serialize)]
struct Added {
    outcome: Outcome,
    group: Group,
}

async fn run_add(add: Add, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&add.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant::find(&mut conn, &add.tenant).await?;
    let kind = if add.system { GroupKind::System } else { GroupKind::Library };
    let group = Group { kind, name: add.name, grants_administration: add.grants_administration };
    let is_new = conn
        .transaction(async |conn| {
            let is_new = match kind {
                GroupKind::Library => group::add_library_group(conn, tenant.id, &group.name).await?,
                GroupKind::System => {
                    group::add_system_group(conn, tenant.id, &group.name, group.grants_administration).await?
                }
            };
            if is_new {
                let details = match (kind, group.grants_administration) {
                    (GroupKind::Library, _) => "a library group",
                    (GroupKind::System, false) => "a system group",
                    (GroupKind::System, true) => "a system group that grants administration",
                };
                let entry = Entry {
                    tenant: Some(tenant.id),
                    action: Action::GroupAdded,
                    object: &group.name,
                    details: Some(details),
                };
                audit::record_in_txn(conn, &operator::actor(), entry).await?;
            }
            Ok::<_, diesel::result::Error>(is_new)
        })
        .await?;
    if !is_new {
        // A group of this name with other rights is not the group that was requested.
        let conflicting = group::list(&mut conn, tenant.id).await?.into_iter().find(|existing| {
            existing.kind == kind
                && existing.name == group.name
                && existing.grants_administration != group.grants_administration
        });
        if let Some(Group { name, grants_administration: grants, .. }) = conflicting {
            return Err(CommandError::GroupConflict { name, grants });
        }
    }
    let added = Added { outcome: if is_new { Outcome::Created } else { Outcome::Unchanged }, group };
    output.print(&added, || {
        let kind = kind_name(kind);
        let Group { name, .. } = &added.group;
        match added.outcome {
            Outcome::Created => format!("Defined the {kind} group {name}."),
            Outcome::Unchanged => format!("The {kind} group {name} already exists; nothing was changed."),
        }
    })?;
    Ok(())
}

async fn run_list(list: &List, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&list.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant::find(&mut conn, &list.tenant).await?;
    let groups = group::list(&mut conn, tenant.id).await?;
    output.print(&groups, || {
        if groups.is_empty() {
            return format!(
                "{0} has no groups yet. Define one with `rollcall group add {0} NAME --library`.",
                tenant.name
            );
        }
        let rows: Vec<_> = groups
            .iter()
            .map(|group| {
                let grants = if group.grants_administration { "administration" } else { "-" };
                [kind_name(group.kind).to_owned(), group.name.clone(), grants.to_owned()]
            })
            .collect();
        table(["KIND", "GROUP", "GRANTS"], &rows)
    })?;
    Ok(())
}

fn kind_name(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::Library => "library",
        GroupKind::System => "system",
    }
}

/// Parses a group's name. It must be valid in an import file.
fn name(text: &str) -> Result<String, &'static str> {
    let name = names::trim(text);
    if name.is_empty() {
        return Err("a group's name must have at least one character");
    }
    if name.chars().any(char::is_control) {
        return Err("a group's name must not contain control characters");
    }
    if names::has_invisible(name) {
        return Err(
            "a group's name must not contain invisible characters, as a copied text may have: type the name",
        );
    }
    // A longer cell in a file never matches a group.
    if name.chars().count() > 255 {
        return Err("a group's name must have at most 255 characters");
    }
    Ok(names::normalized(name).into_owned())
}
