//! Only an administrator of the tenant may import; any other request learns nothing but that it is unauthorised
//! (invariant 9). Clients that go on failing are slowed and told so, and verified logins are cached.

use std::time::Duration;

use reqwest::Method;
use rollcall_schema::tenants::tenant;
use rollcall_tests::harness::{
    ADMINISTRATOR, Options, PASSWORD, RawConnection, Row, Stack, Tenant, basic, cheap_hash_of, eventually,
    multipart, result,
};

const USERS: &str = "/api/import/users";
const GROUPS: &str = "/api/import/userGroups";
const JOBS: &str = "/api/import/jobs";
const JANE: &str = "username,enabled,staffmember\njane,y,y\n";
/// The body of every 401 and 403.
const UNAUTHORISED: &str = r#"{"success":false,"summary":"Unauthorised. Check credentials."}"#;

#[tokio::test]
async fn unauthorised_requests_learn_nothing() {
    let stack = Options::default()
        .api_env("ROLLCALL_FAILED_LOGINS_PER_ADDRESS", 10_000)
        .api_env("ROLLCALL_FAILED_LOGINS_PER_ACCOUNT", 10_000)
        .start()
        .await;
    let file =
        "username,password,enabled,staffmember\njane,swordfish,y,y\ngone,swordfish,n,y\nstranger,,y,y\n";
    let answer = stack.post_users(file).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let job = answer.location();
    let endpoints = [(Method::POST, USERS), (Method::POST, GROUPS), (Method::GET, JOBS), (Method::GET, &job)];

    let right = basic(ADMINISTRATOR, PASSWORD);
    let authorizations = [
        None,
        Some(basic(ADMINISTRATOR, "wrong")),
        Some(basic(ADMINISTRATOR, "")),
        Some(basic("", "")),
        Some(basic("mallory", "swordfish")),
        Some(basic("gone", "swordfish")),
        Some(basic("stranger", "")),
        Some(basic("stranger", "null")),
        Some(basic("jane", "Swordfish")),
        Some(basic("ja\0ne", "swordfish")),
        Some(right.replace("Basic", "Bearer")),
        Some("Basic".to_owned()),
        Some("Basic %%%".to_owned()),
        Some("Basic bm9jb2xvbg==".to_owned()),
    ];
    for (method, path) in &endpoints {
        for authorization in &authorizations {
            let (content_type, body) = multipart("", b"username\n");
            let mut request =
                stack.anonymous(method.clone(), path).header("content-type", content_type).body(body);
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let answer = stack.send(request).await;
            assert_eq!((answer.status, answer.text()), (401, UNAUTHORISED), "{path} {authorization:?}");
            let challenge = answer.header("www-authenticate").expect("a 401 challenges");
            assert!(challenge.starts_with("Basic realm="), "{challenge}");
            answer.has_standard_headers();
        }
        for tenant in ["nowhere", "019ab000-0000-7000-8000-000000000000", "%00", "school%27--"] {
            let answer =
                stack.send(stack.request(method.clone(), &format!("{path}?tenantId={tenant}"))).await;
            assert_eq!((answer.status, answer.text()), (401, UNAUTHORISED), "{path} {tenant}");
            assert!(
                answer.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Basic"))
            );
        }
        let ordinary = stack.anonymous(method.clone(), path).basic_auth("jane", Some("swordfish"));
        let answer = stack.send(ordinary).await;
        assert_eq!((answer.status, answer.text()), (403, UNAUTHORISED), "{path}");
        assert_eq!(answer.header("www-authenticate"), None);
        answer.has_standard_headers();
    }

    // A group grants administration. jane becomes a member, and loses the right with her account.
    stack
        .post_groups("username,library-group,system-group\njane,,Administrators\n")
        .await
        .is(200, &result(&[Row::Updated]));
    let as_jane = || stack.anonymous(Method::GET, JOBS).basic_auth("JANE", Some("swordfish"));
    assert_eq!(stack.send(as_jane()).await.status, 200);
    stack.execute("update users set enabled = false where username = 'jane'").await;
    stack.send(as_jane()).await.is(401, UNAUTHORISED);
}

/// Gives a tenant's administrator another password.
async fn set_password(stack: &Stack, tenant: &Tenant, password: &str) {
    let hash = cheap_hash_of(password);
    stack
        .execute(&format!("update users set password_hash = '{hash}' where tenant_id = '{}'", tenant.id))
        .await;
}

