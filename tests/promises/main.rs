//! What Rollcall guarantees to its users, a file for each topic. The tests run the service as it is shipped, with a real
//! Postgres, a real RabbitMQ and real sockets. Numbered invariants are those of `schema/README.md`.
#![allow(clippy::unwrap_used, clippy::format_collect, reason = "these are tests")]

mod abandonment;
mod authentication;
mod bad_input;
mod broker_outage;
mod campaign;
mod cancellation;
mod catalogue;
mod crash_points;
mod csv_reading;
mod damage;
mod database_outage;
mod empty_settings;
mod first_import;
mod forms;
mod group_columns;
mod idempotency;
mod identity;
mod import_warnings;
mod job_list;
mod lease_expiry;
mod name_keys;
mod network_faults;
mod nginx;
mod oracle;
mod ordering;
mod parallel_chunks;
mod password_hashing;
mod passwords;
mod plans;
mod real_files;
mod refusals_hold_no_cells;
mod reimport;
mod retention;
mod seeds;
mod shutdown;
mod statements;
mod status_codes;
mod supervision;
mod tenants;
mod tls;
mod tracing;
mod user_columns;
mod waiting;
mod wake_ups;
