//! Any input, however malformed, gets a clear error that says how to fix it, in bounded memory (invariant 7), and the next
//! good import works.

use std::io::Write as _;
use std::time::Duration;

use reqwest::Method;
use rollcall_tests::harness::{
    ADMINISTRATOR, Answer, Options, PASSWORD, RawConnection, Row, Stack, basic, eventually, multipart,
    result, rss_kib, upload_head,
};
use serde_json::json;

const USERS: &str = "/api/import/users";
const GOOD: &str = "username,enabled,staffmember\njane,y,y\n";
const FORM: &str = "multipart/form-data; boundary=XX";
const PART: &str = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"users.csv\"\r\n\r\n";

/// Asserts that the service still works, within its memory limits.
async fn still_works(stack: &Stack) {
    let answer = stack.post_users(GOOD).await;
    assert_eq!((answer.status, &answer.json()["success"]), (200, &json!(true)), "{}", answer.text());
    let (_, api) = rss_kib(stack.api_id());
    assert!(api < 64 * 1024, "the API's memory: {api} KiB");
    for worker in stack.worker_ids() {
        let (_, worker) = rss_kib(worker);
        assert!(0 < worker && worker < 256 * 1024, "the worker's memory: {worker} KiB");
    }
    let unfinished = stack.rows("select id from imports where state <> 'finished'").await;
    assert!(unfinished.is_empty(), "{unfinished:?}");
}

async fn import_count(stack: &Stack) -> usize {
    stack.rows("select id from imports").await.len()
}

#[track_caller]
fn assert_says(answer: &Answer, status: u16, texts: &[&str]) {
    let summary = answer.is_failure(status);
    for text in texts {
        assert!(summary.contains(text), "{summary:?} contains {text:?}");
    }
    assert!(summary.len() < 2000 && !summary.contains(char::is_control), "{summary:?}");
}

#[tokio::test]
async fn truncated_and_endless_forms_are_refused() {
    let stack = Stack::new().await;
    still_works(&stack).await;
    let (imports_before, stored) = (import_count(&stack).await, stack.stored_files().len());
    let send = async |body: Vec<u8>| {
        stack.send(stack.request(Method::POST, USERS).header("content-type", FORM).body(body)).await
    };
    let whole = format!("{PART}{GOOD}\r\n--XX--\r\n").into_bytes();
    // Until the last character of the boundary, the file may be incomplete.
    for end in [0, 1, 4, 30, PART.len() - 1, PART.len(), PART.len() + 20, whole.len() - 8, whole.len() - 5] {
        assert_says(
            &send(whole[..end].to_vec()).await,
            400,
            &["multipart form", "Send the CSV as a file, as `curl -F"],
        );
    }
    // No boundary at all, none after a field, none after the file.
    let filler = vec![b'x'; 8 * 1024 * 1024];
    let advice = "Send the CSV as a file, as `curl -F";
    assert_says(&send(filler.clone()).await, 400, &["first MiB", advice]);
    let field = b"--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    assert_says(&send([&field[..], &filler].concat()).await, 400, &["first MiB", advice]);
    assert_says(&send([b"--XX\r\nX-Long: ", &filler[..]].concat()).await, 400, &["multipart form", advice]);
    assert_says(
        &send([PART.as_bytes(), &filler].concat()).await,
        400,
        &["closing boundary is missing", advice],
    );
    // Not a form.
    assert_says(&send(b"\0\xFF--XX\r\n\0\r\n\r\n--XX--".to_vec()).await, 400, &["multipart form", advice]);
    let many = "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n".repeat(50_000);
    assert_says(&send(many.into_bytes()).await, 400, &["first MiB", advice]);
    assert_eq!(import_count(&stack).await, imports_before);
    assert_eq!(stack.stored_files().len(), stored);
    still_works(&stack).await;
}

