#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! What the tests, the benchmarks and the fault campaign share.
//!
//! Nothing here is a mock: a [`harness::Stack`] is an API and its workers as they are shipped, on a real Postgres and a real
//! RabbitMQ. The tests themselves are in `promises/`, a file for each topic.
//!
//! | room | holds |
//! |---|---|
//! | [`harness`] | servers, processes, a client and faults |
//! | [`oracle`] | the contract once more, a row at a time and without SQL: it shares no code with the service |
//! | [`rosters`] | the files that schools send, generated from a seed |
//! | [`tables`] | compares a tenant's tables with the oracle's |
//! | [`campaign`] | breaks everything at random while schools send rosters |
//! | [`fuzz`] | what reads the bytes of strangers, to be called with any bytes |
//! | [`hostile`] | attacks the API as clients can while a good one imports |
//! | [`bench`] | measures the service against plain SQL |

pub mod harness;

pub mod oracle;
pub mod rosters;
pub mod tables;

pub mod campaign;
pub mod fuzz;
pub mod hostile;

pub mod bench;
