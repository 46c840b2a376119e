//! The service's key, and what is sealed and digested with keys derived from it.

pub mod key;

pub mod password_cipher;
pub mod row_digest;
pub mod upload_stream;
