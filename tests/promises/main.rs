//! What Rollcall promises, a file each, tried on the service as it is shipped with a real Postgres, a real RabbitMQ and
//! real sockets.
#![allow(missing_docs, clippy::unwrap_used, reason = "these are tests")]

mod a_roster_goes_in;
mod one_trace;
mod the_oracle_agrees;
mod the_status_table;
