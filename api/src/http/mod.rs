//! What is particular to HTTP: headers with a grammar of their own, and every response with its status code. No other
//! folder chooses status codes.

pub mod error;
pub mod import_warning;
pub mod logged;
pub mod parameters;
pub mod prefer;
pub mod raw_answer;
pub mod refusal_log;
pub mod response;
