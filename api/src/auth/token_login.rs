//! Checks an import token. It is found by its digest, so nothing is hashed slowly; that it was removed or has expired takes
//! effect with the next request.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use moka::sync::Cache;
use rollcall_schema::ids::{TenantId, TokenId};
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::tenants::tenant;
use rollcall_schema::tenants::token::{self, FoundToken, ImportToken};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::auth::account_login::LoginError;
use crate::auth::caller::{Caller, Identity};
use crate::auth::credentials::{TenantClaim, is_postgres_text};
use crate::auth::throttle::LoginAttempt;

/// How often a token's last use is noted, at most.
const NOTED_TTL: Duration = Duration::from_mins(1);
const NOTED_CAPACITY: u64 = 16_384;

/// Checks import tokens.
pub struct TokenLogins {
    database: Database,
    tasks: TaskTracker,
    /// Tokens whose use was noted a moment ago.
    noted: Cache<TokenId, ()>,
}

impl TokenLogins {
    pub fn new(database: Database, tasks: TaskTracker) -> Self {
        let noted = Cache::builder().max_capacity(NOTED_CAPACITY).time_to_live(NOTED_TTL).build();
        Self { database, tasks, noted }
    }

    /// Checks a token that was admitted.
    pub async fn check(
        &self,
        token: ImportToken,
        claim: &TenantClaim,
        client: IpAddr,
    ) -> Result<Caller, LoginError> {
        let found = token::find(&self.database, &token).await?;
        let named = match &found {
            Some(found) => self.is_of(found, claim).await?,
            None => false,
        };
        let Some(FoundToken { id, name, tenant }) = found.filter(|_| named) else {
            let attempt =
                LoginAttempt { client: client.into(), tenant: None, username_key: "import token".to_owned() };
            return Err(LoginError::Wrong(attempt));
        };
        self.note_use(tenant.id, id, client);
        Ok(Caller { tenant, identity: Identity::Token { id, name }, client })
    }

    /// Whether the request is for the token's tenant: it names no tenant, or this one.
    async fn is_of(&self, found: &FoundToken, claim: &TenantClaim) -> Result<bool, DatabaseError> {
        let tenant = &found.tenant;
        if let Some(named) = &claim.tenant_id {
            let is_id = named.parse::<TenantId>().is_ok_and(|id| id == tenant.id);
            return Ok(is_id || named.to_lowercase() == tenant.name);
        }
        let Some(host) = claim.host.as_deref().filter(|host| is_postgres_text(host)) else { return Ok(true) };
        let session = self.database.session_for_all().await?.with_cached_plans();
        // Where no tenant has the host name, the only tenant there is can only be the token's.
        let of_host = tenant::for_host(&session, Some(host)).await?;
        Ok(of_host.is_none_or(|other| other.id == tenant.id))
    }

    /// Notes in the background that the token was used.
    fn note_use(&self, tenant: TenantId, id: TokenId, client: IpAddr) {
        if self.noted.get(&id).is_some() {
            return;
        }
        self.noted.insert(id, ());
        let database = self.database.clone();
        let note = async move {
            let noted = async {
                token::touch(&database.session_for(tenant).await?, tenant, id, &client.to_string()).await
            };
            if let Err(error) = noted.await {
                let error = &error as &(dyn Error + 'static);
                tracing::warn!(error, token = %id, "failed to note the use of an import token");
            }
        };
        self.tasks.spawn(note.in_current_span());
    }
}
