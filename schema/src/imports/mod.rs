pub mod model;
pub mod idempotency;
pub mod operator;
pub mod retention;
pub mod outbox;
pub mod outcomes;
pub mod result_json;
