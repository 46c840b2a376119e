//! Hostile clients: what one that means harm, or is broken, does to the API while a good one imports.
//!
//! Each kind of attack is a number of connections that repeat the same thing for as long as [`Attackers`] exists. Together
//! they are the suite that `./tests/hostile` runs, and in small the topic `hostile_clients`.

pub mod attack;
pub mod good_client;
pub mod large_result;

pub use attack::{Attackers, Intensity, Target};
pub use good_client::GoodClient;
pub use large_result::{LargeResult, add_large_result};
