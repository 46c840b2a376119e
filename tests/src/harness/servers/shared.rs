//! The run's Postgres and RabbitMQ: started once, by whichever test comes first, and gone with the process.

use std::path::PathBuf;
use std::sync::OnceLock;

use rollcall_servers::{FolderLock, Postgres, RabbitMq, Server};

/// Where the run's servers are.
#[derive(Debug)]
pub struct Servers {
    /// URL of a database server whose user may create databases.
    pub database_url: String,
    /// URL of RabbitMQ.
    pub amqp_url: String,
    /// Ours, if we started them: the kernel ends them when this process ends.
    _owned: Vec<Server>,
    _folder: Option<FolderLock>,
}

static SERVERS: OnceLock<Servers> = OnceLock::new();

/// Starts servers of the run's own, with a Postgres that keeps what it committed through a power cut: for measuring.
/// Comes before everything that asks for [`servers`], which are these from then on, whatever the environment says.
pub fn start_durable_servers() {
    let first = SERVERS.set(start(|postgres| postgres)).is_ok();
    assert!(first, "the run has servers already");
}

/// The run's servers; starts them when first asked, unless `DATABASE_URL` and `AMQP_URL` name some.
pub fn servers() -> &'static Servers {
    SERVERS.get_or_init(|| {
        let given = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (given("DATABASE_URL"), given("AMQP_URL")) {
            (Some(database_url), Some(amqp_url)) => {
                Servers { database_url, amqp_url, _owned: Vec::new(), _folder: None }
            }
            (None, None) => start(Postgres::throwaway),
            _ => panic!("set both DATABASE_URL and AMQP_URL to use servers of your own, or neither"),
        }
    })
}

fn start(durability: fn(Postgres) -> Postgres) -> Servers {
    remove_leftover_folders();
    let (folder, lock) = server_folder();
    let rabbit_folder = folder.join("rabbitmq");
    // Both at once: RabbitMQ takes seconds.
    let rabbit = std::thread::spawn(move || RabbitMq::at(rabbit_folder).start());
    let postgres = durability(Postgres::at(folder.join("postgres")))
        .setting("max_connections", "500")
        .start()
        .expect("a private Postgres starts; deploy/install-missing installs it");
    let rabbit = rabbit
        .join()
        .expect("starting RabbitMQ does not panic")
        .expect("a private RabbitMQ starts; deploy/install-missing installs it");
    Servers {
        database_url: postgres.url().to_owned(),
        amqp_url: rabbit.url().to_owned(),
        _owned: vec![postgres, rabbit],
        _folder: Some(lock),
    }
}

/// What the folders of all runs begin with.
const PREFIX: &str = "rollcall-tests-";

/// Removes the folders of earlier runs: nothing runs when a process ends that could remove its own.
fn remove_leftover_folders() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    let old = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    for folder in old.map(|entry| entry.path()) {
        // One that is locked is another run's, under way.
        if FolderLock::take(&folder).is_ok() {
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}

/// A folder for servers of this run, in the system's place for temporary files: Postgres runs as another user, who must
/// be able to get there.
pub fn server_folder() -> (PathBuf, FolderLock) {
    let folder =
        tempfile::Builder::new().prefix(PREFIX).tempdir().expect("a temporary folder can be made").keep();
    let traversable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&folder, traversable).expect("our own folder's permissions can be set");
    let lock = FolderLock::take(&folder).expect("the folder is new");
    (folder, lock)
}
