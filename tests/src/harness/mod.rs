//! Everything a test needs to act as a school would: real servers, the service's processes, and a client.
//!
//! The map, from the ground up. No file imports one that imports it:
//!
//! | room | holds |
//! |---|---|
//! | `condition`, `trials` | waiting for a condition; many small trials at a time |
//! | `servers` | the Postgres and RabbitMQ that the run's tests share, dedicated ones for a single test, and databases on them |
//! | `stack` | the data of a running service: [`Stack`] |
//! | `client` | requests and answers: over reqwest, with curl, as raw bytes; the result JSON to expect |
//! | `db`, `queues` | the service's tables and queues |
//! | `processes` | starting, stopping and killing the API, the workers and the operator's command |
//! | `faults` | crash points, a lock that blocks a chunk, a proxy that breaks the network |
//! | `leftovers` | what must not remain once every import has ended |
//! | `otlp` | a collector of traces |
//! | `options` | which stack to start: [`Options`] |
//!
//! Each of `client`, `db`, `queues`, `processes`, `faults` and `leftovers` adds its methods to [`Stack`].

mod condition;
mod trials;

mod servers;

mod stack;

mod client;
mod db;
mod faults;
mod leftovers;
mod otlp;
mod processes;
mod queues;

mod options;

pub use client::answer::{Answer, multipart};
pub use client::curl::{CurlOutput, curl};
pub use client::description::Description;
pub use client::expected::{Row, result};
pub use client::raw::{RawConnection, basic, upload_head};
pub use condition::eventually;
pub use db::tenants::{cheap_hash, cheap_hash_of};
pub use faults::crash_points::has_crash_points;
pub use faults::lock::Lock;
pub use faults::proxy::Proxy;
pub use options::Options;
pub use otlp::{OtlpCollector, ReceivedSpan};
pub use processes::binary::{binary_path, free_port, rss_kib};
pub use servers::database::TestDatabase;
pub use servers::dedicated::DedicatedServer;
pub use servers::shared::{Servers, servers, start_durable_servers};
pub use stack::{ADMINISTRATOR, KEY, PASSWORD, Stack, Tenant};
pub use trials::run_trials;
