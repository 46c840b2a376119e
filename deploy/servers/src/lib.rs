//! Private PostgreSQL and RabbitMQ servers. Each runs in its own folder, on a free port of 127.0.0.1, with a generated
//! password, and stops when its owner exits.
//!
//! `rollcall up` and the tests run on these servers; the fault tests stop, kill, pause and restart them. The crate
//! knows nothing of Rollcall's tables and queues, nor of HTTP: it returns a URL for each server.
//!
//! ```no_run
//! # fn main() -> Result<(), rollcall_servers::Error> {
//! use rollcall_servers::{Postgres, RabbitMq};
//!
//! let mut postgres = Postgres::at("state/postgres").start()?;
//! let rabbit = RabbitMq::at("state/rabbitmq").start()?;
//! println!("DATABASE_URL={}\nAMQP_URL={}", postgres.url(), rabbit.url());
//! postgres.kill()?;
//! postgres.restart()?; // keeps port, password and data
//! # Ok(())
//! # }
//! ```
//!
//! Guarantees:
//!
//! - **One owner.** A folder is locked while a server runs in it. A second start fails and names the process that holds
//!   the lock.
//! - **Ready means ready.** `start` returns when the server has answered a client's first message.
//! - **No leftover processes.** Dropping a [`Server`] stops all its processes, including those in other sessions. If the
//!   owner is killed, the kernel signals the server to shut down.
//!
//! All calls block. From asynchronous code, call them on a blocking thread.
//!
//! Linux only. It looks for the servers where the packages of Debian and Ubuntu install them.
//!
//! | module | contains |
//! |---|---|
//! | `server` | one running server, and the operations on it |
//! | `postgres`, `rabbitmq` | how each kind is configured and started |
//! | `process` | a child process that exits when its owner exits |
//! | `server_processes` | finds all processes of a server |
//! | `server_folder`, `folder_lock` | the folder of a server: owner, lock, stored password and ports |
//! | `system_user` | the user that a server runs as when its owner is root |
//! | `port`, `secret`, `wait`, `error` | free ports, random secrets, waiting for a condition, errors |

mod server;

mod postgres;
mod rabbitmq;

mod process;
mod server_processes;

mod folder_lock;
mod port;
mod secret;
mod server_folder;
mod system_user;

mod error;
mod wait;

pub use error::Error;
pub use folder_lock::FolderLock;
pub use port::{free as free_port, is_free};
pub use postgres::Postgres;
pub use process::{Launch, Process};
pub use rabbitmq::RabbitMq;
pub use secret::random_hex;
pub use server::Server;
pub use wait::wait_until;
