//! Recognises logins and tokens that were right within the last days, before the database is asked for anything: they pass
//! the throttle, and if their password has to be hashed again they are first in the queue.
//!
//! It proves nothing: the account is looked up and the password checked with every request, or with its cached check. Only
//! digests are held, keyed with a secret that ends with the process.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use moka::sync::Cache;
use rollcall_schema::ids::TenantId;
use sha2::Sha256;

use crate::auth::credentials::{Credentials, TenantClaim};

/// Maximum number of logins: some MiB.
const CAPACITY: u64 = 16_384;
/// Longer than a week, for what is sent on weekdays.
const TTL: Duration = Duration::from_hours(8 * 24);

/// The logins that were right lately, each with its tenant.
pub struct RecentLogins {
    secret: [u8; 32],
    right: Cache<Fingerprint, TenantId>,
}

/// A keyed digest of what a request claims: tenant as it is named, username, and password or token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Default for RecentLogins {
    fn default() -> Self {
        let right = Cache::builder().max_capacity(CAPACITY).time_to_idle(TTL).build();
        Self { secret: rand::random(), right }
    }
}

impl RecentLogins {
    pub fn fingerprint(&self, claim: &TenantClaim, credentials: &Credentials) -> Fingerprint {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC accepts a key of any length");
        // The length marks where a part ends.
        let mut add = |part: &[u8]| {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        };
        match credentials {
            Credentials::Account { username, password } => {
                match (&claim.tenant_id, &claim.host) {
                    (Some(tenant), _) => [b"tenant".as_slice(), tenant.as_bytes()],
                    (None, host) => [b"host".as_slice(), host.as_deref().unwrap_or_default().as_bytes()],
                }
                .into_iter()
                .for_each(&mut add);
                add(username.as_bytes());
                add(password);
            }
            Credentials::Token(token) => {
                add(b"token");
                add(token.as_str().as_bytes());
            }
        }
        Fingerprint(mac.finalize().into_bytes().into())
    }

    /// The tenant of a login that was right lately.
    pub fn find(&self, login: &Fingerprint) -> Option<TenantId> {
        self.right.get(login)
    }

    pub fn remember(&self, login: Fingerprint, tenant: TenantId) {
        self.right.insert(login, tenant);
    }

    /// Forgets a login that turned out to be right no longer.
    pub fn forget(&self, login: &Fingerprint) {
        self.right.invalidate(login);
    }
}
