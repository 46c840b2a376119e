//! Each row of the contract's table of status codes (§2), over real sockets: the status, the exact body, and the headers
//! that say what to do about it.

use reqwest::Method;
use rollcall_schema::tenants::tenant;
use rollcall_tests::harness::{
    ADMINISTRATOR, Answer, Options, RawConnection, Row, Stack, curl, eventually, multipart, result, rss_kib,
    upload_head,
};
use serde_json::json;

const USERS: &str = "/api/import/users";
const GROUPS: &str = "/api/import/userGroups";
const JOBS: &str = "/api/import/jobs";
/// The result of a file without rows.
const NOTHING: &str =
    r#"{"success":true,"summary":"0 users processed. 0 users created. 0 users updated. 0 users failed."}"#;
const JANE: &str = "username,enabled,staffmember\njane,y,y\n";

#[tokio::test]
async fn import_is_200_with_or_without_failed_rows() {
    let stack = Stack::new().await;
    let imported = stack.post_users(JANE).await;
    imported.is(
        200,
        r#"{"success":true,"summary":"1 user processed. 1 user created. 0 users updated. 0 users failed."}"#,
    );
    imported.has_standard_headers();
    imported.location();

    let failed = stack.post_users("username,enabled,staffmember\njane,y,y\njohn,maybe,y\njoe,n,y").await;
    failed.is(
        200,
        r#"{"success":false,"summary":"3 users processed. 1 user created. 1 user updated. 1 user failed.","details":{"1":"User Updated","2":"Field (enabled) is not a valid boolean. User failed to import: Field (enabled) is not a valid boolean. ","3":"User Created"}}"#,
    );
    failed.has_standard_headers();
    failed.location();
}

#[tokio::test]
async fn request_and_trace_ids_are_echoed_or_generated() {
    let stack = Stack::new().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let upload = stack
        .upload(USERS, JANE)
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .header("x-request-id", "nightly-42");
    let answer = stack.send(upload).await;
    assert_eq!(answer.status, 200);
    assert_eq!((answer.header("trace-id"), answer.header("x-request-id")), (Some(trace), Some("nightly-42")));
    let (one, other) = (stack.get(JOBS).await, stack.get(JOBS).await);
    one.has_standard_headers();
    assert_ne!(one.header("trace-id"), other.header("trace-id"));
    assert_ne!(one.header("x-request-id"), other.header("x-request-id"));
}

#[tokio::test]
async fn file_without_rows_succeeds() {
    let stack = Stack::new().await;
    for file in ["", "\n \r\n\t\r\n", "\u{FEFF}", "\u{FEFF}\r\n"] {
        stack.post_users(file).await.is(200, NOTHING);
        stack.post_groups(file).await.is(200, NOTHING);
    }
    for header in ["username", "username,enabled,staffmember\n", "\u{FEFF}username;enabled\r\n\r\n \r\n"] {
        stack.post_users(header).await.is(200, NOTHING);
    }
    for header in ["username,library-group,system-group", "username,library-group,system-group\n\n"] {
        stack.post_groups(header).await.is(200, NOTHING);
    }
}

/// Asserts that a summary names a problem and how to fix it.
#[track_caller]
fn assert_says(summary: &str, texts: &[&str]) {
    for text in texts {
        assert!(summary.contains(text), "{summary:?} contains {text:?}");
    }
}

