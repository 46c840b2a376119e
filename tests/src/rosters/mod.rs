//! Rosters to import: [`hostile`] ones, small and random, for the oracle; [`large`] ones, valid, for load; a [`mixed`]
//! one, small, for whatever breaks meanwhile.
//!
//! All are functions of their arguments alone: the same seed or options give the same bytes on every machine.

pub mod hostile;
pub mod large;
pub mod mixed;
pub(crate) mod rng;
