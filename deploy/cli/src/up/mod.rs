//! `rollcall up`: the whole service on one machine, from nothing to an imported roster.
//!
//! The servers are private ones (`rollcall-servers`), the API and the worker are the executables beside this one, and
//! what an operator would do is done by this command's own subcommands: there is one way to do each thing.
//!
//! | module | holds |
//! |---|---|
//! | [`home`] | the state folder: key, credentials, certificate, the `env` file |
//! | [`stack`] | the servers and processes, started, watched and stopped in order |
//! | [`client`] | the upload, by the same curl that a school's script runs |
//! | [`progress`], [`interrupt`] | what a person sees, and Ctrl-C |

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

/// What a shell reports of a command that Ctrl-C ended before its work was done.
const INTERRUPTED: u8 = 130;

/// How long something that ended stays unnoticed at most.
const SUPERVISION_INTERVAL: Duration = Duration::from_millis(200);

/// Imported where no file is named.
const SAMPLE: &str = include_str!("../../../sample/users.csv");

/// Run the whole service on this machine and import a roster
///
/// Starts a private PostgreSQL and RabbitMQ, the API and a worker, creates the tenant `school` with the administrator
/// `autoimport`, and posts FILE over HTTPS as a school's script would. The standard output is the result as JSON and
/// nothing else. Serves until Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "\
Everything is kept in the home folder and used again by the next start:
  credentials      user:password of the administrator
  env              to be sourced: DATABASE_URL, AMQP_URL and the rest, so that `rollcall` and `psql` work on it
  certificate.pem  the API's self-signed certificate
  logs/            a log of each server and process

With DATABASE_URL or AMQP_URL set, that server is used in place of a private one; with ROLLCALL_KEY_FILE set, that key.
Two services side by side need a home and a port each.

Examples:
  rollcall up                      # a sample roster, then serve
  rollcall up users.csv --once     # import, stop, exit 0 if every row was imported, else 1
  rollcall up --no-import          # only serve")]
pub struct Up {
    /// The roster to import; a sample of a few users where none is named
    file: Option<PathBuf>,
    /// Stop everything after the import; exit 0 if the result says success, else 1
    #[arg(long, conflicts_with = "no_import")]
    once: bool,
    /// Serve without importing anything
    #[arg(long, conflicts_with = "file")]
    no_import: bool,
    /// The folder for data, logs, uploads, certificate and credentials
    #[arg(long, env = "ROLLCALL_HOME", value_name = "FOLDER", default_value = "target/rollcall")]
    home: PathBuf,
    /// The HTTPS port on 127.0.0.1
    #[arg(
        long, env = "ROLLCALL_PORT", value_name = "PORT", default_value_t = 8443,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    port: u16,
}

/// Runs the service until the import is done (`--once`) or somebody says stop.
pub async fn run(up: Up) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::on_signals()?;
    tokio::task::spawn_blocking(move || up.run(&interrupt)).await?
}

impl Up {
    fn run(&self, interrupt: &Interrupt) -> anyhow::Result<ExitCode> {
        let file = self.file.as_deref().map(readable_path).transpose()?;
        if !rollcall_servers::is_free(self.port) {
            bail!(
                "port {} on 127.0.0.1 is in use: set ROLLCALL_PORT to a free one, or stop what listens there",
                self.port
            );
        }
        let home = Home::open(&self.home, self.port)?;
        let progress = Progress::new();
        let mut stack = Stack::new(&home);

        let served = self.serve(&home, &mut stack, file, &progress, interrupt);
        let stopped = progress.step("Stopping", || stack.stop());
        match served {
            // An interruption makes what was under way fail; that is not worth a word.
            Err(_) if interrupt.is_requested() => stopped.map(|()| ExitCode::from(INTERRUPTED)),
            Err(reason) => Err(reason),
            Ok(status) => stopped.map(|()| status),
        }
    }

    /// From the start of the servers to the moment when everything has to stop again.
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
        progress.step("Bringing the tables up to date", || stack.run_rollcall(&["migrate"], ""))?;
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
        progress.print("Serving. Ctrl-C stops everything.");
        while !interrupt.is_requested() {
            stack.restart_exited(progress);
            thread::sleep(SUPERVISION_INTERVAL);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The absolute path of a file, known to be readable before anything is started for its sake.
fn readable_path(file: &Path) -> anyhow::Result<PathBuf> {
    fs::File::open(file)
        .and_then(|_| file.canonicalize())
        .with_context(|| format!("{} cannot be read: name the CSV file to import", file.display()))
}

fn create_accounts(home: &Home, stack: &Stack<'_>, progress: &Progress) -> anyhow::Result<()> {
    stack.run_rollcall(&["tenant", "add", TENANT, "--if-missing"], "")?;
    let add = ["admin", "add", TENANT, ADMINISTRATOR];
    let password = format!("{}\n", home.password());
    let answer = stack.run_rollcall(&[&add[..], &["--if-missing", "--json"]].concat(), &password)?;
    let was_there = answer.contains(r#""outcome":"unchanged""#);
    if was_there && home.credentials_are_new() {
        if stack.has_private_database() {
            // The database is ours and its credentials were lost with the file: these replace them.
            stack.run_rollcall(&add, &password)?;
        } else {
            // Somebody may log in with the password there is; it is not ours to replace.
            progress.print(&format!(
                "The database has an administrator {ADMINISTRATOR} already. Write its user:password to {}, \
                 or set a new password with `rollcall admin add {TENANT} {ADMINISTRATOR}`.",
                home.credentials().display()
            ));
        }
    }
    Ok(())
}

/// Where everything is, for somebody who sees it for the first time.
fn instructions(home: &Home, client: &Client<'_>, file: &Path) -> String {
    format!(
        "\nRollcall serves at {url}\n  credentials  {credentials}\n  certificate  {certificate}\n  \
         environment  source {env}\n  logs         {logs}\n\nTo import a file again:\n  {curl}\n",
        url = home.url(),
        credentials = home.credentials().display(),
        certificate = home.certificate().display(),
        env = home.env_file().display(),
        logs = home.logs().display(),
        curl = client.curl_command(file),
    )
}
