//! Failed logins, counted, so that nobody can guess passwords for long or keep the hashing threads busy.
//!
//! Counted twice: by client address, tenant and username, and by client address alone. An address is that of a
//! network: of an IPv6 one the first 64 bits, for its owner has all that begin with them.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rollcall_schema::ids::TenantId;

use crate::http::error::ApiError;

/// Keys remembered at most, per counter: some hundred KiB.
const CAPACITY: usize = 8192;

/// Who tries to log in as whom.
#[derive(Debug, Clone, Hash)]
pub struct Attempt {
    /// The network that the request came from.
    pub client: ClientAddress,
    /// The tenant, if there is one.
    pub tenant: Option<TenantId>,
    /// What the username is found by.
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

/// Too many logins failed; nothing is checked for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked(pub Duration);

impl From<Blocked> for ApiError {
    fn from(Blocked(left): Blocked) -> Self {
        Self::TooManyFailedLogins(left)
    }
}

/// How many failed logins are too many.
#[derive(Debug, Clone, Copy)]
pub struct ThrottleLimits {
    /// By one client address for one username of one tenant.
    pub per_account: u32,
    /// By one client address.
    pub per_address: u32,
    /// The time within which they are counted.
    pub window: Duration,
}

/// The failed logins of late.
pub struct LoginThrottle {
    limits: ThrottleLimits,
    hasher: RandomState,
    counters: Mutex<Counters>,
}

#[derive(Default)]
struct Counters {
    /// By the attempt's hash: usernames are as long as their senders like.
    accounts: HashMap<u64, Window>,
    addresses: HashMap<ClientAddress, Window>,
}

struct Window {
    failures: u32,
    ends: Instant,
}

impl LoginThrottle {
    /// None yet.
    pub fn new(limits: ThrottleLimits) -> Self {
        Self { limits, hasher: RandomState::new(), counters: Mutex::default() }
    }

    /// Whether the attempt may be checked at all.
    pub fn check(&self, attempt: &Attempt, now: Instant) -> Result<(), Blocked> {
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

    /// The attempt failed.
    pub fn record_failure(&self, attempt: &Attempt, now: Instant) {
        let key = self.hasher.hash_one(attempt);
        let mut counters = self.counters();
        count(&mut counters.accounts, key, now, self.limits.window);
        count(&mut counters.addresses, attempt.client, now, self.limits.window);
    }

    /// The attempt succeeded: earlier failures were slips. Those of the address stand, or a guesser could clear
    /// them with an account of its own.
    pub fn reset(&self, attempt: &Attempt) {
        let key = self.hasher.hash_one(attempt);
        self.counters().accounts.remove(&key);
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        // The maps are whole between any two statements, whatever panicked.
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count<K: Hash + Eq + Copy>(windows: &mut HashMap<K, Window>, key: K, now: Instant, length: Duration) {
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

    fn failed_logins() -> LoginThrottle {
        LoginThrottle::new(ThrottleLimits { per_account: 3, per_address: 5, window: WINDOW })
    }

    fn attempt(last_byte: u8, username: &str) -> Attempt {
        let client = ClientAddress::from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last_byte)));
        Attempt { client, tenant: None, username_key: username.to_owned() }
    }

    #[test]
    fn an_account_is_blocked_for_the_client_that_failed() {
        let (failed, now) = (failed_logins(), Instant::now());
        let jane = attempt(1, "jane");
        for _ in 0..3 {
            assert_eq!(failed.check(&jane, now), Ok(()));
            failed.record_failure(&jane, now);
        }
        assert_eq!(
            failed.check(&jane, now + Duration::from_secs(100)),
            Err(Blocked(Duration::from_secs(200)))
        );
        assert_eq!(failed.check(&attempt(1, "john"), now), Ok(()));
        assert_eq!(failed.check(&attempt(2, "jane"), now), Ok(()));
        assert_eq!(failed.check(&jane, now + WINDOW), Ok(()));
    }

    #[test]
    fn an_address_is_blocked_for_every_account() {
        let (failed, now) = (failed_logins(), Instant::now());
        for username in ["a", "b", "c", "d", "e"] {
            failed.record_failure(&attempt(1, username), now);
        }
        assert_eq!(failed.check(&attempt(1, "jane"), now), Err(Blocked(WINDOW)));
        assert_eq!(failed.check(&attempt(2, "jane"), now), Ok(()));
    }

    #[test]
    fn a_success_forgives_the_account_but_not_the_address() {
        let (failed, now) = (failed_logins(), Instant::now());
        let jane = attempt(1, "jane");
        for _ in 0..2 {
            failed.record_failure(&jane, now);
            failed.record_failure(&jane, now);
            failed.reset(&jane);
            assert_eq!(failed.check(&jane, now), Ok(()));
        }
        failed.record_failure(&attempt(1, "john"), now);
        assert_eq!(failed.check(&jane, now), Err(Blocked(WINDOW)));
    }

    #[test]
    fn failures_of_an_earlier_window_do_not_count() {
        let (failed, now) = (failed_logins(), Instant::now());
        let jane = attempt(1, "jane");
        failed.record_failure(&jane, now);
        failed.record_failure(&jane, now);
        failed.record_failure(&jane, now + WINDOW);
        assert_eq!(failed.check(&jane, now + WINDOW), Ok(()));
    }

    #[test]
    fn a_flood_of_names_does_not_grow_the_memory() {
        let (failed, now) = (failed_logins(), Instant::now());
        for name in 0..2 * CAPACITY {
            failed.record_failure(&attempt(1, &name.to_string()), now);
        }
        assert_eq!(failed.counters().accounts.len(), CAPACITY);
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let address = |text: &str| ClientAddress::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff::9"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    }
}
