//! Servers, databases, the service's processes, and a client: everything a test needs to act as a school would.

mod answer;
mod condition;
mod curl;
mod databases;
mod expected;
mod raw;
mod receiver;
mod servers;
mod stack;

pub use answer::{Answer, multipart};
pub use condition::eventually;
pub use curl::{Curled, curl};
pub use databases::TestDatabase;
pub use expected::{Row, result};
pub use raw::{RawConnection, basic, upload_head};
pub use receiver::{ReceivedSpan, Receiver};
pub use servers::{Servers, servers, start_durable_servers};
pub use stack::{
    ADMINISTRATOR, KEY, Options, PASSWORD, Stack, Tenant, binary_path, cheap_hash, cheap_hash_of, free_port,
    rss_kib,
};
