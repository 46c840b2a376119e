//! Random cases: a few small files of users and groups, imported one after another into one tenant.
//!
//! The generator never says what a file means; only the oracle does. It avoids what the contract leaves open: a header
//! whose delimiters tie (there are always at least two columns), a stray quote in the header, UTF-16 that neither a mark nor
//! a label nor its bytes show, and a UTF-16 file that is none.
//!
//! A [`Case`] (`case`) is put together by `generator` from `columns`, `values` and `rows`, written by `format` and `encode`, and
//! disturbed by `oddities`. Each of them draws from the `Rng` that it is given. The order of the draws decides what a seed means, so a
//! change of that order changes every case.

mod case;
mod generator;

mod columns;
mod rows;
mod values;

mod encode;
mod format;
mod oddities;

#[cfg(test)]
mod tests;

pub use case::{Case, Step, Upload};
