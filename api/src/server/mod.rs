//! The server: from settings to a listening socket, until it is shut down.
//!
//! hyper serves one connection at a time. What surrounds it is here, because it needs the connection itself: the limit on
//! open connections, the answer to a head that cannot be read, a client that stops reading.

pub mod connection;
pub mod connections;
pub mod descriptors;
pub mod hyper_answers;
pub mod lingering_close;
pub mod listener;
pub mod plain_http;
pub mod stall_guard;
pub mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::STRICT_TRANSPORT_SECURITY;
use axum::middleware::{from_fn, from_fn_with_state};
use rollcall_schema::settings::error::SettingError;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::http::error::ApiError;
use crate::http::raw_answer::STRICT_TRANSPORT_SECURITY as HSTS;
use crate::middleware::drain_body::{DrainLimit, drain_body};
use crate::middleware::host::require_host;
use crate::middleware::http_1_0::answer_in_http_1_0;
use crate::middleware::request_log::log_request;
use crate::routes::routes;
use crate::server::connection::ConnectionServer;
use crate::server::connections::Connections;
use crate::server::listener::{MAX_REFUSALS, accept_connections};
use crate::server::tls::Certificate;
use crate::settings::Settings;
use crate::shutdown::shut_down_on_signal;
use crate::state::{App, ServerError};

/// How long the process waits at its end for work that continues without a client.
const BACKGROUND_TASKS_TIMEOUT: Duration = Duration::from_secs(5);

/// What the kernel holds of a response that its client does not read. Enough for 10 MB/s at 10 ms to the client and back.
const SEND_BUFFER_BYTES: u32 = 128 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Runs the API until it is shut down.
pub async fn run(settings: Settings) -> Result<(), ServerError> {
    let connections = connection_limit(&settings)?;
    let certificate = settings.server.tls_files()?.map(Certificate::load).transpose()?;
    let app = App::open(&settings).await?;
    let listener = listen(settings.server.listen).map_err(|error| {
        SettingError::new("ROLLCALL_LISTEN", format!("cannot be {}: {error}", settings.server.listen))
    })?;
    let address = listener.local_addr()?;

    tokio::spawn(app.completion.clone().listen());
    let authenticator = Arc::clone(&app.authenticator);
    tokio::spawn(async move { authenticator.accounts.familiar.keep_up_to_date().await });
    tokio::spawn(shut_down_on_signal(app.shutdown.clone(), settings.server.shutdown_timeout));
    tracing::info!(%address, tls = certificate.is_some(), connections, "listening");
    let server = ConnectionServer {
        tls: certificate.as_ref().map(Certificate::config),
        router: router(app.clone(), certificate.is_some()),
        head_limit: app.limits.request_head,
        stall_limit: app.limits.response_stall,
        draining: app.shutdown.draining.clone(),
        stopped: app.shutdown.stopped.clone(),
    };
    if let Some(certificate) = certificate {
        tokio::spawn(certificate.reload_on_change());
    }
    let open = TaskTracker::new();
    accept_connections(listener, Connections::new(connections), Arc::new(server), open.clone()).await;
    // They end by the shutdown's limit.
    open.close();
    open.wait().await;
    // Uploads whose clients have just hung up, and wake-ups that are being published.
    app.tasks.close();
    if timeout(BACKGROUND_TASKS_TIMEOUT, app.tasks.wait()).await.is_err() {
        tracing::warn!("timed out waiting for background tasks; accepted uploads are safe");
    }
    tracing::info!("stopped");
    Ok(())
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Connections inherit it. The kernel's own choice would be some MiB for each.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// How many connections may be open. Each takes a file descriptor, and so do uploads and the connections to Postgres.
fn connection_limit(settings: &Settings) -> Result<usize, SettingError> {
    let limits = &settings.limits;
    let listening_for_imports = 1;
    let reserved = u64::from(limits.uploads_at_once)
        + u64::from(limits.database_connections)
        + listening_for_imports
        + MAX_REFUSALS as u64;
    descriptors::connection_limit(limits.connections, descriptors::raise_limit(), reserved)
}

/// The routes within their layers. The last layer is the outermost.
fn router(app: App, tls: bool) -> Router {
    let drain_limit = DrainLimit { bytes: app.limits.drain_bytes };
    let hsts = tls.then(|| HeaderValue::from_static(HSTS));
    routes()
        .layer(CatchPanicLayer::custom(ApiError::panicked))
        .layer(from_fn(require_host))
        .layer(from_fn(log_request))
        .layer(from_fn_with_state(drain_limit, drain_body))
        .layer(from_fn(answer_in_http_1_0))
        .layer(SetResponseHeaderLayer::overriding(STRICT_TRANSPORT_SECURITY, hsts))
        .with_state(app)
}
