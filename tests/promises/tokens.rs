//! Import tokens: a script imports with one instead of an administrator's password. A token may import and read what it has
//! imported, and nothing else; that it was removed or has expired counts from the next request on.

use reqwest::{Method, RequestBuilder};
use rollcall_tests::harness::{
    ADMINISTRATOR, Answer, CurlOutput, Options, PASSWORD, Row, Stack, basic, curl, eventually, multipart,
    result,
};

const USERS: &str = "/api/import/users";
const JOBS: &str = "/api/import/jobs";
const JANE: &str = "username,enabled,staffmember\njane,y,y\n";
const UNAUTHORISED: &str = r#"{"success":false,"summary":"Unauthorised. Check credentials."}"#;

/// Adds a token with the operator's command.
async fn add(stack: &Stack, tenant: &str, name: &str) -> String {
    let (token, note) =
        stack.rollcall_streams(&["token", "add", tenant, "--name", name, "--expires", "400d"]).await.unwrap();
    assert!(note.starts_with(&format!("Added the token {name} of {tenant}, which expires ")), "{note}");
    assert!(!note.contains("rc_"), "{note}");
    token.trim_end().to_owned()
}

fn bearer(stack: &Stack, method: Method, path: &str, token: &str) -> RequestBuilder {
    stack.anonymous(method, path).header("authorization", format!("Bearer {token}"))
}

async fn upload(stack: &Stack, path: &str, authorization: &str) -> Answer {
    let (content_type, body) = multipart("", JANE.as_bytes());
    let request = stack.anonymous(Method::POST, path).header("authorization", authorization);
    stack.send(request.header("content-type", content_type).body(body)).await
}

#[tokio::test]
async fn a_token_imports_and_reads_what_it_imported() {
    let stack = Stack::new().await;
    let token = add(&stack, "school", "nightly").await;
    assert!(token.len() == 51 && token.starts_with("rc_"), "{token}");

    // The seeds' own line, with the token as the password under any username.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), JANE).unwrap();
    let url = stack.url.replace("http://", &format!("http://anything:{token}@"));
    let CurlOutput { status, body, .. } =
        curl(["-X", "POST", "-F", &format!("file=@{}", file.path().display()), &format!("{url}{USERS}")])
            .await;
    assert_eq!((status, &*body), (200, &*result(&[Row::Created])));

    let answer = upload(&stack, USERS, &format!("Bearer {token}")).await;
    answer.is(200, &result(&[Row::Updated]));
    let own = answer.location();
    upload(&stack, USERS, &basic("", &token)).await.is(200, &result(&[Row::Updated]));

    let others = stack.post_users(JANE).await.location();
    let get = async |path: &str| stack.send(bearer(&stack, Method::GET, path, &token)).await;
    assert_eq!(get(&own).await.text(), answer.text());
    let list = get(JOBS).await.json();
    let senders: Vec<_> = list["jobs"].as_array().unwrap().iter().map(|job| &job["submittedBy"]).collect();
    assert_eq!(senders, ["token nightly"; 3]);
    // Imports of others are none to it, however it asks, and it can cancel neither those nor its own.
    assert_eq!(get(&others).await.status, 404);
    let waiting = bearer(&stack, Method::GET, &others, &token).header("prefer", "wait=5");
    assert_eq!(stack.send(waiting).await.status, 404);
    for job in [&own, &others] {
        stack.send(bearer(&stack, Method::DELETE, job, &token)).await.is(403, UNAUTHORISED);
    }
    // An administrator sees them all.
    assert_eq!(stack.get(JOBS).await.json()["jobs"].as_array().unwrap().len(), 4);
    assert_eq!(stack.get(&own).await.status, 200);

    let second = add(&stack, "school", "second").await;
    assert_eq!(stack.send(bearer(&stack, Method::GET, &own, &second)).await.status, 404, "another token");
    let rows = stack
        .rows("select submitted_by, submitted_token from imports where submitted_token is not null")
        .await;
    assert!(rows.len() == 3 && rows.iter().all(|row| row["submitted_by"].is_null()), "{rows:?}");
}

