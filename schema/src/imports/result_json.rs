//! The only writer of results (invariant 8): turns stored outcomes into the JSON that the client reads, streaming.
//!
//! The waiting POST and the poll both call [`stream()`], so their answers are the same to the byte.

use std::fmt::Write as _;

use bytes::Bytes;
use futures_util::stream::{self, Stream};

use super::model::{Ending, Import};
use super::outcomes::{self, ChunkOutcomes};
use super::tally::{Outcome, Tally};
use crate::ids::{ImportId, TenantId};
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

/// The result of a finished import, piece by piece. Holds one chunk's outcomes at a time, and a connection only while it
/// loads the next.
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
        Some(Ending::Imported) | None => Step::Head(import.tally),
    };
    let id = import.id;
    stream::try_unfold(start, move |step| {
        let database = database.clone();
        async move {
            match step {
                Step::Whole(text) => Ok(Some((Bytes::from(text), Step::Done))),
                Step::Head(tally) => {
                    let head = format!(
                        r#"{{"success":false,"summary":{},"details":{{"#,
                        json_string(&summary(tally))
                    );
                    Ok(Some((Bytes::from(head), Step::Rows { from: 1 })))
                }
                Step::Rows { from } => {
                    let chunk = load(&database, tenant, id, from).await?;
                    Ok(Some(match chunk {
                        Some(chunk) => (Bytes::from(details(&chunk)), Step::Rows { from: chunk.next_row() }),
                        None => (Bytes::from_static(b"}}"), Step::Done),
                    }))
                }
                Step::Done => Ok(None),
            }
        }
    })
}

enum Step {
    Whole(String),
    Head(Tally),
    Rows { from: u64 },
    Done,
}

async fn load(
    database: &Database,
    tenant: TenantId,
    import: ImportId,
    from: u64,
) -> Result<Option<ChunkOutcomes>, DatabaseError> {
    let mut conn = database.connection_for(tenant).await?;
    Ok(outcomes::load(&mut conn, tenant, import, from).await?)
}

/// A chunk's part of `details`, starting with the comma that joins it to the part before.
fn details(chunk: &ChunkOutcomes) -> String {
    let mut out = String::with_capacity(chunk.tally().rows().try_into().unwrap_or(0) * 26);
    for (row, outcome) in chunk.iter() {
        if row > 1 {
            out.push(',');
        }
        let _ = match outcome {
            Ok(Outcome::Created) => write!(out, r#""{row}":"User Created""#),
            Ok(Outcome::Updated | Outcome::Failed) => write!(out, r#""{row}":"User Updated""#),
            Err(problems) => {
                let text = json_string(&format!("{problems}User failed to import: {problems}"));
                write!(out, r#""{row}":{text}"#)
            }
        };
    }
    out
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
        let mut chunk = ChunkOutcomes::starting_at(1);
        chunk.push(Ok(Outcome::Updated));
        chunk.push(Err(email.to_owned()));
        assert_eq!(
            details(&chunk),
            format!(r#""1":"User Updated","2":"{email}User failed to import: {email}""#)
        );
        let mut next = ChunkOutcomes::starting_at(3);
        next.push(Ok(Outcome::Created));
        assert_eq!(details(&next), r#","3":"User Created""#);
    }
}
