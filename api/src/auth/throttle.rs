//! Slows what fails, and never locks out what is right.
//!
//! Failed logins are counted by account and network, by network, by site (see [`network`](super::network)) and by account
//! alone. Where too many have failed, a login is still checked, but a wrong one is answered only after a delay, which grows
//! as the client goes on; and of a network and a site only so many may be under way at once, those that wait for their
//! answer included. A client that goes on guessing thus slows itself, while a right login from the same address, for the
//! same account, needs no more than its place and its turn. What finds no place is refused without the database.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rollcall_schema::ids::TenantId;

use crate::auth::failures::{Failing, FailureCounter};
use crate::auth::network::{Network, Site};

/// Logins under way at once where too many have failed.
const FAILING_PLACES: u32 = 32;
/// Logins under way at once where few have failed.
const PLACES: u32 = 1024;
/// Logins under way at once in all.
const ALL_PLACES: u32 = 4096;
/// How many times as many failures and places a site may have as a network.
const SITE_FACTOR: u32 = 4;
/// The part of a network's limit from which on the answers to its wrong logins are held back a little, so that it does not
/// reach the limit at full speed: a tenth.
const EARLY_PART: u32 = 10;
/// How many times as long as at first the answer to a client that goes on failing is held back, at most.
const MAX_DELAY_FACTOR: u32 = 6;

/// A client's attempt to log in to an account.
#[derive(Debug, Clone, Hash)]
pub struct LoginAttempt {
    pub client: Network,
    /// `None` if the tenant is unknown.
    pub tenant: Option<TenantId>,
    pub username_key: String,
}

/// When logins count as failing.
#[derive(Debug, Clone, Copy)]
pub struct ThrottleLimits {
    /// Failures of one network with one username of one tenant.
    pub per_account: u32,
    /// Failures of one network; also of one account from everywhere.
    pub per_address: u32,
    pub window: Duration,
}

/// Why a login is not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too many have failed, and too many are under way.
    Failing,
    /// Too many of this client are under way.
    Client,
    /// Too many are under way in all.
    Service,
}

/// How a client that goes on failing is slowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slowed {
    /// Until its failures are forgotten.
    pub left: Duration,
    /// How many times the delay its answer is held back.
    pub factor: u32,
}

/// What follows from a failed login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Few have failed.
    Isolated,
    /// The network has reached a tenth of its limit, and is on its way to the rest.
    Early,
    /// Too many had failed before.
    Slowed(Slowed),
}

/// Where logins are admitted and failures counted. Cheap to clone.
#[derive(Clone)]
pub struct LoginThrottle(Arc<Shared>);

struct Shared {
    hasher: RandomState,
    state: Mutex<State>,
}

struct State {
    /// Keyed by the attempt's hash, because a client can send a username of any length.
    by_attempt: FailureCounter<u64>,
    by_network: FailureCounter<Network>,
    by_site: FailureCounter<Site>,
    /// Keyed by the hash of tenant and username.
    by_account: FailureCounter<u64>,
    taken: HashMap<Place, u32>,
    tickets: u32,
}

/// What a login takes a place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Network(Network),
    Site(Site),
    /// A familiar pair of account and network, which shares no place with others.
    Familiar(i64),
}

impl LoginThrottle {
    pub fn new(limits: ThrottleLimits) -> Self {
        let ThrottleLimits { per_account, per_address, window } = limits;
        Self(Arc::new(Shared {
            hasher: RandomState::new(),
            state: Mutex::new(State {
                by_attempt: FailureCounter::new(per_account, window),
                by_network: FailureCounter::new(per_address, window),
                by_site: FailureCounter::new(per_address.saturating_mul(SITE_FACTOR), window),
                by_account: FailureCounter::new(per_address, window),
                taken: HashMap::new(),
                tickets: 0,
            }),
        }))
    }

    /// Gives a login its places, before anything is asked of the database. `familiar` names the pair of account and
    /// network, if it is a familiar one.
    pub fn admit(&self, client: Network, familiar: Option<i64>, now: Instant) -> Result<Ticket, Refusal> {
        let mut state = self.0.state();
        if state.tickets >= ALL_PLACES {
            return Err(Refusal::Service);
        }
        let places = match familiar {
            Some(pair) => vec![Place::Familiar(pair)],
            None => vec![Place::Network(client), Place::Site(client.site())],
        };
        for place in &places {
            state.check(*place, now)?;
        }
        for place in &places {
            state.take(*place);
        }
        state.tickets += 1;
        Ok(Ticket { shared: Arc::clone(&self.0), places })
    }

