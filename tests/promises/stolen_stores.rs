//! Stores that are stolen tell little: no password is in a dump of the database, in Postgres's files, in the upload folder, in
//! RabbitMQ's folder or in a log, in whatever form; and nothing of a roster is in the last three (invariants 10 and 12).

use std::fs;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use memchr::memmem;
use reqwest::Method;
use rollcall_tests::harness::{DedicatedServer, KEY, Options, PASSWORD, Stack, eventually};

/// What every password of a roster holds, and one that is only tried.
const ROSTER_PASSWORD: &str = "xyzzy7Plugh";
const TRIED_PASSWORD: &str = "frotz3Rezrov";
/// What every username (but one), name, address, barcode and group of a roster holds.
const NAMES: [&str; 5] = ["quetzaluser", "Quetzalnym", "quetzalmail", "quetzalbar", "Quetzalgroup"];

/// Something to look for, in all the forms in which it could be stored.
struct Secret {
    text: &'static str,
    forms: Vec<(&'static str, memmem::Finder<'static>)>,
}

impl Secret {
    fn new(text: &'static str) -> Self {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut forms = vec![
            ("as it is", text.into()),
            ("in lower case", text.to_lowercase().into_bytes()),
            ("in upper case", text.to_uppercase().into_bytes()),
            ("reversed", text.bytes().rev().collect()),
            ("in hexadecimal", hex(text.as_bytes()).into_bytes()),
            ("in upper-case hexadecimal", hex(text.as_bytes()).to_uppercase().into_bytes()),
            ("in UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("in big-endian UTF-16", text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ];
        for before in 0..3 {
            let encoded = BASE64_STANDARD.encode([&vec![0; before], text.as_bytes()].concat());
            // The characters that depend on nothing that stands before or after it.
            let own = (before * 8).div_ceil(6)..(before + text.len()) * 8 / 6;
            forms.push(("in Base64", encoded.as_bytes()[own].to_vec()));
        }
        let finder = |form: Vec<u8>| memmem::Finder::new(&form).into_owned();
        Self { text, forms: forms.into_iter().map(|(name, form)| (name, finder(form))).collect() }
    }

    fn found_in(&self, bytes: &[u8]) -> Option<&'static str> {
        self.forms.iter().find(|(_, finder)| finder.find(bytes).is_some()).map(|(name, _)| *name)
    }
}

