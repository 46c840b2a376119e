//! Checks the password of an account.
//!
//! Whatever is wrong (tenant, username, password, a disabled account), the outcome is the same and takes the time of a
//! hash, so that it does not reveal which it was.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Instant;

use futures_util::future::try_join;
use rollcall_schema::ids::TenantId;
use rollcall_schema::names::username_key;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::tenants::account::{self, Account};
use rollcall_schema::tenants::login_network::GoodLogin;
use rollcall_schema::tenants::tenant::{self, FoundTenant};
use zeroize::Zeroizing;

use crate::auth::caller::{Caller, Identity};
use crate::auth::credentials::{TenantClaim, is_postgres_text};
use crate::auth::familiar::{self, FamiliarNetworks};
use crate::auth::hashing_queue::{Overloaded, Permit, Place};
use crate::auth::login_cache::{LoginCache, LoginKey};
use crate::auth::network::Network;
use crate::auth::password::{PasswordVerifier, StoredPassword};
use crate::auth::throttle::{LoginAttempt, LoginThrottle, Refusal, Ticket};
use crate::http::error::ApiError;
use crate::http::logged::logged;
use crate::http::refusal_log;

/// A login that was not accepted.
pub enum LoginError {
    /// It is wrong.
    Wrong(LoginAttempt),
    /// It is right, but the account may not import.
    NotAdministrator(TenantId),
    /// It was not checked.
    Refused(Refusal),
    Failed(ApiError),
}

impl From<ApiError> for LoginError {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl From<DatabaseError> for LoginError {
    fn from(error: DatabaseError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Overloaded> for LoginError {
    fn from(_: Overloaded) -> Self {
        Self::Failed(ApiError::Overloaded)
    }
}

/// An account as a request claims it.
pub struct AccountClaim {
    pub tenant: TenantClaim,
    pub username: String,
    pub password: Zeroizing<Vec<u8>>,
    pub client: IpAddr,
}

/// How a login is known before the database was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The same login was right lately, as one of this tenant.
    Recognised(TenantId),
    /// The account was good from this network on several days.
    Familiar(i64),
    Unknown,
}

/// Checks logins of accounts.
pub struct AccountLogins {
    pub database: Database,
    pub passwords: PasswordVerifier,
    pub cache: LoginCache,
    pub throttle: LoginThrottle,
    pub familiar: FamiliarNetworks,
    pub hasher: RandomState,
}

impl AccountLogins {
    /// How the login is known.
    pub fn standing(&self, recognised: Option<TenantId>, claim: &AccountClaim) -> Standing {
        if let Some(tenant) = recognised {
            return Standing::Recognised(tenant);
        }
        let network = Network::from(claim.client);
        self.familiar
            .find(network, &username_key(&claim.username))
            .map_or(Standing::Unknown, Standing::Familiar)
    }

    /// Checks a login that was admitted.
    pub async fn check(
        &self,
        claim: AccountClaim,
        standing: Standing,
        ticket: Option<&Ticket>,
    ) -> Result<Caller, LoginError> {
        let expected = match standing {
            Standing::Recognised(tenant) => Some(tenant),
            Standing::Familiar(_) | Standing::Unknown => None,
        };
        let (tenant, account) = self.find_account(&claim, expected).await?;
        let attempt = LoginAttempt {
            client: claim.client.into(),
            tenant: tenant.as_ref().map(|tenant| tenant.id),
            username_key: username_key(&claim.username).into_owned(),
        };
        let place = self.place(&claim, standing, &attempt);
        let known = tenant.zip(account).filter(|(_, account)| account.enabled);
        let stored = known.as_ref().and_then(|(_, account)| StoredPassword::of(account));
        let (Some((tenant, account)), Some(stored)) = (known.as_ref(), stored) else {
            let login = self.cache.key_of_unknown(attempt.tenant, &attempt.username_key, &claim.password);
            let Some(_permit) = self.turn(&login, place, ticket).await? else {
                return Err(LoginError::Wrong(attempt));
            };
            self.passwords.dummy_verify(claim.password).await?;
            self.cache.insert_wrong(login);
            return Err(LoginError::Wrong(attempt));
        };
        let login = self.cache.key(tenant.id, account.id, stored.bytes(), &claim.password);
        if !self.cache.contains(&login) {
            let Some(_permit) = self.turn(&login, place, ticket).await? else {
                return Err(LoginError::Wrong(attempt));
            };
            // The same login may have been verified while this one waited.
            if !self.cache.contains(&login) {
                if !self.passwords.verify(tenant.id, account, stored, claim.password).await? {
                    self.cache.insert_wrong(login);
                    return Err(LoginError::Wrong(attempt));
                }
                self.cache.insert(login);
            }
            self.throttle.reset(&attempt);
            self.familiar.note(GoodLogin {
                tenant: tenant.id,
                user: account.id,
                network: attempt.client.to_string(),
                pair: familiar::pair(attempt.client, &attempt.username_key),
            });
        }
        if !account.is_administrator {
            tracing::info!(tenant = %tenant.name, "login refused: not a system administrator");
            return Err(LoginError::NotAdministrator(tenant.id));
        }
        let identity = Identity::Administrator { user: account.id, username: account.username.clone() };
        Ok(Caller { tenant: tenant.clone(), identity, client: claim.client })
    }