#[tokio::test]
async fn tenant_comes_from_query_or_host_or_is_the_only_one() {
    let stack = Stack::new().await;
    assert_eq!(stack.get(JOBS).await.status, 200, "it is the only tenant");
    let north = stack.add_tenant("north").await;
    set_password(&stack, &north, "of the north").await;
    {
        let mut conn = stack.database.connection().await.unwrap();
        tenant::add_hosts(&mut conn, north.id, &["north.example".to_owned()]).await.unwrap();
    }
    let ask = async |query: &str, host: &str, password: &str| {
        let request = stack.anonymous(Method::GET, &format!("{JOBS}{query}")).header("host", host);
        stack.send(request.basic_auth(ADMINISTRATOR, Some(password))).await.status
    };
    let by_id = format!("?tenantId={}", north.id);
    for (query, host, password, status) in [
        ("", "elsewhere.example", PASSWORD, 401),
        ("?tenantId=school", "elsewhere.example", PASSWORD, 200),
        ("?tenantId=school", "elsewhere.example", "of the north", 401),
        ("?tenantId=north", "elsewhere.example", "of the north", 200),
        ("?tenantId=North", "elsewhere.example", "of the north", 200),
        ("?tenantId=north", "elsewhere.example", PASSWORD, 401),
        (&*by_id, "elsewhere.example", "of the north", 200),
        ("", "north.example", "of the north", 200),
        ("", "NORTH.example:8443", "of the north", 200),
        ("", "north.example", PASSWORD, 401),
        ("?tenantId=school", "north.example", PASSWORD, 200),
    ] {
        assert_eq!(ask(query, host, password).await, status, "{query} {host} {password}");
    }
}

#[tokio::test]
async fn too_many_failed_logins_are_429_for_that_account_only() {
    let stack = Options::default()
        .api_env("ROLLCALL_FAILED_LOGINS_PER_ACCOUNT", 3)
        .api_env("ROLLCALL_FAILED_LOGIN_DELAY_SECONDS", 0.5)
        .start()
        .await;
    stack
        .post_users("username,password,enabled,staffmember\njane,swordfish,y,y\n")
        .await
        .is(200, &result(&[Row::Created]));
    let as_jane = |password: &str| stack.anonymous(Method::GET, JOBS).basic_auth("Jane", Some(password));
    for n in 0..3 {
        stack.send(as_jane(&format!("guess {n}"))).await.is(401, UNAUTHORISED);
    }
    // From then on a wrong one is told to stop, and waits for it, also one that was tried before.
    for password in ["guess 3", "guess 0"] {
        let began = std::time::Instant::now();
        let answer = stack.send(as_jane(password)).await;
        assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
        let summary = answer.is_failure(429);
        assert!(summary.contains("Too many failed logins") && summary.contains("try again in"), "{summary}");
        let seconds: u64 = answer.header("retry-after").expect("it says when to retry").parse().unwrap();
        assert!((1..=300).contains(&seconds), "{seconds}");
        answer.has_standard_headers();
    }
    assert_eq!(stack.get(JOBS).await.status, 200, "another account from the same address");
    let unknown = || stack.anonymous(Method::GET, JOBS).basic_auth("stranger", Some("x"));
    stack.send(unknown()).await.is(401, UNAUTHORISED);
    // The right password, never verified before, is accepted all the same; it forgives what failed before.
    stack.send(as_jane("swordfish")).await.is(403, UNAUTHORISED);
    stack.send(as_jane("guess 4")).await.is(401, UNAUTHORISED);
}

#[tokio::test]
async fn failed_logins_are_forgotten_after_the_window() {
    let stack = Options::default()
        .api_env("ROLLCALL_FAILED_LOGINS_PER_ACCOUNT", 1)
        .api_env("ROLLCALL_FAILED_LOGINS_SECONDS", 1)
        .api_env("ROLLCALL_FAILED_LOGIN_DELAY_SECONDS", 0)
        .start()
        .await;
    let wrong = async || {
        stack.send(stack.anonymous(Method::GET, JOBS).basic_auth(ADMINISTRATOR, Some("wrong"))).await.status
    };
    assert_eq!(wrong().await, 401);
    eventually("the login is slowed", async || (wrong().await == 429).then_some(())).await;
    eventually("it counts from the beginning", async || (wrong().await == 401).then_some(())).await;
}

