//! `rollcall migrate`: brings the tables up to date.

use rollcall_schema::config::DatabaseSettings;
use serde::Serialize;

use crate::database;
use crate::error::CommandError;
use crate::output::Output;

const HELP: &str = "\
Safe to run at any time, from several machines at once: the second waits for the first and finds nothing to do. \
Run it before the first start and after every update, with a database user who owns the tables.

Examples:
  DATABASE_URL=postgres://rollcall:secret@db.example.org/rollcall rollcall migrate
  DATABASE_URL_FILE=/run/secrets/database-url rollcall migrate

With --json: {\"applied\":[\"VERSION\",…]}";

/// Create the tables, or bring them up to date with this version of Rollcall
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Migrate {
    #[command(flatten)]
    database: DatabaseSettings,
}

#[derive(Serialize)]
struct Migrated {
    applied: Vec<String>,
}

/// Runs what is pending and names it.
pub async fn run(migrate: &Migrate, output: Output) -> Result<(), CommandError> {
    let applied = database::open(&migrate.database)?.migrate().await?;
    let migrated = Migrated { applied };
    output.print(&migrated, || {
        if migrated.applied.is_empty() {
            return "The tables are up to date.".to_owned();
        }
        format!("Applied {}.", migrated.applied.join(", "))
    })?;
    Ok(())
}
