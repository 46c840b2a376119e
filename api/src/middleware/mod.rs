//! What surrounds every request.

pub mod drain_body;
pub mod request_log;
