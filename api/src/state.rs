//! What the requests share: the services, put together from the settings.

use std::hash::RandomState;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRef;
use rollcall_schema::passwords::argon2::HashingPool;
use rollcall_schema::passwords::keys::PasswordKeys;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::rabbitmq::connection::Broker;
use rollcall_schema::settings::error::SettingError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::account_login::AccountLogins;
use crate::auth::client_address::ClientAddresses;
use crate::auth::familiar::FamiliarNetworks;
use crate::auth::hashing_queue::HashingQueue;
use crate::auth::login::{Authenticator, DelayedRefusals};
use crate::auth::login_cache::LoginCache;
use crate::auth::password::PasswordVerifier;
use crate::auth::recent_logins::RecentLogins;
use crate::auth::throttle::{LoginThrottle, ThrottleLimits};
use crate::auth::token_login::TokenLogins;
use crate::imports::accept::{AcceptLimits, UploadAcceptor};
use crate::imports::completion::CompletionHub;
use crate::imports::publish::WakeUpPublisher;
use crate::imports::readiness::ReadinessCheck;
use crate::settings::{LimitSettings, Settings};

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
    pub readiness: ReadinessCheck,
    pub limits: LimitSettings,
    /// Work that continues after its client has hung up. The server waits for it before it exits.
    pub tasks: TaskTracker,
    /// Cancelled shortly before the process exits, so that no request waits for a result any longer.
    pub shutdown: CancellationToken,
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
        let shutdown = CancellationToken::new();

        let login = &settings.login;
        let server = &settings.server;
        let addresses =
            ClientAddresses::new(server.client_address_header.clone(), server.trusted_proxies.clone())?;
        let throttle = LoginThrottle::new(ThrottleLimits {
            per_account: login.failed_logins_per_account,
            per_address: login.failed_logins_per_address,
            window: login.failed_logins_window,
        });
        let authenticator = Authenticator {
            addresses,
            recent: RecentLogins::default(),
            throttle: throttle.clone(),
            accounts: AccountLogins {
                database: database.clone(),
                passwords: PasswordVerifier {
                    database: database.clone(),
                    hashing: HashingPool::new(login.hashing_threads()),
                    queue: HashingQueue::new(login.hashing_threads()),
                    keys: passwords,
                    tasks: tasks.clone(),
                },
                cache: LoginCache::new(login.cache_ttl),
                throttle,
                familiar: FamiliarNetworks::new(database.clone(), tasks.clone()),
                hasher: RandomState::new(),
            },
            tokens: TokenLogins::new(database.clone(), tasks.clone()),
            delay: login.failed_login_delay,
            delayed_refusals: DelayedRefusals::default(),
        };
        let publisher = WakeUpPublisher::new(database.clone(), broker, tasks.clone());
        let acceptor = UploadAcceptor {
            database: database.clone(),
            uploads: uploads.clone(),
            publisher: publisher.clone(),
            limits: AcceptLimits {
                drain_bytes: limits.drain_bytes,
                idle: limits.upload_idle,
                small_upload_bytes: limits.small_upload_bytes,
            },
            tasks: tasks.clone(),
        };
        Ok(Self(Arc::new(Services {
            authenticator: Arc::new(authenticator),
            acceptor,
            completion: CompletionHub::new(database.clone(), shutdown.clone()),
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
