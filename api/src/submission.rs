//! Taking an upload in: stored, then put into its tenant's line, then the workers are told.
//!
//! All of it runs beside the request: a client that hangs up once its file is complete does not stop it halfway. One
//! that hangs up before leaves nothing behind.

use axum::extract::Request;
use rollcall_schema::database::DatabaseError;
use rollcall_schema::ids::ImportId;
use rollcall_schema::import::{self, Endpoint, Submission};
use rollcall_schema::telemetry::TraceContext;
use rollcall_schema::wake_up::{Lane, WakeUp};
use tracing::Instrument as _;

use crate::answer::Refusal;
use crate::login::Administrator;
use crate::state::App;
use crate::upload::{Form, FormLimits};
use crate::waiting;
use crate::wake_ups;

/// Takes the request's upload in and returns the import that it became.
pub async fn take_in(
    app: &App,
    administrator: Administrator,
    endpoint: Endpoint,
    request: Request,
) -> Result<ImportId, Refusal> {
    let limits = FormLimits {
        file: u64::try_from(administrator.tenant.upload_limit_bytes).unwrap_or(0),
        rest: app.limits.drain_bytes,
        idle: app.limits.upload_idle,
    };
    let (parts, body) = request.into_parts();
    let form = Form::new(&parts.headers, body, limits)?;
    let work = store_and_submit(app.clone(), administrator, endpoint, form, limits).in_current_span();
    app.tasks.spawn(work).await.unwrap_or_else(|panicked| Err(Refusal::Internal(panicked.into())))
}

async fn store_and_submit(
    app: App,
    administrator: Administrator,
    endpoint: Endpoint,
    form: Form,
    limits: FormLimits,
) -> Result<ImportId, Refusal> {
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
    };
    let span =
        tracing::info_span!("submit", otel.kind = "internal", rollcall.lane = submission.lane.as_str());
    match submit(&app, &submission).instrument(span).await {
        Ok(is_head) => {
            tracing::info!(
                import = %id, tenant = %tenant.name, endpoint = endpoint.as_str(),
                bytes = submission.stored.bytes, "an import was accepted"
            );
            if is_head {
                let wake_up = WakeUp { tenant: tenant.id, import: id, trace: submission.trace };
                wake_ups::publish(&app, submission.lane, wake_up);
            }
            Ok(id)
        }
        Err(NotSubmitted { error, certain }) => {
            // An upload too many costs room; an import without its upload would cost the file.
            if certain && let Err(error) = app.uploads.delete(tenant.id, id).await {
                let error = &error as &(dyn std::error::Error + 'static);
                tracing::warn!(error, import = %id, "an upload that was not accepted could not be removed");
            }
            Err(error.into())
        }
    }
}

/// The import is not in its line, or at least nobody can say that it is.
struct NotSubmitted {
    error: DatabaseError,
    certain: bool,
}

/// Puts the import into its line; whether it is the head.
async fn submit(app: &App, submission: &Submission) -> Result<bool, NotSubmitted> {
    let mut conn = app.database.connection().await.map_err(|error| NotSubmitted { error, certain: true })?;
    let error = match import::submit(&mut conn, submission).await {
        Ok(is_head) => return Ok(is_head),
        Err(error) => DatabaseError::from(error),
    };
    drop(conn);
    // If the connection was lost while committing, the commit may have happened all the same.
    match waiting::look(&app.database, submission.tenant, submission.id).await {
        // Whether it is the head is not known: a wake-up too many changes nothing.
        Ok(Some(_)) => Ok(true),
        Ok(None) => Err(NotSubmitted { error, certain: true }),
        Err(_) => Err(NotSubmitted { error, certain: false }),
    }
}
