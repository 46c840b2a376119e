//! The servers and processes of one service. They start in the order of their dependencies and stop in reverse order.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use rollcall_schema::settings::environment::{variable, variable_os};
use rollcall_servers::{Error, Launch, Postgres, Process, RabbitMq, Server, wait_until};

use super::home::Home;
use super::progress::Progress;

/// Longer than the API waits for running requests when it shuts down.
const STOP_LIMIT: Duration = Duration::from_secs(40);
/// The setting of the operator's command: API and worker do not have it.
const OWNER_DATABASE_URL: &str = "ROLLCALL_OWNER_DATABASE_URL";
/// The service's role on the private PostgreSQL.
const SERVICE_ROLE: &str = "rollcall_service";
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub struct Stack<'a> {
    home: &'a Home,
    database_url: String,
    /// The same database as the owner of the tables, if the service has a role of its own.
    owner_database_url: Option<String>,
    amqp_url: String,
    // None if the server is given by URL: such a server is not started, supervised or stopped here.
    postgres: Option<Server>,
    postgres_restarts: RestartSchedule,
    rabbit: Option<Server>,
    rabbit_restarts: RestartSchedule,
    processes: Vec<Supervised>,
}

/// A process that is restarted whenever it exits.
#[derive(Debug)]
struct Supervised {
    name: &'static str,
    launch: Launch,
    process: Process,
    restarts: RestartSchedule,
}

/// When to restart a server or process that has exited. The delay doubles with every exit, up to [`LONGEST_DELAY`].
#[derive(Debug)]
struct RestartSchedule {
    started: Instant,
    delay: Duration,
    /// When to restart it, if it has exited.
    restart_at: Option<Instant>,
}

impl<'a> Stack<'a> {
    pub fn new(home: &'a Home) -> Self {
        Self {
            home,
            database_url: String::new(),
            owner_database_url: None,
            amqp_url: String::new(),
            postgres: None,
            postgres_restarts: RestartSchedule::new(),
            rabbit: None,
            rabbit_restarts: RestartSchedule::new(),
            processes: Vec::new(),
        }
    }

    /// Starts the private servers concurrently, and writes the environment to the home folder's `env` file.
    pub fn start_servers(&mut self, progress: &Progress) -> anyhow::Result<()> {
        let (database, amqp) = (setting("DATABASE_URL")?, setting("AMQP_URL")?);
        let what = match (&database, &amqp) {
            (None, None) => "Starting PostgreSQL and RabbitMQ",
            (None, Some(_)) => "Starting PostgreSQL, using the RabbitMQ of AMQP_URL",
            (Some(_), None) => "Starting RabbitMQ, using the PostgreSQL of DATABASE_URL",
            (Some(_), Some(_)) => "Using the servers of DATABASE_URL and AMQP_URL",
        };
        progress.step(what, || self.start_private_servers(database, amqp))
    }

    fn start_private_servers(
        &mut self,
        database: Option<String>,
        amqp: Option<String>,
    ) -> anyhow::Result<()> {
        let home = self.home;
        let (postgres, rabbit) = thread::scope(|scope| {
            let rabbit = amqp.is_none().then(|| {
                let rabbit =
                    RabbitMq::at(home.server_folder("rabbitmq")).log(home.logs().join("rabbitmq.log"));
                scope.spawn(|| rabbit.start())
            });
            let postgres = database.is_none().then(|| {
                Postgres::at(home.server_folder("postgres")).log(home.logs().join("postgres.log")).start()
            });
            (postgres, rabbit.map(|starting| starting.join().expect("starting a server does not panic")))
        });
        // If one start failed, dropping the other server stops it.
        (self.postgres, self.rabbit) = (started(postgres)?, started(rabbit)?);
        self.owner_database_url = match &self.postgres {
            // The private server's only user is its superuser: the service gets a role of its own.
            Some(postgres) => Some(postgres.url().to_owned()),
            None => setting("ROLLCALL_OWNER_DATABASE_URL")?,
        };
        self.database_url = match (database, &self.postgres) {
            (None, Some(postgres)) => as_service(postgres.url(), home.service_password()),
            (given, _) => given.unwrap_or_default(),
        };
        self.amqp_url = url(amqp, self.rabbit.as_ref());
        let owner = self.owner_database_url.clone().map(|url| (OWNER_DATABASE_URL, url));
        self.home.write_env(&[self.environment(), owner.into_iter().collect()].concat())
    }

