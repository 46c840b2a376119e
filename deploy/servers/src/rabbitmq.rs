//! A private RabbitMQ: a node with one user and the virtual host `/`, without plugins and without Erlang's port mapper
//! (epmd).

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
/// The same for every node, because the data's path contains it. Without a port mapper two nodes never connect to each
/// other, so the names do not clash.
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
    /// Keeps the node in `folder`, which is created if it does not exist. A later start uses the same data.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), settings: Vec::new(), advanced: "[].\n".to_owned(), log: None }
    }

    /// Appends the server's output to this file instead of the file `log` in its folder.
    #[must_use]
    pub fn log(mut self, file: impl Into<PathBuf>) -> Self {
        self.log = Some(file.into());
        self
    }

    /// Adds one setting to `rabbitmq.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the content of `advanced.config`, for settings that `rabbitmq.conf` does not have. It is empty by default.
    #[must_use]
    pub fn advanced(mut self, terms: &str) -> Self {
        terms.clone_into(&mut self.advanced);
        self
    }

    /// Starts the server and waits until it accepts AMQP connections.
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
        // The node must not read the files under /etc/rabbitmq, which belong to the system's server.
        let environment = folder.write("rabbitmq-env.conf", "")?;
        let advanced = folder.write("advanced.config", &self.advanced)?;
        let more_configuration = folder.create_folder("conf.d")?.join("*.conf");
        let data = folder.create_folder("data")?;
        let logs = folder.create_folder("logs")?;

        let launch = Launch::new(&program, self.log.clone().unwrap_or_else(|| folder.join("log")))
            .clean_environment()
            .user(folder.user())
            .working_folder(folder.path())
            .stop_signal(STOP)
            // The node's cookie is kept here.
            .env("HOME", folder.path())
            .env("RABBITMQ_NODENAME", NODE)
            .env("RABBITMQ_CONFIG_FILE", configuration)
            .env("RABBITMQ_CONFIG_FILES", more_configuration)
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", advanced)
            .env("RABBITMQ_CONF_ENV_FILE", environment)
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins)
            .env("RABBITMQ_MNESIA_BASE", data)
            .env("RABBITMQ_LOG_BASE", logs)
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            // Makes the script replace itself with the server instead of starting the server as a child.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            // Erlang's distribution listens on a known port from the start, so no port mapper has to be started, shared
            // with other nodes or stopped. The variable also applies to the second Erlang that the server runs briefly
            // once a minute to start a missing port mapper.
            .env("ERL_AFLAGS", "-start_epmd false")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                format!(
                    "-sname {NODE} -erl_epmd_port {distribution} \
                     -kernel inet_dist_use_interface {{127,0,0,1}} +S 2:2 {}",
                    code_path(&program)
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
            // RabbitMQ blocks publishers when less space is free. Wake-ups are small and all state is in PostgreSQL, so
            // a low limit is enough.
            ("disk_free_limit.absolute", "50MB".to_owned()),
            ("vm_memory_high_watermark.absolute", "512MB".to_owned()),
        ];
        let own = own.iter().map(|(name, value)| format!("{name} = {value}\n"));
        let given = self.settings.iter().map(|(name, value)| format!("{name} = {value}\n"));
        own.chain(given).collect()
    }
}

/// The server's own start script. Debian's wrapper in `PATH` only accepts the user, folders and ports of the system's
/// node.
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

/// Options that put the folders with the most modules first in Erlang's code path.
///
/// The start script puts the server's seventy plugins before Erlang's own libraries, so that Erlang searches most of
/// those folders in vain for each of the thousand modules that it loads at the start. This halves the startup time.
fn code_path(program: &Path) -> String {
    let plugins = program.ancestors().nth(2).map(|server| server.join("plugins")).unwrap_or_default();
    let core = ["rabbit-", "rabbit_common-", "ra-", "rabbitmq_prelaunch-", "cuttlefish-"];
    let libraries = folders(Path::new("/usr/lib/erlang/lib"), &[""]);
    let paths = libraries.chain(folders(&plugins, &core)).map(|folder| format!("{}/ebin", folder.display()));
    format!("-pa {}", paths.collect::<Vec<_>>().join(" "))
}

/// The entries of `parent` whose names begin with one of `prefixes`; none if `parent` does not exist.
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

/// Whether the server answers the protocol header with a method frame on channel 0, which it does only when it has
/// started completely.
fn is_ready(address: SocketAddr) -> bool {
    let limit = Duration::from_secs(2);
    let frame_header = || -> std::io::Result<[u8; 3]> {
        let mut connection = TcpStream::connect_timeout(&address, limit)?;
        connection.set_read_timeout(Some(limit))?;
        connection.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut head = [0; 3];
        connection.read_exact(&mut head)?;
        Ok(head)
    };
    frame_header().is_ok_and(|head| head == [1, 0, 0])
}
