//! Checks the guarantees of the crate on real servers of both kinds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rollcall_servers::{Error, FolderLock, Postgres, RabbitMq, Server, wait_until};

type Start = fn(&Path) -> Result<Server, Error>;

const KINDS: [(&str, Start); 2] = [
    ("postgres", |folder| Postgres::at(folder.join("postgres")).throwaway().start()),
    ("rabbitmq", |folder| RabbitMq::at(folder.join("rabbitmq")).start()),
];

/// A folder that a server's unprivileged user can reach.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions(folder.path(), mode).unwrap();
    folder
}

/// Runs one statement with `psql` and returns its output.
fn psql(server: &Server, statement: &str) -> String {
    let output = Command::new("psql").args(["-XAtq", "-c", statement, server.url()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn answers_within(server: &Server, limit: Duration) -> bool {
    let mut connection = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    connection.set_read_timeout(Some(limit)).unwrap();
    // Not a protocol that either server knows: both answer with an error.
    connection.write_all(b"HELO\r\n\r\n\0\0\0\0").unwrap();
    let mut byte = [0];
    connection.read(&mut byte).is_ok()
}

fn alive(id: u32) -> bool {
    // A zombie has no working folder.
    fs::read_link(format!("/proc/{id}/cwd")).is_ok()
}

#[test]
fn two_servers_of_each_kind_run_independently_and_leave_no_processes() {
    let (one, two) = (folder(), folder());
    for (name, start) in KINDS {
        let begin = Instant::now();
        let first = start(one.path()).unwrap();
        eprintln!("{name}: first start {:?}", begin.elapsed());
        let second = start(two.path()).unwrap();
        assert_ne!(first.port(), second.port());
        assert_ne!(first.url(), second.url());
        let ids = [first.processes(), second.processes()].concat();
        assert!(ids.len() >= 2, "{name} runs as {ids:?}");
        drop(first);
        assert!(second.processes().iter().all(|&id| alive(id)), "stopping one leaves the other alone");
        drop(second);
        assert_eq!(ids.into_iter().filter(|&id| alive(id)).collect::<Vec<_>>(), Vec::<u32>::new());
    }
}

#[test]
fn a_killed_server_restarts_on_its_port() {
    let folder = folder();
    for (name, start) in KINDS {
        let mut server = start(folder.path()).unwrap();
        let (url, port) = (server.url().to_owned(), server.port());
        let ids = server.processes();
        server.kill().unwrap();
        assert!(!server.is_running());
        assert!(!ids.iter().any(|&id| alive(id)), "{name}: {ids:?}");
        TcpStream::connect(("127.0.0.1", port)).unwrap_err();
        server.restart().unwrap();
        assert!(server.is_running());
        assert_eq!(server.url(), url);
        server.stop().unwrap();
        server.stop().unwrap();
        assert_eq!(server.processes(), []);
    }
}

#[test]
fn committed_data_survives_a_kill_and_a_new_owner() {
    let folder = folder();
    let mut server = Postgres::at(folder.path().join("postgres")).start().unwrap();
    psql(&server, "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('Ævar');");
    server.kill().unwrap();
    server.restart().unwrap();
    assert_eq!(psql(&server, "SELECT lower(word) FROM kept"), "ævar");
    drop(server);
    let server = Postgres::at(folder.path().join("postgres")).setting("work_mem", "7MB").start().unwrap();
    assert_eq!(psql(&server, "SELECT word FROM kept"), "Ævar");
    assert_eq!(psql(&server, "SHOW work_mem"), "7MB");
    assert_eq!(psql(&server, "SHOW fsync"), "on");
    assert_eq!(psql(&server, "SHOW listen_addresses"), "127.0.0.1");
}

#[test]
fn a_busy_backend_does_not_outlive_a_kill() {
    let folder = folder();
    let mut server = Postgres::at(folder.path().join("postgres")).throwaway().start().unwrap();
    let endless = "SELECT count(*) FROM generate_series(1, 1000000000000)";
    let mut client = Command::new("psql")
        .args(["-Xq", "-c", endless, server.url()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1000000000000%' AND pid <> pg_backend_pid()";
    assert!(wait_until(Duration::from_secs(20), || psql(&server, busy) == "1"));
    let ids = server.processes();
    server.kill().unwrap();
    assert!(!ids.iter().any(|&id| alive(id)));
    assert!(!client.wait().unwrap().success());
    server.restart().unwrap();
}

#[test]
fn a_paused_server_keeps_its_connections_and_continues_when_resumed() {
    let folder = folder();
    for (name, start) in KINDS {
        let mut server = start(folder.path()).unwrap();
        server.pause().unwrap();
        assert!(server.is_running());
        assert!(!answers_within(&server, Duration::from_millis(300)), "{name} is paused");
        server.resume().unwrap();
        assert!(answers_within(&server, Duration::from_secs(20)), "{name} continues");
        // A server that is stopped while paused still shuts down cleanly.
        server.pause().unwrap();
        server.stop().unwrap();
        server.pause().unwrap_err();
        server.resume().unwrap_err();
    }
}

#[test]
fn one_folder_has_one_owner() {
    let folder = folder();
    let server = KINDS[0].1(folder.path()).unwrap();
    let refused = KINDS[0].1(folder.path()).unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains(&format!("in use by process {}", std::process::id())), "{refused}");
    drop(server);
    FolderLock::take(&folder.path().join("postgres")).unwrap();
}

#[test]
fn a_second_start_uses_the_same_port_unless_it_is_in_use() {
    let folder = folder();
    let start = KINDS[0].1;
    let port = start(folder.path()).unwrap().port();
    let second = start(folder.path()).unwrap();
    assert_eq!(second.port(), port);
    drop(second);
    let _listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    assert_ne!(start(folder.path()).unwrap().port(), port);
}

#[test]
fn a_failed_start_reports_the_reason() {
    let folder = folder();
    let refused = Postgres::at(folder.path()).setting("no_such_setting", "on").start().unwrap_err();
    assert!(refused.to_string().contains("unrecognized configuration parameter"), "{refused}");
    let refused =
        RabbitMq::at(folder.path().join("rabbitmq")).setting("no.such.setting", "on").start().unwrap_err();
    assert!(refused.to_string().contains("RabbitMQ did not start"), "{refused}");
}

/// The test runs its own binary as the owner of the servers and kills it with SIGKILL.
#[test]
fn servers_shut_down_when_their_owner_is_killed() {
    const OWNER: &str = "ROLLCALL_TEST_OWNER_FOLDER";
    if let Some(folder) = std::env::var_os(OWNER) {
        let servers: Vec<_> = KINDS.iter().map(|(_, start)| start(Path::new(&folder)).unwrap()).collect();
        let ids: Vec<_> = servers.iter().flat_map(Server::processes).map(|id| id.to_string()).collect();
        fs::write(Path::new(&folder).join("ready"), ids.join(" ")).unwrap();
        loop {
            std::thread::park();
        }
    }
    let folder = folder();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "servers_shut_down_when_their_owner_is_killed"])
        .env(OWNER, folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let ready = folder.path().join("ready");
    let is_ready = || fs::read_to_string(&ready).is_ok_and(|ids| !ids.is_empty());
    assert!(wait_until(Duration::from_mins(2), is_ready));
    let ids: Vec<u32> =
        fs::read_to_string(&ready).unwrap().split(' ').map(|id| id.parse().unwrap()).collect();
    assert!(ids.iter().all(|&id| alive(id)));
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(
        wait_until(Duration::from_secs(30), || !ids.iter().any(|&id| alive(id))),
        "still running: {ids:?}"
    );
}
