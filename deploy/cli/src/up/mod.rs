//! `rollcall up`: the whole service on one machine, from nothing to an imported roster.
//!
//! PostgreSQL and RabbitMQ are private servers (`rollcall-servers`), API and worker are the executables in the same
//! folder as this one, and tables, tenant and administrator are created with this command's own subcommands.
//!
//! | module | contains |
//! |---|---|
//! | [`home`] | the home folder: key, credentials, certificate, the `env` file |
//! | [`stack`] | starts, supervises and stops servers and processes |
//! | [`client`] | uploads the file with curl, as a school's script does |
//! | [`progress`], [`interrupt`] | progress on standard error, shutdown on Ctrl-C |

mod client;
mod home;
mod interrupt;
mod progress;
mod stack;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use self::client::Client;
use self::home::{ADMINISTRATOR, Home};
use self::interrupt::Interrupt;
use self::progress::Progress;
use self::stack::Stack;

/// The tenant that the first start creates.
const TENANT: &str = "school";

/// The exit status that shells use for a command that Ctrl-C interrupted.
const INTERRUPTED: u8 = 130;

const SUPERVISION_INTERVAL: Duration = Duration::from_millis(200);

/// Imported if no file is given.
const SAMPLE: &str = include_str!("../../../sample/users.csv");

/// Run the whole service on this machine and import a roster
///
/// Starts a private PostgreSQL and RabbitMQ, the API and a worker, creates the tenant `school` with the administrator
/// `autoimport`, and uploads FILE over HTTPS as a school's script would. Prints only the result, as JSON, to standard
/// output. Then serves until Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "\
All state is kept in the home folder, and the next start uses it again:
  credentials      user:password of the administrator
  env              settings of the service: `source` it before you use `rollcall` or `psql`
  certificate.pem  the API's self-signed certificate
  logs/            one log for each server and process

If DATABASE_URL or AMQP_URL is set, that server is used instead of a private one; if ROLLCALL_KEY_FILE is set, that key.
To run two services on one machine, give each its own home folder and port.

Examples:
  rollcall up                      # import a sample roster, then serve
  rollcall up users.csv --once     # import, stop, exit 0 if every row was imported, else 1
  rollcall up --no-import          # serve without importing")]
pub struct Up {
    /// The CSV file to import [default: a sample of a few users]
    file: Option<PathBuf>,
    /// Stop everything after the import; exit 0 if every row was imported, else 1
    #[arg(long, conflicts_with = "no_import")]
    once: bool,
    /// Serve without importing anything
    #[arg(long, conflicts_with = "file")]
    no_import: bool,
    /// Home folder: data, logs, uploads, certificate and credentials
    #[arg(long, env = "ROLLCALL_HOME", value_name = "FOLDER", default_value = "target/rollcall")]
    home: PathBuf,
    /// HTTPS port on 127.0.0.1
    #[arg(
        long, env = "ROLLCALL_PORT", value_name = "PORT", default_value_t = 8443,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    port: u16,
}

/// Runs the service until the import has finished (`--once`) or a signal requests a shutdown.
pub async fn run(up: Up) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::on_signals()?;
    tokio::task::spawn_blocking(move || up.run(&interrupt)).await?
}

impl Up {
    fn run(&self, interrupt: &Interrupt) -> anyhow::Result<ExitCode> {
        let file = self.file.as_deref().map(readable_path).transpose()?;
        if !rollcall_servers::is_free(self.port) {
            bail!(
                "port {} on 127.0.0.1 is in use: set ROLLCALL_PORT to a free port, or stop the program \
                 that listens there",
                self.port
            );
        }
        let home = Home::open(&self.home, self.port)?;
        let progress = Progress::new();
        let mut stack = Stack::new(&home);

        let served = self.serve(&home, &mut stack, file, &progress, interrupt);
        let stopped = progress.step("Stopping", || stack.stop());
        match served {
            // The shutdown made the current step fail: not an error worth reporting.
            Err(_) if interrupt.is_requested() => stopped.map(|()| ExitCode::from(INTERRUPTED)),
            Err(reason) => Err(reason),
            Ok(status) => stopped.map(|()| status),
        }
    }

