//! A TCP proxy that stands for the network between the service and a server, and can delay, partition and reset it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    /// Data arrives after this delay.
    Up(Duration),
    /// No data arrives and no connection fails. What was sent arrives once the network is up again.
    Partitioned,
}

/// A TCP proxy in front of a server on 127.0.0.1. It stops with the runtime that it was started on.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    network: watch::Sender<Network>,
    resets: watch::Sender<()>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Starts forwarding to this port.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let port = listener.local_addr().expect("the listener is bound").port();
        let network = watch::channel(Network::Up(Duration::ZERO)).0;
        let resets = watch::channel(()).0;
        let (seen_network, seen_resets) = (network.clone(), resets.clone());
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                // Drop the connections that have ended.
                while connections.try_join_next().is_some() {}
                connections.spawn(forward(client, server, seen_network.subscribe(), seen_resets.subscribe()));
            }
        });
        Self { port, network, resets, _accepting: accepting }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops data in both directions without ending any connection.
    pub fn partition(&self) {
        self.network.send_replace(Network::Partitioned);
    }

    /// Delays all data by this much.
    pub fn delay(&self, each: Duration) {
        self.network.send_replace(Network::Up(each));
    }

    /// Repairs the network: data that was held up arrives, and nothing is delayed.
    pub fn heal(&self) {
        self.delay(Duration::ZERO);
    }

    /// Resets every open connection, on both sides.
    pub fn reset(&self) {
        self.resets.send_replace(());
    }
}

/// Forwards a connection until either side closes it or it is reset.
async fn forward(
    mut client: TcpStream,
    server: u16,
    network: watch::Receiver<Network>,
    mut resets: watch::Receiver<()>,
) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let was_reset = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            _ = pump(from_client, to_server, network.clone()) => false,
            _ = pump(from_server, to_client, network) => false,
            _ = resets.changed() => true,
        }
    };
    if was_reset {
        // With zero linger, closing the socket sends a reset.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut network: watch::Receiver<Network>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        let now =
            *network.wait_for(|network| *network != Network::Partitioned).await.map_err(io::Error::other)?;
        if let Network::Up(delay) = now {
            tokio::time::sleep(delay).await;
        }
        if length == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
    }
}
