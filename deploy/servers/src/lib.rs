//! Private PostgreSQL and RabbitMQ servers: started in a folder of their own, on free ports of 127.0.0.1, with
//! generated passwords, and gone when their owner is gone.
//!
//! `rollcall up` runs a school's service on them, the tests run against them, and the fault tests stop, kill, pause and
//! restart them. The crate knows nothing of Rollcall's tables and queues, nor of HTTP: it hands out two URLs.
//!
//! ```no_run
//! # fn main() -> Result<(), rollcall_servers::Error> {
//! use rollcall_servers::{Postgres, RabbitMq};
//!
//! let mut postgres = Postgres::at("state/postgres").start()?;
//! let rabbit = RabbitMq::at("state/rabbitmq").start()?;
//! println!("DATABASE_URL={}\nAMQP_URL={}", postgres.url(), rabbit.url());
//! postgres.kill()?;
//! postgres.restart()?; // the same port, password and data
//! # Ok(())
//! # }
//! ```
//!
//! What holds:
//!
//! - **One owner.** A folder is locked while a server runs in it; a second start is refused with a sentence.
//! - **Ready means ready.** `start` returns when the server has answered a client's first message, not after a pause.
//! - **Nothing is left behind.** Dropping a [`Server`] ends every process of it, those it forked into sessions of their
//!   own included. Should the owner itself be killed, the kernel tells the server to shut down.
//! - **Calls block.** From asynchronous code, go through a blocking thread.
//!
//! Linux only, and meant for the packages of Debian and Ubuntu.
//!
//! The map, in reading order: [`Server`] is one running server and all that can be done to it; `postgres` and `rabbitmq`
//! say what is particular to each; [`Process`] is a child that does not outlive us; `server_processes` finds a server's processes;
//! `server_folder`, `system_user`, `port` and `secret` are where, as whom and with what it runs.

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
pub use port::is_free;
pub use postgres::Postgres;
pub use process::{Launch, Process};
pub use rabbitmq::RabbitMq;
pub use secret::random_hex;
pub use server::Server;
pub use wait::wait_until;
