//! The API's process from start to end.

pub mod lingering_close;
pub mod tls;

use std::error::Error;
use std::future::pending;
use std::net::{SocketAddr, TcpListener};
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
use rollcall_schema::config::ConfigError;
use rollcall_schema::database;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};
use tower_http::catch_panic::CatchPanicLayer;

use crate::http::error::ApiError;
use crate::imports::completion;
use crate::middleware::drain_body;
use crate::middleware::request_log;
use crate::routes::routes;
use crate::server::lingering_close::LingeringAcceptor;
use crate::server::tls::Certificate;
use crate::settings::Settings;
use crate::state::App;

/// How long a client may take to send a request's head, and to begin the next request.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take to agree on TLS.
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a connection's buffer: what a request's head may take, and what is read of a body at once.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
/// How long before the end of the grace period whoever still waits is sent away.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(1);

/// How long what goes on without a client is waited for at the very end.
const BACKGROUND_TASKS_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the API does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database does not answer, or lacks tables.
    #[error(transparent)]
    Database(#[from] database::StartError),
    /// The operating system failed.
    #[error("the server failed")]
    Server(#[from] std::io::Error),
}

/// Runs the API until it is told to stop.
pub async fn run(settings: Settings) -> Result<(), StartError> {
    let app = App::new(&settings)?;
    let certificate = settings.server.tls_files()?.map(Certificate::load).transpose()?;
    app.database.wait_until_migrated().await?;
    let listener = TcpListener::bind(settings.server.listen).map_err(|error| {
        ConfigError::new("ROLLCALL_LISTEN", format!("cannot be {}: {error}", settings.server.listen))
    })?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;

    let handle = Handle::new();
    tokio::spawn(completion::listen(app.clone()));
    tokio::spawn(shut_down_on_signal(app.clone(), handle.clone(), settings.server.shutdown_timeout));
    let server = axum_server::from_tcp(listener)?.handle(handle.clone());
    tracing::info!(%address, tls = certificate.is_some(), "listening");
    match certificate {
        Some(certificate) => {
            let acceptor = RustlsAcceptor::new(certificate.config())
                .handshake_timeout(TLS_HANDSHAKE_TIMEOUT)
                .acceptor(LingeringAcceptor);
            tokio::spawn(certificate.reload_on_change());
            serve(server.acceptor(acceptor), app.clone()).await?;
        }
        None => serve(server.acceptor(LingeringAcceptor), app.clone()).await?,
    }
    // Uploads whose clients hung up in the last moment, and wake-ups on their way.
    app.tasks.close();
    if timeout(BACKGROUND_TASKS_TIMEOUT, app.tasks.wait()).await.is_err() {
        tracing::warn!("stopping before everything was done; what was accepted is safe");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Every path, with what surrounds all of them. The outermost layer stands last.
fn router(app: App) -> Router {
    routes()
        .layer(CatchPanicLayer::custom(ApiError::panicked))
        .layer(from_fn(request_log::log_request))
        .layer(from_fn_with_state(app.clone(), drain_body::drain_body))
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

/// Ends the server at SIGTERM or SIGINT: new connections are refused, requests under way may end. A second signal
/// ends it at once.
async fn shut_down_on_signal(app: App, handle: Handle<SocketAddr>, limit: Duration) {
    shutdown_signal().await;
    tracing::info!(limit_seconds = limit.as_secs(), "stopping: requests under way may end");
    handle.graceful_shutdown(Some(limit));
    tokio::select! {
        () = sleep(limit.saturating_sub(SHUTDOWN_MARGIN)) => app.shutdown.cancel(),
        () = shutdown_signal() => handle.shutdown(),
    }
}

async fn shutdown_signal() {
    tokio::select! {
        () = received(SignalKind::terminate()) => {}
        () = received(SignalKind::interrupt()) => {}
    }
}

async fn received(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(error) => {
            tracing::error!(error = &error as &(dyn Error + 'static), "a signal cannot be heard");
            pending::<()>().await;
        }
    }
}
