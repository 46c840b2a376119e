//! Accepting an upload: it is stored, then submitted to its tenant's line, then the workers are woken.
//!
//! All of this runs in a task of its own, so that a client that hangs up once its file is complete does not stop it
//! halfway. If the client hangs up earlier, what was stored of the upload is deleted.

use std::error::Error;
use std::time::Duration;

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
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::rabbitmq::messages::WakeUp;
use rollcall_schema::telemetry::TraceContext;
use rollcall_schema::uploads::UploadStore;
use tokio_util::task::TaskTracker;
use tracing::field::{Empty, display};
use tracing::{Instrument as _, Span};

use crate::auth::login::Administrator;
use crate::http::error::ApiError;
use crate::imports::completion::fetch;
use crate::imports::publish::WakeUpPublisher;
use crate::imports::upload::{Form, FormLimits};

/// The request header with which a client can retry an upload without importing it twice.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

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
    /// The time without data after which the upload times out.
    pub idle: Duration,
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
    pub tasks: TaskTracker,
}

impl UploadAcceptor {
    /// Accepts the upload in the request.
    pub async fn accept(
        &self,
        administrator: Administrator,
        endpoint: Endpoint,
        request: Request,
    ) -> Result<Accepted, ApiError> {
        let limits = FormLimits {
            file_bytes: u64::try_from(administrator.tenant.upload_limit_bytes).unwrap_or(0),
            drain_bytes: self.limits.drain_bytes,
            idle: self.limits.idle,
        };
        let (parts, body) = request.into_parts();
        let key = idempotency_key(&parts.headers)?;
        let form = Form::open(&parts.headers, body, limits).await?;
        let upload = Upload { endpoint, key, form };
        let work = self.clone().store_and_submit(administrator, upload).in_current_span();
        self.tasks.spawn(work).await.unwrap_or_else(|panic| Err(ApiError::Internal(panic.into())))
    }

    async fn store_and_submit(
        self,
        administrator: Administrator,
        upload: Upload,
    ) -> Result<Accepted, ApiError> {
        let Upload { endpoint, key, form } = upload;
        let Administrator { tenant, user, username } = administrator;
        let id = ImportId::generate();
        Span::current().record("rollcall.import.id", display(id));

        let span = tracing::info_span!("store upload", otel.kind = "internal", rollcall.upload.bytes = Empty);
        let received = form.store(self.uploads.begin(tenant.id, id)).instrument(span.clone()).await?;
        span.record("rollcall.upload.bytes", received.stored.bytes);
        drop(span);

        let small = received.stored.bytes <= self.limits.small_upload_bytes;
        let submission = Submission {
            id,
            tenant: tenant.id,
            endpoint,
            lane: if small { Lane::Small } else { Lane::Bulk },
            upload: received.stored,
            charset: received.charset,
            submitted_by: user,
            submitted_as: username,
            trace: TraceContext::current(),
            key,
        };
        let span =
            tracing::info_span!("submit", otel.kind = "internal", rollcall.lane = submission.lane.as_str());
        match self.submit(&submission).instrument(span).await {
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
            Err(SubmitError::NotSubmitted(error)) => {
                self.delete_upload(tenant.id, id).await;
                Err(error.into())
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

    /// Adds the import to its tenant's line.
    async fn submit(&self, submission: &Submission) -> Result<Submitted, SubmitError> {
        let session =
            self.database.session_for(submission.tenant).await.map_err(SubmitError::NotSubmitted)?;
        let error = match submit::submit(&session, submission).await {
            Ok(submitted) => return Ok(submitted),
            Err(error) => error,
        };
        drop(session);
        match fetch(&self.database, submission.tenant, submission.id).await {
            // Whether it is at the head of its line is unknown. A wake-up too many does no harm.
            Ok(Some(_)) => Ok(Submitted::Queued { is_head: true }),
            Ok(None) if error.is_answer() => Err(SubmitError::NotSubmitted(error)),
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
}

/// Why an import may not be in its tenant's line.
enum SubmitError {
    /// It was not submitted.
    NotSubmitted(DatabaseError),
    /// It may have been submitted, or may yet be.
    Unknown(DatabaseError),
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
