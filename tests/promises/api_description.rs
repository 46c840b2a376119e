//! The API describes itself (OpenAPI 3.1): every route, and every status, header and body of its answers. A browser shows the
//! description without loading anything from elsewhere.

use std::path::Path;
use std::time::Instant;

use reqwest::Method;
use rollcall_schema::tenants::tenant;
use rollcall_tests::harness::{ADMINISTRATOR, Answer, Description, Options, PASSWORD, Stack};
use tokio::process::Command;

const USERS: &str = "/api/import/users";
const GROUPS: &str = "/api/import/userGroups";
const JOBS: &str = "/api/import/jobs";
const JOB: &str = "/api/import/jobs/{id}";
const UNKNOWN_JOB: &str = "/api/import/jobs/019ab000-0000-7000-8000-000000000000";
const JANE: &str = "username,enabled,staffmember\njane,y,y\n";
const METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY", "BREW"];

/// The path with a value for its parameter.
fn filled(path: &str) -> String {
    path.replace("{id}", "019ab000-0000-7000-8000-000000000000").replace("{file}", "index.css")
}

#[tokio::test]
async fn every_route_is_described_and_the_other_way_round() {
    let stack = Stack::new().await;
    let description = Description::fetch(&stack).await;
    let methods = description.methods();
    // The router is built from the described handlers only, so this list is all there is.
    assert_eq!(
        methods.keys().copied().collect::<Vec<_>>(),
        [
            "/api/docs",
            "/api/docs/",
            "/api/docs/{file}",
            GROUPS,
            USERS,
            JOBS,
            JOB,
            "/api/openapi.json",
            "/health",
            "/ready",
        ]
        .into_iter()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
    for (path, mut described) in methods {
        described.sort();
        let options = stack.send(stack.anonymous(Method::OPTIONS, &filled(path))).await;
        description.covers("OPTIONS", path, &options);
        let mut allowed: Vec<_> =
            options.header("allow").unwrap().split(',').map(|method| method.trim().to_owned()).collect();
        allowed.sort();
        assert_eq!(allowed, described, "{path}");
        for method in METHODS.iter().filter(|method| **method != "OPTIONS") {
            let answer = stack.send(stack.anonymous(method.parse().unwrap(), &filled(path))).await;
            let is_described = described.iter().any(|known| known == method);
            assert_eq!(answer.status != 405, is_described, "{method} {path}: {}", answer.status);
            if !is_described {
                if *method != "HEAD" {
                    answer.is_failure(405);
                }
                assert!(answer.header("allow").is_some(), "{method} {path}");
            }
        }
    }
    println!("{} operations are described", description.methods().values().map(Vec::len).sum::<usize>());
}

/// Sends requests, and asserts that each answer is as the document says.
struct Checked<'a> {
    stack: &'a Stack,
    description: Description,
    statuses: std::collections::BTreeSet<(String, u16)>,
}

impl Checked<'_> {
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        request: reqwest::RequestBuilder,
        status: u16,
    ) -> Answer {
        let answer = self.stack.send(request).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", String::from_utf8_lossy(&answer.body));
        self.description.covers(method.as_str(), path, &answer);
        self.statuses.insert((format!("{method} {path}"), status));
        answer
    }

    async fn upload(
        &mut self,
        path: &str,
        file: impl AsRef<[u8]>,
        header: (&str, &str),
        status: u16,
    ) -> Answer {
        let request = self.stack.upload(path, file).header(header.0, header.1);
        self.send(Method::POST, path.split('?').next().unwrap(), request, status).await
    }

    async fn get(&mut self, path: &str, url: &str, status: u16) -> Answer {
        let request = self.stack.request(Method::GET, url);
        self.send(Method::GET, path, request, status).await
    }
}

impl<'a> Checked<'a> {
    async fn start(stack: &'a Stack) -> Self {
        let description = Description::fetch(stack).await;
        Self { stack, description, statuses: std::collections::BTreeSet::new() }
    }
}

#[tokio::test]
async fn answers_are_as_described() {
    let stack = Options::default().api_env("ROLLCALL_FAILED_LOGINS_PER_ACCOUNT", 1).start().await;
    let mut checked = Checked::start(&stack).await;
    assert_eq!(checked.description.document()["openapi"], "3.1.0");

    // Results, with warnings and failed rows, and refusals.
    let two_rows = "username,enabled,staffmember,nickname\njane,y,y,x\njohn,maybe,y,y\n";
    let imported = checked.upload(USERS, two_rows, ("prefer", "wait=30"), 200).await;
    assert!(imported.header("import-warning").is_some(), "the file has an unknown column");
    checked.upload(USERS, "name\n", ("accept", "*/*"), 400).await;
    checked.upload(GROUPS, "username,library-group,system-group\n", ("accept", "*/*"), 200).await;
    checked.upload(USERS, JANE, ("content-encoding", "gzip"), 415).await;
    checked.upload(USERS, JANE, ("idempotency-key", "two words"), 400).await;
    checked.upload(USERS, JANE, ("idempotency-key", "nightly"), 200).await;
    checked.upload(USERS, "username\n", ("idempotency-key", "nightly"), 422).await;
    {
        let mut conn = stack.database.connection().await.unwrap();
        tenant::set_upload_limit(&mut conn, stack.school().id, 10).await.unwrap();
    }
    checked.upload(USERS, JANE, ("accept", "*/*"), 413).await;

    let job = imported.location();
    checked.get(JOB, &job, 200).await;
    checked.send(Method::DELETE, JOB, stack.request(Method::DELETE, &job), 409).await;
    for method in [Method::GET, Method::DELETE] {
        checked.send(method.clone(), JOB, stack.request(method, UNKNOWN_JOB), 404).await;
    }
    checked.get(JOBS, JOBS, 200).await;
    for query in ["limit=0", "limit=1&limit=2", "cursor=x"] {
        checked.get(JOBS, &format!("{JOBS}?{query}"), 400).await;
    }
    for path in ["/health", "/ready", "/api/openapi.json", "/api/docs/"] {
        checked.get(path, path, 200).await;
    }

    // Logins.
    let wrong = || stack.anonymous(Method::GET, JOBS).basic_auth("jane", Some("wrong"));
    checked.send(Method::GET, JOBS, stack.anonymous(Method::GET, JOBS), 401).await;
    checked.send(Method::GET, JOBS, wrong(), 401).await;
    checked.send(Method::GET, JOBS, wrong(), 429).await;
    stack.execute("update system_groups set grants_administration = false").await;
    checked.get(JOBS, JOBS, 403).await;
    println!("{} answers are as described", checked.statuses.len());
}

