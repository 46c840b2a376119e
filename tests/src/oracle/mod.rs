//! The oracle: the wire contract's rules of importing in the simplest code that can express them.
//!
//! It is written from the contract alone. It knows nothing of SQL, chunks, lanes or retries, shares no code with the
//! service, and uses neither its CSV reader nor its decoder nor its case folding, so a mistake goes unnoticed only if it is
//! made twice. Only the tables of NFC are those of the same crate.
//!
//! Data flows one way, in [`Tenant::apply`] (`import`): bytes → text ([`encoding`]) → records (`records`,
//! `contents`) → columns (`header`) → cells (`cells`) → outcomes (`rows`) → [`Answer`]. Rows are applied one at a time,
//! each to the state that the previous row left.

mod import;

mod contents;
pub mod encoding;
mod records;

mod names;

mod cells;
mod header;
mod rows;

mod answer;
mod endpoint;

mod snapshot;
mod tenant;
mod user;

#[cfg(test)]
mod tests;

pub use answer::{Answer, AnsweredRow};
pub use endpoint::Endpoint;
pub use names::username_key;
pub use rows::RowChecks;
pub use snapshot::Snapshot;
pub use tenant::Tenant;
pub use user::{PasswordPolicy, User};
