//! An upload is read as HTTP clients and scripts write multipart forms, and a refusal names what the request holds
//! (contract §1). Every request is sent to the byte.

use rollcall_tests::harness::{Answer, RawConnection, Row, Stack, curl, result, upload_head};
use serde_json::{Value, json};

const USERS: &str = "/api/import/users";
const FORM: &str = "multipart/form-data; boundary=XX";
const DISPOSITION: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"users.csv\"";
/// What every refusal ends with.
const ADVICE: &str = "Send the CSV as a file, as `curl -F \"file=@users.csv\"` does.";

/// Posts a body under these header lines, each of which ends with CRLF.
async fn post_with(stack: &Stack, headers: &str, body: &[u8]) -> Answer {
    let mut connection = RawConnection::open(stack).await;
    let head = upload_head(USERS, FORM).replace(&format!("Content-Type: {FORM}\r\n"), headers);
    connection.send(format!("{head}Content-Length: {}\r\n\r\n", body.len())).await;
    connection.send(body).await;
    connection.answer().await
}

async fn post(stack: &Stack, content_type: &str, body: impl AsRef<[u8]>) -> Answer {
    post_with(stack, &format!("Content-Type: {content_type}\r\n"), body.as_ref()).await
}

/// The usernames, but for the administrator's.
async fn usernames(stack: &Stack) -> Vec<Value> {
    let users =
        stack.rows("select username from users where username <> 'autoimport' order by username").await;
    users.into_iter().map(|user| user["username"].clone()).collect()
}

fn csv(username: &str, line_end: &str) -> String {
    format!("username,enabled,staffmember{line_end}{username},y,y{line_end}")
}

#[tokio::test]
async fn parts_without_headers_are_skipped() {
    let stack = Stack::new().await;
    let file = |name: &str| {
        format!("--XX\r\n{DISPOSITION}\r\nContent-Type: text/csv\r\n\r\n{}\r\n--XX--\r\n", csv(name, "\n"))
    };
    let forms = [
        // The sample.
        format!("--XX\r\n\r\nhello\r\n{}", file("a1")),
        // Two of them, one empty.
        format!("--XX\r\n\r\n\r\n--XX\r\n\r\nusername\r\nx\r\n{}", file("a2")),
        // No blank line either, after a preamble.
        format!("This is a form.\r\n--XX\r\n{}", file("a3")),
        // A line that is no header.
        format!("--XX\r\nhello\r\n\r\nvalue\r\n{}", file("a4")),
    ];
    for form in &forms {
        post(&stack, FORM, form).await.is(200, &result(&[Row::Created]));
    }
    assert_eq!(usernames(&stack).await, ["a1", "a2", "a3", "a4"]);
}

#[tokio::test]
async fn empty_file_fields_before_the_file_are_skipped() {
    let stack = Stack::new().await;
    let empty = "--XX\r\nContent-Disposition: form-data; name=\"logo\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n";
    let file = |name: &str, file_name: &str| {
        format!(
            "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\r\n{}\r\n--XX--\r\n",
            csv(name, "\r\n")
        )
    };
    let field = "--XX\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nabc\r\n";
    post(&stack, FORM, format!("{empty}{}", file("b1", "users.csv"))).await.is(200, &result(&[Row::Created]));
    post(&stack, FORM, format!("{empty}{field}{empty}{}", file("b2", "users.csv")))
        .await
        .is(200, &result(&[Row::Created]));
    // A part with an empty name is the file if it has bytes.
    post(&stack, FORM, file("b3", "")).await.is(200, &result(&[Row::Created]));
    post(&stack, FORM, format!("{empty}{}", file("b4", ""))).await.is(200, &result(&[Row::Created]));
    // Alone, it is an empty file.
    for form in [format!("{empty}--XX--\r\n"), format!("{field}{empty}{field}--XX--\r\n")] {
        post(&stack, FORM, form).await.is(200, &result(&[]));
    }
    assert_eq!(usernames(&stack).await, ["b1", "b2", "b3", "b4"]);
}

