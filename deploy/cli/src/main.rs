//! `rollcall`, the operator's command: tables, tenants, administrators, groups, and a look at the imports.
//!
//! | module | holds |
//! |---|---|
//! | [`migrate`], [`tenant`], [`admin`], [`group`], [`jobs`] | a subcommand each |
//! | [`up`] | the whole service on one machine |
//! | [`database`], [`host_name`], [`size`] | the way to the tables, a host name and a size as people write them |
//! | [`output`], [`error`] | answers, and the sentences said when there is none |

mod admin;
mod group;
mod jobs;
mod migrate;
mod tenant;
mod up;

mod database;
mod host_name;
mod size;

mod error;
mod output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::output::Output;

/// Sets up and looks after Rollcall, which takes a school's roster as a CSV over HTTP and makes the library's
/// database agree with it
#[derive(Debug, Parser)]
#[command(
    name = "rollcall",
    version,
    max_term_width = 110,
    after_help = "\
Try it on this machine, with private servers and a sample roster:
  rollcall up

Set up a service of one tenant:
  export DATABASE_URL=postgres://rollcall:secret@db.example.org/rollcall
  rollcall migrate
  rollcall tenant add riverside --host library.riverside.edu
  rollcall admin add riverside autoimport
  rollcall group add riverside 'Year 9 borrowers' --library

See what became of the last imports:
  rollcall jobs list riverside

`rollcall COMMAND --help` has examples of each command, the settings it takes and the keys of its JSON.
Exit status: 0 done, 1 not done (one sentence on the standard error says why and what to do), 2 a wrong command line."
)]
struct Rollcall {
    /// Answer in JSON, one line, for scripts
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
    Group(group::Command),
    #[command(subcommand)]
    Jobs(jobs::Command),
    Up(up::Up),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Rollcall::parse()).await {
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
        Command::Group(command) => group::run(command, output).await?,
        Command::Jobs(command) => jobs::run(command, output).await?,
        Command::Up(up) => return up::run(up).await,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Rollcall::command().debug_assert();
    }
}