    /// Counts a failed attempt, and says how to slow its client.
    pub fn record_failure(&self, attempt: &LoginAttempt, now: Instant) -> Failure {
        let (by_attempt, by_account) = (self.0.hash_attempt(attempt), self.0.hash_account(attempt));
        let mut state = self.0.state();
        let early = state.by_network.has_reached(EARLY_PART, &attempt.client, now);
        let of_client = [
            state.by_attempt.record(by_attempt, now),
            state.by_network.record(attempt.client, now),
            state.by_site.record(attempt.client.site(), now),
        ];
        // What others do to the account makes the client wait no longer than at first.
        let of_account =
            state.by_account.record(by_account, now).map(|failing| Failing { times: 1, ..failing });
        let failing = of_client.into_iter().chain([of_account]).flatten();
        let slowed = failing.fold(None, |slowed: Option<Slowed>, Failing { left, times }| {
            let Slowed { left: longest, factor } = slowed.unwrap_or(Slowed { left, factor: 1 });
            Some(Slowed { left: left.max(longest), factor: factor.max(times.min(MAX_DELAY_FACTOR)) })
        });
        match slowed {
            Some(slowed) => Failure::Slowed(slowed),
            None if early => Failure::Early,
            None => Failure::Isolated,
        }
    }

    /// Forgets the failures of the account from this network after a successful login. Those of the network remain:
    /// otherwise an attacker could clear them by logging in to an account of their own.
    pub fn reset(&self, attempt: &LoginAttempt) {
        let key = self.0.hash_attempt(attempt);
        self.0.state().by_attempt.reset(&key);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the maps in an inconsistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hash_attempt(&self, attempt: &LoginAttempt) -> u64 {
        self.hasher.hash_one(attempt)
    }

    fn hash_account(&self, attempt: &LoginAttempt) -> u64 {
        self.hasher.hash_one((attempt.tenant, &attempt.username_key))
    }
}

impl State {
    fn check(&self, place: Place, now: Instant) -> Result<(), Refusal> {
        let (places, refusal) = self.places(place, now);
        if self.taken(place) < places { Ok(()) } else { Err(refusal) }
    }

    fn is_overdrawn(&self, place: Place, now: Instant) -> bool {
        self.taken(place) > self.places(place, now).0
    }

    /// How many places there are of a kind, and why there are no more.
    fn places(&self, place: Place, now: Instant) -> (u32, Refusal) {
        let (failing, factor) = match &place {
            Place::Network(network) => (self.by_network.failing(network, now).is_some(), 1),
            Place::Site(site) => (self.by_site.failing(site, now).is_some(), SITE_FACTOR),
            Place::Familiar(_) => (true, 1),
        };
        let (places, refusal) =
            if failing { (FAILING_PLACES, Refusal::Failing) } else { (PLACES, Refusal::Client) };
        (places * factor, refusal)
    }

    fn taken(&self, place: Place) -> u32 {
        self.taken.get(&place).copied().unwrap_or(0)
    }

    fn take(&mut self, place: Place) {
        *self.taken.entry(place).or_insert(0) += 1;
    }

