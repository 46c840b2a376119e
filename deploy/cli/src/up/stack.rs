//! The servers and processes of one service: started in the order of their needs, stopped in the reverse one.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use rollcall_servers::{Error, Launch, Postgres, Process, RabbitMq, Server, wait_until};

use super::home::Home;
use super::progress::Progress;

/// Longer than the API takes by itself to let requests under way end.
const STOP_LIMIT: Duration = Duration::from_secs(40);
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_mins(1);

/// Everything that runs for one service.
#[derive(Debug)]
pub struct Stack<'a> {
    home: &'a Home,
    database_url: String,
    amqp_url: String,
    // What is given by URL is not ours to start, watch or stop.
    postgres: Option<Server>,
    postgres_restarts: RestartSchedule,
    rabbit: Option<Server>,
    rabbit_restarts: RestartSchedule,
    processes: Vec<Supervised>,
}

/// A process that is started again whenever it ends.
#[derive(Debug)]
struct Supervised {
    name: &'static str,
    launch: Launch,
    process: Process,
    restarts: RestartSchedule,
}

/// When something that keeps ending is started again: the sooner it ends, the later.
#[derive(Debug)]
struct RestartSchedule {
    started: Instant,
    delay: Duration,
    /// When to start it again, if it has ended.
    again_at: Option<Instant>,
}

impl<'a> Stack<'a> {
    /// Nothing runs yet.
    pub fn new(home: &'a Home) -> Self {
        Self {
            home,
            database_url: String::new(),
            amqp_url: String::new(),
            postgres: None,
            postgres_restarts: RestartSchedule::new(),
            rabbit: None,
            rabbit_restarts: RestartSchedule::new(),
            processes: Vec::new(),
        }
    }

