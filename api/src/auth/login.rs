//! The login: an extractor that yields the tenant and the administrator, or rejects the request before its body is
//! read.
//!
//! Whatever is wrong (tenant, username, password, a disabled account), the response is the same and takes the time of
//! a hash, so that it does not reveal which it was.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderName;
use axum::http::request::Parts;
use rollcall_schema::ids::{TenantId, UserId};
use rollcall_schema::names::username_key;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::tenants::account::{self, Account};
use rollcall_schema::tenants::tenant::{self, FoundTenant};
use tracing::{Instrument as _, Span};
use zeroize::Zeroizing;

use crate::auth::credentials::{self, Credentials};
use crate::auth::login_cache::LoginCache;
use crate::auth::login_locks::LoginLocks;
use crate::auth::password::{PasswordVerifier, StoredPassword};
use crate::auth::throttle::{ClientAddress, LoginAttempt, LoginThrottle};
use crate::http::error::ApiError;

/// Characters of a tenant's or host's name that are logged: as many as a host name may have.
const MAX_LOGGED_CHARACTERS: usize = 253;

/// An authenticated system administrator of the tenant that the request is for.
#[derive(Debug, Clone)]
pub struct Administrator {
    pub tenant: FoundTenant,
    pub user: UserId,
    pub username: String,
}

impl<S> FromRequestParts<S> for Administrator
where
    S: Send + Sync,
    Arc<Authenticator>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let authenticator = Arc::<Authenticator>::from_ref(state);
        let span = tracing::info_span!("authenticate", otel.kind = "internal");
        let administrator = authenticator.authenticate(parts).instrument(span).await?;
        Span::current().record("rollcall.tenant", &administrator.tenant.name);
        Ok(administrator)
    }
}

/// Checks logins.
pub struct Authenticator {
    pub database: Database,
    pub passwords: PasswordVerifier,
    pub cache: LoginCache,
    pub throttle: LoginThrottle,
    pub locks: LoginLocks,
    /// The header in which a trusted proxy passes the client's address.
    pub client_address_header: Option<HeaderName>,
}

impl Authenticator {
    async fn authenticate(&self, parts: &Parts) -> Result<Administrator, ApiError> {
        let Credentials { username, password } = Credentials::read(parts).ok_or(ApiError::Unauthorised)?;
        let (tenant, account) = self.find_account(parts, &username).await?;
        let attempt = LoginAttempt {
            client: ClientAddress::from(credentials::client_ip(parts, self.client_address_header.as_ref())),
            tenant: tenant.as_ref().map(|tenant| tenant.id),
            username_key: username_key(&username).into_owned(),
        };
        self.throttle.check(&attempt, Instant::now())?;
        let known = tenant.zip(account).filter(|(_, account)| account.enabled);
        let stored = known.as_ref().and_then(|(_, account)| StoredPassword::of(account));
        let (Some((tenant, account)), Some(stored)) = (known.as_ref(), stored) else {
            let _lock = self.locks.lock(&attempt).await?;
            self.throttle.check(&attempt, Instant::now())?;
            self.passwords.dummy_verify(password).await?;
            return Err(self.fail(&attempt));
        };
        self.check_password(&attempt, tenant.id, account, stored, password).await?;

        if !account.is_administrator {
            tracing::info!(tenant = %tenant.name, "login refused: not a system administrator");
            return Err(ApiError::NotAdministrator);
        }
        Ok(Administrator { tenant: tenant.clone(), user: account.id, username: account.username.clone() })
    }

    /// Finds the tenant that the request is for, and its account of this name. Neither is cached, so that a change
    /// takes effect with the next request.
    async fn find_account(
        &self,
        parts: &Parts,
        username: &str,
    ) -> Result<(Option<FoundTenant>, Option<Account>), DatabaseError> {
        let tenant_id = credentials::tenant_id(parts);
        let host = credentials::host(parts);
        if tenant_id.as_deref().is_some_and(|tenant_id| !credentials::is_postgres_text(tenant_id)) {
            log_unknown_tenant(tenant_id.as_deref(), None);
            return Ok((None, None));
        }
        let mut conn = self.database.connection().await?;
        let tenant = match tenant::resolve(&mut conn, tenant_id.as_deref(), host.as_deref()).await? {
            // A client that uploaded with `?tenantId=` polls the `Location` it was given, which names the import only.
            None if tenant_id.is_none() => match credentials::import_id(parts) {
                Some(import) => tenant::of_import(&mut conn, import).await?,
                None => None,
            },
            tenant => tenant,
        };
        drop(conn);
        if tenant.is_none() {
            log_unknown_tenant(tenant_id.as_deref(), host.as_deref());
        }
        let account = match &tenant {
            Some(tenant) if credentials::is_postgres_text(username) => {
                let mut conn = self.database.connection_for(tenant.id).await?;
                account::find(&mut conn, tenant.id, username).await?
            }
            _ => None,
        };
        Ok((tenant, account))
    }

    /// Checks the password against the cache, and if it is not there against what is stored.
    async fn check_password(
        &self,
        attempt: &LoginAttempt,
        tenant: TenantId,
        account: &Account,
        stored: StoredPassword<'_>,
        password: Zeroizing<Vec<u8>>,
    ) -> Result<(), ApiError> {
        let login = self.cache.key(tenant, account.id, stored.bytes(), &password);
        if self.cache.contains(&login) {
            return Ok(());
        }
        let _lock = self.locks.lock(attempt).await?;
        // The request that held the lock before may have verified the same login, or failed once too often.
        if self.cache.contains(&login) {
            return Ok(());
        }
        self.throttle.check(attempt, Instant::now())?;
        if !self.passwords.verify(tenant, account, stored, password).await? {
            return Err(self.fail(attempt));
        }
        self.cache.insert(login);
        self.throttle.reset(attempt);
        Ok(())
    }

    fn fail(&self, attempt: &LoginAttempt) -> ApiError {
        self.throttle.record_failure(attempt, Instant::now());
        ApiError::Unauthorised
    }
}

/// Logs what the client, who learns only that it is unauthorised, should have named. Debug formatting escapes what could
/// break a line or a terminal.
fn log_unknown_tenant(tenant_id: Option<&str>, host: Option<&str>) {
    if let Some(tenant_id) = tenant_id {
        tracing::info!(tenant_id = ?shortened(tenant_id), "login refused: there is no tenant of this tenantId");
    } else {
        let host = shortened(host.unwrap_or_default());
        tracing::info!(
            ?host,
            "login refused: the URL has no tenantId, and no tenant has this host name (rollcall tenant set --add-host)"
        );
    }
}

/// The beginning of what a client sent, for the log.
fn shortened(text: &str) -> String {
    text.chars().take(MAX_LOGGED_CHARACTERS).collect()
}
