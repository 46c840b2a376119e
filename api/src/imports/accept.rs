//! Accepting an upload: it is stored, then submitted to its tenant's line, then the workers are woken.
//!
//! All of this runs in a task of its own, so that a client that hangs up once its file is complete does not stop it
//! halfway. If the client hangs up earlier, what was stored of the upload is deleted.

use std::error::Error;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::HeaderMap;
use rollcall_schema::ids::{ImportId, TenantId};
use rollcall_schema::imports::idempotency::IdempotencyKey;
use rollcall_schema::imports::model::Endpoint;
use rollcall_schema::imports::submit;
use rollcall_schema::imports::submit::{Submission, Submitted};
use rollcall_schema::imports::wake_ups::DueWakeUp;
use rollcall_schema::lane::Lane;
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::fault::Fault;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::rabbitmq::messages::WakeUp;
use rollcall_schema::telemetry::TraceContext;
use rollcall_schema::uploads::UploadStore;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;
use tracing::field::{Empty, display};
use tracing::{Instrument as _, Span};

use crate::auth::caller::Caller;
use crate::http::error::ApiError;
use crate::imports::completion::fetch;
use crate::imports::publish::WakeUpPublisher;
use crate::imports::slots::{Slot, Slots};
use crate::imports::upload::{Form, FormLimits, Pace};

/// How long after its last byte was stored an upload may be submitted. Workers delete one that is no import after ten
/// minutes at least (`ROLLCALL_INCOMPLETE_UPLOAD_SECONDS`), so a process that was frozen in between must not submit it.
const SUBMIT_WITHIN: Duration = Duration::from_mins(5);

/// The request header with which a client can retry an upload without importing it twice.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How long a submission whose outcome is unknown is repeated: the restart of a database and its recovery.
const RESUBMIT_LIMIT: Duration = Duration::from_secs(15);
const RESUBMIT_PAUSE: Duration = Duration::from_millis(300);

/// An accepted upload.
#[derive(Debug, Clone, Copy)]
pub struct Accepted {
    pub import: ImportId,
    /// Whether an earlier upload under the same idempotency key had become this import already.
    pub duplicate: bool,
}

/// Limits that do not depend on the tenant.
#[derive(Debug, Clone, Copy)]
pub struct AcceptLimits {
    /// Bytes that are read and discarded after the file.
    pub drain_bytes: u64,
    /// How fast an upload must arrive.
    pub pace: Pace,
    /// The largest file that goes to the small lane.
    pub small_upload_bytes: u64,
}

/// Accepts uploads. Cheap to clone.
#[derive(Clone)]
pub struct UploadAcceptor {
    pub database: Database,
    pub uploads: UploadStore,
    pub publisher: WakeUpPublisher,
    pub limits: AcceptLimits,
    /// How many uploads may be received at once.
    pub slots: Slots,
    pub tasks: TaskTracker,
}

impl UploadAcceptor {
    /// Accepts the upload in the request.
    pub async fn accept(
        &self,
        caller: Caller,
        endpoint: Endpoint,
        request: Request,
    ) -> Result<Accepted, ApiError> {
        let limits = FormLimits {
            file_bytes: u64::try_from(caller.tenant.upload_limit_bytes).unwrap_or(0),
            drain_bytes: self.limits.drain_bytes,
            pace: self.limits.pace,
        };
        let key = idempotency_key(request.headers())?;
        let slot = self.slots.take(caller.tenant.id).await?;
        let form = Form::open(request, limits).await?;
        let upload = Upload { endpoint, key, form, slot };
        let work = self.clone().store_and_submit(caller, upload).in_current_span();
        self.tasks.spawn(work).await.unwrap_or_else(|panic| Err(ApiError::Internal(panic.into())))
    }

    async fn store_and_submit(self, caller: Caller, upload: Upload) -> Result<Accepted, ApiError> {
        let Upload { endpoint, key, form, slot } = upload;
        let tenant = &caller.tenant;
        let id = ImportId::generate();
        Span::current().record("rollcall.import.id", display(id));

        let span = tracing::info_span!("store upload", otel.kind = "internal", rollcall.upload.bytes = Empty);
        let received = form.store(self.uploads.begin(tenant.id, id)).instrument(span.clone()).await?;
        span.record("rollcall.upload.bytes", received.stored.bytes);
        drop(span);
        drop(slot);
        let stored = Instant::now();

        let small = received.stored.bytes <= self.limits.small_upload_bytes;
        let submission = Submission {
            id,
            tenant: tenant.id,
            endpoint,
            lane: if small { Lane::Small } else { Lane::Bulk },
            upload: received.stored,
            charset: received.charset,
            submitted_by: caller.submitter(),
            submitted_as: caller.shown(),
            actor: caller.actor(),
            trace: TraceContext::current(),
            key,
        };
        let span =
            tracing::info_span!("submit", otel.kind = "internal", rollcall.lane = submission.lane.as_str());
        match self.submit(&submission, stored).instrument(span).await {
            Ok(Submitted::Queued { is_head }) => {
                tracing::info!(
                    import = %id, tenant = %tenant.name, endpoint = endpoint.as_str(),
                    bytes = submission.upload.bytes, "import accepted"
                );
                if is_head {
                    let wake_up = WakeUp { tenant: tenant.id, import: id, trace: submission.trace };
                    self.publisher.publish(DueWakeUp { lane: submission.lane, wake_up, attempts: 0 });
                }
                Ok(Accepted { import: id, duplicate: false })
            }
            Ok(Submitted::Duplicate(import)) => {
                Span::current().record("rollcall.import.id", display(import));
                tracing::info!(%import, tenant = %tenant.name, "duplicate upload under the same idempotency key");
                self.delete_upload(tenant.id, id).await;
                Ok(Accepted { import, duplicate: true })
            }
            Ok(Submitted::KeyConflict) => {
                self.delete_upload(tenant.id, id).await;
                Err(ApiError::KeyConflict)
            }
            Ok(Submitted::QueueFull { limit }) => {
                self.delete_upload(tenant.id, id).await;
                Err(ApiError::QueueFull(limit))
            }
            Err(SubmitError::NotSubmitted(error)) => {
                self.delete_upload(tenant.id, id).await;
                Err(error)
            }
            // The upload stays: an orphaned upload costs space, but an import without its upload has lost the file.
            Err(SubmitError::Unknown(error)) => Err(error.into()),
        }
    }