#[tokio::test]
async fn form_without_a_file_is_400() {
    let stack = Stack::new().await;
    let form = |parts: &str| format!("{parts}--XX--\r\n").into_bytes();
    let in_form = Some("multipart/form-data; boundary=XX");
    let field = "--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nusername\r\n";
    let unnamed = "--XX\r\n\r\nusername\r\n";
    let cases: [(Option<&str>, Vec<u8>, &str); 9] = [
        (None, JANE.into(), "not a multipart form"),
        (Some("text/csv"), JANE.into(), "not a multipart form"),
        (Some("application/x-www-form-urlencoded"), b"file=username".to_vec(), "not a multipart form"),
        (Some("multipart/form-data"), form(field), "no usable boundary"),
        (Some("multipart/form-data; boundary="), form(field), "no usable boundary"),
        (in_form, form(""), "form"),
        (in_form, form(field), "has no file"),
        (in_form, form(unnamed), "form"),
        (in_form, Vec::new(), "form"),
    ];
    for path in [USERS, GROUPS] {
        for (content_type, body, problem) in &cases {
            let mut request = stack.request(Method::POST, path).body(body.clone());
            if let Some(content_type) = content_type {
                request = request.header("content-type", *content_type);
            }
            let answer = stack.send(request).await;
            assert_says(&answer.is_failure(400), &[problem, "curl -F \"file=@users.csv\""]);
            assert_eq!(answer.header("location"), None, "it was not accepted");
            answer.has_standard_headers();
        }
    }
    assert!(stack.rows("select id from imports").await.is_empty());
    assert!(stack.stored_files().is_empty());
}

#[tokio::test]
async fn refused_file_is_400_and_polls_the_same_body() {
    let stack = Stack::new().await;
    let cases: [(&str, &str, &[u8], &[&str]); 12] = [
        (
            USERS,
            "",
            b"name,enabled\njane,y\n",
            &["no username column", "names enabled and 1 unknown column", "Add a column"],
        ),
        (USERS, "", b"jane,y,y\n", &["is not a header", "username among them"]),
        (USERS, "", b"username,email,emailaddress\njane,,\n", &["emailAddress", "email", "Keep one"]),
        (USERS, "", b"username,User Name\njane,jane\n", &["username", "User Name", "Keep one"]),
        (USERS, "", b"username,middleinitial,middle-name\n", &["middleName", "Keep one"]),
        (USERS, "charset=shift_jis", b"username\n\x8E\n", &["Shift_JIS", "charset", "Save the file"]),
        (USERS, "charset=klingon", b"username\n", &["charset", "klingon", "utf-8"]),
        (USERS, "charset=utf-16le", b"u\0s\0e\0r\0n\0a\0m\0e\0\n\0\x00\xD8\n\0", &["UTF-16", "charset"]),
        (USERS, "", b"\xFF\xFEu\0s\0e\0r\0n\0a\0m\0e\0\n\0j", &["UTF-16", "byte-order mark"]),
        (
            GROUPS,
            "",
            b"username,library-group\njane,Year 12\n",
            &["no system-group column", "Add what is missing"],
        ),
        (GROUPS, "", JANE.as_bytes(), &["no library-group, no system-group column", USERS]),
        (GROUPS, "", b"username,library-group,system-group,systemgroup\n", &["systemGroup", "Keep one"]),
    ];
    for (path, parameter, file, texts) in cases {
        let (content_type, body) = multipart(&format!("Content-Type: text/csv; {parameter}\r\n"), file);
        let refused = stack
            .send(stack.request(Method::POST, path).header("content-type", content_type).body(body))
            .await;
        assert_says(&refused.is_failure(400), texts);
        refused.has_standard_headers();
        let polled = stack.get(&refused.location()).await;
        polled.is(200, refused.text());
        polled.has_standard_headers();
    }
    let users = stack.rows("select username from users").await;
    assert_eq!(users, [json!({"username": ADMINISTRATOR})], "none of them was imported");
}

#[tokio::test]
async fn finished_job_is_200_with_the_posts_bytes() {
    let stack = Stack::new().await;
    let answers = [
        stack.post_users(JANE).await,
        stack.post_users("username,enabled,staffmember\nJÖrg \u{1F600} \"x\",y,y\nx,?,y\n").await,
        stack.post_users("").await,
        stack.post_users("name\n").await,
    ];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 200, 200, 400]);
    let elsewhere = stack.add_tenant("elsewhere").await;
    for posted in &answers {
        let job = posted.location();
        for _ in 0..2 {
            stack.get(&format!("{job}?tenantId=school")).await.is(200, posted.text());
        }
        let others = stack.get(&format!("{job}?tenantId={}", elsewhere.name)).await;
        assert_says(&others.is_failure(404), &["no such import", "Check"]);
        others.has_standard_headers();
    }
    let listed = stack.get(&format!("{JOBS}?tenantId=elsewhere")).await;
    assert_eq!(listed.json()["jobs"], json!([]));
}

