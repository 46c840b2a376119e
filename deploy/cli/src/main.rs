//! `rollcall`, the operator's command. It manages tables, tenants, administrators, groups and imports.
//!
//! | module | contains |
//! |---|---|
//! | [`migrate`], [`tenant`], [`admin`], [`token`], [`group`], [`jobs`], [`keys`], [`uploads`], [`audit`] | one subcommand each |
//! | [`up`] | the subcommand that runs the whole service on one machine |
//! | [`database`] | opens the database |
//! | [`operator`] | who runs the command, for the audit |
//! | [`host_name`], [`size`], [`time`] | arguments: a host name, a size in bytes, a time |
//! | [`output`], [`error`] | prints results, error messages |

mod admin;
mod audit;
mod group;
mod jobs;
mod keys;
mod migrate;
mod tenant;
mod token;
mod up;
mod uploads;

mod database;
mod host_name;
mod operator;
mod size;
mod time;

mod error;
mod output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rollcall_schema::settings::environment;

use crate::output::Output;

/// Sets up and operates Rollcall, which imports school rosters, sent as CSV files over HTTP, into a library's user
/// database
#[derive(Debug, Parser)]
#[command(
    name = "rollcall",
    version,
    max_term_width = 110,
    after_help = "\
Try it on this machine, with private servers and a sample roster:
  rollcall up

Set up a service with one tenant:
  export DATABASE_URL=postgres://rollcall:secret@db.example.org/rollcall
  rollcall migrate
  rollcall tenant add riverside --host library.riverside.edu
  rollcall admin add riverside autoimport
  rollcall group add riverside 'Year 9 borrowers' --library

Give a script a token instead of a password:
  rollcall token add riverside --name nightly --expires 400d

List the latest imports, and who did what:
  rollcall jobs list riverside
  rollcall audit riverside

`rollcall COMMAND --help` shows a command's settings, its JSON keys and examples.
Exit status: 0 success, 1 failure (a message on standard error says what is wrong and how to fix it), 2 usage error."
)]
struct Rollcall {
    /// Print the result as one line of JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Migrate(migrate::Migrate),
    #[command(subcommand)]
    Tenant(tenant::Command),
    #[command(subcommand)]
    Admin(admin::Command),
    #[command(subcommand)]
    Token(token::Command),
    #[command(subcommand)]
    Group(group::Command),
    #[command(subcommand)]
    Jobs(jobs::Command),
    #[command(subcommand)]
    Keys(keys::Command),
    #[command(subcommand)]
    Uploads(uploads::Command),
    Audit(audit::Audit),
    Up(up::Up),
}

#[tokio::main]
async fn main() -> ExitCode {
    rollcall_schema::hardening::protect_memory();
    match run(environment::parse(std::env::args_os())).await {
        Ok(status) => status,
        Err(error) => {
            eprintln!("rollcall: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(rollcall: Rollcall) -> anyhow::Result<ExitCode> {
    let output = Output { json: rollcall.json };
    match rollcall.command {
        Command::Migrate(migrate) => migrate::run(&migrate, output).await?,
        Command::Tenant(command) => tenant::run(command, output).await?,
        Command::Admin(command) => admin::run(command, output).await?,
        Command::Token(command) => token::run(command, output).await?,
        Command::Group(command) => group::run(command, output).await?,
        Command::Jobs(command) => jobs::run(command, output).await?,
        Command::Keys(command) => keys::run(command, output).await?,
        Command::Uploads(command) => uploads::run(command, output).await?,
        Command::Audit(audit) => audit::run(&audit, output).await?,
        Command::Up(up) => return up::run(up).await,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_valid() {
        use clap::CommandFactory as _;
        Rollcall::command().debug_assert();
    }
}