#[tokio::test]
async fn forms_with_lf_and_folded_headers_are_read() {
    let stack = Stack::new().await;
    let lf = |name: &str, line_end: &str| {
        format!("--XX\n{DISPOSITION}\nContent-Type: text/csv\n\n{}\n--XX--", csv(name, line_end))
    };
    let forms = [
        // The sample.
        lf("c1", "\n") + "\n",
        // Without a line end after it, and with CRLF within the file.
        lf("c2", "\r\n"),
        // After a field, a blank line and padding.
        format!("\n--XX \nContent-Disposition: form-data; name=\"a\"\n\nvalue\n{}\n", lf("c3", "\n")),
        // Folded headers, with LF and CRLF.
        lf("c4", "\n").replace("; name", ";\n\tname").replace("; filename", ";\n filename") + "\n",
        format!(
            "--XX\r\nContent-Disposition: form-data;\r\n  name=\"file\";\r\n\tfilename=\"users.csv\"\r\n\r\n{}\r\n--XX--\r\n",
            csv("c5", "\n")
        ),
        // The closing boundary directly after the file's own last LF.
        format!("--XX\r\n{DISPOSITION}\r\n\r\n{}--XX--\r\n", csv("c6", "\n")),
    ];
    for form in &forms {
        post(&stack, FORM, form).await.is(200, &result(&[Row::Created]));
    }
    assert_eq!(usernames(&stack).await, ["c1", "c2", "c3", "c4", "c5", "c6"]);
    // An LF form that was truncated is, and only then.
    let form = lf("c7", "\n");
    for end in [form.len() - 5, form.len() - 20, 60] {
        let summary = post(&stack, FORM, &form[..end]).await.is_failure(400);
        assert!(
            summary.contains("cut short") && summary.contains(&format!("after {end} bytes")),
            "{summary}"
        );
    }
}

#[tokio::test]
async fn the_boundary_that_the_body_opens_with_counts() {
    let stack = Stack::new().await;
    let form = |boundary: &str, name: &str| {
        format!("--{boundary}\r\n{DISPOSITION}\r\n\r\n{}\r\n--{boundary}--\r\n", csv(name, "\n"))
    };
    for (content_type, boundary, name) in [
        // As curl sends it when the command sets the header.
        (
            "multipart/form-data; boundary=abc; boundary=------------------------4fb2c169c1771a6e",
            "------------------------4fb2c169c1771a6e",
            "d1",
        ),
        ("multipart/form-data; boundary=XX; boundary=YY", "XX", "d2"),
        ("multipart/form-data; boundary=\"a b:c\"; charset=utf-8; boundary=XXX; boundary=XX", "XX", "d3"),
        ("multipart/form-data; boundary=; boundary=XX", "XX", "d4"),
    ] {
        post(&stack, content_type, form(boundary, name)).await.is(200, &result(&[Row::Created]));
    }
    let two = "Content-Type: multipart/form-data; boundary=ZZ\r\nContent-Type: multipart/form-data; boundary=XX\r\n";
    post_with(&stack, two, form("XX", "d5").as_bytes()).await.is(200, &result(&[Row::Created]));
    // A line that would be a delimiter with the other boundary is a line of the file.
    let inner = form("YY", "d6").replace("y,y\n", "y,y\n--XX\n");
    let answer = post(&stack, "multipart/form-data; boundary=XX; boundary=YY", inner).await;
    assert_eq!(
        answer.json()["summary"],
        "2 users processed. 1 user created. 0 users updated. 1 user failed."
    );
    assert_eq!(usernames(&stack).await, ["d1", "d2", "d3", "d4", "d5", "d6"]);
}

#[tokio::test]
async fn files_arrive_to_the_byte_however_they_are_framed() {
    let stack = Stack::new().await;
    let resembling = "--X\r\n--XXX\r\n-\r\n--\r\n --XX\r\n--XX-\r\nx--XX--";
    let users = format!("username,enabled,staffmember,givenname\r\ne1,y,y,\"{resembling}\"\r\n");
    let body = format!("--XX\r\n{DISPOSITION}\r\n\r\n{users}\r\n--XX--\r\n");
    let head = upload_head(USERS, FORM) + "Transfer-Encoding: chunked\r\n\r\n";
    for size in [1, 2, 3, 5, 7, 64, 1000] {
        let mut connection = RawConnection::open(&stack).await;
        let chunks: String = (0..body.len())
            .step_by(size)
            .map(|start| &body[start..body.len().min(start + size)])
            .map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len()))
            .collect();
        connection.send(format!("{head}{chunks}0\r\n\r\n")).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let bytes = stack.rows("select distinct upload_bytes from imports").await;
    assert_eq!(bytes, [json!({"upload_bytes": users.len()})]);
}

/// Asserts that a request is refused with advice, and that the summary contains these texts and no byte of the file.
#[track_caller]
fn is_refused(answer: &Answer, status: u16, texts: &[&str]) {
    let summary = answer.is_failure(status);
    for text in texts {
        assert!(summary.contains(text), "{summary:?} contains {text:?}");
    }
    assert!(summary.ends_with(ADVICE), "{summary}");
    assert!(!summary.contains("cut short") || texts.contains(&"cut short"), "{summary}");
    assert!(!summary.contains("secret"), "{summary}");
    assert!(summary.len() < 1000 && !summary.contains(char::is_control), "{summary}");
}