#[tokio::test]
async fn unknown_paths_are_404_and_methods_405() {
    let stack = Stack::new().await;
    let posted = stack.post_users(JANE).await;
    let job = posted.location();

    for path in [
        "/",
        "/api",
        "/api/import",
        "/api/import/",
        "/api/import/usergroups",
        "/api/import/users/1",
        "/users",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            for request in [stack.request(method.clone(), path), stack.anonymous(method.clone(), path)] {
                let answer = stack.send(request.body("x")).await;
                assert_says(&answer.is_failure(404), &["nothing here", USERS, GROUPS, JOBS]);
                answer.has_standard_headers();
            }
        }
    }
    for path in ["not-an-id", "019ab000-0000-7000-8000-000000000000", "%00", "1", "..%2f"] {
        let answer = stack.get(&format!("{JOBS}/{path}")).await;
        assert_says(&answer.is_failure(404), &["no such import"]);
    }

    for path in [USERS, GROUPS, JOBS, &job] {
        let (known, others): (&[&str], &[&str]) = match path {
            USERS | GROUPS => (&["POST", "OPTIONS"], &["GET", "PUT", "DELETE", "PATCH", "BREW"]),
            JOBS => (&["GET", "HEAD", "OPTIONS"], &["POST", "PUT", "DELETE", "PATCH", "BREW"]),
            _ => (&["GET", "HEAD", "DELETE", "OPTIONS"], &["POST", "PUT", "PATCH", "BREW"]),
        };
        let allows = |answer: &Answer| {
            let allow = answer.header("allow").expect("a 405 lists the methods").to_owned();
            assert_eq!(allow.split(',').map(str::trim).collect::<Vec<_>>(), known, "{path}");
        };
        for method in others {
            let answer = stack.send(stack.request(method.parse().unwrap(), path)).await;
            assert_says(&answer.is_failure(405), known);
            allows(&answer);
            answer.has_standard_headers();
        }
        let answer = stack.send(stack.anonymous(Method::OPTIONS, path)).await;
        answer.is(204, "");
        allows(&answer);
    }

    // HEAD is GET without the body.
    let headed = stack.send(stack.request(Method::HEAD, &job)).await;
    headed.is(200, "");
    assert_eq!(headed.header("content-length"), Some(&*posted.body.len().to_string()));
    assert_eq!(headed.header("content-type"), Some("application/json"));
    stack.send(stack.request(Method::HEAD, JOBS)).await.is(200, "");
    stack.send(stack.anonymous(Method::HEAD, &job)).await.is(401, "");
    stack.send(stack.request(Method::HEAD, USERS)).await.is(405, "");
    stack.send(stack.request(Method::HEAD, "/nowhere")).await.is(404, "");
}

#[tokio::test]
async fn storage_failure_is_503_and_accepts_nothing() {
    let stack = Stack::new().await;
    let elsewhere = stack.add_tenant("elsewhere").await;
    let path = format!("{USERS}?tenantId=school");
    let large = format!("username,enabled,staffmember,other\njane,y,y,{}\n", "x".repeat(3_000_000));
    let no_import = async || stack.rows("select id from imports where state <> 'finished'").await.is_empty();
    let is_unavailable = |answer: &Answer| {
        assert_says(&answer.is_failure(503), &["Try again"]);
        let seconds: u64 = answer.header("retry-after").expect("it says when to retry").parse().unwrap();
        assert!((1..=600).contains(&seconds), "{seconds}");
        assert_eq!(answer.header("location"), None);
        answer.has_standard_headers();
    };

    // The disk: a file is in the place of the folder for the tenant's uploads.
    let folder = stack.uploads().join(stack.school().id.to_string());
    std::fs::write(&folder, "in the way").unwrap();
    for file in [JANE, &large] {
        is_unavailable(&stack.send(stack.upload(&path, file)).await);
    }
    assert!(no_import().await);
    assert_eq!(stack.stored_files(), std::slice::from_ref(&folder));
    stack.post_users_of(&elsewhere, JANE).await.is(200, &result(&[Row::Created]));
    std::fs::remove_file(&folder).unwrap();
    stack.send(stack.upload(&path, JANE)).await.is(200, &result(&[Row::Created]));
    let stored = stack.stored_files().len();

    // The database: the login works, submitting the import fails.
    stack.execute("alter table imports add constraint no_more check (false) not valid").await;
    for file in [JANE, &large] {
        is_unavailable(&stack.send(stack.upload(&path, file)).await);
    }
    assert_eq!(stack.stored_files().len(), stored, "the upload that was not accepted is deleted");
    stack.execute("alter table imports drop constraint no_more").await;
    assert!(no_import().await);
    stack.send(stack.upload(&path, JANE)).await.is(200, &result(&[Row::Updated]));
}

