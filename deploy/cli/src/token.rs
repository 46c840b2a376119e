//! `rollcall token`: tokens with which scripts import, instead of an administrator's password.

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use diesel_async::AsyncConnection as _;
use rollcall_schema::audit::{self, Action, Entry};
use rollcall_schema::settings::OwnerSettings;
use rollcall_schema::tenants::token::{self, ImportToken, TokenView};
use serde::Serialize;

use crate::database;
use crate::error::CommandError;
use crate::operator;
use crate::output::{Output, table};
use crate::tenant;
use crate::time::{length, timestamp};

const TOKEN_KEYS: &str =
    "{\"id\":…,\"name\":…,\"created_at\":…,\"expires_at\":…,\"last_used_at\":…,\"last_used_from\":…}";

/// Add, list and remove import tokens: secrets with which scripts import, instead of an administrator's password
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A token may upload files of its tenant and read the imports that it has submitted, and nothing else. Send it as a bearer \
token, or as the password of HTTP Basic under any username:
  curl -H \"Authorization: Bearer $TOKEN\" -F file=@users.csv https://HOST/api/import/users
  curl -u \"nightly:$TOKEN\" -F file=@users.csv https://HOST/api/import/users

Examples:
  rollcall token add riverside --name nightly --expires 400d
  rollcall token list riverside
  rollcall token remove riverside nightly")]
pub enum Command {
    Add(Add),
    List(List),
    Remove(Remove),
}

/// Add a token, and print it: it is shown only this once
#[derive(Debug, Args)]
#[command(after_help = "\
Only a digest of the token is stored. Standard output holds the token and nothing else.

Examples:
  rollcall token add riverside --name nightly --expires 400d
  (umask 077; rollcall token add riverside --name nightly > token.txt)

With --json: {\"token\":…,\"tenant\":…,\"id\":…,\"name\":…,\"expires_at\":…}")]
pub struct Add {
    /// The tenant's name
    tenant: String,
    /// What the token is for: at most 63 letters, digits, dots, dashes and underscores. Imports are listed as submitted by
    /// `token NAME`
    #[arg(long, value_parser = name)]
    name: String,
    /// How long it is valid, such as 400d or 12h, or `never` for a token without an end
    #[arg(long, value_name = "TIME", default_value = "400d", value_parser = lifetime)]
    expires: Lifetime,
    #[command(flatten)]
    database: OwnerSettings,
}

/// List a tenant's tokens, and when they were last used
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  rollcall token list riverside
  rollcall token list riverside --json | jq -r '.[] | select(.last_used_at == null) | .name'

With --json: an array of
  {TOKEN_KEYS}
Times are RFC 3339 in UTC, or null; the last use is noted at most once a minute."))]
pub struct List {
    /// The tenant's name
    tenant: String,
    #[command(flatten)]
    database: OwnerSettings,
}

/// Remove a token: the next request with it is refused
#[derive(Debug, Args)]
#[command(after_help = format!("\
What was imported with it stays, and imports that are queued or running continue.

Example:
  rollcall token remove riverside nightly

With --json: the removed token,
  {TOKEN_KEYS}"))]
pub struct Remove {
    /// The tenant's name
    tenant: String,
    /// The token's name
    name: String,
    #[command(flatten)]
    database: OwnerSettings,
}

#[derive(Debug, Clone, Copy)]
enum Lifetime {
    Never,
    After(TimeDelta),
}

#[derive(Serialize)]
struct Added<'a> {
    token: &'a str,
    tenant: &'a str,
    #[serde(flatten)]
    view: AddedView,
}

#[derive(Serialize)]
struct AddedView {
    id: rollcall_schema::ids::TokenId,
    name: String,
    expires_at: Option<DateTime<Utc>>,
}

pub async fn run(command: Command, output: Output) -> Result<(), CommandError> {
    match command {
        Command::Add(add) => run_add(add, output).await,
        Command::List(list) => run_list(&list, output).await,
        Command::Remove(remove) => run_remove(&remove, output).await,
    }
}

