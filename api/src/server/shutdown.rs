//! Shutting down cleanly at SIGTERM or SIGINT.

use std::error::Error;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use axum_server::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long before the end of the shutdown timeout the requests that still wait for a result are sent away.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(1);

/// Stops the server at the first signal: new connections are refused, and open requests have `limit` to finish. Shortly
/// before that ends, cancels `stop_waiting`. A second signal stops the server at once.
pub async fn shut_down_on_signal(
    handle: Handle<SocketAddr>,
    stop_waiting: CancellationToken,
    limit: Duration,
) {
    shutdown_signal().await;
    tracing::info!(limit_seconds = limit.as_secs(), "shutting down, waiting for open requests to finish");
    handle.graceful_shutdown(Some(limit));
    tokio::select! {
        () = sleep(limit.saturating_sub(SHUTDOWN_MARGIN)) => stop_waiting.cancel(),
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
            tracing::error!(error = &error as &(dyn Error + 'static), "failed to install a signal handler");
            pending::<()>().await;
        }
    }
}