#[tokio::test]
async fn encodings_are_refused_by_name() {
    let stack = Stack::new().await;
    let form = |header: &str| {
        format!(
            "--XX\r\n{DISPOSITION}\r\nContent-Type: text/csv\r\n{header}\r\n\r\nusername\r\nsecret\r\n\r\n--XX--\r\n"
        )
    };
    for encoding in ["quoted-printable", "base64", "Quoted-Printable", "x-uuencode"] {
        let header = format!("Content-Transfer-Encoding: {encoding}");
        is_refused(&post(&stack, FORM, form(&header)).await, 400, &[&header]);
    }
    for encoding in ["gzip", "br", "deflate, gzip"] {
        let header = format!("Content-Encoding: {encoding}");
        is_refused(&post(&stack, FORM, form(&header)).await, 415, &[&header, "file's part"]);
        let headers = format!("Content-Type: {FORM}\r\n{header}\r\n");
        let answer = post_with(&stack, &headers, form("X: y").as_bytes()).await;
        is_refused(&answer, 415, &[&header, "The request has"]);
        assert_eq!(answer.header("accept-encoding"), Some("identity"));
    }
    for harmless in [
        "Content-Transfer-Encoding: 7bit",
        "content-transfer-encoding: 8BIT",
        "Content-Transfer-Encoding: binary",
        "Content-Encoding: identity",
    ] {
        assert_eq!(post(&stack, FORM, form(harmless)).await.status, 200, "{harmless}");
    }
    let headers = format!("Content-Type: {FORM}\r\nContent-Encoding: identity\r\n");
    assert_eq!(post_with(&stack, &headers, form("X: y").as_bytes()).await.status, 200);
    // The parts before the file are not read, so their encoding does not matter.
    let skipped = format!(
        "--XX\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n{}",
        form("X: y")
    );
    assert_eq!(post(&stack, FORM, skipped).await.status, 200);
}

#[tokio::test]
async fn refusals_name_what_the_request_holds() {
    let stack = Stack::new().await;
    let boundary = "------------------------d74496d66958873e";
    let form = format!("--{boundary}\r\n{DISPOSITION}\r\n\r\nusername\r\nsecret\r\n--{boundary}--\r\n");
    let bare = "username,enabled,staffmember\r\nsecret,y,y\r\n";
    let json = r#"{"users":[{"username":"secret"}]}"#;
    let gzip = b"\x1F\x8B\x08\0\0\0\0\0\0\xFFsecret";
    let line = format!("\"--{boundary}\"");
    let cases: Vec<(&str, &[u8], Vec<&str>)> = vec![
        // A header of the command's own replaces the one that curl -F writes.
        ("text/csv", form.as_bytes(), vec![&line, "\"Content-Type: text/csv\"", "remove it"]),
        ("text/csv; boundary=------------------------d74496d66958873e", form.as_bytes(), vec![&line, "\"Content-Type: text/csv\"", "remove it"]),
        ("application/octet-stream", form.as_bytes(), vec![&line, "\"Content-Type: application/octet-stream\"", "remove it"]),
        ("multipart/form-data", form.as_bytes(), vec![&line, "\"Content-Type: multipart/form-data\"", "no usable boundary", "remove it"]),
        ("Multipart/Form-Data; boundary=\"\"", form.as_bytes(), vec![&line, "\"Content-Type: Multipart/Form-Data\"", "no usable boundary"]),
        // Another boundary than the header's.
        ("multipart/form-data; boundary=abc", form.as_bytes(), vec![&line, "boundary \"abc\"", "remove it"]),
        ("multipart/form-data; boundary=abc; boundary=def", form.as_bytes(), vec![&line, "boundaries \"abc\" and \"def\""]),
        (FORM, b"--YY\n\nusername\nsecret\n--YY--\n", vec!["\"--YY\"", "boundary \"XX\""]),
        // No form.
        ("multipart/form-data", bare.as_bytes(), vec!["\"Content-Type: multipart/form-data\"", "no usable boundary", "--data-binary"]),
        (FORM, bare.as_bytes(), vec!["boundary \"XX\"", "--data-binary"]),
        ("text/csv", bare.as_bytes(), vec!["not a multipart form", "\"Content-Type: text/csv\"", "--data-binary"]),
        ("application/x-www-form-urlencoded", bare.as_bytes(), vec!["not a multipart form", "x-www-form-urlencoded", "--data-binary", "-d"]),
        ("application/octet-stream", b"--secret,x\n--secret\n", vec!["not a multipart form", "--data-binary"]),
        ("application/json", json.as_bytes(), vec!["not a multipart form", "\"Content-Type: application/json\"", "JSON"]),
        (FORM, json.as_bytes(), vec!["JSON"]),
        ("text/csv", gzip, vec!["gzip", "uncompressed"]),
        (FORM, gzip, vec!["gzip", "uncompressed"]),
        (FORM, b"", vec!["no body"]),
        ("text/csv", b"", vec!["no body"]),
        // Forms without a file.
        (FORM, b"--XX--\r\n", vec!["no file", "no part"]),
        (FORM, b"--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nsecret.csv\r\n--XX--\r\n", vec!["no file", "without the @"]),
        (FORM, b"--XX\r\nContent-Type: multipart/mixed; boundary=YY\r\n\r\n--YY\r\n\r\nsecret\r\n--YY--\r\n--XX--\r\n", vec!["no file", "a form of their own"]),
        // Forms that end early, or not where they should.
        (FORM, b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"u\"\r\n\r\nusername\r\nsecret\r\n", vec!["cut short", "closing boundary is missing"]),
        (FORM, b"--XX\r\nContent-Disposition: form-da", vec!["cut short"]),
        (FORM, b"--X", vec!["cut short"]),
        (FORM, b"--XX\r\nContent-Disposition: form-data; filename=u\r\n\r\nusername\r\nsecret--XX--\r\n", vec!["closing boundary does not begin a line"]),
    ];
    for (content_type, body, texts) in cases {
        is_refused(&post(&stack, content_type, body).await, 400, &texts);
    }
    is_refused(
        &post_with(&stack, "", bare.as_bytes()).await,
        400,
        &["not a multipart form", "no Content-Type header", "--data-binary"],
    );
    is_refused(&post_with(&stack, "", form.as_bytes()).await, 400, &[&line, "no Content-Type header"]);
    // What the client sent is quoted in part only.
    let long = format!("text/{}\u{7f}", "x".repeat(5000));
    is_refused(&post(&stack, &long.replace('\u{7f}', ""), bare).await, 400, &["text/xxx", "…"]);
    assert!(stack.rows("select id from imports").await.is_empty());
    assert!(stack.stored_files().is_empty());
}

