//! `rollcall admin`: adds administrators. The password is read from a prompt or from standard input, never from the
//! command line, which other users of the machine can read and which ends up in the shell's history.

use std::io::{self, BufRead, IsTerminal as _};

use clap::{Args, Subcommand};
use diesel_async::AsyncConnection as _;
use rollcall_schema::audit::{self, Action, Entry};
use rollcall_schema::names;
use rollcall_schema::passwords::argon2;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::settings::OwnerSettings;
use rollcall_schema::tenants::account;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::database;
use crate::error::CommandError;
use crate::operator;
use crate::output::Output;
use crate::tenant;

/// The same limit as for imports.
const LONGEST_PASSWORD_BYTES: usize = 1024;
/// The same limit as for imports.
const LONGEST_USERNAME: usize = 255;

/// Add administrators: the accounts that may upload imports
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Example:
  rollcall admin add riverside autoimport")]
pub enum Command {
    Add(Add),
}

/// Add an administrator, or make an existing user an administrator and set the password
#[derive(Debug, Args)]
#[command(after_help = "\
At a terminal the command prompts for the password; otherwise it reads the first line of standard input. The password \
cannot be given on the command line.

If a user of this name already exists, the command sets the password, enables the user and makes it an administrator. \
Names are compared as an import and a login compare them: upper and lower case are the same, ß is ss, and an accent is \
the same composed or not. \
The user joins a system group that grants administration; if the tenant has none, the group Administrators is created.

Examples:
  rollcall admin add riverside autoimport
  rollcall admin add riverside autoimport --if-missing < password.txt
  openssl rand -hex 16 | tee password.txt | rollcall admin add riverside autoimport

With --json: {\"outcome\":\"created\"|\"updated\"|\"unchanged\",\"tenant\":…,\"username\":…}")]
pub struct Add {
    /// The tenant's name
    tenant: String,
    /// The username to log in with: at most 255 characters, without a colon, control characters and invisible characters
    #[arg(value_parser = username)]
    username: String,
    /// If an administrator of this name exists, succeed without changing it and without reading a password
    #[arg(long)]
    if_missing: bool,
    #[command(flatten)]
    database: OwnerSettings,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Created,
    Updated,
    Unchanged,
}

#[derive(Serialize)]
struct Added {
    outcome: Outcome,
    tenant: String,
    username: String,
}

pub async fn run(command: Command, output: Output) -> Result<(), CommandError> {
    let Command::Add(add) = command;
    let database = database::open_migrated(&add.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant::find(&mut conn, &add.tenant).await?;
    let found = account::find(&database.session_for(tenant.id).await?, tenant.id, &add.username).await;
    let existing = found.map_err(DatabaseError::from)?;
    if let Some(existing) = existing.as_ref().filter(|existing| add.if_missing && existing.is_administrator) {
        let has_password = existing.password_hash.is_some() || existing.password_sealed.is_some();
        if !existing.enabled || !has_password {
            let why = if existing.enabled { "has no password" } else { "is disabled" };
            eprintln!(
                "warning: {} {why} and cannot log in; to fix this, run the command without --if-missing",
                existing.username
            );
        }
        return report(output, Outcome::Unchanged, tenant.name, existing.username.clone());
    }
    let username = existing.map_or(add.username, |existing| existing.username);
    // Read last, so that a password is typed only if all other arguments are valid.
    let password = read_password(&username, &tenant.name)?;
    let hash = argon2::hash(password.as_bytes());
    let added = conn
        .transaction(async |conn| {
            let added = account::add_administrator(conn, tenant.id, &username, &hash).await?;
            let details = match added {
                account::AddedAdministrator::Created => "created",
                account::AddedAdministrator::Updated => "existed; password set, enabled",
            };
            let entry = Entry {
                tenant: Some(tenant.id),
                action: Action::AdministratorAdded,
                object: &username,
                details: Some(details),
            };
            audit::record_in_txn(conn, &operator::actor(), entry).await?;
            Ok::<_, diesel::result::Error>(added)
        })
        .await?;
    let outcome = match added {
        account::AddedAdministrator::Created => Outcome::Created,
        account::AddedAdministrator::Updated => Outcome::Updated,
    };
    report(output, outcome, tenant.name, username)
}

fn report(output: Output, outcome: Outcome, tenant: String, username: String) -> Result<(), CommandError> {
    let added = Added { outcome, tenant, username };
    output.print(&added, || {
        let Added { outcome, tenant, username } = &added;
        match outcome {
            Outcome::Created => format!("Added {username} as an administrator of {tenant}."),
            Outcome::Updated => {
                format!("{username} is now an administrator of {tenant} and has the new password.")
            }
            Outcome::Unchanged => {
                format!("{username} is already an administrator of {tenant}; nothing was changed.")
            }
        }
    })?;
    Ok(())
}

/// Parses a username. It must be valid in an import file and in HTTP Basic authentication.
fn username(text: &str) -> Result<String, &'static str> {
    let username = names::trim(text);
    if username.is_empty() {
        return Err("a username must have at least one character");
    }
    if username.chars().count() > LONGEST_USERNAME {
        return Err("a username must have at most 255 characters");
    }
    if username.chars().any(char::is_control) {
        return Err("a username must not contain control characters");
    }
    if names::has_invisible(username) {
        return Err(
            "a username must not contain invisible characters, as a copied text may have: type the username",
        );
    }
    if username.contains(':') {
        return Err(
            "a username must not contain a colon: HTTP Basic separates username and password with it",
        );
    }
    Ok(username.to_owned())
}

