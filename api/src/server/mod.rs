//! The server: from settings to listening sockets, until it is shut down.

pub mod lingering_close;
pub mod plain_http;
pub mod shutdown;
pub mod tls;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{AddExtension, from_fn, from_fn_with_state};
use axum_server::accept::Accept;
use axum_server::service::SendService;
use axum_server::tls_rustls::RustlsAcceptor;
use axum_server::{Handle, Server};
use hyper::body::Incoming;
use hyper_util::rt::TokioTimer;
use rollcall_schema::postgres::migrate;
use rollcall_schema::settings::error::SettingError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;

use crate::http::error::ApiError;
use crate::middleware::drain_body::{DrainLimit, drain_body};
use crate::middleware::http_1_0::answer_in_http_1_0;
use crate::middleware::request_log::log_request;
use crate::routes::routes;
use crate::server::lingering_close::LingeringAcceptor;
use crate::server::plain_http::PlainHttpAcceptor;
use crate::server::shutdown::shut_down_on_signal;
use crate::server::tls::Certificate;
use crate::settings::Settings;
use crate::state::App;

/// How long a client may take to send a request's head, and to start the next request on a connection.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take to begin a TLS handshake, and then to complete it.
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The buffer of a connection. Limits the size of a request's head, and how much of a body is read at once.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
/// How long the process waits at its end for work that continues without a client.
const BACKGROUND_TASKS_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the API failed to start or stopped running.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A setting is missing or invalid.
    #[error(transparent)]
    Config(#[from] SettingError),
    /// The database does not answer, or has not been migrated.
    #[error(transparent)]
    Database(#[from] migrate::StartError),
    #[error("the server failed")]
    Io(#[from] std::io::Error),
}

/// Runs the API until it is shut down.
pub async fn run(settings: Settings) -> Result<(), ServerError> {
    let app = App::new(&settings)?;
    let certificate = settings.server.tls_files()?.map(Certificate::load).transpose()?;
    app.database.wait_until_migrated().await?;
    let listener = TcpListener::bind(settings.server.listen).map_err(|error| {
        SettingError::new("ROLLCALL_LISTEN", format!("cannot be {}: {error}", settings.server.listen))
    })?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;

    let handle = Handle::new();
    tokio::spawn(app.completion.clone().listen());
    let authenticator = Arc::clone(&app.authenticator);
    tokio::spawn(async move { authenticator.accounts.familiar.keep_up_to_date().await });
    tokio::spawn(shut_down_on_signal(handle.clone(), app.shutdown.clone(), settings.server.shutdown_timeout));
    let server = axum_server::from_tcp(listener)?.handle(handle);
    tracing::info!(%address, tls = certificate.is_some(), "listening");
    match certificate {
        Some(certificate) => {
            let acceptor = RustlsAcceptor::new(certificate.config())
                .handshake_timeout(TLS_HANDSHAKE_TIMEOUT)
                .acceptor(PlainHttpAcceptor::new(LingeringAcceptor, TLS_HANDSHAKE_TIMEOUT));
            tokio::spawn(certificate.reload_on_change());
            serve(server.acceptor(acceptor), app.clone()).await?;
        }
        None => serve(server.acceptor(LingeringAcceptor), app.clone()).await?,
    }
    // Uploads whose clients have just hung up, and wake-ups that are being published.
    app.tasks.close();
    if timeout(BACKGROUND_TASKS_TIMEOUT, app.tasks.wait()).await.is_err() {
        tracing::warn!("timed out waiting for background tasks; accepted uploads are safe");
    }
    tracing::info!("stopped");
    Ok(())
}

/// The routes within their layers. The last layer is the outermost.
fn router(app: App) -> Router {
    let drain_limit = DrainLimit { bytes: app.limits.drain_bytes };
    routes()
        .layer(CatchPanicLayer::custom(ApiError::panicked))
        .layer(from_fn(log_request))
        .layer(from_fn_with_state(drain_limit, drain_body))
        .layer(from_fn(answer_in_http_1_0))
        .with_state(app)
}

async fn serve<A>(server: Server<SocketAddr, A>, app: App) -> std::io::Result<()>
where
    A: Accept<TcpStream, AddExtension<Router, ConnectInfo<SocketAddr>>> + Clone + Send + Sync + 'static,
    A::Stream: AsyncRead + AsyncWrite + Unpin + Send,
    A::Service: SendService<Request<Incoming>> + Send,
    A::Future: Send,
{
    let mut server = server.http1_only();
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD_TIMEOUT)
        .max_buf_size(MAX_BUFFER_BYTES);
    server.serve(router(app).into_make_service_with_connect_info::<SocketAddr>()).await
}
