//! The input of every benchmark.

use super::files::Files;
use super::sizes::Sizes;

/// What every benchmark is given.
pub struct Fixture {
    pub sizes: Sizes,
    pub files: Files,
}
