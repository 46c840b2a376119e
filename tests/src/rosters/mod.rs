//! Rosters to import: small random files for the oracle ([`hostile`]), good ones with random
//! damage ([`damaged`]), large valid ones for load ([`large`]) and in the shape of a district's ([`real`]), and a small
//! one with rows of every kind for tests of faults ([`mixed`]).
//!
//! Every roster depends on its arguments alone: the same seed or options give the same bytes on every machine.

pub mod damaged;
pub mod hostile;
pub mod large;
pub mod mixed;
pub mod real;
pub(crate) mod rng;
