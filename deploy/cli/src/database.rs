//! The way to a database that has this command's tables.

use rollcall_schema::config::DatabaseSettings;
use rollcall_schema::database::Database;

use crate::error::CommandError;

/// The database of these settings, whatever is in it.
pub fn open(settings: &DatabaseSettings) -> Result<Database, CommandError> {
    // One thing is done at a time.
    Ok(Database::new(settings.address()?, 1))
}

/// The database of these settings, found to have the tables: without them each query would fail in words that
/// help nobody.
pub async fn open_migrated(settings: &DatabaseSettings) -> Result<Database, CommandError> {
    let database = open(settings)?;
    if database.is_migrated().await? { Ok(database) } else { Err(CommandError::NotMigrated) }
}
