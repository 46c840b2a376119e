//! The oracle: what the wire contract promises, in the plainest code that can say it.
//!
//! It is written from the contract alone. It knows nothing of SQL, chunks, lanes or retries, shares no code with the
//! service and uses neither its CSV reader nor its decoder, so that a mistake has to be made twice to pass.
//! Data flows one way: bytes → text (`encoding`) → records (`records`) → columns (`header`) → rows (`rows`),
//! one row at a time, each on the state the row before it left.

mod answer;
mod cells;
pub mod encoding;
mod endpoint;
mod header;
mod import;
mod records;
mod rows;
mod snapshot;
mod tenant;
mod user;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use endpoint::Endpoint;
pub use snapshot::Snapshot;
pub use tenant::Tenant;
pub use user::{PasswordPolicy, User, username_key};
