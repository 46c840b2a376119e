//! The wake-up: a message that says "look at this import", and the queues it travels through.
//!
//! It is neither the job nor its lock. Lost, late or delivered twice, it changes nothing but the time.

use lapin::types::FieldTable;
use serde::{Deserialize, Serialize};

use crate::ids::{ImportId, TenantId};
use crate::telemetry::TraceContext;

/// The names of the exchanges and queues, all behind one prefix, so that several installations can share a broker.
#[derive(Debug, Clone)]
pub struct Topology {
    prefix: String,
}

impl Topology {
    /// The prefix unless another is configured.
    pub const DEFAULT_PREFIX: &str = "rollcall";
    /// What routes a hashing turn.
    pub const PASSWORDS: &str = "passwords";

    /// The names behind `prefix`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The exchange that wake-ups are published to, by the lane's name as routing key, and hashing turns.
    pub fn exchange(&self) -> String {
        format!("{}.wake-ups", self.prefix)
    }

    /// The exchange, and the queue behind it, for messages that no worker could make sense of, and for the wake-ups of
    /// imports that were given up.
    pub fn dead_letters(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// The queue of a lane.
    pub fn queue(&self, lane: Lane) -> String {
        format!("{}.imports.{}", self.prefix, lane.as_str())
    }

    /// The queue of the hashing turns: see [`crate::hashing`].
    pub fn passwords(&self) -> String {
        format!("{}.{}", self.prefix, Self::PASSWORDS)
    }

    /// Every queue that is worked, and the routing key that leads to it.
    pub fn routes(&self) -> impl Iterator<Item = (String, &'static str)> {
        let lanes = Lane::ALL.into_iter().map(|lane| (self.queue(lane), lane.as_str()));
        lanes.chain([(self.passwords(), Self::PASSWORDS)])
    }
}

/// Which queue an import waits in: small ones have one of their own, so that a school never waits behind a
/// district.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// For files up to the configured size.
    Small,
    /// For all others.
    Bulk,
}

impl Lane {
    /// Every lane there is.
    pub const ALL: [Self; 2] = [Self::Small, Self::Bulk];

    /// The name that is stored and that routes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Bulk => "bulk",
        }
    }

    /// Parses [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text)
    }
}

/// "Look at this import." Carries ids only; nothing of the roster is ever in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeUp {
    /// Whose import.
    pub tenant: TenantId,
    /// Which import.
    pub import: ImportId,
    /// The trace it belongs to; travels in the headers.
    #[serde(skip)]
    pub trace: TraceContext,
}

impl WakeUp {
    /// The message's body.
    pub fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("two ids can always be written as JSON")
    }

    /// Reads a message; `None` if it is not a wake-up.
    pub fn read(body: &[u8], headers: Option<&FieldTable>) -> Option<Self> {
        let wake_up: Self = serde_json::from_slice(body).ok()?;
        Some(Self { trace: TraceContext::read(headers), ..wake_up })
    }
}
