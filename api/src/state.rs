//! What the requests share: the services, put together from the settings.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRef;
use rollcall_schema::passwords::argon2::HashingPool;
use rollcall_schema::passwords::keys::PasswordKeys;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::rabbitmq::connection::Broker;
use rollcall_schema::settings::error::SettingError;
use tokio_util::task::TaskTracker;

use crate::auth::login::Authenticator;
use crate::auth::login_cache::LoginCache;
use crate::auth::login_locks::LoginLocks;
use crate::auth::password::PasswordVerifier;
use crate::auth::throttle::{LoginThrottle, ThrottleLimits};
use crate::imports::accept::{AcceptLimits, UploadAcceptor};
use crate::imports::completion::CompletionHub;
use crate::imports::publish::WakeUpPublisher;
use crate::imports::readiness::ReadinessCheck;
use crate::imports::response::Results;
use crate::imports::slots::Slots;
use crate::imports::upload::Pace;
use crate::settings::{LimitSettings, Settings};
use crate::shutdown::ShutdownPhases;

/// The application's state. Cheap to clone.
///
/// Only the routes and the server know it. The services below them are given the parts that they use.
#[derive(Clone)]
pub struct App(Arc<Services>);

/// See [`App`].
pub struct Services {
    pub database: Database,
    pub authenticator: Arc<Authenticator>,
    pub acceptor: UploadAcceptor,
    pub publisher: WakeUpPublisher,
    pub completion: CompletionHub,
    pub results: Results,
    /// How many clients may wait for a result at once.
    pub waiting: Slots,
    pub readiness: ReadinessCheck,
    pub limits: LimitSettings,
    /// Work that continues after its client has hung up. The server waits for it before it exits.
    pub tasks: TaskTracker,
    pub shutdown: ShutdownPhases,
}

impl App {
    /// Builds the services from the settings. Connects to nothing yet.
    pub fn new(settings: &Settings) -> Result<Self, SettingError> {
        let limits = settings.limits.clone();
        let key = settings.key.key()?;
        let database = Database::new(settings.database.address()?, settings.limits.pool_sizes());
        let broker = Broker::new(settings.broker.address()?, "rollcall-api");
        let passwords = PasswordKeys::new(&key);
        let uploads = settings.uploads.store(key)?;
        let tasks = TaskTracker::new();
        let shutdown = ShutdownPhases::default();

        let login = &settings.login;
        let authenticator = Authenticator {
            database: database.clone(),
            passwords: PasswordVerifier {
                database: database.clone(),
                hashing: HashingPool::new(login.hashing_threads()),
                keys: passwords,
                tasks: tasks.clone(),
            },
            cache: LoginCache::new(login.cache_ttl),
            throttle: LoginThrottle::new(ThrottleLimits {
                per_account: login.failed_logins_per_account,
                per_address: login.failed_logins_per_address,
                window: login.failed_logins_window,
            }),
            locks: LoginLocks::default(),
            client_address_header: settings.server.client_address_header.clone(),
        };
        let publisher = WakeUpPublisher::new(database.clone(), broker, tasks.clone());
        let acceptor = UploadAcceptor {
            database: database.clone(),
            uploads: uploads.clone(),
            publisher: publisher.clone(),
            limits: AcceptLimits {
                drain_bytes: limits.drain_bytes,
                pace: Pace {
                    idle: limits.upload_idle,
                    min_bytes_per_second: limits.upload_min_bytes_per_second,
                    grace: limits.upload_grace,
                },
                small_upload_bytes: limits.small_upload_bytes,
            },
            slots: Slots::new("uploads", limits.uploads_at_once, limits.uploads_per_tenant),
            tasks: tasks.clone(),
        };
        let results = Results {
            database: database.clone(),
            slots: Slots::new("requests for results", limits.results_at_once, limits.results_per_tenant),
        };
        Ok(Self(Arc::new(Services {
            authenticator: Arc::new(authenticator),
            acceptor,
            completion: CompletionHub::new(database.clone(), shutdown.clone()),
            results,
            waiting: Slots::new("requests", limits.waiting_clients, limits.waiting_per_tenant),
            readiness: ReadinessCheck::new(database.clone(), uploads, publisher.clone()),
            publisher,
            database,
            limits,
            tasks,
            shutdown,
        })))
    }
}

impl Deref for App {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}

impl FromRef<App> for Arc<Authenticator> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.authenticator)
    }
}
