//! Servers, databases, the service's processes, and a client: everything a test needs to act as a school would.

mod answer;
mod databases;
mod receiver;
mod servers;
mod stack;

pub use answer::{Answer, multipart};
pub use databases::TestDatabase;
pub use receiver::Receiver;
pub use servers::{Servers, servers};
pub use stack::{ADMINISTRATOR, Options, PASSWORD, Stack, Tenant, cheap_hash, rss_kib};
