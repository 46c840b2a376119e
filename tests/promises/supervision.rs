//! `rollcall up` restarts any of its processes that dies, says so, and imports continue.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rollcall_servers::{Launch, Process};
use rollcall_tests::harness::{Row, TestDatabase, binary_path, curl, eventually, free_port, result, servers};
use tempfile::TempDir;

const FILE: &str = "username,enabled,staffmember\njane,y,y\n";

/// The child process of `parent` that runs this program.
fn child(parent: u32, program: &str) -> Option<Pid> {
    std::fs::read_dir("/proc").unwrap().find_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
        };
        // The kernel keeps 15 characters of a name.
        let matches =
            field("Name:")? == program[..program.len().min(15)] && field("PPid:")? == parent.to_string();
        matches.then(|| Pid::from_raw(pid.try_into().expect("a process id")))
    })
}

async fn wait_until_logged(log: &Path, sentence: &str) {
    eventually(&format!("the log contains: {sentence}"), async || {
        std::fs::read_to_string(log).unwrap_or_default().contains(sentence).then_some(())
    })
    .await;
}

#[tokio::test]
async fn killed_processes_are_restarted() {
    let folder = TempDir::new().unwrap();
    let (home, log) = (folder.path().join("home"), folder.path().join("up.log"));
    let database = TestDatabase::create().await;
    let port = free_port();
    let launch = Launch::new(binary_path("rollcall"), &log)
        .args(["up", "--no-import"])
        .env("DATABASE_URL", &database.url)
        .env("AMQP_URL", &servers().amqp_url)
        .env("ROLLCALL_QUEUE_PREFIX", format!("up-{port}"))
        .env("ROLLCALL_HOME", &home)
        .env("ROLLCALL_PORT", port.to_string());
    let mut up = Process::start(&launch).expect("the command is built");
    wait_until_logged(&log, "Serving").await;

    let credentials = std::fs::read_to_string(home.join("credentials")).unwrap();
    let roster = folder.path().join("users.csv");
    std::fs::write(&roster, FILE).unwrap();
    let send = async || {
        let form = format!("file=@{}", roster.display());
        let url = format!("https://127.0.0.1:{port}/api/import/users");
        curl(["--insecure", "--user", credentials.trim(), "--form", &form, &url]).await
    };
    let mut outcome = Row::Created;
    // A process that dies again soon is restarted after a longer pause.
    for (name, program, pause) in
        [("worker", "rollcall-worker", 1), ("API", "rollcall-api", 1), ("worker", "rollcall-worker", 2)]
    {
        let running = child(up.id(), program).expect("it is running");
        kill(running, Signal::SIGKILL).unwrap();
        wait_until_logged(
            &log,
            &format!("The {name} has ended (signal: 9 (SIGKILL)); starting it again in {pause} s."),
        )
        .await;
        eventually("it is running again", async || child(up.id(), program).filter(|now| *now != running))
            .await;
        // The API's port may not be open yet. Without a worker the answer only takes longer.
        let answer = eventually("an answer arrives", async || {
            let answer = send().await;
            (answer.status != 0).then_some(answer)
        })
        .await;
        assert_eq!((answer.status, answer.body.as_str()), (200, result(&[outcome]).as_str()));
        outcome = Row::Updated;
    }
    assert!(up.stop(Duration::from_mins(1)), "it exits after SIGTERM");
}
