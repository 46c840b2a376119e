//! A private RabbitMQ: a node of its own with one user and the virtual host `/`, without plugins and without Erlang's
//! port mapper.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::error::Error;
use crate::process::Launch;
use crate::server::{Server, ServerKind};
use crate::server_folder::ServerFolder;
use crate::system_user::SystemUser;

const NAME: &str = "RabbitMQ";
const USER: &str = "rollcall";
/// The same for every node: data is filed under it, and without a port mapper two nodes never hear of each other.
const NODE: &str = "rollcall@localhost";
const STOP: Signal = Signal::SIGTERM;

const KIND: ServerKind = ServerKind {
    name: NAME,
    programs: &["beam.smp", "erl_child_setup", "inet_gethost"],
    is_ready,
    stale_file: None,
};

/// How to start a private RabbitMQ.
#[derive(Debug, Clone)]
pub struct RabbitMq {
    folder: PathBuf,
    settings: Vec<(String, String)>,
    advanced: String,
    log: Option<PathBuf>,
}

impl RabbitMq {
    /// In `folder`, which is created when missing; what is in it from an earlier start is used again.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), settings: Vec::new(), advanced: "[].\n".to_owned(), log: None }
    }

    /// Appends its output to this file instead of `log` in its folder.
    #[must_use]
    pub fn log(mut self, file: impl Into<PathBuf>) -> Self {
        self.log = Some(file.into());
        self
    }

    /// Adds one setting of `rabbitmq.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets what `rabbitmq.conf` cannot: the content of `advanced.config`, which is nothing unless told.
    #[must_use]
    pub fn advanced(mut self, terms: &str) -> Self {
        terms.clone_into(&mut self.advanced);
        self
    }

    /// Starts it and waits until it speaks AMQP.
    pub fn start(self) -> Result<Server, Error> {
        let program = program()?;
        let user = SystemUser::for_server(NAME, "rabbitmq")?;
        let folder = ServerFolder::open(NAME, &self.folder, user)?;
        let processes = KIND.processes(folder.path().to_owned());
        KIND.stop_leftovers(&processes, STOP)?;
        let password = folder.secret("password")?;
        let port = folder.port("port")?;
        let distribution = folder.port("distribution-port")?;
        let configuration = folder.write("rabbitmq.conf", &self.configuration(port, &password))?;
        let plugins = folder.write("enabled_plugins", "[].\n")?;
        // Files of its own in place of those under /etc/rabbitmq, which belong to another server.
        let no_environment = folder.write("rabbitmq-env.conf", "")?;
        let advanced = folder.write("advanced.config", &self.advanced)?;
        let no_more = folder.create_folder("conf.d")?.join("*.conf");
        let data = folder.create_folder("data")?;
        let logs = folder.create_folder("logs")?;

        let launch = Launch::new(&program, self.log.clone().unwrap_or_else(|| folder.join("log")))
            .clean_environment()
            .user(folder.user())
            .working_folder(folder.path())
            .stop_signal(STOP)
            // Where the node's cookie goes.
            .env("HOME", folder.path())
            .env("RABBITMQ_NODENAME", NODE)
            .env("RABBITMQ_CONFIG_FILE", configuration)
            .env("RABBITMQ_CONFIG_FILES", no_more)
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", advanced)
            .env("RABBITMQ_CONF_ENV_FILE", no_environment)
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins)
            .env("RABBITMQ_MNESIA_BASE", data)
            .env("RABBITMQ_LOG_BASE", logs)
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            // The script then becomes the server instead of starting and watching it.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            // Erlang's distribution up from the first moment on a port known beforehand: no port mapper to start, to
            // share with other nodes or to leave behind. The variable is for the second Erlang too that the server
            // runs for a moment once a minute, just to have a port mapper started where there is none.
            .env("ERL_AFLAGS", "-start_epmd false")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                format!(
                    "-sname {NODE} -erl_epmd_port {distribution} \
                     -kernel inet_dist_use_interface {{127,0,0,1}} +S 2:2 {}",
                    search_path(&program)
                ),
            );
        let url = format!("amqp://{USER}:{password}@127.0.0.1:{port}/%2f");
        Server::start(KIND, folder, launch, processes, port, url)
    }

    fn configuration(&self, port: u16, password: &str) -> String {
        let own = [
            ("listeners.tcp.1", format!("127.0.0.1:{port}")),
            ("default_user", USER.to_owned()),
            ("default_pass", password.to_owned()),
            // Publishers are blocked below this; wake-ups are small and the truth is in PostgreSQL.
            ("disk_free_limit.absolute", "50MB".to_owned()),
            ("vm_memory_high_watermark.absolute", "512MB".to_owned()),
        ];
        let own = own.iter().map(|(name, value)| format!("{name} = {value}\n"));
        let given = self.settings.iter().map(|(name, value)| format!("{name} = {value}\n"));
        own.chain(given).collect()
    }
}

/// The server's own script. The one on Debian's search path insists on the user, the folders and the ports of the system's node.
fn program() -> Result<PathBuf, Error> {
    let packaged = fs::read_dir("/usr/lib/rabbitmq/lib").into_iter().flatten().flatten();
    let packaged = packaged.map(|version| version.path().join("sbin/rabbitmq-server"));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    packaged
        .filter(|program| program.exists())
        .max()
        .or_else(|| {
            std::env::split_paths(&on_path).map(|bin| bin.join("rabbitmq-server")).find(|path| path.exists())
        })
        .ok_or(Error::NotInstalled { program: "RabbitMQ", package: "rabbitmq-server" })
}

/// Options that make Erlang look for modules where most of them are.
///
/// The script puts the server's seventy plugins before Erlang's own libraries, so that each of the thousand modules loaded
/// at the start is asked for in vain in most of those folders. This halves the time to start.
fn search_path(program: &Path) -> String {
    let plugins = program.ancestors().nth(2).map(|server| server.join("plugins")).unwrap_or_default();
    let core = ["rabbit-", "rabbit_common-", "ra-", "rabbitmq_prelaunch-", "cuttlefish-"];
    let libraries = folders(Path::new("/usr/lib/erlang/lib"), &[""]);
    let paths = libraries.chain(folders(&plugins, &core)).map(|folder| format!("{}/ebin", folder.display()));
    format!("-pa {}", paths.collect::<Vec<_>>().join(" "))
}

/// The folders in `parent` whose names begin with one of `prefixes`; none where there is no such parent.
fn folders(parent: &Path, prefixes: &[&str]) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        })
        .map(|entry| entry.path())
}

/// Whether the server greets a client with a method frame on channel 0, as it does once it has started in full.
fn is_ready(address: SocketAddr) -> bool {
    let limit = Duration::from_secs(2);
    let ask = || -> std::io::Result<[u8; 3]> {
        let mut connection = TcpStream::connect_timeout(&address, limit)?;
        connection.set_read_timeout(Some(limit))?;
        connection.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut head = [0; 3];
        connection.read_exact(&mut head)?;
        Ok(head)
    };
    ask().is_ok_and(|head| head == [1, 0, 0])
}
