//! The installation's data keys: what uploads and waiting passwords are sealed with, and rows and passwords digested.
//!
//! The service's key (`ROLLCALL_KEY`) seals nothing itself. It wraps the data keys, which are stored in the database. So
//! it can be replaced while the service runs: the data keys are wrapped by the new key as well, processes with either key
//! open everything, and in the end what the old key wraps is deleted.
//!
//! A seal names its data key by id. The newest key for seals is the one that seals; the others open what was sealed
//! before. There is one key for digests, which is never replaced: with another one each password and each row would count
//! as changed.
//!
//! An installation that sealed before there were data keys goes on with its service key as data key
//! [`ORIGINAL_KEY`](crate::crypto::key::ORIGINAL_KEY), in the old formats, until its key is first rotated. So processes of
//! the version before can run meanwhile.
//!
//! | module | holds |
//! |---|---|
//! | [`data_keys`] | the opened data keys |
//! | [`ring`] | the data keys of a running process, read again when a seal names one that it does not know |
//! | [`store`] | how they are stored: loading, creating |
//! | [`rotation`] | replacing the service key |

pub mod data_keys;
pub mod store;

pub mod ring;
pub mod rotation;
