//! A running service: the data that the rooms above it work on.

use std::path::PathBuf;

use rollcall_schema::ids::TenantId;
use rollcall_schema::postgres::pool::Database;
use rollcall_servers::Process;
use tempfile::TempDir;

use super::servers::database::TestDatabase;

/// The administrator of every tenant of a stack.
pub const ADMINISTRATOR: &str = "autoimport";

pub const PASSWORD: &str = "correct horse battery staple";

pub const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// How many lines of each log a failing test prints.
const LOG_LINES: usize = 30;

/// A running service: an API and its workers as they are shipped, on a database and queues of their own.
pub struct Stack {
    /// Where the API listens: `http://127.0.0.1:PORT`, or `https://localhost:PORT` with TLS.
    pub url: String,
    pub database: Database,
    /// The tenant `school`, unless the stack was started without.
    pub tenant: Option<Tenant>,
    /// The service's database. It is dropped with the stack.
    pub test_database: TestDatabase,
    pub(super) client: reqwest::Client,
    pub(super) speaks_tls: bool,
    /// Environment variables of every process.
    pub(super) environment: Vec<(String, String)>,
    /// Environment variables of the API alone.
    pub(super) api_env: Vec<(String, String)>,
    /// Environment variables of the workers alone.
    pub(super) worker_env: Vec<(String, String)>,
    pub(super) queue_prefix: String,
    pub(super) amqp_url: String,
    pub(super) port: u16,
    pub(super) api: Option<Process>,
    pub(super) workers: Vec<Process>,
    pub(super) folder: TempDir,
}

/// A tenant of a stack. It has an administrator.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub id: TenantId,
    pub name: String,
}

impl Stack {
    /// The tenant `school`.
    pub fn school(&self) -> &Tenant {
        self.tenant.as_ref().expect("the stack was started with its tenant")
    }

    /// The last lines that the processes logged.
    pub fn logs(&self) -> String {
        ["rollcall-api", "rollcall-worker"]
            .map(|binary| {
                let path = self.folder.path().join(format!("{binary}.log"));
                let log = std::fs::read_to_string(path).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                format!("\n--- {binary}\n{}", lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"))
            })
            .concat()
    }

    /// Everything that the processes have logged.
    pub fn all_logs(&self) -> String {
        let worker = self.folder.path().join("rollcall-worker.log");
        self.api_log() + &std::fs::read_to_string(worker).unwrap_or_default()
    }

    /// Everything that the API has logged.
    pub fn api_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("rollcall-api.log")).unwrap_or_default()
    }

    /// The folder of a tenant's uploads.
    pub fn uploads_of(&self, tenant: &Tenant) -> PathBuf {
        self.uploads().join(tenant.id.to_string())
    }

    /// Everything that the workers have logged.
    pub fn worker_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("rollcall-worker.log")).unwrap_or_default()
    }

    /// The folder where uploads are stored.
    pub fn uploads(&self) -> PathBuf {
        self.folder.path().join("uploads")
    }

    /// Every upload in the folder of the uploads, complete or not. The installation's marker and probes are none.
    pub fn stored_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.uploads()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            for path in entries.map_while(Result::ok).map(|entry| entry.path()) {
                if path.ends_with("installations") || path.ends_with("probes") {
                    continue;
                }
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }

    /// The URL of RabbitMQ.
    pub fn broker_url(&self) -> &str {
        &self.amqp_url
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            worker.kill();
        }
        if let Some(api) = &mut self.api {
            api.kill();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
    }
}
