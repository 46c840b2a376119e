//! Servers, databases, the service's processes, and a client: everything a test needs to act as a school would.

mod aftermath;
mod answer;
mod condition;
mod curl;
mod databases;
mod expected;
mod own_servers;
mod proxy;
mod raw;
mod receiver;
mod servers;
mod side_by_side;
mod stack;

pub use answer::{Answer, multipart};
pub use condition::eventually;
pub use curl::{Curled, curl};
pub use databases::TestDatabase;
pub use expected::{Row, result};
pub use own_servers::OwnServer;
pub use proxy::Proxy;
pub use raw::{RawConnection, basic, upload_head};
pub use receiver::{ReceivedSpan, Receiver};
pub use servers::{Servers, servers, start_durable_servers};
pub use side_by_side::side_by_side;
pub use stack::{
    ADMINISTRATOR, KEY, Lock, Options, PASSWORD, Stack, Tenant, binary_path, can_be_killed_on_edges,
    cheap_hash, cheap_hash_of, free_port, rss_kib,
};
