//! The API's process.

use std::process::ExitCode;

use rollcall_api::server;
use rollcall_api::settings::Settings;
use rollcall_api::state::ServerError;
use rollcall_schema::settings::environment;
use rollcall_schema::{hardening, telemetry};

/// The exit code if the setup must be fixed first, so that a supervisor need not start the process again.
const EXIT_SETUP: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    hardening::protect_memory();
    hardening::write_private_files();
    let settings = environment::parse::<Settings>(std::env::args_os());
    let telemetry = match telemetry::start("rollcall-api") {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(error.into()),
    };
    let result = server::run(settings).await;
    // Not on the runtime's threads: the last export blocks until the collector has answered or it times out.
    let _ = tokio::task::spawn_blocking(move || telemetry.shut_down()).await;
    result.map_or_else(fail, |()| ExitCode::SUCCESS)
}

/// Prints the error in one line.
fn fail(error: ServerError) -> ExitCode {
    let setup_error = match &error {
        ServerError::Config(_) => true,
        ServerError::Database(error) => error.is_permanent(),
        ServerError::Installation(error) => error.is_permanent(),
        ServerError::Io(_) => false,
    };
    eprintln!("rollcall-api: {:#}", anyhow::Error::from(error));
    ExitCode::from(if setup_error { EXIT_SETUP } else { 1 })
}
