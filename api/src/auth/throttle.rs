//! Throttles logins after too many failures, so that an attacker can neither guess passwords for long nor keep the
//! hashing threads busy.
//!
//! Failures are counted twice: by client address, tenant and username, and by client address alone. An IPv6 address
//! counts by its first 64 bits, because a client usually has a whole /64 network to send from.
//!
//! The `governor` crate does not fit: it limits the rate of all requests, whereas here only failures count and a
//! success resets them.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rollcall_schema::ids::TenantId;

use crate::http::error::ApiError;

/// Maximum number of keys per counter: some hundred KiB.
const CAPACITY: usize = 8192;

/// A client's attempt to log in to an account.
#[derive(Debug, Clone, Hash)]
pub struct LoginAttempt {
    pub client: ClientAddress,
    /// `None` if the tenant is unknown.
    pub tenant: Option<TenantId>,
    pub username_key: String,
}

/// The network that a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// Too many logins failed: no further one is checked for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked(pub Duration);

impl From<Blocked> for ApiError {
    fn from(Blocked(left): Blocked) -> Self {
        Self::TooManyFailedLogins(left)
    }
}

/// How many failed logins within which time block further ones.
#[derive(Debug, Clone, Copy)]
pub struct ThrottleLimits {
    /// Failures of one client address with one username of one tenant.
    pub per_account: u32,
    /// Failures of one client address.
    pub per_address: u32,
    pub window: Duration,
}

/// The counters of recent failed logins.
pub struct LoginThrottle {
    limits: ThrottleLimits,
    hasher: RandomState,
    counters: Mutex<Counters>,
}

#[derive(Default)]
struct Counters {
    /// Keyed by the attempt's hash, because a client can send a username of any length.
    accounts: HashMap<u64, Window>,
    addresses: HashMap<ClientAddress, Window>,
}

struct Window {
    failures: u32,
    ends: Instant,
}

impl LoginThrottle {
    pub fn new(limits: ThrottleLimits) -> Self {
        Self { limits, hasher: RandomState::new(), counters: Mutex::default() }
    }

    /// Fails if the attempt is blocked and its password must not be checked.
    pub fn check(&self, attempt: &LoginAttempt, now: Instant) -> Result<(), Blocked> {
        let counters = self.counters();
        let blocked = |window: Option<&Window>, limit: u32| {
            let window = window.filter(|window| window.failures >= limit)?;
            window.ends.checked_duration_since(now).filter(|left| !left.is_zero())
        };
        let by_account =
            blocked(counters.accounts.get(&self.hasher.hash_one(attempt)), self.limits.per_account);
        let by_address = blocked(counters.addresses.get(&attempt.client), self.limits.per_address);
        by_account.max(by_address).map_or(Ok(()), |left| Err(Blocked(left)))
    }

    /// Counts a failed attempt.
    pub fn record_failure(&self, attempt: &LoginAttempt, now: Instant) {
        let key = self.hasher.hash_one(attempt);
        let mut counters = self.counters();
        increment(&mut counters.accounts, key, now, self.limits.window);
        increment(&mut counters.addresses, attempt.client, now, self.limits.window);
    }

    /// Forgets the account's failures after a successful login. Those of the client address remain: otherwise an
    /// attacker could clear them by logging in to an account of their own.
    pub fn reset(&self, attempt: &LoginAttempt) {
        let key = self.hasher.hash_one(attempt);
        self.counters().accounts.remove(&key);
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        // A panic cannot leave the maps in an inconsistent state.
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn increment<K: Hash + Eq + Copy>(windows: &mut HashMap<K, Window>, key: K, now: Instant, length: Duration) {
    if windows.len() >= CAPACITY && !windows.contains_key(&key) {
        windows.retain(|_, window| window.ends > now);
        if windows.len() >= CAPACITY
            && let Some(oldest) = windows.iter().min_by_key(|(_, window)| window.ends).map(|(key, _)| *key)
        {
            windows.remove(&oldest);
        }
    }
    let window = windows.entry(key).or_insert(Window { failures: 0, ends: now + length });
    if window.ends <= now {
        *window = Window { failures: 0, ends: now + length };
    }
    window.failures = window.failures.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const WINDOW: Duration = Duration::from_mins(5);

    fn new_throttle() -> LoginThrottle {
        LoginThrottle::new(ThrottleLimits { per_account: 3, per_address: 5, window: WINDOW })
    }

    fn attempt(last_byte: u8, username: &str) -> LoginAttempt {
        let client = ClientAddress::from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last_byte)));
        LoginAttempt { client, tenant: None, username_key: username.to_owned() }
    }

    #[test]
    fn an_account_is_blocked_for_the_client_that_failed() {
        let (throttle, now) = (new_throttle(), Instant::now());
        let jane = attempt(1, "jane");
        for _ in 0..3 {
            assert_eq!(throttle.check(&jane, now), Ok(()));
            throttle.record_failure(&jane, now);
        }
        assert_eq!(
            throttle.check(&jane, now + Duration::from_secs(100)),
            Err(Blocked(Duration::from_secs(200)))
        );
        assert_eq!(throttle.check(&attempt(1, "john"), now), Ok(()));
        assert_eq!(throttle.check(&attempt(2, "jane"), now), Ok(()));
        assert_eq!(throttle.check(&jane, now + WINDOW), Ok(()));
    }

    #[test]
    fn an_address_is_blocked_for_every_account() {
        let (throttle, now) = (new_throttle(), Instant::now());
        for username in ["a", "b", "c", "d", "e"] {
            throttle.record_failure(&attempt(1, username), now);
        }
        assert_eq!(throttle.check(&attempt(1, "jane"), now), Err(Blocked(WINDOW)));
        assert_eq!(throttle.check(&attempt(2, "jane"), now), Ok(()));
    }

    #[test]
    fn a_success_resets_the_account_but_not_the_address() {
        let (throttle, now) = (new_throttle(), Instant::now());
        let jane = attempt(1, "jane");
        for _ in 0..2 {
            throttle.record_failure(&jane, now);
            throttle.record_failure(&jane, now);
            throttle.reset(&jane);
            assert_eq!(throttle.check(&jane, now), Ok(()));
        }
        throttle.record_failure(&attempt(1, "john"), now);
        assert_eq!(throttle.check(&jane, now), Err(Blocked(WINDOW)));
    }

    #[test]
    fn failures_of_an_earlier_window_do_not_count() {
        let (throttle, now) = (new_throttle(), Instant::now());
        let jane = attempt(1, "jane");
        throttle.record_failure(&jane, now);
        throttle.record_failure(&jane, now);
        throttle.record_failure(&jane, now + WINDOW);
        assert_eq!(throttle.check(&jane, now + WINDOW), Ok(()));
    }

    #[test]
    fn a_flood_of_usernames_does_not_grow_the_memory() {
        let (throttle, now) = (new_throttle(), Instant::now());
        for name in 0..2 * CAPACITY {
            throttle.record_failure(&attempt(1, &name.to_string()), now);
        }
        assert_eq!(throttle.counters().accounts.len(), CAPACITY);
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let address = |text: &str| ClientAddress::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff::9"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    }
}