    /// Starts everything, imports, and serves until it is time to stop.
    fn serve(
        &self,
        home: &Home,
        stack: &mut Stack<'_>,
        file: Option<PathBuf>,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> anyhow::Result<ExitCode> {
        stack.start_servers(progress)?;
        interrupt.check()?;
        let updated = progress.step("Updating the tables", || stack.run_rollcall(&["migrate"], ""));
        if let Err(error) = &updated
            && stack.has_private_database()
            && !self.once
        {
            progress.print(&format!("{error:#}\n\n{}", reach_database(home)));
            while !interrupt.is_requested() {
                thread::sleep(SUPERVISION_INTERVAL);
            }
        }
        updated?;
        interrupt.check()?;
        progress.step("Creating tenant and administrator", || create_accounts(home, stack, progress))?;
        interrupt.check()?;
        let client = Client::new(home);
        progress.step("Starting API and worker", || {
            stack.start_processes()?;
            client.wait_until_ready(stack, interrupt)
        })?;

        let file = match file {
            Some(file) => file,
            None => home.write_sample(SAMPLE)?,
        };
        progress.print(&instructions(home, &client, &file));

        if !self.no_import {
            let name = file.file_name().unwrap_or_default().display().to_string();
            let success = progress.step(&format!("Importing {name}"), || {
                client.import(&file, interrupt, || stack.restart_exited(progress))
            })?;
            if self.once {
                return Ok(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
        }
        progress.print("Serving. Press Ctrl-C to stop.");
        while !interrupt.is_requested() {
            stack.restart_exited(progress);
            thread::sleep(SUPERVISION_INTERVAL);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns the absolute path of a file. Checks that it is readable before any server is started.
fn readable_path(file: &Path) -> anyhow::Result<PathBuf> {
    fs::File::open(file).and_then(|_| file.canonicalize()).with_context(|| {
        format!("{} cannot be read: give the path of the CSV file to import", file.display())
    })
}

fn create_accounts(home: &Home, stack: &Stack<'_>, progress: &Progress) -> anyhow::Result<()> {
    stack.run_rollcall(&["tenant", "add", TENANT, "--if-missing"], "")?;
    let add = ["admin", "add", TENANT, ADMINISTRATOR];
    let password = format!("{}\n", home.password());
    let answer = stack.run_rollcall(&[&add[..], &["--if-missing", "--json"]].concat(), &password)?;
    let existed = answer.contains(r#""outcome":"unchanged""#);
    if existed && home.credentials_are_new() {
        if stack.has_private_database() {
            // The file with the password is lost. The database is private, so a new password can replace the old one.
            stack.run_rollcall(&add, &password)?;
        } else {
            // Other clients may use the existing password, so it must not be replaced here.
            progress.print(&format!(
                "The database already has an administrator {ADMINISTRATOR}. Write its user:password to {}, \
                 or set a new password with `rollcall admin add {TENANT} {ADMINISTRATOR}`.",
                home.credentials().display()
            ));
        }
    }
    Ok(())
}

/// How to reach the private database when its tables cannot be updated until an operator changes something in them.
fn reach_database(home: &Home) -> String {
    format!(
        "PostgreSQL keeps running until Ctrl-C, and can be reached from another terminal:\n  source {}\n  psql \
         \"$ROLLCALL_OWNER_DATABASE_URL\"\n  rollcall migrate\nThen stop this command and run it again.",
        home.env_file().display()
    )
}

/// Where the service and its files are, and how to import another file.
fn instructions(home: &Home, client: &Client<'_>, file: &Path) -> String {
    format!(
        "\nRollcall is running at {url}\n  credentials  {credentials}\n  certificate  {certificate}\n  \
         environment  source {env}\n  logs         {logs}\n\nTo import a file:\n  {curl}\n",
        url = home.url(),
        credentials = home.credentials().display(),
        certificate = home.certificate().display(),
        env = home.env_file().display(),
        logs = home.logs().display(),
        curl = client.curl_command(file),
    )
}
