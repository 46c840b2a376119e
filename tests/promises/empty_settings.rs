//! A setting whose environment variable is empty counts as unset: deployment tools write `NAME=` for a value that was
//! not given.

use rollcall_tests::harness::Options;

/// Every variable that has a default or is optional.
const EMPTY: [&str; 12] = [
    "RUST_LOG",
    "ROLLCALL_LOG",
    "OTEL_SERVICE_NAME",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "DATABASE_URL_FILE",
    "AMQP_URL_FILE",
    "ROLLCALL_KEY_FILE",
    "ROLLCALL_TLS_CERT",
    "ROLLCALL_CLIENT_ADDRESS_HEADER",
    "ROLLCALL_SHUTDOWN_SECONDS",
    "ROLLCALL_CHUNK_ROWS",
    // A renamed setting's old name.
    "ROLLCALL_LANES",
];

#[tokio::test]
async fn an_empty_variable_is_an_unset_one() {
    let options = EMPTY.iter().fold(Options::default(), |options, name| options.env(name, ""));
    let stack = options.worker_env("ROLLCALL_BULK_LANE", "  ").start().await;
    let answer = stack.post_users("username,enabled,staffmember\njane,y,y\n").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for (process, log) in [("API", stack.api_log()), ("worker", stack.worker_log())] {
        let lines = log.lines().filter(|line| line.contains("INFO")).count();
        println!(
            "{process}: {lines} lines at level info with RUST_LOG= empty, {} variables empty",
            EMPTY.len()
        );
        assert!(lines > 0, "the {process} logs at its default level: {log:?}");
        assert!(!log.contains("deprecated"), "{log}");
    }
}

#[tokio::test]
async fn a_required_setting_that_is_empty_is_called_unset() {
    let stack = Options::default().without_api().workers(0).start().await;
    for (name, process) in [("DATABASE_URL", "rollcall-worker"), ("ROLLCALL_KEY", "rollcall-api")] {
        let mut command = tokio::process::Command::new(rollcall_tests::harness::binary_path(process));
        command.env_clear();
        let settings = [
            ("DATABASE_URL", stack.test_database.url.as_str()),
            ("AMQP_URL", "amqp://127.0.0.1:1"),
            ("ROLLCALL_KEY", rollcall_tests::harness::KEY),
            ("ROLLCALL_UPLOADS", "uploads"),
            ("ROLLCALL_TLS", "off"),
        ];
        command.current_dir(stack.uploads().parent().unwrap()).envs(settings).env(name, "");
        let output = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        println!("{name}= : {said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("{name} is not set")), "{said}");
    }
}
