//! The Postgres and RabbitMQ that the tests of a run share: started once, by the test that needs them first, and stopped
//! with the process.

use std::path::PathBuf;
use std::sync::OnceLock;

use rollcall_servers::{FolderLock, Postgres, RabbitMq, Server};

/// The servers of this run.
#[derive(Debug)]
pub struct Servers {
    /// URL of a database server, as a user who may create databases.
    pub database_url: String,
    pub amqp_url: String,
    /// The servers that this process started, if it did: the kernel ends them when the process ends.
    _owned: Vec<Server>,
    _folder: Option<FolderLock>,
}

static SERVERS: OnceLock<Servers> = OnceLock::new();

/// Starts this run's servers with a Postgres that keeps its commits through a power failure, for benchmarks.
/// Call it before anything that uses [`servers`], which returns these from then on, whatever the environment says.
pub fn start_durable_servers() {
    let first = SERVERS.set(start(|postgres| postgres)).is_ok();
    assert!(first, "the servers of this run are already started");
}

/// The servers of this run. The first call starts them, unless `DATABASE_URL` and `AMQP_URL` name some.
pub fn servers() -> &'static Servers {
    SERVERS.get_or_init(|| {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (variable("DATABASE_URL"), variable("AMQP_URL")) {
            (Some(database_url), Some(amqp_url)) => {
                Servers { database_url, amqp_url, _owned: Vec::new(), _folder: None }
            }
            (None, None) => start(Postgres::throwaway),
            _ => panic!("set both DATABASE_URL and AMQP_URL to use your own servers, or neither"),
        }
    })
}

fn start(durability: fn(Postgres) -> Postgres) -> Servers {
    remove_leftover_folders();
    let (folder, lock) = server_folder();
    let rabbit_folder = folder.join("rabbitmq");
    // Concurrently: RabbitMQ takes seconds to start.
    let rabbit = std::thread::spawn(move || RabbitMq::at(rabbit_folder).start());
    let postgres = durability(Postgres::at(folder.join("postgres")))
        .setting("max_connections", "500")
        .start()
        .expect("a private Postgres starts (deploy/install-missing installs it)");
    let rabbit = rabbit
        .join()
        .expect("starting RabbitMQ does not panic")
        .expect("a private RabbitMQ starts (deploy/install-missing installs it)");
    Servers {
        database_url: postgres.url().to_owned(),
        amqp_url: rabbit.url().to_owned(),
        _owned: vec![postgres, rabbit],
        _folder: Some(lock),
    }
}

/// The folders of every run begin with this.
const PREFIX: &str = "rollcall-tests-";

/// Deletes the folders of earlier runs: a process that has ended cannot delete its own.
fn remove_leftover_folders() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    let old = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    for folder in old.map(|entry| entry.path()) {
        // A locked folder belongs to another run that is still going.
        if FolderLock::take(&folder).is_ok() {
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}

/// A new folder for servers of this run, under the system's folder for temporary files: Postgres runs as another user,
/// who must be able to reach it.
pub fn server_folder() -> (PathBuf, FolderLock) {
    let folder =
        tempfile::Builder::new().prefix(PREFIX).tempdir().expect("a temporary folder can be created").keep();
    let traversable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&folder, traversable).expect("our own folder's permissions can be set");
    let lock = FolderLock::take(&folder).expect("the folder is new");
    (folder, lock)
}
