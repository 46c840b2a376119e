//! Servers, databases, the service's processes, and a client: everything a test needs to act as a school would.

mod client;
mod condition;
mod db;
mod faults;
mod otlp;
mod servers;
mod stack;
mod trials;

pub use client::answer::{Answer, multipart};
pub use client::curl::{Curled, curl};
pub use client::expected::{Row, result};
pub use client::raw::{RawConnection, basic, upload_head};
pub use condition::eventually;
pub use faults::proxy::Proxy;
pub use otlp::{ReceivedSpan, Receiver};
pub use servers::database::TestDatabase;
pub use servers::own::OwnServer;
pub use servers::shared::{Servers, servers, start_durable_servers};
pub use stack::{
    ADMINISTRATOR, KEY, Lock, Options, PASSWORD, Stack, Tenant, binary_path, can_be_killed_on_edges,
    cheap_hash, cheap_hash_of, free_port, rss_kib,
};
pub use trials::side_by_side;
