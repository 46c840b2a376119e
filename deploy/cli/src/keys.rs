//! `rollcall keys`: shows the installation's keys, and replaces the service key.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use rollcall_schema::crypto::key::ServiceKey;
use rollcall_schema::key_ring::ring::KeyRing;
use rollcall_schema::key_ring::rotation::{self, Begun, KeyStatus, RotationError};
use rollcall_schema::key_ring::store;
use rollcall_schema::passwords::keys::PasswordKeys;
use rollcall_schema::passwords::reseal::{Resealed, reseal_waiting};
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::settings::error::SettingError;
use rollcall_schema::settings::{KeySettings, OwnerSettings};
use serde::Serialize;

use crate::database;
use crate::error::CommandError;
use crate::output::{Output, table};

const NEW_KEY: &str = "ROLLCALL_NEW_KEY";

/// Show the installation's keys, and replace the service key without downtime
///
/// The service key (`ROLLCALL_KEY`) wraps the data keys, which seal uploads and waiting passwords. It is shown by its id, which
/// reveals nothing of it.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rollcall keys status
  ROLLCALL_KEY_FILE=old ROLLCALL_NEW_KEY_FILE=new rollcall keys rotate")]
pub enum Command {
    Status(Status),
    Rotate(Rotate),
}

/// Show which service keys open the installation, and which processes run with them
#[derive(Debug, Args)]
#[command(after_help = "\
While the service key is rotated there are two; otherwise one. `given` marks the key in ROLLCALL_KEY, if it is set.

Examples:
  rollcall keys status
  ROLLCALL_KEY_FILE=/etc/rollcall/key rollcall keys status --json

With --json: {\"given\":ID|null,\"service_keys\":[{\"id\":…,\"added_at\":…,\"processes\":[…]}],
  \"data_keys\":[{\"id\":…,\"purpose\":\"digests\"|\"seals\",\"created_at\":…}]}")]
pub struct Status {
    #[command(flatten)]
    key: KeySettings,
    #[command(flatten)]
    database: OwnerSettings,
}

/// Replace the service key while the service runs
///
/// Nothing is sealed again but waiting passwords, and nothing becomes unreadable: the data keys stay the same, and are
/// wrapped by another service key. What is sealed from now on gets a new data key.
#[derive(Debug, Args)]
#[command(after_help = "\
1. Create a key and begin. Processes with the old key go on, and processes with either key start:
     openssl rand -hex 32 > /etc/rollcall/new-key
     ROLLCALL_KEY_FILE=/etc/rollcall/key rollcall keys rotate --new-key-file /etc/rollcall/new-key
2. Start every API and worker again with the new key, one after another. `rollcall keys status` shows which ones still run
   with the old one.
3. With the new key, finish. Then the old key opens nothing any more, and can be destroyed:
     ROLLCALL_KEY_FILE=/etc/rollcall/new-key rollcall keys rotate --finish

Until then, `--cancel` with the old key goes back. Both refuse while processes run with the key that is removed. Repeating a
step changes nothing. Backups of the database that were made before still need the old key.

With --json: {\"step\":\"begun\"|\"under way\"|\"finished\"|\"cancelled\",\"removed\":[ID,…],\"resealed\":N,\"unopened\":N}")]
pub struct Rotate {
    /// File that contains the new key: 64 hexadecimal digits. Without it, the new key is that of the environment variable
    /// `ROLLCALL_NEW_KEY`
    #[arg(long, env = "ROLLCALL_NEW_KEY_FILE", value_name = "FILE")]
    new_key_file: Option<PathBuf>,
    /// End the rotation: remove what the old key opens. Give the new key as `ROLLCALL_KEY`
    #[arg(long, conflicts_with = "cancel")]
    finish: bool,
    /// Undo the rotation: remove what the new key opens. Give the old key as `ROLLCALL_KEY`
    #[arg(long)]
    cancel: bool,
    #[command(flatten)]
    key: KeySettings,
    #[command(flatten)]
    database: OwnerSettings,
}

pub async fn run(command: Command, output: Output) -> Result<(), CommandError> {
    match command {
        Command::Status(status) => run_status(&status, output).await,
        Command::Rotate(rotate) => run_rotate(&rotate, output).await,
    }
}

#[derive(Serialize)]
struct Shown {
    given: Option<String>,
    #[serde(flatten)]
    status: KeyStatus,
}

async fn run_status(status: &Status, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&status.database).await?;
    let given = if status.key.is_set() { Some(status.key.key()?.id().to_string()) } else { None };
    let shown = Shown { given, status: rotation::status(&database).await? };
    output.print(&shown, || status_text(&shown))?;
    Ok(())
}

