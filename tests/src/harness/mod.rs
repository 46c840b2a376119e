//! Servers, databases, the service's processes, and a client: everything a test needs to act as a school would.

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
