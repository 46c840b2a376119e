//! Opens the database, as the owner of the tables: an operator acts for every tenant and defines what the service only reads.

use rollcall_schema::postgres::pool::{Database, PoolSizes};
use rollcall_schema::settings::OwnerSettings;

use crate::error::CommandError;

/// Opens the database without checking its tables.
pub fn open(settings: &OwnerSettings) -> Result<Database, CommandError> {
    // A command does one thing at a time.
    Ok(Database::new(settings.address()?, PoolSizes { connections: 1, sessions: 1 }))
}

/// Opens the database, and checks that its tables are up to date and that the role sees every tenant's rows. Without the
/// checks, outdated tables would cause errors that do not name the cause, and hidden rows would look like none.
pub async fn open_migrated(settings: &OwnerSettings) -> Result<Database, CommandError> {
    let database = open(settings)?;
    if !database.is_migrated().await? {
        return Err(CommandError::NotMigrated);
    }
    if database.isolates_tenants().await? {
        return Err(CommandError::NotOwner);
    }
    Ok(database)
}
