//! What a school's script does: it sends requests over HTTP and reads the answers.

pub mod answer;
pub mod curl;
pub mod description;
pub mod expected;
pub mod raw;
mod requests;