fn read_password(username: &str, tenant: &str) -> Result<Zeroizing<String>, CommandError> {
    if !io::stdin().is_terminal() {
        return checked(&first_line(io::stdin().lock()).map_err(CommandError::PasswordUnreadable)?);
    }
    let prompt = |text: String| {
        rpassword::prompt_password(text).map(Zeroizing::new).map_err(CommandError::PasswordUnreadable)
    };
    let password = checked(prompt(format!("Password for {username} of {tenant}: "))?.as_bytes())?;
    let again = prompt("Repeat the password: ".to_owned())?;
    if *password == *again { Ok(password) } else { Err(CommandError::PasswordsDiffer) }
}

/// Reads the first line, without its line ending. Of a line that is too long, reads only enough to detect that.
fn first_line(input: impl BufRead) -> io::Result<Zeroizing<Vec<u8>>> {
    let limit = LONGEST_PASSWORD_BYTES + b"\r\n".len() + 1;
    // Allocated once: a buffer that grows would leave copies of the password in freed memory.
    let mut line = Zeroizing::new(Vec::with_capacity(limit));
    input.take(limit as u64).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    Ok(line)
}

fn checked(password: &[u8]) -> Result<Zeroizing<String>, CommandError> {
    if password.is_empty() {
        return Err(CommandError::PasswordEmpty);
    }
    if password.len() > LONGEST_PASSWORD_BYTES {
        return Err(CommandError::PasswordTooLong(LONGEST_PASSWORD_BYTES));
    }
    let password = std::str::from_utf8(password).map_err(|_| CommandError::PasswordNotUtf8)?;
    Ok(Zeroizing::new(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piped(input: &str) -> Result<String, CommandError> {
        let line = first_line(input.as_bytes()).map_err(CommandError::PasswordUnreadable)?;
        checked(&line).map(|password| password.to_string())
    }

    #[test]
    fn the_password_is_the_first_line_untrimmed() {
        for input in ["sword fish ", "sword fish \n", "sword fish \r\n", "sword fish \nsecond\n"] {
            assert_eq!(piped(input).expect("a password"), "sword fish ");
        }
    }

    #[test]
    fn empty_and_overlong_passwords_are_refused() {
        for input in ["", "\n", "\r\n", "\nsecond"] {
            assert!(matches!(piped(input), Err(CommandError::PasswordEmpty)), "{input:?}");
        }
        let longest = "x".repeat(LONGEST_PASSWORD_BYTES);
        assert_eq!(piped(&format!("{longest}\r\n")).expect("a password"), longest);
        assert!(matches!(piped(&format!("{longest}x\n")), Err(CommandError::PasswordTooLong(_))));
        assert!(matches!(piped(&"é".repeat(9000)), Err(CommandError::PasswordTooLong(_))));
        assert!(matches!(checked(b"\xff"), Err(CommandError::PasswordNotUtf8)));
    }

    #[test]
    fn a_username_must_be_able_to_log_in() {
        for written in [" autoimport ", "\u{FEFF}autoimport", "autoimport\u{A0}\u{200B}"] {
            assert_eq!(username(written), Ok("autoimport".to_owned()));
        }
        for bad in ["", "  ", "\u{200B}", "a:b", "a\tb", "auto\u{AD}import", "a\u{200B}b", &"x".repeat(256)] {
            assert!(username(bad).is_err(), "{bad:?}");
        }
    }
}
