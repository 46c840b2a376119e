//! `rollcall up` starts again whichever of its processes dies, says so, and the service goes on.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rollcall_servers::{Launch, Process};
use rollcall_tests::harness::{Row, TestDatabase, binary_path, curl, eventually, free_port, result, servers};
use tempfile::TempDir;

const FILE: &str = "username,enabled,staffmember\njane,y,y\n";

/// The child of a process that runs this program.
fn child(parent: u32, program: &str) -> Option<Pid> {
    std::fs::read_dir("/proc").unwrap().find_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
        };
        // The kernel keeps fifteen letters of a name.
        let is_it =
            field("Name:")? == program[..program.len().min(15)] && field("PPid:")? == parent.to_string();
        is_it.then(|| Pid::from_raw(pid.try_into().expect("a process id")))
    })
}

async fn says(log: &Path, sentence: &str) {
    eventually(&format!("it says: {sentence}"), async || {
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
    let mut up = Process::start(&launch).expect("the command's binary is there");
    says(&log, "Serving").await;

    let credentials = std::fs::read_to_string(home.join("credentials")).unwrap();
    let roster = folder.path().join("users.csv");
    std::fs::write(&roster, FILE).unwrap();
    let send = async || {
        let form = format!("file=@{}", roster.display());
        let url = format!("https://127.0.0.1:{port}/api/import/users");
        curl(["--insecure", "--user", credentials.trim(), "--form", &form, &url]).await
    };
    let mut outcome = Row::Created;
    // One that dies again soon is waited for longer.
    for (name, program, pause) in
        [("worker", "rollcall-worker", 1), ("API", "rollcall-api", 1), ("worker", "rollcall-worker", 2)]
    {
        let running = child(up.id(), program).expect("it runs");
        kill(running, Signal::SIGKILL).unwrap();
        says(&log, &format!("The {name} has ended (signal: 9 (SIGKILL)); starting it again in {pause} s."))
            .await;
        eventually("another one runs", async || child(up.id(), program).filter(|now| *now != running)).await;
        // The API's port may not be open yet; a worker's absence is not noticed but by the time.
        let answer = eventually("an answer comes", async || {
            let answer = send().await;
            (answer.status != 0).then_some(answer)
        })
        .await;
        assert_eq!((answer.status, answer.body.as_str()), (200, result(&[outcome]).as_str()));
        outcome = Row::Updated;
    }
    assert!(up.stop(Duration::from_mins(1)), "it stops when asked");
}
