//! Migrations: compiled into every binary, run by `rollcall migrate`, and required by the processes that start.

pub mod grant;
pub mod name_collisions;
mod recompute_names;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use diesel::migration::{self, Migration, MigrationSource};
use diesel::pg::Pg;
use diesel_async::{AsyncMigrationHarness, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use tokio_postgres::error::SqlState;

use self::name_collisions::NameCollisions;
use self::recompute_names::RecomputeNames;
use super::error::DatabaseError;
use super::pool::Database;
use crate::settings::error::SettingError;

/// The migrations written in SQL.
const EMBEDDED: EmbeddedMigrations = embed_migrations!("migrations");

/// All migrations. They run in the order of their names, whether they are SQL or Rust.
struct Migrations;

impl MigrationSource<Pg> for Migrations {
    fn migrations(&self) -> migration::Result<Vec<Box<dyn Migration<Pg>>>> {
        let mut migrations: Vec<Box<dyn Migration<Pg>>> = EMBEDDED.migrations()?;
        migrations.push(Box::new(RecomputeNames));
        Ok(migrations)
    }
}

/// The versions of the migrations that were applied.
const APPLIED_MIGRATIONS: &str = include_str!("sql/applied_migrations.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[("applied_migrations", APPLIED_MIGRATIONS)];

/// How long a starting process waits for the database.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(30);
pub(crate) const START_RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Why a process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database does not answer.
    #[error("the database did not answer within {} s: start it, or correct DATABASE_URL", START_TIMEOUT.as_secs())]
    Unreachable(#[source] DatabaseError),
    /// The database refuses this process.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The database lacks tables.
    #[error("the database lacks this version's tables: run `rollcall migrate`")]
    NotMigrated,
    /// The process connects as a role that may not use the tables.
    #[error(
        "the role of DATABASE_URL may not use the tables: run `rollcall migrate` with both DATABASE_URL and \
         ROLLCALL_OWNER_DATABASE_URL"
    )]
    NotGranted,
}

impl StartError {
    /// Whether a setting or the database has to be changed: no waiting helps.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Unreachable(_) => false,
            Self::Setting(_) | Self::NotMigrated | Self::NotGranted => true,
        }
    }
}

impl Database {
    /// Brings the tables up to date and returns the names of the migrations that were run.
    ///
    /// Safe to run from several processes at once: the second waits for the first and finds nothing to do.
    pub async fn migrate(&self) -> Result<Vec<String>, DatabaseError> {
        let mut connection = self.connect().await?;
        // A migration may take long, and others wait for it.
        connection.batch_execute("set lock_timeout = 0").await?;
        // Held by the session, so that it spans the transactions of the migrations.
        connection
            .batch_execute("select pg_advisory_lock(hashtextextended('rollcall migrations', 0))")
            .await?;
        tokio::task::spawn_blocking(move || {
            let mut harness = AsyncMigrationHarness::new(connection);
            harness
                .run_pending_migrations(Migrations)
                .map(|versions| versions.iter().map(ToString::to_string).collect())
                .map_err(|error| match error.downcast::<NameCollisions>() {
                    Ok(collisions) => DatabaseError::NamesCollide(*collisions),
                    Err(error) => DatabaseError::Migration(error.to_string()),
                })
        })
        .await
        .expect("migrations do not panic and are not cancelled")
    }

    /// Whether the database has this binary's tables. Only reads: a process needs no right to create tables.
    pub async fn is_migrated(&self) -> Result<bool, DatabaseError> {
        let session = self.session_for_all().await?;
        let applied = match session.query(APPLIED_MIGRATIONS, &[]).await {
            Ok(rows) => rows,
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let applied: HashSet<String> = applied.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let known: Vec<Box<dyn Migration<Pg>>> =
            Migrations.migrations().map_err(|error| DatabaseError::Migration(error.to_string()))?;
        Ok(known.iter().all(|migration| applied.contains(&migration.name().version().to_string())))
    }

    /// Waits until the database answers, for half a minute at most, and checks that it has this binary's tables: what a
    /// process does before it starts to work.
    pub async fn wait_until_migrated(&self) -> Result<(), StartError> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match self.is_migrated().await {
                Ok(true) => return self.check_isolation().await,
                Ok(false) => return Err(StartError::NotMigrated),
                Err(error) if let Some(wrong) = error.misconfiguration("DATABASE_URL") => {
                    return Err(wrong.into());
                }
                Err(DatabaseError::Statement(error))
                    if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) =>
                {
                    return Err(StartError::NotGranted);
                }
                Err(error) if Instant::now() >= deadline => return Err(StartError::Unreachable(error)),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the database does not answer yet; retrying"
                    );
                }
            }
            tokio::time::sleep(START_RETRY_INTERVAL).await;
        }
    }

    /// Warns where nothing but the statements themselves keeps tenants apart: an installation with one role works on.
    async fn check_isolation(&self) -> Result<(), StartError> {
        if !self.isolates_tenants().await.map_err(StartError::Unreachable)? {
            tracing::warn!(
                "row-level security is not in effect: the role of DATABASE_URL owns the tables or is a superuser; give the \
                 service a role of its own (ROLLCALL_OWNER_DATABASE_URL)"
            );
        }
        Ok(())
    }
}
