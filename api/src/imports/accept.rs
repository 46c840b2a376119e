//! Taking an upload in: stored, then put into its tenant's line, then the workers are told.
//!
//! All of it runs beside the request: a client that hangs up once its file is complete does not stop it halfway. One
//! that hangs up before leaves nothing behind.

use axum::extract::Request;
use axum::http::HeaderMap;
use rollcall_schema::database::DatabaseError;
use rollcall_schema::ids::{ImportId, TenantId};
use rollcall_schema::import::idempotency::IdempotencyKey;
use rollcall_schema::import::{self, DueWakeUp, Endpoint, Submission, Submitted};
use rollcall_schema::telemetry::TraceContext;
use rollcall_schema::wake_up::{Lane, WakeUp};
use tracing::Instrument as _;

use crate::auth::login::Administrator;
use crate::http::error::ApiError;
use crate::imports::completion;
use crate::imports::publish;
use crate::imports::upload::{Form, FormLimits};
use crate::state::App;

/// The header by which a client may send an upload again without importing it twice.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// An upload that was taken in.
#[derive(Debug, Clone, Copy)]
pub struct Accepted {
    /// The import that it became.
    pub import: ImportId,
    /// Whether it became that when it came before, under the same key.
    pub duplicate: bool,
}

/// Takes the request's upload in and returns the import that it became.
pub async fn accept(
    app: &App,
    administrator: Administrator,
    endpoint: Endpoint,
    request: Request,
) -> Result<Accepted, ApiError> {
    let limits = FormLimits {
        file: u64::try_from(administrator.tenant.upload_limit_bytes).unwrap_or(0),
        rest: app.limits.drain_bytes,
        idle: app.limits.upload_idle,
    };
    let (parts, body) = request.into_parts();
    let key = idempotency_key(&parts.headers)?;
    let form = Form::new(&parts.headers, body, limits)?;
    let upload = Upload { endpoint, key, form, limits };
    let work = store_and_submit(app.clone(), administrator, upload).in_current_span();
    app.tasks.spawn(work).await.unwrap_or_else(|panicked| Err(ApiError::Internal(panicked.into())))
}

/// What is sent under which key; `None` for an upload without one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(first) = given.next() else { return Ok(None) };
    let key = IdempotencyKey::parse(first.as_bytes()).filter(|_| given.next().is_none());
    key.map(Some).ok_or_else(|| {
        ApiError::bad_request(
            "The Idempotency-Key cannot be used. Send one of 1 to 255 visible ASCII characters without blanks, such as a \
             UUID.",
        )
    })
}

/// An upload that begins to come.
struct Upload {
    endpoint: Endpoint,
    key: Option<IdempotencyKey>,
    form: Form,
    limits: FormLimits,
}

async fn store_and_submit(
    app: App,
    administrator: Administrator,
    upload: Upload,
) -> Result<Accepted, ApiError> {
    let Upload { endpoint, key, form, limits } = upload;
    let Administrator { tenant, user, username } = administrator;
    let id = ImportId::generate();
    tracing::Span::current().record("rollcall.import.id", tracing::field::display(id));

    let span = tracing::info_span!(
        "store upload",
        otel.kind = "internal",
        rollcall.upload.bytes = tracing::field::Empty
    );
    let received = form.store(app.uploads.begin(tenant.id, id), limits).instrument(span.clone()).await?;
    span.record("rollcall.upload.bytes", received.stored.bytes);
    drop(span);

    let small = received.stored.bytes <= app.limits.small_upload_bytes;
    let submission = Submission {
        id,
        tenant: tenant.id,
        endpoint,
        lane: if small { Lane::Small } else { Lane::Bulk },
        stored: received.stored,
        charset: received.charset,
        submitted_by: user,
        submitted_as: username,
        trace: TraceContext::current(),
        key,
    };
    let span =
        tracing::info_span!("submit", otel.kind = "internal", rollcall.lane = submission.lane.as_str());
    match submit(&app, &submission).instrument(span).await {
        Ok(Submitted::InLine { is_head }) => {
            tracing::info!(
                import = %id, tenant = %tenant.name, endpoint = endpoint.as_str(),
                bytes = submission.stored.bytes, "an import was accepted"
            );
            if is_head {
                let wake_up = WakeUp { tenant: tenant.id, import: id, trace: submission.trace };
                publish::publish(&app, DueWakeUp { lane: submission.lane, wake_up, attempts: 0 });
            }
            Ok(Accepted { import: id, duplicate: false })
        }
        Ok(Submitted::Already(import)) => {
            tracing::Span::current().record("rollcall.import.id", tracing::field::display(import));
            tracing::info!(%import, tenant = %tenant.name, "an upload came again under its key");
            remove(&app, tenant.id, id).await;
            Ok(Accepted { import, duplicate: true })
        }
        Ok(Submitted::KeyOfAnother) => {
            remove(&app, tenant.id, id).await;
            Err(ApiError::KeyConflict)
        }
        Err(NotSubmitted { error, certain }) => {
            // An upload too many costs room; an import without its upload would cost the file.
            if certain {
                remove(&app, tenant.id, id).await;
            }
            Err(error.into())
        }
    }
}

/// Removes an upload that is no import. One that stays is removed by the workers' janitor.
async fn remove(app: &App, tenant: TenantId, id: ImportId) {
    if let Err(error) = app.uploads.delete(tenant, id).await {
        let error = &error as &(dyn std::error::Error + 'static);
        tracing::warn!(error, import = %id, "an upload that is no import could not be removed yet");
    }
}

/// The import is not in its line, or at least nobody can say that it is.
struct NotSubmitted {
    error: DatabaseError,
    certain: bool,
}

/// Puts the import into its line.
async fn submit(app: &App, submission: &Submission) -> Result<Submitted, NotSubmitted> {
    let mut conn = app.database.connection().await.map_err(|error| NotSubmitted { error, certain: true })?;
    let error = match import::submit(&mut conn, submission).await {
        Ok(submitted) => return Ok(submitted),
        Err(error) => DatabaseError::from(error),
    };
    drop(conn);
    match completion::fetch(&app.database, submission.tenant, submission.id).await {
        // Whether it is the head is not known: a wake-up too many changes nothing.
        Ok(Some(_)) => Ok(Submitted::InLine { is_head: true }),
        // A connection that was lost may have left a statement behind that waits for a lock, and commits yet.
        Ok(None) => Err(NotSubmitted { certain: error.is_answer(), error }),
        Err(_) => Err(NotSubmitted { error, certain: false }),
    }
}