    /// Deletes an upload that did not become an import. If that fails the workers' janitor deletes it later.
    async fn delete_upload(&self, tenant: TenantId, id: ImportId) {
        if let Err(error) = self.uploads.delete(tenant, id).await {
            let error = &error as &(dyn Error + 'static);
            tracing::warn!(error, import = %id, "failed to delete an orphaned upload, leaving it to the janitor");
        }
    }

    /// Adds the import to its tenant's line. Where the connection is lost meanwhile, whether it was added is unknown, and the
    /// client must not be told that it was not: then it is added again, under the same id, until the database says.
    async fn submit(&self, submission: &Submission, stored: Instant) -> Result<Submitted, SubmitError> {
        let deadline = Instant::now() + RESUBMIT_LIMIT;
        let mut error = match self.submit_once(submission, stored).await {
            Err(SubmitError::Unknown(error)) => error,
            known => return known,
        };
        while Instant::now() < deadline {
            sleep(RESUBMIT_PAUSE).await;
            match self.submit_once(submission, stored).await {
                Ok(submitted) => return Ok(submitted),
                // That this try changed nothing does not say what the first did.
                Err(SubmitError::NotSubmitted(_)) => {}
                Err(SubmitError::Unknown(now)) => error = now,
            }
        }
        Err(SubmitError::Unknown(error))
    }

    async fn submit_once(&self, submission: &Submission, stored: Instant) -> Result<Submitted, SubmitError> {
        // Whether it is at the head of its line is unknown. A wake-up too many does no harm.
        let found = Submitted::Queued { is_head: true };
        let session =
            self.database.session_for(submission.tenant).await.map_err(SubmitError::not_submitted)?;
        let session = session.with_cached_plans();
        if stored.elapsed() > SUBMIT_WITHIN {
            return Err(SubmitError::NotSubmitted(ApiError::Unavailable(
                "the upload was stored too long ago to be submitted".into(),
            )));
        }
        let error = match submit::submit(&session, submission).await {
            // Under its idempotency key, by an earlier try.
            Ok(Submitted::Duplicate(import)) if import == submission.id => return Ok(found),
            Ok(full @ Submitted::QueueFull { .. }) => {
                drop(session);
                // An earlier try may have taken the last place.
                return match fetch(&self.database, submission.tenant, submission.id).await {
                    Ok(Some(_)) => Ok(found),
                    Ok(None) => Ok(full),
                    Err(error) => Err(SubmitError::Unknown(error)),
                };
            }
            Ok(submitted) => return Ok(submitted),
            Err(error) => error,
        };
        drop(session);
        match fetch(&self.database, submission.tenant, submission.id).await {
            Ok(Some(_)) => Ok(found),
            // A session that an administrator ends reports that even after its commit.
            Ok(None) if error.is_answer() && error.fault() != Fault::Away => {
                Err(SubmitError::not_submitted(error))
            }
            // The statement of a lost connection may still be running, waiting for a lock, and commit later.
            Ok(None) | Err(_) => Err(SubmitError::Unknown(error)),
        }
    }
}

/// An upload whose body has not been read yet.
struct Upload {
    endpoint: Endpoint,
    key: Option<IdempotencyKey>,
    form: Form,
    slot: Slot,
}

/// Why an import may not be in its tenant's line.
enum SubmitError {
    /// It was not submitted.
    NotSubmitted(ApiError),
    /// It may have been submitted, or may yet be.
    Unknown(DatabaseError),
}

impl SubmitError {
    fn not_submitted(error: DatabaseError) -> Self {
        Self::NotSubmitted(error.into())
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(first) = given.next() else { return Ok(None) };
    let key = IdempotencyKey::parse(first.as_bytes()).filter(|_| given.next().is_none());
    key.map(Some).ok_or_else(|| {
        ApiError::bad_request(
            "The Idempotency-Key is invalid. Send one key of 1 to 255 visible ASCII characters without spaces, such as \
             a UUID.",
        )
    })
}
