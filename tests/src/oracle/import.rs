//! An import.

use super::answer::Answer;
use super::endpoint::Endpoint;
use super::header::{self, Plan};
use super::rows::Outcome;
use super::tenant::Tenant;
use super::{encoding, records};

impl Tenant {
    /// Applies a file and answers as a plain POST of it would.
    pub fn apply(&mut self, endpoint: Endpoint, bytes: &[u8], charset: Option<&str>) -> Answer {
        let text = match encoding::decode(bytes, charset) {
            Ok(text) => text,
            Err(why) => return Answer::could_not_run(&why),
        };
        let mut records = records::read(&text).into_iter();
        let Some(header) = records.next() else {
            return Answer::finished(&[]);
        };
        if !header.closes {
            return Answer::could_not_run("The header line has a quote that never closes.");
        }
        let plan = match header::plan(endpoint, &header.cells) {
            Ok(plan) => plan,
            Err(why) => return Answer::could_not_run(&why),
        };
        let outcomes: Vec<Outcome> = records
            .map(|row| match &plan {
                _ if !row.closes => Outcome::Failed("Row has a quote that never closes. ".to_owned()),
                Plan::Users(columns) => self.apply_user_row(columns, &row.cells),
                Plan::Groups(columns) => self.apply_group_row(columns, &row.cells),
            })
            .collect();
        Answer::finished(&outcomes)
    }
}
