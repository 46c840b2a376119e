//! The familiar pairs of account and network: those that were good on several days. They are kept in the database, so that
//! a restart does not forget them, and compared in memory, before the database is asked for anything.

use std::collections::HashSet;
use std::error::Error;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use moka::sync::Cache;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::tenants::login_network::{self, GoodLogin};
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::auth::network::Network;

/// Maximum number of pairs in memory: a MiB.
const MAX_PAIRS: i64 = 65_536;
const REFRESH_INTERVAL: Duration = Duration::from_mins(10);
/// Pairs whose day was noted by this process.
const NOTED_CAPACITY: u64 = 16_384;
/// How often a day is noted again, at most: a new day is noticed by then.
const NOTED_TTL: Duration = Duration::from_hours(1);

/// The familiar pairs.
pub struct FamiliarNetworks {
    database: Database,
    tasks: TaskTracker,
    pairs: RwLock<HashSet<i64>>,
    noted: Cache<GoodLogin, ()>,
}

impl FamiliarNetworks {
    pub fn new(database: Database, tasks: TaskTracker) -> Self {
        let noted = Cache::builder().max_capacity(NOTED_CAPACITY).time_to_live(NOTED_TTL).build();
        Self { database, tasks, pairs: RwLock::default(), noted }
    }

    /// The pair, if it is familiar. Accounts of the same name in different tenants are not told apart: it is known which
    /// tenant a request is for only once the database was asked.
    pub fn find(&self, network: Network, username_key: &str) -> Option<i64> {
        let pair = pair(network, username_key);
        self.pairs.read().unwrap_or_else(PoisonError::into_inner).contains(&pair).then_some(pair)
    }

    /// Notes in the background that a login was good today.
    pub fn note(&self, login: GoodLogin) {
        if self.noted.get(&login).is_some() {
            return;
        }
        self.noted.insert(login.clone(), ());
        let database = self.database.clone();
        let note = async move {
            let noted =
                async { login_network::remember(&database.session_for(login.tenant).await?, &login).await };
            if let Err(error) = noted.await {
                let error = &error as &(dyn Error + 'static);
                tracing::warn!(error, "failed to note the network of a login");
            }
        };
        self.tasks.spawn(note.in_current_span());
    }

    /// Reads the familiar pairs now and every few minutes, for as long as the process runs.
    pub async fn keep_up_to_date(&self) {
        loop {
            match self.read().await {
                Ok(pairs) => *self.pairs.write().unwrap_or_else(PoisonError::into_inner) = pairs,
                Err(error) => {
                    let error = &error as &(dyn Error + 'static);
                    tracing::warn!(error, "failed to read the networks of earlier logins, retrying");
                }
            }
            sleep(REFRESH_INTERVAL).await;
        }
    }

    async fn read(&self) -> Result<HashSet<i64>, DatabaseError> {
        let session = self.database.session_for_all().await?;
        Ok(login_network::familiar_pairs(&session, MAX_PAIRS).await?.into_iter().collect())
    }
}

/// A digest of network and username key.
pub fn pair(network: Network, username_key: &str) -> i64 {
    let digest = Sha256::new()
        .chain_update(b"rollcall login network\0")
        .chain_update(network.to_string())
        .chain_update(b"\0")
        .chain_update(username_key)
        .finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}