    /// Starts the private servers, both at the same time, and writes down how to reach them.
    pub fn start_servers(&mut self, progress: &Progress) -> anyhow::Result<()> {
        let (database, amqp) = (setting("DATABASE_URL")?, setting("AMQP_URL")?);
        let what = match (&database, &amqp) {
            (None, None) => "Starting PostgreSQL and RabbitMQ",
            (None, Some(_)) => "Starting PostgreSQL; RabbitMQ is that of AMQP_URL",
            (Some(_), None) => "Starting RabbitMQ; PostgreSQL is that of DATABASE_URL",
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
            (postgres, rabbit.map(|starting| starting.join().expect("the start of a server does not panic")))
        });
        // If one failed, the other is stopped as it is dropped.
        (self.postgres, self.rabbit) = (started(postgres)?, started(rabbit)?);
        self.database_url = url(database, self.postgres.as_ref());
        self.amqp_url = url(amqp, self.rabbit.as_ref());
        self.home.write_env(&self.environment())
    }

    /// Whether the database is our private one.
    pub fn has_private_database(&self) -> bool {
        self.postgres.is_some()
    }

    /// Runs this very command with other arguments on the service, `input` on its standard input; returns its answer.
    pub fn run_rollcall(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let mut child = Command::new(own_executable()?)
            .args(arguments)
            .envs(self.environment())
            .env_remove("DATABASE_URL_FILE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("this command cannot run itself")?;
        // It may well end without reading a word of this.
        let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
        let output = child.wait_with_output().context("this command cannot run itself")?;
        if !output.status.success() {
            bail!(
                "`rollcall {}` failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts API and worker. They run; whether the API is ready is for its client to find out.
    pub fn start_processes(&mut self) -> anyhow::Result<()> {
        for (name, program) in [("API", "rollcall-api"), ("worker", "rollcall-worker")] {
            let mut launch = Launch::new(
                sibling_executable(program)?,
                self.home.logs().join(program).with_extension("log"),
            );
            for (name, value) in self.environment() {
                launch = launch.env(name, value);
            }
            for other_way in ["DATABASE_URL_FILE", "AMQP_URL_FILE"] {
                launch = launch.without_env(other_way);
            }
            let process = Process::start(&launch)?;
            self.processes.push(Supervised { name, launch, process, restarts: RestartSchedule::new() });
        }
        Ok(())
    }

    /// Refuses to go on where a process ended right after its start: it would only do so again.
    pub fn check_started(&mut self) -> anyhow::Result<()> {
        for supervised in &mut self.processes {
            if let Some(status) = supervised.process.ended() {
                bail!(
                    "the {} has ended ({status}); its log {} says why",
                    supervised.name,
                    supervised.launch.log().display()
                );
            }
        }
        Ok(())
    }

    /// Starts again what has ended. To be called now and then, as long as everything should run.
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

    /// Stops everything: first who uses the servers, then the servers.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        for supervised in &mut self.processes {
            supervised.process.ask_to_stop();
        }
        let processes = &mut self.processes;
        wait_until(STOP_LIMIT, || {
            processes.iter_mut().all(|supervised| supervised.process.ended().is_some())
        });
        // Whatever is still there is killed as it is dropped.
        processes.clear();
        let (postgres, rabbit) = (self.postgres.take(), self.rabbit.take());
        thread::scope(|scope| {
            let stopping = rabbit.map(|mut rabbit| scope.spawn(move || rabbit.stop()));
            postgres.map_or(Ok(()), |mut postgres| postgres.stop())?;
            stopping.map_or(Ok(()), |stopping| stopping.join().expect("stopping a server does not panic"))
        })?;
        Ok(())
    }

    /// What API, worker and the operator's command need to know.
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
        Self { started: Instant::now(), delay: FIRST_DELAY, again_at: None }
    }

    /// Of something that has ended: says so once, and starts it again when it is time.
    fn restart_when_due(
        &mut self,
        what: &str,
        log: &Path,
        progress: &Progress,
        start: impl FnOnce() -> Result<(), Error>,
    ) {
        match self.again_at {
            None => {
                // One that ran for long has not failed at the start: no reason to wait long.
                if self.started.elapsed() > LONGEST_DELAY {
                    self.delay = FIRST_DELAY;
                }
                progress.print(&format!(
                    "{what}; starting it again in {} s. Its log: {}",
                    self.delay.as_secs(),
                    log.display()
                ));
                self.postpone();
            }
            Some(when) if when <= Instant::now() => match start() {
                Ok(()) => {
                    self.started = Instant::now();
                    self.again_at = None;
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
        self.again_at = Some(Instant::now() + self.delay);
        self.delay = (self.delay * 2).min(LONGEST_DELAY);
    }
}

/// A setting given by value or by the file that holds it.
fn setting(name: &str) -> anyhow::Result<Option<String>> {
    if let Some(value) = std::env::var(name).ok().filter(|value| !value.is_empty()) {
        return Ok(Some(value));
    }
    let Some(file) = std::env::var_os(format!("{name}_FILE")) else { return Ok(None) };
    let value = std::fs::read_to_string(&file)
        .with_context(|| format!("{name}_FILE names {}, which cannot be read", file.display()))?;
    Ok(Some(value.trim().to_owned()))
}

/// A private server, if one was to be started.
fn started(start: Option<Result<Server, Error>>) -> anyhow::Result<Option<Server>> {
    start.transpose().map_err(|error| match error {
        Error::OutOfReach { .. } => anyhow!("{error}\nThe folder is chosen with ROLLCALL_HOME."),
        error => error.into(),
    })
}

fn url(given: Option<String>, server: Option<&Server>) -> String {
    given.or_else(|| server.map(|server| server.url().to_owned())).unwrap_or_default()
}

fn own_executable() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("this command cannot find its own executable")
}

fn sibling_executable(program: &str) -> anyhow::Result<OsString> {
    let path = own_executable()?.with_file_name(program);
    if !path.exists() {
        bail!(
            "{} is missing: build it with `cargo build --release --bins`, or copy it there",
            path.display()
        );
    }
    Ok(path.into_os_string())
}
