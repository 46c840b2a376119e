//! `rollcall migrate`: creates or updates the tables.

use rollcall_schema::settings::OwnerSettings;
use serde::Serialize;

use crate::database;
use crate::error::CommandError;
use crate::output::Output;

const HELP: &str = "\
Run it before the first start and after every update of Rollcall, as a database user that owns the tables. It is safe \
to run at any time, even on several machines at once: the second run waits for the first and changes nothing.

With ROLLCALL_OWNER_DATABASE_URL the tables belong to its user, and the user in DATABASE_URL, as which API and workers \
connect, is given the rights that they need and no others. It is created if it does not exist and the owner may.

If a migration needs a decision, such as which of two users keeps a name, it changes nothing and says what to do.

Examples:
  DATABASE_URL=postgres://rollcall:secret@db.example.org/rollcall rollcall migrate
  DATABASE_URL=postgres://rollcall_service:other@db.example.org/rollcall \
  ROLLCALL_OWNER_DATABASE_URL=postgres://rollcall:secret@db.example.org/rollcall rollcall migrate
  DATABASE_URL_FILE=/run/secrets/database-url rollcall migrate

With --json: {\"applied\":[\"VERSION\",…],\"service_role\":\"ROLE\"}, where service_role is null if the owner is the service";

/// Create the database tables, or update them to this version of Rollcall
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Migrate {
    #[command(flatten)]
    database: OwnerSettings,
}

#[derive(Serialize)]
struct Migrated {
    applied: Vec<String>,
    service_role: Option<String>,
}

pub async fn run(migrate: &Migrate, output: Output) -> Result<(), CommandError> {
    let database = database::open(&migrate.database)?;
    // Says what is wrong with the address, if the server refuses it.
    database.session_for_all().await?;
    let applied = database.migrate().await?;
    let role = migrate.database.service_role()?;
    if let Some(role) = &role {
        database.grant(role).await?;
    }
    let migrated = Migrated { applied, service_role: role.map(|role| role.name) };
    output.print(&migrated, || {
        let tables = if migrated.applied.is_empty() {
            "The tables are already up to date.".to_owned()
        } else {
            format!("Applied the migrations {}.", migrated.applied.join(", "))
        };
        match &migrated.service_role {
            Some(role) => format!("{tables} The role {role} has the rights of the service."),
            None => tables,
        }
    })?;
    Ok(())
}
