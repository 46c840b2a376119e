//! The worker's program.

use std::time::Duration;

use rollcall_schema::settings::environment;
use rollcall_schema::settings::renamed::{self, Renamed};
use rollcall_schema::{hardening, telemetry};
use rollcall_worker::service;
use rollcall_worker::settings::{RENAMED, Settings};

/// How long the process waits at exit for blocking threads: one that hangs in a file system must not keep it alive.
const BLOCKING_THREADS_LIMIT: Duration = Duration::from_secs(1);

fn main() -> std::process::ExitCode {
    hardening::protect_memory();
    hardening::write_private_files();
    let (arguments, renamed) = renamed::arguments(RENAMED);
    let settings = environment::parse::<Settings>(arguments);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let code = runtime.block_on(run(settings, &renamed));
    runtime.shutdown_timeout(BLOCKING_THREADS_LIMIT);
    code
}

async fn run(settings: Settings, renamed: &[Renamed]) -> std::process::ExitCode {
    let telemetry = match telemetry::start("rollcall-worker") {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(&error.into()),
    };
    renamed::log_used(renamed);
    let end = service::run(settings).await;
    // Not on a runtime thread: the last export blocks until the collector has answered or the time is up.
    let _ = tokio::task::spawn_blocking(move || telemetry.shut_down()).await;
    match end {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Prints in one line why the worker does not run.
fn fail(error: &anyhow::Error) -> std::process::ExitCode {
    eprintln!("rollcall-worker: {error:#}");
    std::process::ExitCode::from(2)
}
