//! `rollcall migrate`: creates or updates the tables.

use rollcall_schema::settings::DatabaseSettings;
use serde::Serialize;

use crate::database;
use crate::error::CommandError;
use crate::output::Output;

const HELP: &str = "\
Run it before the first start and after every update of Rollcall, as a database user that owns the tables. It is safe \
to run at any time, even on several machines at once: the second run waits for the first and changes nothing.

If a migration needs a decision, such as which of two users keeps a name, it changes nothing and says what to do.

Examples:
  DATABASE_URL=postgres://rollcall:secret@db.example.org/rollcall rollcall migrate
  DATABASE_URL_FILE=/run/secrets/database-url rollcall migrate

With --json: {\"applied\":[\"VERSION\",…]}";

/// Create the database tables, or update them to this version of Rollcall
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

pub async fn run(migrate: &Migrate, output: Output) -> Result<(), CommandError> {
    let database = database::open(&migrate.database)?;
    // Says what is wrong with the address, if the server refuses it.
    database.session().await?;
    let applied = database.migrate().await?;
    let migrated = Migrated { applied };
    output.print(&migrated, || {
        if migrated.applied.is_empty() {
            return "The tables are already up to date.".to_owned();
        }
        format!("Applied the migrations {}.", migrated.applied.join(", "))
    })?;
    Ok(())
}
