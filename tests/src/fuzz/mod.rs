//! What reads the bytes of strangers, each as a function from arbitrary bytes to nothing. One that panics has found a fault.
//!
//! `./tests/fuzz` lets libFuzzer search for such bytes (`src/bin/fuzz.rs`). The unit test calls each target with the inputs
//! in `fuzz.d`: the seeds, from which the search begins, and what it has found so far.
//!
//! A target asks for more than that nothing panics: that frames, blocks and neighbours make no difference, that what is
//! written is what is read, that what was changed does not open, and that the oracle says the same.

mod input;

mod basic_header;
mod csv;
mod multipart;
mod row_checks;
mod unsealer;

#[cfg(test)]
mod tests;

/// Something that is fuzzed.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    /// Panics if `bytes` show a fault.
    pub run: fn(bytes: &[u8]),
}

impl Target {
    pub const ALL: [Target; 5] = [
        Target { name: "basic_header", run: basic_header::run },
        Target { name: "csv", run: csv::run },
        Target { name: "multipart", run: multipart::run },
        Target { name: "row_checks", run: row_checks::run },
        Target { name: "unsealer", run: unsealer::run },
    ];

    pub fn named(name: &str) -> Option<Target> {
        Target::ALL.into_iter().find(|target| target.name == name)
    }
}
