//! A server for one test, which may stop, kill, freeze and restart it without disturbing the others.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rollcall_servers::{Error, FolderLock, Postgres, RabbitMq, Server};

use super::shared::server_folder;

/// A Postgres or a RabbitMQ that no other test uses. It stops when its last clone is dropped.
#[derive(Debug, Clone)]
pub struct DedicatedServer {
    url: String,
    port: u16,
    owned: Arc<Owned>,
}

/// The server and its folder, which is deleted with it.
#[derive(Debug)]
struct Owned {
    server: Mutex<Server>,
    folder: PathBuf,
    _lock: FolderLock,
}

impl Drop for Owned {
    fn drop(&mut self) {
        // The next run deletes whatever this fails to.
        let _ = self.server.get_mut().unwrap_or_else(PoisonError::into_inner).stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl DedicatedServer {
    /// Starts a Postgres that keeps its commits when it is killed.
    pub async fn postgres() -> Self {
        Self::start(|folder| {
            let postgres = Postgres::at(folder).throwaway().setting("shared_buffers", "64MB");
            postgres.setting("synchronous_commit", "on").start()
        })
        .await
    }

    pub async fn rabbitmq() -> Self {
        Self::start(|folder| RabbitMq::at(folder).start()).await
    }

    /// Starts a RabbitMQ with this consumer timeout: it closes a channel that leaves a delivery unacknowledged for longer.
    /// By default that is half an hour, checked once a minute.
    pub async fn rabbitmq_with_consumer_timeout(seconds: u32) -> Self {
        Self::start(move |folder| {
            RabbitMq::at(folder)
                .setting("consumer_timeout", &(seconds * 1000).to_string())
                .advanced("[{rabbit, [{channel_tick_interval, 500}]}].\n")
                .start()
        })
        .await
    }

    async fn start(start: impl FnOnce(PathBuf) -> Result<Server, Error> + Send + 'static) -> Self {
        let started = tokio::task::spawn_blocking(move || {
            let (folder, lock) = server_folder();
            let server = start(folder.join("server")).expect("a private server starts");
            (server, folder, lock)
        });
        let (server, folder, lock) = started.await.expect("starting a server does not panic");
        Self {
            url: server.url().to_owned(),
            port: server.port(),
            owned: Arc::new(Owned { server: Mutex::new(server), folder, _lock: lock }),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder that holds its data, its settings and its log, as long as a clone of this exists.
    pub fn folder(&self) -> &Path {
        &self.owned.folder
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything that the server has logged.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.owned.folder.join("server/log")).expect("a server has a log");
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Shuts it down cleanly.
    pub async fn stop(&self) {
        self.act(Server::stop).await;
    }

    /// Kills all its processes with SIGKILL.
    pub async fn kill(&self) {
        self.act(Server::kill).await;
    }

    /// Starts it, after shutting it down if it is running, and waits until it is ready.
    pub async fn restart(&self) {
        self.act(Server::restart).await;
    }

    /// Freezes it: connections stay open and get no answer.
    pub async fn pause(&self) {
        self.act(Server::pause).await;
    }

    /// Lets a frozen server continue.
    pub async fn resume(&self) {
        self.act(Server::resume).await;
    }

    /// Sets off RabbitMQ's memory alarm, which blocks publishers, or ends it.
    pub async fn set_memory_alarm(&self, on: bool) {
        let folder = self.owned.server.lock().unwrap_or_else(PoisonError::into_inner).folder().to_owned();
        let port =
            std::fs::read_to_string(folder.join("distribution-port")).expect("it is RabbitMQ's folder");
        let bytes = if on { 1_000_000 } else { 512_000_000 };
        // `rabbitmqctl` would look for the node with the help of a port mapper, which there is not.
        let call = format!(
            "ok = rpc:call(rollcall@localhost, vm_memory_monitor, set_vm_memory_high_watermark, [{{absolute, {bytes}}}]), halt()."
        );
        let mut erl = tokio::process::Command::new("erl");
        erl.args(["-sname", "test@localhost", "-dist_listen", "false", "-start_epmd", "false"]);
        erl.args(["-erl_epmd_port", port.trim(), "-noshell", "-noinput", "-eval", &call]);
        // The node's cookie is kept here.
        let called = erl.env("HOME", &folder).output().await.expect("RabbitMQ brings Erlang");
        assert!(called.status.success(), "{}", String::from_utf8_lossy(&called.stdout));
    }

    async fn act(&self, action: fn(&mut Server) -> Result<(), Error>) {
        let owned = Arc::clone(&self.owned);
        let acted = tokio::task::spawn_blocking(move || {
            action(&mut owned.server.lock().unwrap_or_else(PoisonError::into_inner))
        });
        acted
            .await
            .expect("acting on a server does not panic")
            .expect("a private server can be stopped, killed, frozen and restarted");
    }
}