fn status_text(Shown { given, status }: &Shown) -> String {
    if status.service_keys.is_empty() {
        return "There are no keys yet. The first API or worker that starts creates them with its ROLLCALL_KEY.".to_owned();
    }
    let keys: Vec<_> = status
        .service_keys
        .iter()
        .map(|key| {
            [
                key.id.clone(),
                if given.as_ref() == Some(&key.id) { "given" } else { "" }.to_owned(),
                key.added_at.format("%Y-%m-%d %H:%M").to_string(),
                if key.processes.is_empty() { "-".to_owned() } else { key.processes.join(", ") },
            ]
        })
        .collect();
    let data: Vec<_> = status
        .data_keys
        .iter()
        .map(|key| {
            [key.id.to_string(), key.purpose.clone(), key.created_at.format("%Y-%m-%d %H:%M").to_string()]
        })
        .collect();
    let mut text = table(["SERVICE KEY", "", "ADDED", "PROCESSES"], &keys);
    text.push('\n');
    text.push_str(&table(["DATA KEY", "PURPOSE", "CREATED"], &data));
    if let [old, .., new] = status.service_keys.as_slice() {
        text.push_str("\nThe key is being rotated. ");
        let next = if old.processes.is_empty() {
            format!("Once every process runs with {}, finish with `rollcall keys rotate --finish`.", new.id)
        } else {
            format!("Start the processes of {} again with {}.", old.id, new.id)
        };
        text.push_str(&next);
        text.push('\n');
    }
    if given.as_ref().is_some_and(|given| status.service_keys.iter().all(|key| key.id != *given)) {
        text.push_str("\nROLLCALL_KEY is not a key of this installation.\n");
    }
    text
}

#[derive(Serialize)]
struct Rotated {
    step: &'static str,
    removed: Vec<String>,
    resealed: u64,
    unopened: u64,
}

async fn run_rotate(rotate: &Rotate, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&rotate.database).await?;
    let key = rotate.key.key()?;
    let (rotated, text) = if rotate.finish {
        finish(&database, &key).await?
    } else if rotate.cancel {
        cancel(&database, &key).await?
    } else {
        begin(&database, &key, &rotate.new_key()?).await?
    };
    output.print(&rotated, || text)?;
    Ok(())
}

async fn begin(
    database: &Database,
    key: &ServiceKey,
    new: &ServiceKey,
) -> Result<(Rotated, String), CommandError> {
    let mut conn = database.connection().await?;
    let (step, is) = match rotation::begin(&mut conn, key, new).await? {
        Begun::Now => ("begun", "has begun"),
        Begun::Before => ("under way", "is under way already"),
    };
    let text = format!(
        "The rotation to the key {} {is}. Start every API and worker again with the new key, then run `rollcall keys rotate \
         --finish` with it.",
        new.id()
    );
    Ok((Rotated { step, removed: Vec::new(), resealed: 0, unopened: 0 }, text))
}

async fn finish(database: &Database, key: &ServiceKey) -> Result<(Rotated, String), CommandError> {
    let removed = match rotation::finish(database, key).await {
        // Finished before, perhaps by a command that was interrupted.
        Err(RotationError::NotUnderWay(only)) if only == key.id() => Vec::new(),
        removed => removed?,
    };
    let removed: Vec<String> = removed.iter().map(ToString::to_string).collect();
    let Resealed { resealed, unopened } = reseal(database, key).await?;
    let text = format!(
        "{} The installation's key is {}. {resealed} waiting passwords were sealed again.{}",
        if removed.is_empty() {
            "No rotation is under way.".to_owned()
        } else {
            format!("The key {} opens nothing any more.", removed.join(", "))
        },
        key.id(),
        if unopened == 0 {
            String::new()
        } else {
            format!(" {unopened} do not open with any key of the installation and were left as they are.")
        }
    );
    Ok((Rotated { step: "finished", removed, resealed, unopened }, text))
}

async fn reseal(database: &Database, key: &ServiceKey) -> Result<Resealed, CommandError> {
    let mut conn = database.connection().await?;
    let Some(keys) = store::load(&mut conn, key).await? else { return Ok(Resealed::default()) };
    drop(conn);
    let keys = PasswordKeys::new(&KeyRing::fixed(keys));
    Ok(reseal_waiting(database, &keys).await?)
}

async fn cancel(database: &Database, key: &ServiceKey) -> Result<(Rotated, String), CommandError> {
    let removed = rotation::cancel(database, key).await?;
    let removed: Vec<String> = removed.iter().map(ToString::to_string).collect();
    let text = format!(
        "The key {} opens nothing any more; the installation's key is still {}.",
        removed.join(", "),
        key.id()
    );
    Ok((Rotated { step: "cancelled", removed, resealed: 0, unopened: 0 }, text))
}

impl Rotate {
    fn new_key(&self) -> Result<ServiceKey, CommandError> {
        let example = "create a key with `openssl rand -hex 32`, write it to a file, and name the file with --new-key-file";
        let text = match &self.new_key_file {
            Some(file) => std::fs::read_to_string(file).map_err(|error| {
                SettingError::new(NEW_KEY, format!("cannot be read from {}: {error}", file.display()))
            })?,
            None => std::env::var(NEW_KEY)
                .map_err(|_| SettingError::new(NEW_KEY, format!("is not set: {example}")))?,
        };
        let key = ServiceKey::from_hex(&text)
            .ok_or_else(|| SettingError::new(NEW_KEY, format!("is not 64 hexadecimal digits: {example}")))?;
        Ok(key)
    }
}
