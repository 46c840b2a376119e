//! The API's process.

use std::process::ExitCode;

use clap::Parser as _;
use rollcall_api::server::{self, StartError};
use rollcall_api::settings::Settings;
use rollcall_schema::{database, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::parse();
    let telemetry = match telemetry::start("rollcall-api") {
        Ok(telemetry) => telemetry,
        Err(error) => return refuse(error.into()),
    };
    let end = server::run(settings).await;
    // Off the runtime's threads: the last export blocks until the collector has answered or the time is up.
    let _ = tokio::task::spawn_blocking(move || telemetry.shut_down()).await;
    end.map_or_else(refuse, |()| ExitCode::SUCCESS)
}

/// Says in one line why the API does not run.
fn refuse(error: StartError) -> ExitCode {
    let wrong_setup =
        matches!(error, StartError::Config(_) | StartError::Database(database::StartError::NotMigrated));
    eprintln!("rollcall-api: {:#}", anyhow::Error::from(error));
    ExitCode::from(if wrong_setup { 2 } else { 1 })
}