/// A roster of one user that is `bytes` long.
fn roster_of(bytes: usize) -> String {
    let start = "username,enabled,staffmember,other\njane,y,y,";
    format!("{start}{}", "x".repeat(bytes - start.len()))
}

#[tokio::test]
async fn upload_over_the_tenants_limit_is_413() {
    const LIMIT: usize = 100 * 1024;
    let stack = Options::default().api_env("ROLLCALL_DRAIN_BYTES", 1024 * 1024).start().await;
    {
        let mut conn = stack.database.connection().await.unwrap();
        let limit = i64::try_from(LIMIT).unwrap();
        tenant::set_upload_limit(&mut conn, stack.school().id, limit).await.unwrap();
    }
    stack.post_users(roster_of(LIMIT)).await.is(200, &result(&[Row::Created]));
    let stored = stack.stored_files().len();

    let too_large = |answer: &Answer| {
        assert_says(&answer.is_failure(413), &["larger than 100 KiB", "Send it in parts"]);
        assert_eq!(answer.header("location"), None);
        answer.has_standard_headers();
    };
    too_large(&stack.post_users(roster_of(LIMIT + 1)).await);
    too_large(&stack.post_groups(roster_of(LIMIT + 1)).await);
    // Within the amount that the API drains, above it, and far above it.
    let sizes = [500_000, 3_000_000, 60_000_000];
    for size in sizes {
        too_large(&stack.post_users(roster_of(size)).await);
    }

    // curl by default, without `Expect`, and without `Content-Length`.
    let folder = tempfile::tempdir().unwrap();
    let url = stack.url.replace("://", "://autoimport:correct%20horse%20battery%20staple@") + USERS;
    for size in [LIMIT + 1, 500_000, 3_000_000, 60_000_000] {
        let file = folder.path().join("users.csv");
        std::fs::write(&file, roster_of(size)).unwrap();
        let form = format!("file=@{}", file.display());
        for extra in [&[][..], &["-H", "Expect:"], &["-H", "Expect:", "-H", "Transfer-Encoding: chunked"]] {
            let output = curl(["-X", "POST", "-F", &form, &url].iter().chain(extra)).await;
            assert_eq!((output.exit, output.status), (0, 413), "{size} {extra:?}: {}", output.error);
            assert!(
                output.body.starts_with(r#"{"success":false,"summary":"The file is larger than 100 KiB"#)
            );
        }
    }
    assert_eq!(stack.rows("select id from imports").await.len(), 1);
    eventually("the refused uploads are deleted", async || {
        (stack.stored_files().len() == stored).then_some(())
    })
    .await;
    assert!(rss_kib(stack.api_id()).1 < 64 * 1024, "the API's memory stays bounded");
    stack.post_users(JANE).await.is(200, &result(&[Row::Updated]));
}

#[tokio::test]
async fn upload_in_chunks_of_any_size_is_accepted() {
    let stack = Stack::new().await;
    let (content_type, body) = multipart("", JANE.as_bytes());
    let mut connection = RawConnection::open(&stack).await;
    connection.send(upload_head(USERS, &content_type) + "Transfer-Encoding: chunked\r\n\r\n").await;
    for piece in body.chunks(7) {
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        connection.send(chunk).await;
    }
    connection.send("0\r\n\r\n").await;
    connection.answer().await.is(200, &result(&[Row::Created]));
}
