//! The service's role: what API and workers connect as. It has no right to change a table, and row-level security holds for
//! it (invariant 9). The owner of the tables grants it what it needs, after every migration.

use tokio_postgres::error::SqlState;

use crate::postgres::error::DatabaseError;
use crate::postgres::pool::Database;
use crate::postgres::service_role::ServiceRole;

const SET_SERVICE_ROLE: &str = include_str!("sql/set_service_role.sql");
const GRANT_SERVICE: &str = include_str!("sql/grant_service.sql");
const ISOLATES_TENANTS: &str = include_str!("sql/isolates_tenants.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[
    ("set_service_role", SET_SERVICE_ROLE),
    ("grant_service", GRANT_SERVICE),
    ("isolates_tenants", ISOLATES_TENANTS),
];

/// Why the service's role could not be given its rights.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    #[error(
        "the role {0} cannot be the service's: it is a superuser, owns the tables or bypasses row-level security. Name \
         another one in DATABASE_URL"
    )]
    TooPowerful(String),
    #[error(
        "the role {0} does not exist or may not be given rights by the owner of the tables. Create it as a superuser: \
         create role \"{0}\" login password '…'"
    )]
    NotAllowed(String),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Database {
    /// Gives the service's role its rights on the newest tables, as their owner. Creates the role if there is none.
    pub async fn grant(&self, role: &ServiceRole) -> Result<(), GrantError> {
        let txn = self.transaction_for_all().await?;
        let granted = async {
            txn.begin().await?;
            let password = role.password.as_deref().unwrap_or_default();
            txn.query_one(SET_SERVICE_ROLE, &[&role.name, &password]).await?;
            txn.batch_execute(GRANT_SERVICE).await
        };
        let granted = match granted.await {
            Ok(()) => txn.commit().await,
            Err(error) => Err(error),
        };
        granted.map_err(|error| match error.code() {
            Some(&SqlState::INVALID_GRANT_OPERATION) => GrantError::TooPowerful(role.name.clone()),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE | &SqlState::UNDEFINED_OBJECT) => {
                GrantError::NotAllowed(role.name.clone())
            }
            _ => GrantError::Database(error.into()),
        })
    }

    /// Whether row-level security holds for the role that this process connects as.
    pub async fn isolates_tenants(&self) -> Result<bool, DatabaseError> {
        Ok(self.session_for_all().await?.query_one(ISOLATES_TENANTS, &[]).await?.try_get(0)?)
    }
}