/// What curl itself sends, with options that are often copied into a command.
#[tokio::test]
async fn commands_of_curl_are_understood() {
    let stack = Stack::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.csv");
    std::fs::write(&path, csv("curl", "\n")).unwrap();
    let url = stack.url.replace("://", "://autoimport:correct%20horse%20battery%20staple@") + USERS;
    let form = format!("file=@{}", path.display());
    let bare = format!("@{}", path.display());
    for arguments in [
        &["-F", &*form][..],
        &["-H", "Content-Type: multipart/form-data", "-F", &form],
        &["-H", "Content-Type: multipart/form-data; boundary=abc", "-F", &form],
        &["-H", "Expect: 100-continue", "-F", &form],
        &["-H", "Transfer-Encoding: chunked", "-F", &form],
        &["--http1.0", "-F", &form],
        &["-F", "note=hello", "-F", &form],
    ] {
        let output = curl(arguments.iter().copied().chain([&*url])).await;
        assert_eq!((output.exit, output.status), (0, 200), "{arguments:?}: {} {}", output.body, output.error);
        assert!(output.body.contains(r#""success":true"#), "{}", output.body);
    }
    for (arguments, texts) in [
        (&["-H", "Content-Type: text/csv", "-F", &*form][..], &["text/csv", "remove it"][..]),
        (&["-H", "Content-Type: text/csv", "--data-binary", &bare], &["text/csv", "--data-binary"]),
        (&["--data-binary", &bare], &["x-www-form-urlencoded", "--data-binary"]),
        (&["-X", "POST", "-T", path.to_str().unwrap()], &["no Content-Type header", "-T"]),
        (&["-F", "file=users.csv"], &["no file", "without the @"]),
        (&["-X", "POST"], &["no Content-Type header", "no body"]),
        (&["--form-string", &form], &["no file", "without the @"]),
    ] {
        let output = curl(arguments.iter().copied().chain([&*url])).await;
        assert_eq!((output.exit, output.status), (0, 400), "{arguments:?}: {} {}", output.body, output.error);
        for text in texts {
            assert!(output.body.contains(text), "{arguments:?}: {} contains {text:?}", output.body);
        }
    }
}
