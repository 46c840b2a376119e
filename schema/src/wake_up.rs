//! The wake-up: a message that says "look at this import", and the queues it travels through.
//!
//! It is neither the job nor its lock. Lost, late or delivered twice, it changes nothing but the time.

use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
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

    /// The names behind `prefix`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The exchange that wake-ups are published to, by the lane's name as routing key.
    pub fn exchange(&self) -> String {
        format!("{}.wake-ups", self.prefix)
    }

    /// The exchange, and the queue behind it, for messages that no worker could make sense of.
    pub fn dead_letters(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// The queue of a lane.
    pub fn queue(&self, lane: Lane) -> String {
        format!("{}.imports.{}", self.prefix, lane.as_str())
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

    /// The message's headers.
    pub fn headers(&self) -> FieldTable {
        let mut headers = FieldTable::default();
        let mut put = |name: &'static str, value: &Option<String>| {
            if let Some(value) = value {
                headers
                    .insert(ShortString::from(name), AMQPValue::LongString(LongString::from(value.as_str())));
            }
        };
        put("traceparent", &self.trace.traceparent);
        put("tracestate", &self.trace.tracestate);
        headers
    }

    /// Reads a message; `None` if it is not a wake-up.
    pub fn read(body: &[u8], headers: Option<&FieldTable>) -> Option<Self> {
        let mut wake_up: Self = serde_json::from_slice(body).ok()?;
        let header = |name: &str| {
            let value = headers?.inner().get(name)?;
            match value {
                AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned),
                AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
                _ => None,
            }
        };
        wake_up.trace = TraceContext { traceparent: header("traceparent"), tracestate: header("tracestate") };
        Some(wake_up)
    }
}
