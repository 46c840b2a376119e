//! The login: extractors that yield who sent a request, or reject it before its body is read.
//!
//! In this order: what the request claims and where it comes from; whether the same login was right lately; a place, which
//! a client that goes on failing does not always get; only then the database, and a thread to hash on. A wrong login of a
//! client that goes on failing is answered after a delay, during which it keeps its place, even if it hangs up.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use rollcall_schema::audit::Actor;
use rollcall_schema::tenants::tenant::FoundTenant;
use rollcall_schema::tenants::token::ImportToken;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tracing::{Instrument as _, Span};

use crate::auth::account_login::{AccountClaim, AccountLogins, LoginError, Standing};
use crate::auth::caller::{Caller, Identity};
use crate::auth::client_address::ClientAddresses;
use crate::auth::credentials::{Credentials, TenantClaim};
use crate::auth::recent_logins::{Fingerprint, RecentLogins};
use crate::auth::throttle::{Failure, LoginAttempt, LoginThrottle, Refusal, Slowed, Ticket};
use crate::auth::token_login::TokenLogins;
use crate::http::error::ApiError;

/// How long the refusal of a login that found no place is held back, so that its client cannot repeat it at full speed.
const REFUSAL_DELAY: Duration = Duration::from_secs(1);
/// Refusals that are held back at once. Further ones are sent immediately.
const MAX_DELAYED_REFUSALS: usize = 2048;

/// The part of the delay that a wrong login waits whose network is on its way to the limit.
const EARLY_DELAY_PART: u32 = 5;

/// A system administrator of the tenant that the request is for. An import token is not one.
#[derive(Debug, Clone)]
pub struct Administrator {
    pub tenant: FoundTenant,
    pub username: String,
    /// The administrator as the audit names it.
    pub actor: Actor,
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Authenticator>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let authenticator = Arc::<Authenticator>::from_ref(state);
        let span = tracing::info_span!("authenticate", otel.kind = "internal");
        let caller = authenticator.authenticate(parts).instrument(span).await?;
        Span::current().record("rollcall.tenant", &caller.tenant.name);
        Ok(caller)
    }
}

impl<S> FromRequestParts<S> for Administrator
where
    S: Send + Sync,
    Arc<Authenticator>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let actor = caller.actor();
        match caller.identity {
            Identity::Administrator { username, .. } => Ok(Self { tenant: caller.tenant, username, actor }),
            Identity::Token { .. } => Err(ApiError::NotAdministrator),
        }
    }
}

/// Checks logins.
pub struct Authenticator {
    pub addresses: ClientAddresses,
    pub recent: RecentLogins,
    pub throttle: LoginThrottle,
    pub accounts: AccountLogins,
    pub tokens: TokenLogins,
    /// How long the answer to a wrong login is held back at first, once too many have failed.
    pub delay: Duration,
    pub delayed_refusals: DelayedRefusals,
}

/// The refusals that are held back.
pub struct DelayedRefusals(Semaphore);

impl Default for DelayedRefusals {
    fn default() -> Self {
        Self(Semaphore::new(MAX_DELAYED_REFUSALS))
    }
}

/// A login that was admitted.
struct Admitted {
    claim: Claim,
    fingerprint: Fingerprint,
    standing: Standing,
    /// `None` for a login that was right lately.
    ticket: Option<Ticket>,
}

enum Claim {
    Account(AccountClaim),
    Token { token: ImportToken, tenant: TenantClaim, client: IpAddr },
}

impl Authenticator {
    async fn authenticate(self: Arc<Self>, parts: &Parts) -> Result<Caller, ApiError> {
        let credentials = Credentials::read(parts).ok_or(ApiError::Unauthorised)?;
        let tenant = TenantClaim::read(parts);
        let client = self.addresses.of(parts);
        let admitted = match self.admit(credentials, tenant, client) {
            Ok(admitted) => admitted,
            Err(refusal) => return Err(self.refuse(refusal).await),
        };
        // In a task of its own: a client that hangs up while its password is hashed has failed, too.
        let check = tokio::spawn(self.check(admitted).in_current_span());
        check.await.unwrap_or_else(|panic| Err(ApiError::Internal(panic.into())))
    }

    /// Gives the login a place, without asking the database.
    fn admit(
        &self,
        credentials: Credentials,
        tenant: TenantClaim,
        client: IpAddr,
    ) -> Result<Admitted, Refusal> {
        let fingerprint = self.recent.fingerprint(&tenant, &credentials);
        let recognised = self.recent.find(&fingerprint);
        let (claim, standing) = match credentials {
            Credentials::Account { username, password } => {
                let claim = AccountClaim { tenant, username, password, client };
                let standing = self.accounts.standing(recognised, &claim);
                (Claim::Account(claim), standing)
            }
            Credentials::Token(token) => {
                let standing = recognised.map_or(Standing::Unknown, Standing::Recognised);
                (Claim::Token { token, tenant, client }, standing)
            }
        };
        let ticket = match standing {
            Standing::Recognised(_) => None,
            Standing::Familiar(pair) => {
                Some(self.throttle.admit(client.into(), Some(pair), Instant::now())?)
            }
            Standing::Unknown => Some(self.throttle.admit(client.into(), None, Instant::now())?),
        };
        Ok(Admitted { claim, fingerprint, standing, ticket })
    }

    async fn check(self: Arc<Self>, admitted: Admitted) -> Result<Caller, ApiError> {
        let Admitted { claim, fingerprint, standing, ticket } = admitted;
        let checked = match claim {
            Claim::Account(claim) => self.accounts.check(claim, standing, ticket.as_ref()).await,
            Claim::Token { token, tenant, client } => self.tokens.check(token, &tenant, client).await,
        };
        let answer = match checked {
            Ok(caller) => {
                self.recent.remember(fingerprint, caller.tenant.id);
                Ok(caller)
            }
            Err(LoginError::NotAdministrator(tenant)) => {
                self.recent.remember(fingerprint, tenant);
                Err(ApiError::NotAdministrator)
            }
            Err(LoginError::Wrong(attempt)) => {
                self.recent.forget(&fingerprint);
                Err(self.fail(&attempt).await)
            }
            Err(LoginError::Refused(refusal)) => {
                // Its place is free at once: that there are too many is why it was refused.
                drop(ticket);
                return Err(self.refuse(refusal).await);
            }
            Err(LoginError::Failed(error)) => Err(error),
        };
        // Not before: a wrong login keeps its place until it is answered.
        drop(ticket);
        answer
    }

    /// Counts a wrong login, and holds its answer back if too many have failed.
    async fn fail(&self, attempt: &LoginAttempt) -> ApiError {
        match self.throttle.record_failure(attempt, Instant::now()) {
            Failure::Isolated => ApiError::Unauthorised,
            Failure::Early => {
                sleep(self.delay / EARLY_DELAY_PART).await;
                ApiError::Unauthorised
            }
            Failure::Slowed(Slowed { left, factor }) => {
                let delay = self.delay * factor;
                sleep(delay).await;
                ApiError::TooManyFailedLogins(left.saturating_sub(delay))
            }
        }
    }

    async fn refuse(&self, refusal: Refusal) -> ApiError {
        if let Ok(_held) = self.delayed_refusals.0.try_acquire() {
            sleep(REFUSAL_DELAY).await;
        }
        let retry_after = self.delay.max(REFUSAL_DELAY);
        match refusal {
            Refusal::Failing => ApiError::TooManyFailedLogins(retry_after),
            Refusal::Client => ApiError::TooManyLogins(retry_after),
            Refusal::Service => ApiError::Overloaded,
        }
    }
}
