//! Accepting connections: each is served in a task of its own, within the limit on how many are open.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::http::refusal_log;
use crate::server::connection::ConnectionServer;
use crate::server::connections::Connections;

/// Connections that may at once be told that there is no room for them. Further ones wait to be accepted.
pub const MAX_REFUSALS: usize = 64;

/// The delay after a failure to accept, which is the machine's and passes by itself.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Accepts connections until the server is told to drain. Whatever `tasks` tracks may run on.
pub async fn accept_connections(
    listener: TcpListener,
    connections: Connections,
    server: Arc<ConnectionServer>,
    tasks: TaskTracker,
) {
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let mut outage = Outage::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = server.draining.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Some((stream, client)) = outage.check(accepted).await else { continue };
        let server = Arc::clone(&server);
        if let Some(place) = connections.admit().await {
            tasks.spawn(async move { server.serve(stream, client, place).await });
            continue;
        }
        if refusal_log::count("too many connections") {
            tracing::warn!(client.address = %client.ip(), "refused a connection: all are serving requests");
        }
        if let Ok(permit) = Arc::clone(&refusals).acquire_owned().await {
            tasks.spawn(async move {
                server.refuse(stream).await;
                drop(permit);
            });
        }
    }
}

/// Whether connections can be accepted. An outage is logged once, and its end once.
#[derive(Default)]
struct Outage {
    lasts: bool,
}

impl Outage {
    async fn check(
        &mut self,
        accepted: io::Result<(TcpStream, SocketAddr)>,
    ) -> Option<(TcpStream, SocketAddr)> {
        match accepted {
            Ok(accepted) => {
                if std::mem::take(&mut self.lasts) {
                    tracing::info!("accepting connections again");
                }
                Some(accepted)
            }
            // A client that was gone before its connection was accepted.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionRefused
                ) =>
            {
                None
            }
            Err(error) => {
                if !self.lasts {
                    self.lasts = true;
                    let error = &error as &(dyn Error + 'static);
                    tracing::error!(error, "failed to accept connections, retrying");
                }
                sleep(RETRY_DELAY).await;
                None
            }
        }
    }
}
