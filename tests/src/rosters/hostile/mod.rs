//! Random cases: a few small files of users and groups, imported one after another into one tenant.
//!
//! The generator never says what a file means; only the oracle does. It avoids what the contract leaves open: a header
//! whose delimiters tie (there are always at least two columns), a line that is only `""`, and bytes that are invalid in
//! the given charset.
//!
//! A [`Case`] (`case`) is put together by `generator` from `columns`, `values` and `rows`, and written by `format` and
//! `encode`. Each of them draws from the `Rng` that it is given. The order of the draws decides what a seed means, so a
//! change of that order changes every case.

mod case;
mod generator;

mod columns;
mod rows;
mod values;

mod encode;
mod format;

#[cfg(test)]
mod tests;

pub use case::{Case, Step, Upload};
