//! A private PostgreSQL: a cluster with one superuser and one database, both named `rollcall`.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::error::Error;
use crate::process::Launch;
use crate::server::{Server, ServerKind};
use crate::server_folder::ServerFolder;
use crate::system_user::SystemUser;

const NAME: &str = "PostgreSQL";
/// The name of the superuser and of the database.
const ROLLCALL: &str = "rollcall";
const OLDEST_MAJOR: u32 = 15;
/// PostgreSQL's "fast shutdown": ends all sessions, writes a checkpoint and exits.
const STOP: Signal = Signal::SIGINT;

const KIND: ServerKind =
    ServerKind { name: NAME, programs: &["postgres"], is_ready, stale_file: Some("postmaster.pid") };

/// How to start a private PostgreSQL.
#[derive(Debug, Clone)]
pub struct Postgres {
    folder: PathBuf,
    settings: Vec<(String, String)>,
    durable: bool,
    log: Option<PathBuf>,
}

impl Postgres {
    /// Keeps the cluster in `folder`, which is created if it does not exist. A later start uses the same cluster.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        let settings = [
            // Enough for the API, several workers, a few consoles and a test run at the same time.
            ("max_connections", "200"),
            // A million users and their indexes take 700 MB. Memory is taken as it is used.
            ("shared_buffers", "1GB"),
            // An import writes in bursts: avoid checkpoints during a burst.
            ("max_wal_size", "4GB"),
            ("checkpoint_timeout", "15min"),
            ("log_line_prefix", "%m [%p] %q%u@%d "),
            // Rows hold names and passwords, and an error's message, details and statement may quote a row: none of them is
            // logged. The service logs the error's code. What concerns the server itself is logged as before.
            ("log_min_messages", "log"),
            ("log_error_verbosity", "terse"),
            ("log_min_error_statement", "panic"),
            ("log_parameter_max_length", "0"),
            ("log_parameter_max_length_on_error", "0"),
            ("log_statement", "none"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { folder: folder.into(), settings, durable: true, log: None }
    }

    /// Appends the server's output to this file instead of the file `log` in its folder.
    #[must_use]
    pub fn log(mut self, file: impl Into<PathBuf>) -> Self {
        self.log = Some(file.into());
        self
    }

    /// Overrides one setting of `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Trades durability for speed: a power failure loses data, but [`Server::kill`] does not corrupt it.
    #[must_use]
    pub fn throwaway(mut self) -> Self {
        self.durable = false;
        self.setting("fsync", "off").setting("synchronous_commit", "off").setting("full_page_writes", "off")
    }

    /// Creates the cluster if it does not exist, starts the server and waits until it accepts connections.
    pub fn start(self) -> Result<Server, Error> {
        let programs = programs()?;
        let user = SystemUser::for_server(NAME, "postgres")?;
        let folder = ServerFolder::open(NAME, &self.folder, user)?;
        let data = folder.join("data");
        let processes = KIND.processes(data.clone());
        KIND.stop_leftovers(&processes, STOP)?;
        let password = folder.secret("password")?;
        if !data.exists() {
            self.create_cluster(&programs, &folder, &data)?;
        }
        let port = folder.port("port")?;
        let launch =
            Launch::new(programs.join("postgres"), self.log.clone().unwrap_or_else(|| folder.join("log")))
                .clean_environment()
                .user(folder.user())
                .working_folder(&data)
                .stop_signal(STOP)
                .args(["-D".into(), data.into_os_string()])
                .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
                .args(["-p".to_owned(), port.to_string()])
                .args(
                    self.settings
                        .iter()
                        .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]),
                );
        let url = format!("postgres://{ROLLCALL}:{password}@127.0.0.1:{port}/{ROLLCALL}");
        Server::start(KIND, folder, launch, processes, port, url)
    }

    /// Creates the cluster in a temporary folder and renames it at the end, so that an interrupted start leaves no
    /// incomplete cluster.
    fn create_cluster(&self, programs: &Path, folder: &ServerFolder, data: &Path) -> Result<(), Error> {
        let unfinished = folder.join("data.unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(Error::file("remove", &unfinished))?;
        }
        let mut initdb = Command::new("setpriv");
        initdb
            .args(folder.user().map(SystemUser::setpriv_args).into_iter().flatten())
            .arg("--")
            .arg(programs.join("initdb"))
            .arg("-D")
            .arg(&unfinished)
            .args(["-U", ROLLCALL, "--auth=scram-sha-256", "--no-instructions"])
            .arg(format!("--pwfile={}", folder.join("password").display()))
            // Sorts by code point, and maps upper and lower case of every alphabet.
            .args(["--encoding=UTF8", "--locale=C.UTF-8"]);
        if !self.durable {
            initdb.arg("--no-sync");
        }
        run(&mut initdb, folder, "")?;

        // Single-user mode needs neither a port nor a password.
        let mut single = Command::new("setpriv");
        single
            .args(folder.user().map(SystemUser::setpriv_args).into_iter().flatten())
            .arg("--")
            .arg(programs.join("postgres"))
            .args(["--single", "-D"])
            .arg(&unfinished)
            .args(["-c", "log_min_messages=warning", "-c", "exit_on_error=on", "postgres"]);
        run(&mut single, folder, &format!("CREATE DATABASE {ROLLCALL}\n"))?;
        fs::rename(&unfinished, data).map_err(Error::file("create", data))
    }
}

/// Runs one of PostgreSQL's programs and waits until it exits.
fn run(command: &mut Command, folder: &ServerFolder, input: &str) -> Result<(), Error> {
    let program =
        command.get_args().skip_while(|argument| *argument != "--").nth(1).unwrap_or_default().to_owned();
    let failed = |reason: String| Error::Program { program: program.display().to_string(), reason };
    let mut child = command
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    // The input is shorter than a pipe's buffer, so this does not block. Dropping the pipe closes it.
    child
        .stdin
        .take()
        .expect("stdin is piped")
        .write_all(input.as_bytes())
        .map_err(|error| failed(error.to_string()))?;
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// The folder with the programs of the newest installed PostgreSQL.
fn programs() -> Result<PathBuf, Error> {
    let packaged =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().filter_map(|version| {
            let major: u32 = version.file_name().to_str()?.parse().ok()?;
            Some((major, version.path().join("bin")))
        });
    let newest = packaged.filter(|(major, bin)| *major >= OLDEST_MAJOR && bin.join("initdb").exists()).max();
    if let Some((_, bin)) = newest {
        return Ok(bin);
    }
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&on_path)
        .find(|bin| bin.join("postgres").exists() && bin.join("initdb").exists())
        .ok_or(Error::NotInstalled { program: "PostgreSQL 15 or later", package: "postgresql" })
}

/// Whether the server asks for a password. While it starts, stops or recovers, it answers with an error instead.
fn is_ready(address: SocketAddr) -> bool {
    let limit = Duration::from_secs(2);
    let first_byte = || -> std::io::Result<u8> {
        let mut connection = TcpStream::connect_timeout(&address, limit)?;
        connection.set_read_timeout(Some(limit))?;
        connection.write_all(&startup_message())?;
        let mut kind = [0];
        connection.read_exact(&mut kind)?;
        Ok(kind[0])
    };
    first_byte().is_ok_and(|kind| kind == b'R')
}

/// The startup message of protocol 3.0: length, version, then pairs of name and value.
fn startup_message() -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for text in ["user", ROLLCALL, "database", ROLLCALL] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).expect("a startup message is short");
    [length.to_be_bytes().to_vec(), body].concat()
}
