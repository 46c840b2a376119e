//! What surrounds every request. The layers know nothing of imports or of the application's state.

pub mod drain_body;
pub mod host;
pub mod http_1_0;
pub mod request_log;
