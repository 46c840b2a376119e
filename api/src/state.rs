//! What every request shares.

use std::ops::Deref;
use std::sync::Arc;

use axum::http::HeaderName;
use rollcall_schema::broker::Broker;
use rollcall_schema::config::ConfigError;
use rollcall_schema::database::Database;
use rollcall_schema::password::HashingPool;
use rollcall_schema::seal::PasswordKeys;
use rollcall_schema::upload::UploadStore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::login::LoginLocks;
use crate::auth::login_cache::LoginCache;
use crate::auth::throttle::{LoginThrottle, ThrottleLimits};
use crate::imports::completion::CompletionHub;
use crate::imports::publish::WakeUpPublisher;
use crate::routes::health::Checked;
use crate::settings::{LimitSettings, Settings};

/// What every request shares. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// See [`App`].
pub struct Shared {
    /// The pool of connections to Postgres.
    pub database: Database,
    /// Where uploads are kept.
    pub uploads: UploadStore,
    /// The way to the workers.
    pub publisher: WakeUpPublisher,
    /// Who waits for which import.
    pub waiting: CompletionHub,
    /// Where passwords are hashed.
    pub hashing: HashingPool,
    /// What opens waiting passwords.
    pub passwords: PasswordKeys,
    /// Logins verified of late.
    pub login_cache: LoginCache,
    /// Logins failed of late.
    pub throttle: LoginThrottle,
    /// One login of an account at a time.
    pub login_locks: LoginLocks,
    /// The header that names the client's address, behind a proxy.
    pub client_address_header: Option<HeaderName>,
    /// How much of everything.
    pub limits: LimitSettings,
    /// What `/ready` found last.
    pub checked: Checked,
    /// Work that goes on when its client has hung up, waited for at the end.
    pub tasks: TaskTracker,
    /// Cancelled when the process is about to end: whoever waits for a result is sent away.
    pub shutdown: CancellationToken,
}

impl App {
    /// Reads the settings. Connects to nothing yet.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let key = settings.key.key()?;
        let login = &settings.login;
        let database =
            Database::new(settings.database.address()?, settings.limits.database_connections.into());
        let broker = Broker::new(settings.broker.address()?, "rollcall-api");
        Ok(Self(Arc::new(Shared {
            publisher: WakeUpPublisher::new(database.clone(), broker),
            database,
            passwords: key.password_keys(),
            uploads: settings.uploads.store(key)?,
            waiting: CompletionHub::default(),
            hashing: HashingPool::new(login.hashing_threads()),
            login_cache: LoginCache::new(login.cache_ttl),
            throttle: LoginThrottle::new(ThrottleLimits {
                per_account: login.failed_logins_per_account,
                per_address: login.failed_logins_per_address,
                window: login.failed_logins_window,
            }),
            login_locks: LoginLocks::default(),
            client_address_header: settings.server.client_address_header.clone(),
            limits: settings.limits.clone(),
            checked: Checked::default(),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        })))
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