async fn run_add(add: Add, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&add.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant::find(&mut conn, &add.tenant).await?;
    let secret = ImportToken::generate();
    let expires_at = match add.expires {
        Lifetime::Never => None,
        Lifetime::After(length) => Some(Utc::now() + length),
    };
    let expiry = expires_at
        .map_or_else(|| "does not expire".to_owned(), |time| format!("expires {}", timestamp(time)));
    let added = conn
        .transaction(async |conn| {
            let added = token::add(conn, tenant.id, &add.name, &secret, expires_at).await?;
            if added.is_some() {
                let entry = Entry {
                    tenant: Some(tenant.id),
                    action: Action::TokenAdded,
                    object: &add.name,
                    details: Some(&expiry),
                };
                audit::record_in_txn(conn, &operator::actor(), entry).await?;
            }
            Ok::<_, diesel::result::Error>(added)
        })
        .await?;
    let Some(TokenView { id, name, expires_at, .. }) = added else {
        return Err(CommandError::TokenExists { tenant: tenant.name, name: add.name });
    };
    if !output.json {
        eprintln!("Added the token {name} of {}, which {expiry}. It is not shown again:", tenant.name);
    }
    let view = AddedView { id, name, expires_at };
    let added = Added { token: secret.as_str(), tenant: &tenant.name, view };
    output.print(&added, || added.token.to_owned())?;
    Ok(())
}

async fn run_list(list: &List, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&list.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant::find(&mut conn, &list.tenant).await?;
    let tokens = token::list(&mut conn, tenant.id).await?;
    output.print(&tokens, || {
        if tokens.is_empty() {
            return format!(
                "{0} has no tokens. Add one with `rollcall token add {0} --name NAME`.",
                tenant.name
            );
        }
        let now = Utc::now();
        let rows: Vec<_> = tokens
            .iter()
            .map(|token| {
                [
                    token.name.clone(),
                    timestamp(token.created_at),
                    token.expires_at.map_or_else(
                        || "never".to_owned(),
                        |time| format!("{}{}", timestamp(time), if time <= now { " (expired)" } else { "" }),
                    ),
                    token.last_used_at.map_or_else(|| "-".to_owned(), timestamp),
                    token.last_used_from.clone().unwrap_or_else(|| "-".to_owned()),
                ]
            })
            .collect();
        table(["TOKEN", "ADDED", "EXPIRES", "LAST USED", "FROM"], &rows)
    })?;
    Ok(())
}

async fn run_remove(remove: &Remove, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&remove.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant::find(&mut conn, &remove.tenant).await?;
    let removed = conn
        .transaction(async |conn| {
            let removed = token::remove(conn, tenant.id, &remove.name).await?;
            if removed.is_some() {
                let entry = Entry {
                    tenant: Some(tenant.id),
                    action: Action::TokenRemoved,
                    object: &remove.name,
                    details: None,
                };
                audit::record_in_txn(conn, &operator::actor(), entry).await?;
            }
            Ok::<_, diesel::result::Error>(removed)
        })
        .await?;
    let Some(removed) = removed else {
        return Err(CommandError::UnknownToken { tenant: tenant.name, name: remove.name.clone() });
    };
    output.print(&removed, || {
        format!(
            "Removed the token {} of {}: requests with it are refused from now on.",
            removed.name, tenant.name
        )
    })?;
    Ok(())
}

/// Parses a token's name.
fn name(text: &str) -> Result<String, &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > 63 || !text.chars().all(fits) {
        return Err("a token's name is 1 to 63 letters, digits, dots, dashes and underscores");
    }
    Ok(text.to_owned())
}

fn lifetime(text: &str) -> Result<Lifetime, String> {
    if text == "never" {
        return Ok(Lifetime::Never);
    }
    length(text).map(Lifetime::After).map_err(|problem| format!("{problem}, or `never`"))
}
