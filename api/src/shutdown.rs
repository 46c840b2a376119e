//! Shutting down cleanly at SIGTERM or SIGINT.

use std::error::Error;
use std::future::pending;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long before the end of the shutdown timeout the requests that still wait for a result are sent away.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(1);

/// The phases of a shutdown. Each token is cancelled when its phase begins.
#[derive(Debug, Clone, Default)]
pub struct ShutdownPhases {
    /// New connections are refused, connections close after the request being served, and no response begins that
    /// would have to wait for a result.
    pub draining: CancellationToken,
    /// A request that has no answer yet is answered as it stands.
    pub stop_waiting: CancellationToken,
    /// Every connection is closed.
    pub stopped: CancellationToken,
}

/// Goes through the phases from the first signal on: open requests have `limit` to finish, and those without an answer
/// are answered shortly before that. A second signal stops the server at once.
pub async fn shut_down_on_signal(phases: ShutdownPhases, limit: Duration) {
    shutdown_signal().await;
    tracing::info!(limit_seconds = limit.as_secs(), "shutting down, waiting for open requests to finish");
    phases.draining.cancel();
    let margin = SHUTDOWN_MARGIN.min(limit);
    let to_the_end = async {
        sleep(limit.saturating_sub(margin)).await;
        phases.stop_waiting.cancel();
        sleep(margin).await;
    };
    tokio::select! {
        () = to_the_end => {}
        () = shutdown_signal() => {}
    }
    phases.stopped.cancel();
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