#[tokio::test]
async fn answers_about_pending_imports_are_as_described() {
    // Without a worker every import waits.
    let stack = Options::default().workers(0).start().await;
    let mut checked = Checked::start(&stack).await;
    let waiting = checked.upload(USERS, JANE, ("prefer", "respond-async"), 202).await.location();
    checked.upload(GROUPS, JANE, ("prefer", "wait=0"), 202).await;
    checked.get(JOB, &waiting, 202).await;
    checked.get(JOBS, JOBS, 200).await;
    for _ in 0..2 {
        checked.send(Method::DELETE, JOB, stack.request(Method::DELETE, &waiting), 200).await;
    }
    checked.get(JOB, &waiting, 200).await;
    checked.get(JOBS, JOBS, 200).await;

    // A file is in the place of the folder for the tenant's uploads.
    let folder = stack.uploads().join(stack.school().id.to_string());
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    checked.upload(USERS, JANE, ("accept", "*/*"), 503).await;
    println!("{} answers are as described", checked.statuses.len());
}

#[tokio::test]
async fn page_loads_nothing_from_elsewhere() {
    let stack = Options::default().workers(0).start().await;
    let get = async |path: &str| stack.send(stack.anonymous(Method::GET, path)).await;
    let page = get("/api/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");

    // What the page names is there, and is its own.
    let named: Vec<&str> = page.text().split("src=\"").chain(page.text().split("href=\"")).collect();
    let named =
        named.iter().filter(|text| text.starts_with("./")).map(|text| text[2..].split('"').next().unwrap());
    let mut files = 0;
    for file in named {
        let answer = get(&format!("/api/docs/{file}")).await;
        assert_eq!(answer.status, 200, "{file}");
        assert_eq!(answer.header("content-security-policy"), Some(policy), "{file}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{file}");
        files += 1;
    }
    assert!(!page.text().contains("//"), "a URL of another host: {}", page.text());
    assert!(get("/api/docs/swagger-initializer.js").await.text().contains("\"../openapi.json\""));
    for missing in ["nothing.js", "..%2fopenapi.json", "%ff"] {
        get(&format!("/api/docs/{missing}")).await.is_failure(404);
    }
    println!("the page consists of {} files", files + 1);
}

#[tokio::test]
async fn schemathesis_finds_no_fault() {
    let setting = |name: &str| std::env::var(name).ok();
    let cases = setting("ROLLCALL_SCHEMATHESIS_CASES").unwrap_or_else(|| "15".to_owned());
    let seed = setting("ROLLCALL_SEED").unwrap_or_else(|| "1".to_owned());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis.d");
    let installed = Command::new(folder.join("install")).output().await.unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let program = String::from_utf8(installed.stdout).unwrap().trim().to_owned();

    // Wrong logins and unknown tenants are among the cases: none may block the others.
    let stack = Options::default()
        .api_env("ROLLCALL_FAILED_LOGINS_PER_ACCOUNT", u32::MAX)
        .api_env("ROLLCALL_FAILED_LOGINS_PER_ADDRESS", u32::MAX)
        .start()
        .await;
    let scratch = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let run = Command::new(program)
        .arg("--config-file")
        .arg(folder.join("schemathesis.toml"))
        .args(["run", &format!("{}/api/openapi.json", stack.url)])
        .args(["--auth", &format!("{ADMINISTRATOR}:{PASSWORD}"), "--max-examples", &cases, "--seed", &seed])
        // One thread: CPython 3.11 fails now and then when two parse sources at once.
        .args(["--workers", "1", "--no-color"])
        .env("SCHEMATHESIS_HOOKS", folder.join("hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(scratch.path())
        .output()
        .await
        .unwrap();
    let report = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "with seed {seed}:\n{report}\n{}", String::from_utf8_lossy(&run.stderr));
    let figures = report.lines().rev().find(|line| line.contains("passed")).unwrap_or_default();
    println!("schemathesis, seed {seed}: {figures} in {:.0} s", started.elapsed().as_secs_f32());
}