#[tokio::test]
async fn credentials_are_checked_before_the_body() {
    let stack = Stack::new().await;
    stack
        .post_users("username,password,enabled,staffmember\njane,swordfish,y,y\n")
        .await
        .is(200, &result(&[Row::Created]));
    let (content_type, body) = multipart("", JANE.as_bytes());
    let head = |authorization: &str, more: &str| {
        format!(
            "POST {USERS} HTTP/1.1\r\nHost: x\r\n{authorization}Content-Type: {content_type}\r\n\
             Content-Length: {}\r\n{more}\r\n",
            body.len()
        )
    };
    let ordinary = format!("Authorization: {}\r\n", basic("jane", "swordfish"));
    let cases = [("", 401), (&*ordinary, 403)];
    let mut waiting = Vec::new();
    for (authorization, status) in cases {
        // No byte of the body is sent.
        let mut connection = RawConnection::open(&stack).await;
        connection.send(head(authorization, "")).await;
        waiting.push((connection, status));
    }
    for (authorization, status) in cases {
        // The client asks before it sends the body, and must not get a 100 Continue.
        let mut asking = RawConnection::open(&stack).await;
        asking.send(head(authorization, "Expect: 100-continue\r\n")).await;
        asking.answer().await.is(status, UNAUTHORISED);
    }
    for (mut connection, status) in waiting {
        connection.answer().await.is(status, UNAUTHORISED);
    }

    let administrator = format!("Authorization: {}\r\n", basic(ADMINISTRATOR, PASSWORD));
    let mut asking = RawConnection::open(&stack).await;
    asking.send(head(&administrator, "Expect: 100-continue\r\n")).await;
    assert_eq!(asking.answer().await.status, 100);
    asking.send(&body).await;
    asking.answer().await.is(200, &result(&[Row::Updated]));
    // The connection can be reused.
    asking.send(head(&administrator, "")).await;
    asking.send(&body).await;
    asking.answer().await.is(200, &result(&[Row::Updated]));
}

#[tokio::test]
async fn verified_login_is_cached() {
    let stack = Stack::new().await;
    let file = "username,password,enabled,staffmember\njane,swordfish,y,y\n";
    stack.post_users(file).await.is(200, &result(&[Row::Created]));
    // Wait for a hash with the service's own parameters, which takes time to verify.
    eventually("the password is hashed", async || {
        let jane = stack.row("select password_hash from users where username = 'jane'").await;
        (!jane["password_hash"].is_null()).then_some(())
    })
    .await;
    let ask = async || {
        let began = std::time::Instant::now();
        let ordinary = stack.anonymous(Method::GET, JOBS).basic_auth("jane", Some("swordfish"));
        stack.send(ordinary).await.is(403, UNAUTHORISED);
        began.elapsed()
    };
    let first = ask().await;
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        fastest = fastest.min(ask().await);
    }
    assert!(fastest < first / 2, "{fastest:?} is much less than {first:?}");
    // After a change of the password the cached login no longer counts.
    let changed = "username,password\njane,trout\n";
    stack.post_users(changed).await.is(200, &result(&[Row::Updated]));
    let old = stack.anonymous(Method::GET, JOBS).basic_auth("jane", Some("swordfish"));
    stack.send(old).await.is(401, UNAUTHORISED);
}

/// The client learns nothing, but the operator sees which name the request gave.
#[tokio::test]
async fn refused_host_or_tenant_is_logged_once() {
    let stack = Stack::new().await;
    stack.add_tenant("north").await;
    let logged = |text: &str| stack.api_log().lines().filter(|line| line.contains(text)).count();
    let ask = async |path: &str, host: &str| {
        let request = stack.anonymous(Method::GET, path).header("host", host);
        stack.send(request.basic_auth(ADMINISTRATOR, Some(PASSWORD))).await.is(401, UNAUTHORISED);
    };
    ask(JOBS, "misspelt.example:8443").await;
    eventually("the host is logged", async || (logged("misspelt.example") == 1).then_some(())).await;
    assert_eq!(logged("no tenant has this host name"), 1);
    ask(&format!("{JOBS}?tenantId=nroth"), "other.example").await;
    eventually("the tenantId is logged", async || (logged("nroth") == 1).then_some(())).await;
    assert_eq!(logged("other.example"), 0);
    // What the client sends can neither forge a line nor fill the log.
    let forged = format!("{JOBS}?tenantId=x%0A%1b[2Jforged{}", "y".repeat(5000));
    ask(&forged, "other.example").await;
    eventually("it is logged", async || (logged("forged") == 1).then_some(())).await;
    let log = stack.api_log();
    let line = log.lines().find(|line| line.contains("forged")).unwrap();
    assert!(line.contains("x\\n\\u{1b}[2Jforged"), "{line}");
    assert!(!line.contains(&"y".repeat(300)), "{line}");
    // Neither a wrong password nor a known tenant is such a line.
    let wrong = stack.anonymous(Method::GET, &format!("{JOBS}?tenantId=north")).basic_auth("x", Some("y"));
    stack.send(wrong).await.is(401, UNAUTHORISED);
    assert_eq!(logged("login refused"), 3);
}
