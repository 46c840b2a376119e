//! What the requests share: the services, put together from the settings.

use std::hash::RandomState;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRef;
use rollcall_schema::installation::Installation;
use rollcall_schema::installation::error::InstallationError;
use rollcall_schema::key_ring::rotation::process_name;
use rollcall_schema::passwords::argon2::HashingPool;
use rollcall_schema::passwords::keys::PasswordKeys;
use rollcall_schema::postgres::migrate;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::rabbitmq::connection::Broker;
use rollcall_schema::settings::error::SettingError;
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
use crate::imports::response::Results;
use crate::imports::slots::Slots;
use crate::imports::upload::Pace;
use crate::settings::{LimitSettings, Settings};
use crate::shutdown::ShutdownPhases;

/// The name of this program's sessions and connections.
const PROGRAM: &str = "rollcall-api";

/// Why the API failed to start or stopped running.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A setting is missing or invalid.
    #[error(transparent)]
    Config(#[from] SettingError),
    /// The database does not answer, or has not been migrated.
    #[error(transparent)]
    Database(#[from] migrate::StartError),
    /// A setting is not the installation's.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    #[error("the server failed")]
    Io(#[from] std::io::Error),
}

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
    /// Builds the services from the settings. Fails if a setting is not the installation's.
    pub async fn open(settings: &Settings) -> Result<Self, ServerError> {
        let limits = settings.limits.clone();
        let key = settings.key.key()?;
        let folder = settings.uploads.folder()?;
        let server = &settings.server;
        let addresses =
            ClientAddresses::new(server.client_address_header.clone(), server.trusted_proxies.clone())?;
        let address = settings.database.address()?.named(&process_name(PROGRAM, &key));
        let database = Database::new(address, settings.limits.pool_sizes());
        let broker = Broker::new(settings.broker.address()?, PROGRAM);
        database.wait_until_migrated().await?;
        let (Installation { keys, uploads }, ()) =
            tokio::try_join!(async { Ok(Installation::open(&database, &key, &folder).await?) }, async {
                Ok::<_, ServerError>(broker.check_settings().await?)
            },)?;
        let passwords = PasswordKeys::new(&keys);
        let tasks = TaskTracker::new();
        let shutdown = ShutdownPhases::default();

        let login = &settings.login;
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