fn secrets(texts: &[&'static str]) -> Vec<Secret> {
    texts.iter().copied().map(Secret::new).collect()
}

fn passwords() -> Vec<Secret> {
    secrets(&[ROSTER_PASSWORD, TRIED_PASSWORD, PASSWORD, KEY])
}

/// Asserts that bytes hold none of the secrets.
#[track_caller]
fn assert_none(what: &str, bytes: &[u8], secrets: &[Secret]) {
    for secret in secrets {
        if let Some(form) = secret.found_in(bytes) {
            panic!("{what} holds {} {form}", secret.text);
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    memmem::find(bytes, text.as_bytes()).is_some()
}

/// Every file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().map_while(Result::ok) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files
}

/// Asserts that neither the names nor the contents of a folder's files hold one of the secrets. Returns how many bytes were
/// searched, and whether `known` was among them: a search that finds nothing at all has not looked.
#[track_caller]
fn assert_none_in_folder(folder: &Path, secrets: &[Secret], known: &str) -> (usize, bool) {
    let (mut searched, mut found) = (0, false);
    for path in files(folder) {
        // The server deletes some of its files at any time.
        let Ok(bytes) = fs::read(&path) else { continue };
        let name = path.display().to_string();
        assert_none(&format!("the name {name}"), name.as_bytes(), secrets);
        assert_none(&name, &bytes, secrets);
        searched += bytes.len();
        found |= holds(&bytes, known) || holds(name.as_bytes(), known);
    }
    (searched, found)
}

/// The stores that an import passes through, and the logs: nothing of a roster is in any.
#[track_caller]
fn assert_nothing_of_a_roster(stack: &Stack, rabbitmq: &DedicatedServer, import: &str) -> String {
    let all = secrets(&[&NAMES[..], &[ROSTER_PASSWORD, TRIED_PASSWORD, PASSWORD, KEY]].concat());
    let id = import.rsplit('/').next().unwrap();
    let (uploads, found) = assert_none_in_folder(&stack.uploads(), &all, id);
    assert!(found, "the import's upload is there");
    let (messages, found) = assert_none_in_folder(rabbitmq.folder(), &all, id);
    assert!(found, "the import's message is there");
    let logs = stack.all_logs();
    assert_none("a log", logs.as_bytes(), &all);
    assert!(logs.contains(id) && logs.contains("TRACE"), "the logs tell everything");
    format!("{uploads} bytes of uploads, {messages} of RabbitMQ, {} of logs", logs.len())
}

/// What `pg_dump` writes. It holds the roster, but no password.
async fn assert_no_password_in_dump(postgres: &DedicatedServer) -> usize {
    let newest = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .max_by_key(|version| version.file_name().to_string_lossy().parse::<u32>().unwrap_or_default());
    let program = newest.map_or("pg_dump".into(), |version| version.path().join("bin/pg_dump"));
    let dump = tokio::process::Command::new(program).arg(postgres.url()).output().await.unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    assert!(NAMES.iter().all(|name| holds(&dump.stdout, name)), "the dump holds the roster");
    assert_none("the dump", &dump.stdout, &passwords());
    dump.stdout.len()
}

/// A roster with passwords, of which some rows fail in every way in which a row can.
fn roster(group: &str) -> Vec<u8> {
    let mut file =
        b"username,givenname,emailaddress,librarybarcode,password,enabled,staffmember,presentationgroup\n"
            .to_vec();
    for n in 0..20 {
        let email = if n % 5 == 0 { "quetzalmail" } else { "quetzalmail@school.example" };
        // One barcode is taken.
        let barcode = n.max(2);
        let row = format!(
            "quetzaluser{group}{n},Quetzalnym,{email},quetzalbar{group}{barcode},{ROSTER_PASSWORD}{n},y,y,Quetzalgroup{group}\n"
        );
        file.extend_from_slice(row.as_bytes());
    }
    let long = ROSTER_PASSWORD.repeat(100);
    for row in [
        format!("plainlogin{group},,,,{ROSTER_PASSWORD},y,y,\n"),
        format!("quetzaluser,Quetzalnym,quetzalmail,,{long},maybe,maybe,\n"),
        format!("quetzaluser,Quetzalnym,quetzalmail,,{ROSTER_PASSWORD},y,y,,{ROSTER_PASSWORD},Quetzalnym\n"),
        format!("quetzaluser,\"Quetzalnym,quetzalmail,,{ROSTER_PASSWORD},y,y,\n"),
        format!("quetzaluser,Quetzalnym,\u{200B}quetzalmail\u{1},,{ROSTER_PASSWORD}\0,,,\n"),
    ] {
        file.extend_from_slice(row.as_bytes());
    }
    file.extend_from_slice(b"quetzaluser,Quetzalnym\xFF,quetzalmail,,xyzzy7Plugh,y,y,\n");
    file
}

/// Files that cannot be imported.
fn refused_files() -> Vec<Vec<u8>> {
    let row = format!("quetzaluser,Quetzalnym,quetzalmail,{ROSTER_PASSWORD}\n");
    let header = "username,givenname,email,password\n";
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    vec![
        format!("sep=|\n{header}{row}").into_bytes(),
        format!("username,username,password\n{row}").into_bytes(),
        format!("username,library-group,email\n{row}").into_bytes(),
        format!("username,\"password\n{row}").into_bytes(),
        [b"\xFF\xFE", &utf_16(&format!("{header}{row}"))[..], b"\x00\xD8x"].concat(),
        format!("PK\x03\x04{header}{row}").into_bytes(),
        "\0".repeat(100).into_bytes(),
    ]
}

async fn refuse_files(stack: &Stack) {
    for file in refused_files() {
        let answer = stack.post_users(&file).await;
        answer.is_failure(400);
    }
    // Not a form, and forms that end too early.
    let roster = roster("d");
    let post = |kind: &'static str, body: Vec<u8>| {
        let request = stack.request(Method::POST, "/api/import/users");
        stack.send(request.header("content-type", kind).body(body))
    };
    post("text/csv", roster.clone()).await.is_failure(400);
    let head = b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"Quetzalnym.csv\"\r\n\r\n";
    post("multipart/form-data; boundary=XX", [head, &roster[..]].concat()).await.is_failure(400);
    post("multipart/form-data; boundary=YY", [head, &roster[..]].concat()).await.is_failure(400);
}

async fn try_logins(stack: &Stack) {
    for (username, password, status) in [
        ("plainlogina", ROSTER_PASSWORD.to_owned(), 403),
        ("plainlogina", TRIED_PASSWORD.to_owned(), 401),
        ("autoimport", format!("{ROSTER_PASSWORD}{TRIED_PASSWORD}"), 401),
    ] {
        let request = stack.anonymous(Method::GET, "/api/import/jobs");
        let answer = stack.send(request.basic_auth(username, Some(password))).await;
        assert_eq!(answer.status, status, "{username}");
    }
}

#[tokio::test]
async fn stolen_stores_hold_no_password_and_no_roster() {
    let (postgres, rabbitmq) = tokio::join!(DedicatedServer::postgres(), DedicatedServer::rabbitmq());
    let mut stack = Options::default()
        .postgres(&postgres)
        .rabbitmq(&rabbitmq)
        .env("RUST_LOG", "trace")
        .worker_env("ROLLCALL_WORKER_HASHING_THREADS", 0)
        .start()
        .await;
    let school = stack.school().clone();

    let answer = stack.post_users(roster("a")).await;
    assert_eq!((answer.status, answer.json()["success"].as_bool()), (200, Some(false)), "{}", answer.text());
    stack.define_groups(&school, &["Quetzalgroup House"], &["Quetzalgroup Prefects"]).await;
    let memberships = "username,library-group,system-group\n\
        quetzalusera1,Quetzalgroup House,Quetzalgroup Prefects\nquetzalusera2,Quetzalgroup Unknown,\nquetzaluserx,Quetzalgroup House,\n";
    assert_eq!(stack.post_groups(memberships).await.status, 200);
    refuse_files(&stack).await;
    try_logins(&stack).await;

    // One under way, and one that waits after it and is cancelled.
    let lock = stack.lock_users().await;
    let under_way = stack.submit(&school, roster("b")).await;
    stack.wait_for_blocked_chunk().await;
    let waiting = stack.submit(&school, roster("c")).await;
    println!("under way: {}", assert_nothing_of_a_roster(&stack, &rabbitmq, &under_way));
    let cancelled = stack.send(stack.request(Method::DELETE, &waiting)).await;
    cancelled.is_failure(200);
    drop(lock);
    assert_eq!(stack.wait_for_result(&under_way).await.status, 200);

    // One whose upload is damaged: it is abandoned and put among the dead letters.
    stack.stop_workers();
    let before = stack.stored_files();
    let abandoned = stack.submit(&school, roster("e")).await;
    let stored = stack.stored_files().into_iter().find(|file| !before.contains(file)).unwrap();
    let mut sealed = fs::read(&stored).unwrap();
    *sealed.last_mut().unwrap() ^= 1;
    fs::write(&stored, sealed).unwrap();
    stack.start_worker();
    stack.wait_for_result(&abandoned).await.is_failure(200);
    eventually("it is among the dead letters", async || (stack.dead_letter_count().await > 0).then_some(()))
        .await;

    // The passwords wait, sealed. Then they are hashed.
    let waiting = stack.rows("select id from users where password_sealed is not null").await.len();
    let dump = assert_no_password_in_dump(&postgres).await;
    println!("dump with {waiting} passwords sealed: {dump} bytes");
    assert!(waiting > 20, "{waiting}");
    stack.stop_workers();
    stack.start_worker_with(&[("ROLLCALL_WORKER_HASHING_THREADS", "2")]);
    eventually("every password is hashed", async || {
        let waiting = stack.rows("select id from users where password_sealed is not null").await;
        waiting.is_empty().then_some(())
    })
    .await;
    try_logins(&stack).await;
    println!("dump with every password hashed: {} bytes", assert_no_password_in_dump(&postgres).await);

    // Everything is on disk once the servers have shut down.
    stack.stop_workers();
    stack.stop_api().await;
    rabbitmq.stop().await;
    println!("at the end: {}", assert_nothing_of_a_roster(&stack, &rabbitmq, &abandoned));
    postgres.stop().await;
    let (files, found) = assert_none_in_folder(postgres.folder(), &passwords(), NAMES[1]);
    println!("Postgres's files with its write-ahead log and its log: {files} bytes");
    assert!(found, "Postgres's files hold the roster");
    let log = fs::read(postgres.folder().join("server/log")).unwrap();
    assert_none("Postgres's log", &log, &secrets(&NAMES));
}
