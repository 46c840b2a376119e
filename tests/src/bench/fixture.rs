//! What every benchmark works on.

use super::files::Files;
use super::sizes::Sizes;

pub struct Fixture {
    pub sizes: Sizes,
    pub files: Files,
}