    pub fn has_private_database(&self) -> bool {
        self.postgres.is_some()
    }

    /// Runs `rollcall` with these arguments on the service, with `input` on standard input. Returns its standard
    /// output.
    pub fn run_rollcall(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let mut child = Command::new(own_executable()?)
            .args(arguments)
            .envs(self.environment())
            .envs(self.owner_database_url.iter().map(|url| (OWNER_DATABASE_URL, url)))
            .env_remove("DATABASE_URL_FILE")
            .env_remove("ROLLCALL_OWNER_DATABASE_URL_FILE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("rollcall cannot run itself")?;
        // Fails if the command exits without reading its input, which is fine.
        let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
        let output = child.wait_with_output().context("rollcall cannot run itself")?;
        if !output.status.success() {
            bail!(
                "`rollcall {}` failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts API and worker. Returns before the API is ready.
    pub fn start_processes(&mut self) -> anyhow::Result<()> {
        for (name, program) in [("API", "rollcall-api"), ("worker", "rollcall-worker")] {
            let mut launch = Launch::new(
                sibling_executable(program)?,
                self.home.logs().join(program).with_extension("log"),
            );
            for (name, value) in self.environment() {
                launch = launch.env(name, value);
            }
            for file_variable in
                ["DATABASE_URL_FILE", "AMQP_URL_FILE", OWNER_DATABASE_URL, "ROLLCALL_OWNER_DATABASE_URL_FILE"]
            {
                launch = launch.without_env(file_variable);
            }
            let process = Process::start(&launch)?;
            self.processes.push(Supervised { name, launch, process, restarts: RestartSchedule::new() });
        }
        Ok(())
    }

    /// Fails if a process has exited right after its start: a restart would not help.
    pub fn check_started(&mut self) -> anyhow::Result<()> {
        for supervised in &mut self.processes {
            if let Some(status) = supervised.process.ended() {
                bail!(
                    "the {} exited ({status}): see its log {}",
                    supervised.name,
                    supervised.launch.log().display()
                );
            }
        }
        Ok(())
    }

    /// Restarts every server and process that has exited. Call it regularly.
    pub fn restart_exited(&mut self, progress: &Progress) {
        let servers = [
            ("PostgreSQL", &mut self.postgres, &mut self.postgres_restarts),
            ("RabbitMQ", &mut self.rabbit, &mut self.rabbit_restarts),
        ];
        for (name, server, restarts) in servers {
            let Some(server) = server else { continue };
            if server.is_running() {
                continue;
            }
            let log = server.log().to_owned();
            restarts.restart_when_due(&format!("{name} has ended"), &log, progress, || server.restart());
        }
        for supervised in &mut self.processes {
            supervised.restart_if_exited(progress);
        }
    }

    /// Stops API and worker first, then the servers that they use.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        for supervised in &mut self.processes {
            supervised.process.ask_to_stop();
        }
        let processes = &mut self.processes;
        wait_until(STOP_LIMIT, || {
            processes.iter_mut().all(|supervised| supervised.process.ended().is_some())
        });
        // Dropping a process that still runs kills it.
        processes.clear();
        let (postgres, rabbit) = (self.postgres.take(), self.rabbit.take());
        thread::scope(|scope| {
            let stopping = rabbit.map(|mut rabbit| scope.spawn(move || rabbit.stop()));
            postgres.map_or(Ok(()), |mut postgres| postgres.stop())?;
            stopping.map_or(Ok(()), |stopping| stopping.join().expect("stopping a server does not panic"))
        })?;
        Ok(())
    }

    /// The environment of API, worker and the operator's command.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let home = self.home;
        let path = |path: PathBuf| path.display().to_string();
        vec![
            ("DATABASE_URL", self.database_url.clone()),
            ("AMQP_URL", self.amqp_url.clone()),
            ("ROLLCALL_KEY_FILE", path(home.key_file().to_owned())),
            ("ROLLCALL_UPLOADS", path(home.uploads())),
            ("ROLLCALL_LISTEN", format!("127.0.0.1:{}", home.port())),
            ("ROLLCALL_TLS", "on".to_owned()),
            ("ROLLCALL_TLS_CERT", path(home.certificate())),
            ("ROLLCALL_TLS_KEY", path(home.certificate_key())),
            ("ROLLCALL_URL", home.url()),
            ("ROLLCALL_CREDENTIALS", path(home.credentials())),
            ("ROLLCALL_CA", path(home.certificate())),
        ]
    }
}

impl Supervised {
    fn restart_if_exited(&mut self, progress: &Progress) {
        let Some(status) = self.process.ended() else { return };
        let Self { name, launch, process, restarts } = self;
        restarts.restart_when_due(
            &format!("The {name} has ended ({status})"),
            launch.log(),
            progress,
            || {
                *process = Process::start(launch)?;
                Ok(())
            },
        );
    }
}

impl RestartSchedule {
    fn new() -> Self {
        Self { started: Instant::now(), delay: FIRST_DELAY, restart_at: None }
    }

