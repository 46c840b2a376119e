//! A running service and what belongs to it: the data that every other file of the harness works on.

use std::path::PathBuf;

use rollcall_schema::database::Database;
use rollcall_schema::ids::TenantId;
use rollcall_servers::Process;
use tempfile::TempDir;

use super::servers::database::TestDatabase;

/// The administrator that every tenant of a stack has.
pub const ADMINISTRATOR: &str = "autoimport";

/// The administrator's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// The service's key in tests.
pub const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Lines of each log that a failing test shows.
const LOG_LINES: usize = 30;

/// A running service.
pub struct Stack {
    /// Where the API listens: `http://127.0.0.1:PORT`, or `https://localhost:PORT` with TLS.
    pub url: String,
    /// A pool on the service's database.
    pub database: Database,
    /// The tenant `school`, unless the stack was made without.
    pub tenant: Option<Tenant>,
    /// The service's database; gone with the stack.
    pub test_database: TestDatabase,
    pub(super) client: reqwest::Client,
    /// Whether the API speaks TLS.
    pub(super) speaks_tls: bool,
    /// Variables of every process.
    pub(super) environment: Vec<(String, String)>,
    /// Variables of the API only.
    pub(super) api_env: Vec<(String, String)>,
    /// Variables of the workers only.
    pub(super) worker_env: Vec<(String, String)>,
    pub(super) queue_prefix: String,
    pub(super) amqp_url: String,
    pub(super) port: u16,
    pub(super) api: Option<Process>,
    pub(super) workers: Vec<Process>,
    pub(super) folder: TempDir,
}

/// A tenant of a stack, with an administrator.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
}

impl Stack {
    /// The tenant `school`.
    pub fn school(&self) -> &Tenant {
        self.tenant.as_ref().expect("the stack was made with its tenant")
    }

    /// What the processes logged last.
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

    /// Where the uploads are kept.
    pub fn uploads(&self) -> PathBuf {
        self.folder.path().join("uploads")
    }

    /// Every file beneath the folder where the uploads are kept.
    pub fn stored_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.uploads()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            for path in entries.map_while(Result::ok).map(|entry| entry.path()) {
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }

    /// The port that the API listens on.
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
