//! The messages: a wake-up says "look at this import", a hash batch request "hash some of this tenant's passwords".
//!
//! A message is neither the job nor its lock. If it is lost, late or delivered twice, only time is lost (invariant 1). It
//! carries ids and its trace context, never a part of a roster.

use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use serde::{Deserialize, Serialize};

use super::topology::Topology;
use crate::crash_point::CrashPoint;
use crate::ids::{ImportId, TenantId};
use crate::lane::Lane;
use crate::telemetry::TraceContext;

/// "Look at this import."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeUp {
    pub tenant: TenantId,
    pub import: ImportId,
    /// The trace of the request that submitted the import. Travels in the headers.
    #[serde(skip)]
    pub trace: TraceContext,
}

impl WakeUp {
    /// Reads a message; `None` if it is not a wake-up.
    pub fn read(body: &[u8], headers: Option<&FieldTable>) -> Option<Self> {
        let wake_up: Self = serde_json::from_slice(body).ok()?;
        Some(Self { trace: read_trace(headers), ..wake_up })
    }

    fn to_message(&self, exchange: String, routing_key: &'static str, crash_points: CrashPoints) -> Message {
        Message {
            exchange,
            routing_key,
            kind: "rollcall.wake-up.v1",
            id: self.import.to_string(),
            headers: trace_headers(&self.trace),
            body: serde_json::to_vec(self).expect("two ids can always be written as JSON"),
            crash_points,
        }
    }
}

/// "Some of this tenant's waiting passwords may be hashed now." See [`crate::passwords::queue`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashBatchRequest {
    pub tenant: TenantId,
    /// The trace of the import that sealed the passwords, if an import requests it. Travels in the headers.
    #[serde(skip)]
    pub trace: TraceContext,
}

impl HashBatchRequest {
    /// Reads a message; `None` if it is not a hash batch request.
    pub fn read(body: &[u8], headers: Option<&FieldTable>) -> Option<Self> {
        let request: Self = serde_json::from_slice(body).ok()?;
        Some(Self { trace: read_trace(headers), ..request })
    }
}

/// A message to be published.
pub(super) struct Message {
    pub exchange: String,
    pub routing_key: &'static str,
    /// What the message is, and in which version, for people who look into a queue.
    pub kind: &'static str,
    /// The id of the import or tenant that it is about.
    pub id: String,
    pub headers: FieldTable,
    pub body: Vec<u8>,
    pub crash_points: CrashPoints,
}

/// Before the message is published, after that, and once it is confirmed.
type CrashPoints = [CrashPoint; 3];

impl Message {
    pub fn wake_up(topology: &Topology, lane: Lane, wake_up: &WakeUp) -> Self {
        let crash_points =
            [CrashPoint::BeforeWakeUpPublish, CrashPoint::AfterWakeUpPublish, CrashPoint::AfterWakeUpConfirm];
        wake_up.to_message(topology.exchange(), lane.as_str(), crash_points)
    }

    /// The wake-up of an abandoned import, for the dead letters.
    pub fn dead_letter(topology: &Topology, wake_up: &WakeUp) -> Self {
        let crash_points = [
            CrashPoint::BeforeDeadLetterPublish,
            CrashPoint::AfterDeadLetterPublish,
            CrashPoint::AfterDeadLetterConfirm,
        ];
        wake_up.to_message(topology.dead_letters(), "", crash_points)
    }

    pub fn hash_batch_request(topology: &Topology, request: &HashBatchRequest) -> Self {
        Self {
            exchange: topology.exchange(),
            routing_key: Topology::PASSWORDS,
            kind: "rollcall.hash-batch-request.v1",
            id: request.tenant.to_string(),
            headers: trace_headers(&request.trace),
            body: serde_json::to_vec(request).expect("an id can always be written as JSON"),
            crash_points: [
                CrashPoint::BeforeHashRequestPublish,
                CrashPoint::AfterHashRequestPublish,
                CrashPoint::AfterHashRequestConfirm,
            ],
        }
    }
}

fn trace_headers(trace: &TraceContext) -> FieldTable {
    let mut headers = FieldTable::default();
    for (name, value) in [("traceparent", &trace.traceparent), ("tracestate", &trace.tracestate)] {
        if let Some(value) = value {
            headers.insert(ShortString::from(name), AMQPValue::LongString(LongString::from(value.as_str())));
        }
    }
    headers
}

fn read_trace(headers: Option<&FieldTable>) -> TraceContext {
    let header = |name: &str| match headers?.inner().get(name)? {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    };
    TraceContext { traceparent: header("traceparent"), tracestate: header("tracestate") }
}
