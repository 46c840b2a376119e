//! What is particular to HTTP: request headers with a grammar of their own, and the responses with their status codes.

pub mod answer;
pub mod parameters;
pub mod prefer;
