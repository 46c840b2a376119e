//! The worker's process.

use clap::Parser as _;
use rollcall_schema::telemetry;
use rollcall_worker::{service, settings::Settings};

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let settings = Settings::parse();
    let telemetry = match telemetry::start("rollcall-worker") {
        Ok(telemetry) => telemetry,
        Err(error) => return refuse(&error.into()),
    };
    let end = service::run(settings).await;
    // Off the runtime's threads: the last export blocks until the collector has answered or the time is up.
    let _ = tokio::task::spawn_blocking(move || telemetry.shut_down()).await;
    match end {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

/// Says in one line why the worker does not run.
fn refuse(error: &anyhow::Error) -> std::process::ExitCode {
    eprintln!("rollcall-worker: {error:#}");
    std::process::ExitCode::from(2)
}