/// Files that are no roster, and what the error must contain.
fn strange_files() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    let million = (0..1_000_000).map(|n| format!("c{n},")).collect::<String>();
    let utf_32: Vec<u8> = GOOD.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    vec![
        (
            "100 MB without a line break",
            vec![b'x'; 100_000_000],
            &["header line is longer than 1 MiB", "line break"],
        ),
        ("NUL bytes", vec![0; 1_000_000], &["nothing but NUL", "Export it again"]),
        (
            "UTF-16 that ends within a character",
            GOOD.bytes().flat_map(|b| [b, 0]).chain([b'x']).collect(),
            &["UTF-16", "Save the file as UTF-8"],
        ),
        ("UTF-32", utf_32, &["UTF-32", "Save the file as UTF-8"]),
        (
            "a million columns",
            format!("{million}username\n1\n").into(),
            &["header line is longer than 1 MiB"],
        ),
        (
            "a hundred thousand columns",
            format!("{}\n", "c,".repeat(100_000)).into(),
            &["none of its 100000 cells is the name of a known column", "username among them"],
        ),
        (
            "a quote that never closes",
            format!("username,\"enabled\n{}", "x,y\n".repeat(10_000)).into(),
            &["quote that does not close", "Close it"],
        ),
        (
            "a zip",
            [&b"PK\x03\x04\x14\0\x06\0"[..], &[0x5A; 5000]].concat(),
            &["ZIP archive or an Excel workbook", "CSV UTF-8"],
        ),
        (
            "an old workbook",
            [&b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"[..], &[0; 5000]].concat(),
            &["old Excel workbook", "CSV UTF-8"],
        ),
        ("a PDF", b"%PDF-1.7\n1 0 obj\nusername\n".to_vec(), &["PDF", "CSV"]),
        ("gzip", b"\x1F\x8B\x08\0\0\0\0\0\0\xFFusername\n".to_vec(), &["gzip", "Decompress"]),
        (
            "HTML",
            b"<!DOCTYPE html>\n<title>Log in</title>\n".to_vec(),
            &["first line is not a header", "commas, semicolons or tabs"],
        ),
        ("noise", (0..3_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect(), &[]),
    ]
}

#[tokio::test]
async fn files_that_are_no_roster_are_refused_with_advice() {
    let stack = Stack::new().await;
    for (what, file, texts) in strange_files() {
        let answer = stack.post_users(&file).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        assert_says(&answer, 400, texts);
        drop(file);
        still_works(&stack).await;
    }
}

#[tokio::test]
async fn malformed_row_fails_alone() {
    let stack = Stack::new().await;
    let header = "username,enabled,staffmember,givenname\n";
    let long = Row::Failed("Row is longer than 1 MiB. ");
    let open = Row::Failed("Row has a quote that does not close. ");

    let megabytes = format!("{header}a,y,y,{}\nb,y,y,\n", "x".repeat(100_000_000));
    stack.post_users(megabytes).await.is(200, &result(&[long, Row::Created]));
    still_works(&stack).await;

    // Surplus blank cells are allowed, up to a limit.
    for (cells, outcome) in [(100_000, Row::Created), (2_000_000, long)] {
        let file = format!("{header}cells,y,y,x{}\nb,y,y,\n", ",".repeat(cells));
        stack.post_users(file).await.is(200, &result(&[outcome, Row::Updated]));
        still_works(&stack).await;
    }

    // A quote costs its line, however much of the file it could swallow.
    for (name, rows) in [("c", 1000), ("e", 500_000)] {
        let quote = format!("{header}{name},y,y,\nd,y,y,\"open\n{}", "b,y,y,\n".repeat(rows));
        let summary = stack.post_users(quote).await.json()["summary"].clone();
        let expected =
            format!("{} users processed. 1 user created. {rows} users updated. 1 user failed.", rows + 2);
        assert_eq!(summary, expected);
    }
    let quote = format!("{header}f,y,y,\nd,y,y,\"open\nb,y,y,\n");
    stack.post_users(quote).await.is(200, &result(&[Row::Created, open, Row::Updated]));

    let control = Row::Failed("Field (username) contains control characters. ");
    let given = Row::Failed("Field (givenName) contains control characters. ");
    let nuls = format!("{header}g\0,y,y,\nh,y,y,\0\ni,y,y,\n");
    stack.post_users(nuls).await.is(200, &result(&[control, given, Row::Created]));
    let stored = stack.rows("select username from users where username in ('g', 'h', 'i', 'd', 'x')").await;
    assert_eq!(stored, [json!({"username": "i"})]);
    still_works(&stack).await;
}

#[tokio::test]
async fn stalled_upload_times_out() {
    let stack = Options::default().api_env("ROLLCALL_UPLOAD_IDLE_SECONDS", 1).start().await;
    for sent in
        [String::new(), PART.to_owned(), format!("{PART}{GOOD}"), format!("{PART}{}", "x".repeat(3_000_000))]
    {
        let mut connection = RawConnection::open(&stack).await;
        connection.send(upload_head(USERS, FORM) + "Content-Length: 100000000\r\n\r\n").await;
        connection.send(&sent).await;
        assert_says(&connection.answer().await, 408, &["stalled", "1 second", "Send it again"]);
        // The API does not wait for the rest.
        assert!(connection.answer_or_end().await.is_none());
    }
    // A slow upload is not stalled.
    let mut slow = RawConnection::open(&stack).await;
    let body = format!("{PART}{GOOD}\r\n--XX--\r\n");
    slow.send(upload_head(USERS, FORM) + &format!("Content-Length: {}\r\n\r\n", body.len())).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(250));
    for piece in body.as_bytes().chunks(24) {
        ticks.tick().await;
        slow.send(piece).await;
    }
    slow.answer().await.is(200, &result(&[Row::Created]));
    assert_eq!(import_count(&stack).await, 1);
    assert_eq!(stack.stored_files().len(), 1);
    still_works(&stack).await;
}

