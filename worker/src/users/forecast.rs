//! The forecast of a row: what its user and its barcode will be when the row is merged. It is drawn from the census and from
//! what earlier rows of the file may write, row by row in the order of the file, before any of them is merged.
//!
//! It may be vague and it may become wrong, but the outcome does not depend on it. A chunk does not trust it if an operator
//! or another program has changed the roster since the census ([`crate::census::is_roster_changed`]). A user or a barcode that it calls new and that
//! exists violates a unique index, and then the chunk starts again without it.

use uuid::Uuid;

use super::census::Census;
use crate::census::KeyFilter;

/// What a row's user will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserForecast {
    /// As the row has it: the row was applied last.
    Unchanged,
    /// Not there.
    New,
    /// Perhaps there, and perhaps as the row has it.
    Unknown,
}

/// Draws the forecasts of a file's rows.
#[derive(Debug)]
pub struct Forecaster {
    census: Census,
    /// The users that earlier rows may write.
    named: KeyFilter,
    /// The barcodes that earlier rows may give to a user.
    claimed: KeyFilter,
}

impl Forecaster {
    /// For a file of about this many rows.
    pub fn new(census: Census, rows: usize) -> Self {
        Self { census, named: KeyFilter::new(rows), claimed: KeyFilter::new(rows) }
    }

    /// The forecast for the user of the next row, by the hash of its key. The row has this digest if it may be skipped.
    pub fn user(&mut self, user: u64, digest: Option<Uuid>) -> UserForecast {
        let is_written = self.named.may_contain(user);
        if !is_written && digest.is_some_and(|digest| self.census.is_applied(user, digest)) {
            return UserForecast::Unchanged;
        }
        self.named.insert(user);
        if is_written || self.census.may_have_user(user) { UserForecast::Unknown } else { UserForecast::New }
    }

    /// Whether no user has a barcode that the next row claims, by its hash.
    pub fn is_barcode_free(&mut self, barcode: u64) -> bool {
        let is_free = !self.claimed.may_contain(barcode) && !self.census.may_have_barcode(barcode);
        self.claimed.insert(barcode);
        is_free
    }
}
