//! Random cases: a few small files of users and groups, imported one after another into one tenant.
//!
//! The generator never says what a file means; only the oracle does. It leaves out what the contract leaves truly open:
//! a header whose delimiters tie (there are always two columns or more), a line that is only `""`, and bytes that are
//! not what their charset says.

mod case;
mod columns;
mod encode;
mod format;
mod generator;
mod rows;
mod values;

#[cfg(test)]
mod tests;

pub use case::{Case, Step, Upload};