    /// Waits for a hashing thread. Returns none where the login was wrong a moment ago.
    async fn turn(
        &self,
        login: &LoginKey,
        place: Place,
        ticket: Option<&Ticket>,
    ) -> Result<Option<Permit>, LoginError> {
        if self.cache.is_wrong(login) {
            return Ok(None);
        }
        let permit = self.passwords.queue.wait(place).await?;
        if ticket.is_some_and(|ticket| ticket.is_overdrawn(Instant::now())) {
            return Err(LoginError::Refused(Refusal::Failing));
        }
        Ok((!self.cache.is_wrong(login)).then_some(permit))
    }

    /// Where the login waits for a hashing thread. A familiar pair is a group of its own.
    fn place(&self, claim: &AccountClaim, standing: Standing, attempt: &LoginAttempt) -> Place {
        match standing {
            Standing::Recognised(_) => Place::Recognised,
            Standing::Familiar(pair) => Place::Lane { group: self.hasher.hash_one(pair), lane: 0 },
            Standing::Unknown => Place::Lane {
                group: self.hasher.hash_one(Network::from(claim.client).site()),
                lane: self.hasher.hash_one(attempt),
            },
        }
    }

    /// Finds the tenant that the request is for, and its account of this name. Neither is cached, so that a change
    /// takes effect with the next request. The account is looked for in the `expected` tenant while the tenant is found.
    async fn find_account(
        &self,
        claim: &AccountClaim,
        expected: Option<TenantId>,
    ) -> Result<(Option<FoundTenant>, Option<Account>), DatabaseError> {
        let (tenant, found) =
            try_join(self.find_tenant(&claim.tenant), self.find_account_of(expected, claim)).await?;
        let tenant_id = tenant.as_ref().map(|tenant| tenant.id);
        let account =
            if tenant_id == expected { found } else { self.find_account_of(tenant_id, claim).await? };
        Ok((tenant, account))
    }

    async fn find_tenant(&self, claim: &TenantClaim) -> Result<Option<FoundTenant>, DatabaseError> {
        let TenantClaim { tenant_id, host, import } = claim;
        if tenant_id.as_deref().is_some_and(|tenant_id| !is_postgres_text(tenant_id)) {
            log_unknown_tenant(tenant_id.as_deref(), None);
            return Ok(None);
        }
        let session = self.database.session_for_all().await?.with_cached_plans();
        let mut tenant = if let Some(name) = tenant_id {
            tenant::named(&session, name).await?
        } else {
            tenant::for_host(&session, host.as_deref()).await?
        };
        drop(session);
        // A client that uploaded with `?tenantId=` polls the `Location` it was given, which names the import only.
        if let (None, None, Some(import)) = (&tenant, tenant_id, import) {
            tenant = tenant::of_import(&mut *self.database.connection().await?, *import).await?;
        }
        if tenant.is_none() {
            log_unknown_tenant(tenant_id.as_deref(), host.as_deref());
        }
        Ok(tenant)
    }

    async fn find_account_of(
        &self,
        tenant: Option<TenantId>,
        claim: &AccountClaim,
    ) -> Result<Option<Account>, DatabaseError> {
        let Some(tenant) = tenant.filter(|_| is_postgres_text(&claim.username)) else { return Ok(None) };
        let session = self.database.session_for(tenant).await?.with_cached_plans();
        Ok(account::find(&session, tenant, &claim.username).await?)
    }
}

/// Logs what the client, who learns only that it is unauthorised, should have named.
fn log_unknown_tenant(tenant_id: Option<&str>, host: Option<&str>) {
    if let Some(tenant_id) = tenant_id {
        if refusal_log::count("unknown tenantId") {
            tracing::info!(tenant_id = %logged(tenant_id), "login refused: there is no tenant of this tenantId");
        }
    } else if refusal_log::count("unknown host") {
        let host = logged(host.unwrap_or_default());
        tracing::info!(
            %host,
            "login refused: the URL has no tenantId, and no tenant has this host name (rollcall tenant set --add-host)"
        );
    }
}
