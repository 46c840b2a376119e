//! Submitting: an accepted upload becomes an import at the end of its tenant's line.

use tokio_postgres::Row;

use super::idempotency::{self, IdempotencyKey};
use super::model::{Endpoint, signed};
use crate::audit::{Action, Actor};
use crate::crash_point::{self, CrashPoint};
use crate::ids::{ImportId, TenantId, TokenId, UserId};
use crate::lane::Lane;
use crate::postgres::client::Session;
use crate::postgres::error::DatabaseError;
use crate::telemetry::TraceContext;
use crate::uploads::StoredUpload;

const SUBMIT: &str = include_str!("sql/submit.sql");
const IS_HEAD: &str = include_str!("sql/is_head.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[("submit", SUBMIT), ("is_head", IS_HEAD)];

/// What an upload was sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitter {
    Account(UserId),
    Token(TokenId),
}

/// An accepted upload.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The upload is stored under this id.
    pub id: ImportId,
    pub tenant: TenantId,
    pub endpoint: Endpoint,
    pub lane: Lane,
    pub upload: StoredUpload,
    /// The `charset` that the client declared.
    pub charset: Option<String>,
    pub submitted_by: Submitter,
    /// The sender's username or what names its token, kept in case the account or token is deleted.
    pub submitted_as: String,
    /// The sender as the audit names it.
    pub actor: Actor,
    /// The trace of the request.
    pub trace: TraceContext,
    pub key: Option<IdempotencyKey>,
}

/// The outcome of submitting an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// It is a new import in its tenant's line.
    Queued {
        /// Whether it is the head of the line, whose wake-up is to be published now.
        is_head: bool,
    },
    /// The same upload came before under the same key, as this import.
    Duplicate(ImportId),
    /// A different upload came before under the same key. This one is no import.
    KeyConflict,
    /// The tenant has as many unfinished imports as it may have. This one is none.
    QueueFull { limit: u32 },
}

/// Puts an upload at the end of its tenant's line, once for each idempotency key.
pub async fn submit(session: &Session, submission: &Submission) -> Result<Submitted, DatabaseError> {
    let (account, token) = match submission.submitted_by {
        Submitter::Account(user) => (Some(user), None),
        Submitter::Token(token) => (None, Some(token)),
    };
    crash_point::reached_for(submission.tenant, CrashPoint::BeforeSubmitCommit);
    let answer = session
        .query_opt(
            SUBMIT,
            &[
                &submission.tenant,
                &submission.id,
                &submission.endpoint,
                &submission.lane,
                &signed(submission.upload.bytes),
                &submission.upload.sha256.as_slice(),
                &submission.charset,
                &account,
                &submission.submitted_as,
                &submission.trace.traceparent,
                &submission.trace.tracestate,
                &submission.key.as_ref().map(IdempotencyKey::as_str),
                &token,
                &submission.actor.kind,
                &submission.actor.name,
                &submission.actor.origin,
                &Action::ImportSubmitted,
            ],
        )
        .await?;
    crash_point::reached_for(submission.tenant, CrashPoint::AfterSubmitCommit);
    // Without a row there is no such tenant.
    let answer = answer.ok_or(diesel::result::Error::NotFound)?;
    match answer.try_get::<_, Option<bool>>("is_head")? {
        // If another import finished while this one waited for the lock, it gets one wake-up too many.
        Some(true) => return Ok(Submitted::Queued { is_head: true }),
        Some(false) => {}
        None => return refused(session, submission, &answer).await,
    }
    // Asked again after the commit: the worker that finishes the import before this one looks for the next one after its
    // own commit, so at least one of the two sees the other.
    let is_head = session.query_one(IS_HEAD, &[&submission.tenant, &submission.id]).await?.try_get(0)?;
    Ok(Submitted::Queued { is_head })
}

/// Why an upload became no import. A key that is known stands for its import even while the line is full.
async fn refused(
    session: &Session,
    submission: &Submission,
    answer: &Row,
) -> Result<Submitted, DatabaseError> {
    let Submission { tenant, endpoint, upload, charset, key, .. } = submission;
    let known = match key {
        Some(key) => idempotency::find(session, *tenant, key, *endpoint, upload, charset.as_deref()).await?,
        None => None,
    };
    Ok(match known {
        Some(known) if known.same_upload => Submitted::Duplicate(known.import),
        Some(_) => Submitted::KeyConflict,
        None => {
            let limit: i32 = answer.try_get("max_queued_imports")?;
            Submitted::QueueFull { limit: limit.unsigned_abs() }
        }
    })
}
