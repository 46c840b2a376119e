//! The only writer of results (invariant 8): turns stored outcomes into the JSON that the client reads, streaming.
//!
//! The waiting POST and the poll both call [`stream()`], so their answers are the same to the byte.

use std::fmt::Write as _;

use bytes::Bytes;
use futures_util::stream::{self, Stream};

use super::model::{Ending, Import};
use super::outcome_reader::OutcomeReader;
use super::tally::{Outcome, Tally};
use crate::ids::TenantId;
use crate::postgres::error::DatabaseError;
use crate::postgres::pool::Database;

/// `3 users processed. 1 user created. 1 user updated. 1 user failed.`
pub fn summary(tally: Tally) -> String {
    let users = |count: u64| if count == 1 { "1 user".to_owned() } else { format!("{count} users") };
    format!(
        "{} processed. {} created. {} updated. {} failed.",
        users(tally.rows()),
        users(tally.created),
        users(tally.updated),
        users(tally.failed)
    )
}

/// The result of an import that could not run at all, or of a request that was refused.
pub fn failure(summary: &str) -> String {
    format!(r#"{{"success":false,"summary":{}}}"#, json_string(summary))
}

/// The text as a JSON string: UTF-8 unescaped, only what JSON requires escaped.
fn json_string(text: &str) -> String {
    serde_json::to_string(text).expect("a string can always be written as JSON")
}

/// The result of a finished import, in pieces of about [`PIECE_BYTES`]. Each is made when it is asked for, so a client that
/// does not read costs one piece, what an [`OutcomeReader`] holds, and no connection.
pub fn stream(
    database: Database,
    tenant: TenantId,
    import: &Import,
) -> impl Stream<Item = Result<Bytes, DatabaseError>> + Send + use<> {
    let start = match &import.ending {
        Some(Ending::Refused(sentence) | Ending::Abandoned(sentence) | Ending::Cancelled(sentence)) => {
            Step::Whole(failure(sentence))
        }
        Some(Ending::Imported) | None if import.tally.failed == 0 => {
            Step::Whole(format!(r#"{{"success":true,"summary":{}}}"#, json_string(&summary(import.tally))))
        }
        Some(Ending::Imported) | None => {
            let summary = json_string(&summary(import.tally));
            Step::Details {
                piece: format!(r#"{{"success":false,"summary":{summary},"details":{{"#),
                outcomes: Box::new(OutcomeReader::new(database, tenant, import.id)),
            }
        }
    };
    stream::try_unfold(start, async move |step| match step {
        Step::Whole(text) => Ok(Some((Bytes::from(text), Step::Done))),
        Step::Details { mut piece, mut outcomes } => loop {
            while piece.len() < PIECE_BYTES
                && let Some((row, outcome)) = outcomes.next_loaded()
            {
                write_row(&mut piece, row, outcome);
            }
            if piece.len() >= PIECE_BYTES {
                return Ok(Some((Bytes::from(piece), Step::Details { piece: String::new(), outcomes })));
            }
            if !outcomes.load().await? {
                piece.push_str("}}");
                return Ok(Some((Bytes::from(piece), Step::Done)));
            }
        },
        Step::Done => Ok(None),
    })
}

/// The size from which a piece is complete. The row that completes it may make it some KiB longer.
const PIECE_BYTES: usize = 32 * 1024;

enum Step {
    Whole(String),
    Details { piece: String, outcomes: Box<OutcomeReader> },
    Done,
}

/// A row's part of `details`, starting with the comma that joins it to the part before.
fn write_row(piece: &mut String, row: u64, outcome: Result<Outcome, String>) {
    if row > 1 {
        piece.push(',');
    }
    let _ = match outcome {
        Ok(Outcome::Created) => write!(piece, r#""{row}":"User Created""#),
        Ok(Outcome::Updated | Outcome::Failed) => write!(piece, r#""{row}":"User Updated""#),
        Err(problems) => {
            let text = json_string(&format!("{problems}User failed to import: {problems}"));
            write!(piece, r#""{row}":{text}"#)
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        assert_eq!(
            summary(Tally { created: 1, updated: 1, failed: 1 }),
            "3 users processed. 1 user created. 1 user updated. 1 user failed."
        );
        assert_eq!(
            summary(Tally { created: 1, updated: 0, failed: 0 }),
            "1 user processed. 1 user created. 0 users updated. 0 users failed."
        );
    }

    #[test]
    fn details_are_written_as_in_the_contract() {
        let email = "Field (emailAddress) is not a well-formed email address. ";
        let mut piece = String::new();
        write_row(&mut piece, 1, Ok(Outcome::Updated));
        write_row(&mut piece, 2, Err(email.to_owned()));
        write_row(&mut piece, 3, Ok(Outcome::Created));
        assert_eq!(
            piece,
            format!(r#""1":"User Updated","2":"{email}User failed to import: {email}","3":"User Created""#)
        );
    }
}