    /// To be called for something that has exited. Reports the exit once, and calls `start` when the restart is due.
    fn restart_when_due(
        &mut self,
        what: &str,
        log: &Path,
        progress: &Progress,
        start: impl FnOnce() -> Result<(), Error>,
    ) {
        match self.restart_at {
            None => {
                // It ran for a while, so it did not fail at the start: restart it soon.
                if self.started.elapsed() > LONGEST_DELAY {
                    self.delay = FIRST_DELAY;
                }
                progress.print(&format!(
                    "{what}; starting it again in {} s. Log: {}",
                    self.delay.as_secs(),
                    log.display()
                ));
                self.postpone();
            }
            Some(when) if when <= Instant::now() => match start() {
                Ok(()) => {
                    self.started = Instant::now();
                    self.restart_at = None;
                }
                Err(error) => {
                    progress.print(&error.to_string());
                    self.postpone();
                }
            },
            Some(_) => {}
        }
    }

    fn postpone(&mut self) {
        self.restart_at = Some(Instant::now() + self.delay);
        self.delay = (self.delay * 2).min(LONGEST_DELAY);
    }
}

/// The URL of the private PostgreSQL with the service's role. `rollcall migrate` creates the role.
fn as_service(url: &str, password: &str) -> String {
    let server = url.rsplit_once('@').map_or(url, |(_, server)| server);
    format!("postgres://{SERVICE_ROLE}:{password}@{server}")
}

/// Returns a setting that is given by value or by the file that contains it.
fn setting(name: &str) -> anyhow::Result<Option<String>> {
    if let Some(value) = variable(name) {
        return Ok(Some(value));
    }
    let Some(file) = variable_os(format!("{name}_FILE")) else { return Ok(None) };
    let value = std::fs::read_to_string(&file)
        .with_context(|| format!("{name}_FILE is set to {}, which cannot be read", file.display()))?;
    Ok(Some(value.trim().to_owned()))
}

fn started(start: Option<Result<Server, Error>>) -> anyhow::Result<Option<Server>> {
    start.transpose().map_err(|error| match error {
        Error::OutOfReach { .. } => anyhow!("{error}\nSet ROLLCALL_HOME to choose another folder."),
        error => error.into(),
    })
}

fn url(given: Option<String>, server: Option<&Server>) -> String {
    given.or_else(|| server.map(|server| server.url().to_owned())).unwrap_or_default()
}

fn own_executable() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("rollcall cannot find its own executable")
}

fn sibling_executable(program: &str) -> anyhow::Result<OsString> {
    let path = own_executable()?.with_file_name(program);
    if !path.exists() {
        bail!(
            "{} does not exist: build it with `cargo build --release --bins`, or copy it there",
            path.display()
        );
    }
    Ok(path.into_os_string())
}