#[tokio::test]
async fn a_token_names_its_tenant_and_no_other() {
    let stack = Stack::new().await;
    let north = stack.add_tenant("north").await;
    stack.rollcall(&["tenant", "set", "north", "--add-host", "north.example"]).await.unwrap();
    let token = add(&stack, "north", "nightly").await;
    let authorization = format!("Bearer {token}");
    for (path, status) in [
        (USERS.to_owned(), 200),
        (format!("{USERS}?tenantId=north"), 200),
        (format!("{USERS}?tenantId=North"), 200),
        (format!("{USERS}?tenantId={}", north.id), 200),
        (format!("{USERS}?tenantId=school"), 401),
        (format!("{USERS}?tenantId={}", stack.school().id), 401),
        (format!("{USERS}?tenantId=%00"), 401),
    ] {
        let answer = upload(&stack, &path, &authorization).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    let with_host = async |host: &str| {
        let request = bearer(&stack, Method::GET, JOBS, &token).header("host", host);
        stack.send(request).await.status
    };
    assert_eq!(with_host("north.example").await, 200);
    assert_eq!(with_host("unknown.example").await, 200);
    stack.rollcall(&["tenant", "set", "school", "--add-host", "school.example"]).await.unwrap();
    assert_eq!(with_host("school.example").await, 401, "a host name of another tenant");
    // Names are a tenant's own.
    add(&stack, "school", "nightly").await;
    let error = stack.rollcall(&["token", "add", "school", "--name", "nightly"]).await.unwrap_err();
    assert!(error.contains("already has a token named nightly"), "{error}");
}

#[tokio::test]
async fn removed_and_expired_tokens_are_refused_at_once() {
    let stack = Options::default().workers(0).start().await;
    let status = async |token: &str| {
        let answer = stack.send(bearer(&stack, Method::GET, JOBS, token)).await;
        if answer.status == 401 {
            answer.is(401, UNAUTHORISED);
            assert!(
                answer.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Basic"))
            );
        }
        answer.status
    };
    let (removed, expired) = (add(&stack, "school", "a").await, add(&stack, "school", "b").await);
    assert_eq!((status(&removed).await, status(&expired).await), (200, 200));
    stack.rollcall(&["token", "remove", "school", "a"]).await.unwrap();
    stack.execute("update import_tokens set expires_at = now() where name = 'b'").await;
    assert_eq!((status(&removed).await, status(&expired).await), (401, 401));
    let error = stack.rollcall(&["token", "remove", "school", "a"]).await.unwrap_err();
    assert!(error.contains("has no token named a"), "{error}");
    assert!(stack.rollcall(&["token", "list", "school"]).await.unwrap().contains("(expired)"));

    let never =
        stack.rollcall(&["token", "add", "school", "--name", "c", "--expires", "never", "--json"]).await;
    let never: serde_json::Value = serde_json::from_str(&never.unwrap()).unwrap();
    assert!(never["expires_at"].is_null() && never["tenant"] == "school" && never["name"] == "c", "{never}");
    let token = never["token"].as_str().unwrap();
    assert_eq!(status(token).await, 200);
    // Any other digit makes it another one, mistyped or wrong.
    let mut other = token.to_owned();
    other.replace_range(3..4, if token.as_bytes()[3] == b'0' { "1" } else { "0" });
    assert_eq!(status(&other).await, 401);
    assert_eq!(status("rc_").await, 401);
}

#[tokio::test]
async fn only_a_digest_is_stored_and_the_last_use_is_noted_once_a_minute() {
    let stack = Options::default().workers(0).api_env("RUST_LOG", "trace").start().await;
    let token = add(&stack, "school", "nightly").await;
    let tokens = async || {
        let list = stack.rollcall(&["token", "list", "school", "--json"]).await.unwrap();
        serde_json::from_str::<serde_json::Value>(&list).unwrap()[0].clone()
    };
    assert!(tokens().await["last_used_at"].is_null());
    let use_it = async || assert_eq!(stack.send(bearer(&stack, Method::GET, JOBS, &token)).await.status, 200);
    use_it().await;
    let first = eventually("the use is noted", async || {
        let token = tokens().await;
        (!token["last_used_at"].is_null()).then_some(token)
    })
    .await;
    assert_eq!(first["last_used_from"], "127.0.0.1");
    use_it().await;
    let began = std::time::Instant::now();
    for _ in 0..20 {
        use_it().await;
    }
    println!("a request with a token takes {:?}, trace log included", began.elapsed() / 20);
    assert_eq!(tokens().await["last_used_at"], first["last_used_at"]);
    stack.execute("update import_tokens set last_used_at = now() - interval '2 minutes'").await;

    let secret = &token[3..];
    for table in ["import_tokens", "imports", "audit", "login_networks"] {
        let rows = stack.rows(&format!("select * from {table}")).await;
        assert!(!format!("{rows:?}").contains(secret), "{table}");
    }
    assert!(!stack.api_log().contains(secret), "the log");
}

/// A flood of wrong tokens slows itself; a right one passes.
#[tokio::test]
async fn wrong_tokens_are_slowed() {
    let stack = Options::default()
        .workers(0)
        .api_env("ROLLCALL_FAILED_LOGINS_PER_ACCOUNT", 3)
        .api_env("ROLLCALL_FAILED_LOGIN_DELAY_SECONDS", 0.3)
        .start()
        .await;
    let token = add(&stack, "school", "nightly").await;
    let removed = add(&stack, "school", "removed").await;
    stack.rollcall(&["token", "remove", "school", "removed"]).await.unwrap();
    let status = async |token: &str| stack.send(bearer(&stack, Method::GET, JOBS, token)).await.status;
    for _ in 0..3 {
        assert_eq!(status(&removed).await, 401);
    }
    let began = std::time::Instant::now();
    assert_eq!(status(&removed).await, 429);
    assert!(began.elapsed().as_millis() >= 300, "{:?}", began.elapsed());
    assert_eq!(status(&token).await, 200);
    let administrator = stack.anonymous(Method::GET, JOBS).basic_auth(ADMINISTRATOR, Some(PASSWORD));
    assert_eq!(stack.send(administrator).await.status, 200);
}
