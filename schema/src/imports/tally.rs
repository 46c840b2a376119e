//! The outcome of a row, and rows counted by outcome.

use std::ops::AddAssign;

/// The outcome of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The row created a user.
    Created,
    /// The row's user existed, whether or not the row changed anything.
    Updated,
    /// The row has problems and changed nothing.
    Failed,
}

impl Outcome {
    /// Two bits, as they are stored.
    pub(super) fn bits(self) -> u8 {
        match self {
            Self::Created => 0,
            Self::Updated => 1,
            Self::Failed => 2,
        }
    }

    pub(super) fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0 => Self::Created,
            1 => Self::Updated,
            _ => Self::Failed,
        }
    }
}

/// Rows counted by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub created: u64,
    pub updated: u64,
    pub failed: u64,
}

impl Tally {
    /// All rows.
    pub fn rows(self) -> u64 {
        self.created + self.updated + self.failed
    }
}

impl AddAssign<Outcome> for Tally {
    fn add_assign(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Created => self.created += 1,
            Outcome::Updated => self.updated += 1,
            Outcome::Failed => self.failed += 1,
        }
    }
}
