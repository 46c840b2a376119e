//! Who may import: an extractor that yields the tenant and the administrator, or refuses the request before its
//! body is read.
//!
//! Whatever is wrong (tenant, username, password, a disabled account) is answered alike and takes the time of a
//! hash, so that nobody learns which it was.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use rollcall_schema::account::{self, Account, username_key};
use rollcall_schema::database::DatabaseError;
use rollcall_schema::ids::{ImportId, TenantId, UserId};
use rollcall_schema::password::{self, Overloaded};
use rollcall_schema::tenant::{self, FoundTenant};
use subtle::ConstantTimeEq as _;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;
use tracing::{Instrument as _, Span};
use zeroize::Zeroizing;

use crate::auth::credentials::{self, Credentials};
use crate::auth::throttle::{Attempt, ClientAddress};
use crate::http::error::ApiError;
use crate::state::App;

/// Somebody who has proved to be a system administrator of the tenant that the request is for.
#[derive(Debug, Clone)]
pub struct Administrator {
    /// The tenant.
    pub tenant: FoundTenant,
    /// The administrator.
    pub user: UserId,
    /// The administrator's username.
    pub username: String,
}

impl FromRequestParts<App> for Administrator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let span = tracing::info_span!("authenticate", otel.kind = "internal");
        let administrator = authenticate(app, parts).instrument(span).await?;
        Span::current().record("rollcall.tenant", &administrator.tenant.name);
        Ok(administrator)
    }
}

async fn authenticate(app: &App, parts: &Parts) -> Result<Administrator, ApiError> {
    let Credentials { username, password } = Credentials::read(parts).ok_or(ApiError::Unauthorised)?;
    let (tenant, account) = find(app, parts, &username).await?;
    let attempt = Attempt {
        client: client_address(app, parts),
        tenant: tenant.as_ref().map(|tenant| tenant.id),
        username_key: username_key(&username),
    };
    app.throttle.check(&attempt, Instant::now())?;
    let known = tenant.zip(account).filter(|(_, account)| account.enabled);
    let stored = known.as_ref().and_then(|(_, account)| StoredPassword::of(account));
    let (Some((tenant, account)), Some(stored)) = (known.as_ref(), stored) else {
        let _lock = app.login_locks.lock(&attempt).await?;
        app.throttle.check(&attempt, Instant::now())?;
        app.hashing.verify_nothing(password).await.map_err(overloaded)?;
        return Err(failed(app, &attempt));
    };
    check_password(app, &attempt, tenant.id, account, stored, password).await?;

    if !account.is_administrator {
        tracing::info!(tenant = %tenant.name, "refused: the account is no system administrator");
        return Err(ApiError::NotAdministrator);
    }
    Ok(Administrator { tenant: tenant.clone(), user: account.id, username: account.username.clone() })
}

/// The import that the request's path names.
fn import_named(parts: &Parts) -> Option<ImportId> {
    parts.uri.path().strip_prefix("/api/import/jobs/")?.parse().ok()
}

/// The tenant that the request is for and its account of this name, as they are now: nothing of them is remembered
/// from one request to the next.
async fn find(
    app: &App,
    parts: &Parts,
    username: &str,
) -> Result<(Option<FoundTenant>, Option<Account>), DatabaseError> {
    let named = credentials::named_tenant(parts);
    let host = credentials::host(parts);
    if named.as_deref().is_some_and(|named| !credentials::can_be_stored(named)) {
        return Ok((None, None));
    }
    let mut conn = app.database.connection().await?;
    let tenant = match tenant::resolve(&mut conn, named.as_deref(), host.as_deref()).await? {
        // A client that sent its file with `?tenantId=` polls the `Location` that it was given, which names the import.
        None if named.is_none() => match import_named(parts) {
            Some(import) => tenant::of_import(&mut conn, import).await?,
            None => None,
        },
        tenant => tenant,
    };
    let account = match &tenant {
        Some(tenant) if credentials::can_be_stored(username) => {
            account::find(&mut conn, tenant.id, username).await?
        }
        _ => None,
    };
    Ok((tenant, account))
}

/// Whether the password is the account's: remembered, or verified now.
async fn check_password(
    app: &App,
    attempt: &Attempt,
    tenant: TenantId,
    account: &Account,
    stored: StoredPassword<'_>,
    password: Zeroizing<Vec<u8>>,
) -> Result<(), ApiError> {
    let login = app.login_cache.key(tenant, account.id, stored.bytes(), &password);
    if app.login_cache.contains(&login, Instant::now()) {
        return Ok(());
    }
    let _lock = app.login_locks.lock(attempt).await?;
    // Whoever had the turn before may have settled it, one way or the other.
    if app.login_cache.contains(&login, Instant::now()) {
        return Ok(());
    }
    app.throttle.check(attempt, Instant::now())?;
    if !verify(app, tenant, account, stored, password).await? {
        return Err(failed(app, attempt));
    }
    app.login_cache.insert(login, Instant::now());
    app.throttle.reset(attempt);
    Ok(())
}

