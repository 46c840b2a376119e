//! What the tests share: real servers, real processes, a client, and the oracle that knows the right answer.
//!
//! Nothing here is a mock. A [`harness::Stack`] is an API and its workers as they are shipped, on a database of its own;
//! the [`oracle`] is written from the contract alone and shares no code with them, and [`tables`] holds theirs against its own. The [`bench`] says how long it takes, the [`campaign`] breaks everything at once.

pub mod bench;
pub mod campaign;
pub mod harness;
pub mod oracle;
pub mod rosters;
pub mod tables;