    fn give_back(&mut self, place: Place) {
        if let Some(taken) = self.taken.get_mut(&place) {
            *taken -= 1;
            if *taken == 0 {
                self.taken.remove(&place);
            }
        }
    }
}

/// A login's places, which it gives back when it is dropped.
pub struct Ticket {
    shared: Arc<Shared>,
    places: Vec<Place>,
}

impl Ticket {
    /// Whether more logins are under way than may be since too many have failed: those that were admitted before need
    /// not all be checked.
    pub fn is_overdrawn(&self, now: Instant) -> bool {
        let state = self.shared.state();
        self.places.iter().any(|place| state.is_overdrawn(*place, now))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        for place in &self.places {
            state.give_back(*place);
        }
        state.tickets -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const WINDOW: Duration = Duration::from_mins(5);

    fn new_throttle() -> LoginThrottle {
        LoginThrottle::new(ThrottleLimits { per_account: 3, per_address: 5, window: WINDOW })
    }

    fn attempt(last_byte: u8, username: &str) -> LoginAttempt {
        let client = Network::from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last_byte)));
        LoginAttempt { client, tenant: None, username_key: username.to_owned() }
    }

    /// How many logins of the client can be under way.
    fn places(throttle: &LoginThrottle, client: Network, now: Instant) -> (u32, Refusal) {
        let mut tickets = Vec::new();
        loop {
            match throttle.admit(client, None, now) {
                Ok(ticket) => tickets.push(ticket),
                Err(refusal) => return (u32::try_from(tickets.len()).expect("few"), refusal),
            }
        }
    }

    #[test]
    fn an_account_fails_for_the_client_that_failed() {
        let (throttle, now) = (new_throttle(), Instant::now());
        let jane = attempt(1, "jane");
        // The limits are so low that the first failure is a tenth of them.
        for failure in [Failure::Isolated, Failure::Early, Failure::Early] {
            assert_eq!(throttle.record_failure(&jane, now), failure);
        }
        let slowed = |factor| Failure::Slowed(Slowed { left: WINDOW, factor });
        for factor in [1, 1, 1, 2] {
            assert_eq!(throttle.record_failure(&jane, now), slowed(factor));
        }
        for _ in 0..20 {
            throttle.record_failure(&jane, now);
        }
        assert_eq!(throttle.record_failure(&jane, now), slowed(MAX_DELAY_FACTOR));
        assert_eq!(throttle.record_failure(&attempt(2, "jane"), now), slowed(1), "the account is failing");
        assert_eq!(throttle.record_failure(&attempt(2, "john"), now), Failure::Early);
    }

    #[test]
    fn a_failing_network_has_fewer_places_and_gets_them_back() {
        let (throttle, now) = (new_throttle(), Instant::now());
        let client = attempt(1, "").client;
        assert_eq!(places(&throttle, client, now), (PLACES, Refusal::Client));
        for username in ["a", "b", "c", "d", "e"] {
            throttle.record_failure(&attempt(1, username), now);
        }
        assert!(matches!(throttle.record_failure(&attempt(1, "f"), now), Failure::Slowed(_)));
        assert_eq!(places(&throttle, client, now), (FAILING_PLACES, Refusal::Failing));
        assert_eq!(places(&throttle, attempt(2, "").client, now), (PLACES, Refusal::Client));
        assert_eq!(places(&throttle, client, now + WINDOW), (PLACES, Refusal::Client));
        assert!(throttle.0.state().taken.is_empty());
    }

    #[test]
    fn what_was_admitted_before_too_many_failed_is_overdrawn() {
        let (throttle, now) = (new_throttle(), Instant::now());
        let client = attempt(1, "").client;
        let mut tickets: Vec<_> =
            (0..100).map(|_| throttle.admit(client, None, now).expect("a place")).collect();
        assert!(!tickets[0].is_overdrawn(now));
        for username in ["a", "b", "c", "d", "e"] {
            throttle.record_failure(&attempt(1, username), now);
        }
        assert!(tickets[0].is_overdrawn(now));
        tickets.truncate(FAILING_PLACES as usize);
        assert!(!tickets[0].is_overdrawn(now));
    }

    #[test]
    fn a_familiar_pair_has_places_of_its_own() {
        let (throttle, now) = (new_throttle(), Instant::now());
        let client = attempt(1, "").client;
        for username in ["a", "b", "c", "d", "e"] {
            throttle.record_failure(&attempt(1, username), now);
        }
        let tickets: Vec<_> = std::iter::from_fn(|| throttle.admit(client, None, now).ok()).collect();
        assert_eq!(tickets.len(), FAILING_PLACES as usize);
        assert!(throttle.admit(client, Some(7), now).is_ok());
    }

    #[test]
    fn a_site_of_many_networks_fails_as_a_whole() {
        let (throttle, now) = (new_throttle(), Instant::now());
        let network = |n: u16| Network::from(IpAddr::from([0x2001, 0xdb8, 1, n, 0, 0, 0, 1]));
        for n in 0..20 {
            let attempt = LoginAttempt { client: network(n), tenant: None, username_key: n.to_string() };
            assert_eq!(throttle.record_failure(&attempt, now), Failure::Isolated);
        }
        let admitted = (100..1000).map_while(|n| throttle.admit(network(n), None, now).ok());
        assert_eq!(admitted.collect::<Vec<_>>().len(), (SITE_FACTOR * FAILING_PLACES) as usize);
    }
}