#[tokio::test]
async fn invalid_http_is_rejected() {
    let stack = Stack::new().await;
    let authorization = basic(ADMINISTRATOR, PASSWORD);
    let long = "x".repeat(1_000_000);
    let many: String = (0..2000).map(|n| format!("X-{n}: y\r\n")).collect();
    for garbage in [
        "\r\n\r\n\r\n\r\n",
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "\u{0}\u{1}\u{2}\u{3}\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}",
        &format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        &format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"),
        &format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
        "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        &format!("POST {USERS} HTTP/1.1\r\nHost: x\r\nContent-Length: soon\r\n\r\n"),
        &format!("POST {USERS} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
        &format!("POST {USERS} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
        &format!(
            "POST {USERS} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nContent-Type: {FORM}\r\n\
             Transfer-Encoding: chunked\r\n\r\nnot a size\r\n"
        ),
    ] {
        let mut connection = RawConnection::open(&stack).await;
        // The API may close the connection before everything is sent.
        let _ = connection.try_send(garbage).await;
        let _ = connection.half_close().await;
        if let Some(answer) = connection.answer_or_end().await {
            let name = &garbage[..garbage.len().min(60)];
            assert!((400..500).contains(&answer.status), "{name:?}: {}", answer.status);
        }
    }
    assert_eq!(import_count(&stack).await, 0);
    still_works(&stack).await;
}

#[tokio::test]
async fn wrong_content_length_does_no_harm() {
    let stack = Options::default().api_env("ROLLCALL_UPLOAD_IDLE_SECONDS", 1).start().await;
    let (content_type, body) = multipart("", GOOD.as_bytes());
    let head = upload_head(USERS, &content_type);

    // Too short: the form is truncated, and the rest is not read as a request.
    let mut connection = RawConnection::open(&stack).await;
    connection.send(format!("{head}Content-Length: {}\r\n\r\n", body.len() - 20)).await;
    connection.send(&body).await;
    assert_says(&connection.answer().await, 400, &["cut short", "Send the CSV as a file"]);

    // Too long, from a client that hangs up: its file may be incomplete.
    let mut connection = RawConnection::open(&stack).await;
    connection.send(format!("{head}Content-Length: {}\r\n\r\n", body.len() + 1000)).await;
    connection.send(&body[..body.len() - 20]).await;
    connection.half_close().await.unwrap();
    if let Some(answer) = connection.answer_or_end().await {
        assert_says(&answer, 400, &["Send it again"]);
    }

    // Impossibly long.
    for length in [u64::MAX, u64::MAX / 2, 1 << 60] {
        let mut connection = RawConnection::open(&stack).await;
        connection.send(format!("{head}Content-Length: {length}\r\n\r\n")).await;
        if let Some(answer) = connection.answer_or_end().await {
            assert!((400..500).contains(&answer.status), "{length}: {} {}", answer.status, answer.text());
        }
    }
    assert_eq!(import_count(&stack).await, 0);
    still_works(&stack).await;
}

#[tokio::test]
async fn aborted_upload_leaves_nothing() {
    let stack = Stack::new().await;
    still_works(&stack).await;
    let stored = stack.stored_files().len();
    for (length, sent) in [(1_000_000, 1000), (100_000_000, 5_000_000)] {
        let mut connection = RawConnection::open(&stack).await;
        connection.send(format!("{}Content-Length: {length}\r\n\r\n{PART}", upload_head(USERS, FORM))).await;
        connection.send(format!("{GOOD}{}", "john,y,y\n".repeat(sent / 9))).await;
        if sent > 1_000_000 {
            eventually("part of it is stored", async || (stack.stored_files().len() > stored).then_some(()))
                .await;
        }
        drop(connection);
    }
    eventually("nothing of them is stored", async || (stack.stored_files().len() == stored).then_some(()))
        .await;
    assert_eq!(import_count(&stack).await, 1);
    still_works(&stack).await;
    assert_eq!(stack.rows("select id from users where username = 'john'").await.len(), 0);
}

#[tokio::test]
async fn many_failed_rows_are_listed_in_bounded_memory() {
    let stack = Stack::new().await;
    let mut file = b"username,enabled,staffmember,emailaddress\n".to_vec();
    let rows = 60_000;
    for n in 0..rows {
        writeln!(file, "user{n},maybe,perhaps,stranger").unwrap();
    }
    let bad = Row::Failed(
        "Field (emailAddress) is not a well-formed email address. Field (enabled) is not a valid boolean. \
         Field (staffMember) is not a valid boolean. ",
    );
    stack.post_users(file).await.is(200, &result(&vec![bad; rows]));
    still_works(&stack).await;
}
