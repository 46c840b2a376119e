//! The data keys of a running process.

use std::sync::{Arc, PoisonError, RwLock};

use super::data_keys::{DataKeys, SealKey};
use super::store::{self, KeyError};
use crate::crypto::key::ServiceKey;
use crate::postgres::pool::Database;

/// Something is sealed with a data key that this process cannot open now. Nothing is wrong with what is sealed: it opens
/// once the process has the installation's key, or the database answers.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is sealed with the data key {id}, which this process does not have: check ROLLCALL_KEY with `rollcall keys status`"
)]
pub struct KeyUnavailable {
    pub id: i32,
    /// Why the keys could not be read again.
    pub source: Option<Box<KeyError>>,
}

/// The data keys of a process. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

struct Inner {
    /// Where the keys are read again. `None` for keys that are fixed.
    source: Option<(Database, ServiceKey)>,
    keys: RwLock<Arc<DataKeys>>,
}

impl KeyRing {
    /// The installation's keys, as they were loaded. They are read again when a seal names one that is not among them.
    pub fn new(keys: DataKeys, database: Database, key: ServiceKey) -> Self {
        Self::with(keys, Some((database, key)))
    }

    /// Keys that are never read again.
    pub fn fixed(keys: DataKeys) -> Self {
        Self::with(keys, None)
    }

    fn with(keys: DataKeys, source: Option<(Database, ServiceKey)>) -> Self {
        Self(Arc::new(Inner { source, keys: RwLock::new(Arc::new(keys)) }))
    }

    /// The keys as they are known now.
    pub fn keys(&self) -> Arc<DataKeys> {
        Arc::clone(&self.0.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key that a seal names. Asks the database for one that is not known yet: the service's key may just have been
    /// rotated.
    pub async fn seal_key(&self, id: i32) -> Result<SealKey, KeyUnavailable> {
        if let Some(key) = self.keys().seal_key(id) {
            return Ok(key.clone());
        }
        let reloaded =
            self.reload().await.map_err(|error| KeyUnavailable { id, source: Some(error.into()) })?;
        reloaded.seal_key(id).cloned().ok_or(KeyUnavailable { id, source: None })
    }

    async fn reload(&self) -> Result<Arc<DataKeys>, KeyError> {
        let Some((database, key)) = &self.0.source else { return Ok(self.keys()) };
        let mut conn = database.connection().await?;
        // Keys that this process has stay known, although its service key may not open any from now on.
        let loaded = store::load(&mut conn, key).await?.ok_or_else(|| KeyError::Wrong(key.id()))?;
        let loaded = Arc::new(loaded);
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&loaded);
        Ok(loaded)
    }
}