/// What is stored of a password.
#[derive(Clone, Copy)]
enum StoredPassword<'a> {
    Hash(&'a str),
    Sealed(&'a [u8]),
}

impl<'a> StoredPassword<'a> {
    /// A password under seal is newer than the hash beside it.
    fn of(account: &'a Account) -> Option<Self> {
        let sealed = account.password_sealed.as_deref().map(Self::Sealed);
        sealed.or_else(|| account.password_hash.as_deref().map(Self::Hash))
    }

    fn bytes(self) -> &'a [u8] {
        match self {
            Self::Hash(hash) => hash.as_bytes(),
            Self::Sealed(sealed) => sealed,
        }
    }
}

/// Whether the password is the one stored.
async fn verify(
    app: &App,
    tenant: TenantId,
    account: &Account,
    stored: StoredPassword<'_>,
    given: Zeroizing<Vec<u8>>,
) -> Result<bool, ApiError> {
    match stored {
        StoredPassword::Hash(hash) => app.hashing.verify(given, hash.to_owned()).await.map_err(overloaded),
        StoredPassword::Sealed(sealed) => {
            let owner = password::owner(tenant, &account.username_key);
            let opened = app.passwords.open(&owner, sealed);
            if opened.is_none() {
                tracing::error!(user = %account.id, "a waiting password does not open: is ROLLCALL_KEY the workers'?");
            }
            let right = opened.is_some_and(|opened| opened.ct_eq(&given).into());
            if right {
                rehash_in_background(app, tenant, account.id, sealed.to_vec(), given);
            } else {
                app.hashing.verify_nothing(given).await.map_err(overloaded)?;
            }
            Ok(right)
        }
    }
}

/// Puts a password's hash in the place of its seal, as the workers' hashing queue would: the login does not wait.
fn rehash_in_background(
    app: &App,
    tenant: TenantId,
    user: UserId,
    sealed: Vec<u8>,
    given: Zeroizing<Vec<u8>>,
) {
    let work = {
        let app = app.clone();
        async move {
            // Too much to do at once: the queue has it, too.
            let Ok(hash) = app.hashing.hash(given).await else { return };
            let stored = async {
                let mut conn = app.database.connection().await?;
                Ok::<_, DatabaseError>(account::store_hash(&mut conn, tenant, user, &sealed, &hash).await?)
            };
            if let Err(error) = stored.await {
                let error = &error as &(dyn std::error::Error + 'static);
                tracing::warn!(error, "a hash could not be stored; the hashing queue will");
            }
        }
    };
    app.tasks.spawn(work.in_current_span());
}

fn failed(app: &App, attempt: &Attempt) -> ApiError {
    app.throttle.record_failure(attempt, Instant::now());
    ApiError::Unauthorised
}

fn overloaded(_: Overloaded) -> ApiError {
    ApiError::Overloaded
}

/// The address that failed logins are counted by.
fn client_address(app: &App, parts: &Parts) -> ClientAddress {
    let told = app.client_address_header.as_ref().and_then(|header| {
        let last = parts.headers.get_all(header).iter().next_back()?.to_str().ok()?;
        last.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
    });
    let connected = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    ClientAddress::from(told.or_else(connected).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
}

/// How long an attempt waits for its turn.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// One attempt at an account at a time: a script that sends many requests at once is hashed once, and a guesser
/// gets no guess beyond the limit by guessing in parallel.
pub struct LoginLocks {
    hasher: RandomState,
    // Accounts share them by their hash: 64 are more than there are threads to hash.
    locks: [Mutex<()>; 64],
}

impl Default for LoginLocks {
    fn default() -> Self {
        Self { hasher: RandomState::new(), locks: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl LoginLocks {
    async fn lock(&self, attempt: &Attempt) -> Result<MutexGuard<'_, ()>, ApiError> {
        let hash = self.hasher.hash_one((attempt.tenant, &attempt.username_key));
        let lock = &self.locks[usize::from(hash.to_le_bytes()[0]) % self.locks.len()];
        timeout(LOCK_TIMEOUT, lock.lock()).await.map_err(|_| ApiError::Overloaded)
    }
}
