//! Why a process does not belong to the installation.

use crate::key_ring::store::KeyError;
use crate::postgres::error::DatabaseError;
use crate::settings::error::SettingError;

/// Why a process does not belong to the installation, or why that is unknown.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// A setting is not the installation's.
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the database failed")]
    Database(#[from] DatabaseError),
}

impl InstallationError {
    /// Whether a setting is wrong, or the installation is damaged: no waiting helps.
    pub fn is_permanent(&self) -> bool {
        !self.is_database_error()
    }

    pub(super) fn is_database_error(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Key(KeyError::Database(_)))
    }
}

impl From<diesel::result::Error> for InstallationError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}
