//! Files as schools' programs write them are read as they are meant: encodings, delimiters, line endings, headers, cells
//! (contract §3), and which part of a form is the file (§1).

use reqwest::Method;
use rollcall_tests::harness::{Answer, Row, Stack, multipart, result};
use serde_json::{Value, json};

const USERS: &str = "/api/import/users";

async fn post(stack: &Stack, part_headers: &str, file: &[u8]) -> Answer {
    let (content_type, body) = multipart(part_headers, file);
    stack.send(stack.request(Method::POST, USERS).header("content-type", content_type).body(body)).await
}

/// The newest job in the list.
async fn job(stack: &Stack) -> Value {
    stack.get("/api/import/jobs?limit=1").await.json()["jobs"][0].clone()
}

async fn given_name(stack: &Stack, username: &str) -> Value {
    let mut row = stack.row(&format!("select given_name from users where username = '{username}'")).await;
    row["given_name"].take()
}

fn utf_16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

#[tokio::test]
async fn encoding_is_declared_marked_or_detected() {
    let stack = Stack::new().await;
    let text = |name: &str| format!("username,givenname,enabled,staffmember\n{name},Zoé,y,y\n");
    let latin =
        |name: &str| text(name).chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let marked = |name: &str| [&b"\xEF\xBB\xBF"[..], text(name).as_bytes()].concat();
    let little = |name: &str| utf_16(&text(name), u16::to_le_bytes);
    let big = |name: &str| utf_16(&text(name), u16::to_be_bytes);
    let csv = |charset: &str| format!("Content-Type: text/csv; {charset}\r\n");
    let cases: Vec<(String, Vec<u8>, &str)> = vec![
        // Not declared: marked or detected.
        ("Content-Type: text/csv\r\n".to_owned(), text("u0").into(), "UTF-8"),
        (String::new(), latin("u1"), "windows-1252"),
        (String::new(), marked("u2"), "UTF-8"),
        (String::new(), [vec![0xFF, 0xFE], little("u3")].concat(), "UTF-16LE"),
        (String::new(), [vec![0xFE, 0xFF], big("u4")].concat(), "UTF-16BE"),
        // Declared by the parameter, in any spelling.
        (csv("charset=utf-8"), text("u5").into(), "UTF-8"),
        (csv("charset=\"utf-8\""), marked("u6"), "UTF-8"),
        (csv("CHARSET=UTF8"), text("u7").into(), "UTF-8"),
        (csv("header=present; charset=windows-1252"), latin("u8"), "windows-1252"),
        (csv("charset=\"ISO-8859-1\"; header=present"), latin("u9"), "windows-1252"),
        (csv("charset = latin1"), latin("u10"), "windows-1252"),
        (csv("charset=utf-16le"), little("u11"), "UTF-16LE"),
        (csv("charset=utf-16be"), big("u12"), "UTF-16BE"),
        (csv("charset=utf-16"), [vec![0xFE, 0xFF], big("u13")].concat(), "UTF-16BE"),
        (csv("charset=utf-16"), [vec![0xFF, 0xFE], little("u14")].concat(), "UTF-16LE"),
        (csv("charset="), latin("u15"), "windows-1252"),
        ("Content-Type: application/pdf; charset=utf-8\r\n".to_owned(), text("u16").into(), "UTF-8"),
        // The declaration wins over what the bytes look like.
        (
            csv("charset=macintosh"),
            latin("u17").iter().map(|b| if *b == 0xE9 { 0x8E } else { *b }).collect(),
            "macintosh",
        ),
    ];
    for (index, (part_headers, file, encoding)) in cases.iter().enumerate() {
        post(&stack, part_headers, file).await.is(200, &result(&[Row::Created]));
        assert_eq!(given_name(&stack, &format!("u{index}")).await, "Zoé", "{part_headers:?}");
        assert_eq!(job(&stack).await["encoding"], *encoding, "{part_headers:?}");
    }
    // The declaration wins even where the bytes are valid in another encoding.
    post(&stack, &csv("charset=windows-1252"), text("declared").as_bytes())
        .await
        .is(200, &result(&[Row::Created]));
    assert_eq!(given_name(&stack, "declared").await, "ZoÃ©");
    // A file of Windows-1252 in which a few sequences happen to be UTF-8 stays Windows-1252.
    let mut late = latin("late");
    late.extend((0..2000).flat_map(|n| [&b"late,Zo\xE9"[..], format!("{n},y,y\n").as_bytes()].concat()));
    late.extend(b"last,\xC3\xA9 \x80uro \x93x\x94,y,y\n");
    let answer = post(&stack, "", &late).await;
    assert_eq!((answer.status, &answer.json()["success"]), (200, &json!(true)), "{}", answer.text());
    assert_eq!(given_name(&stack, "last").await, "Ã© €uro “x”");
    assert_eq!(given_name(&stack, "late").await, "Zoé1999");
    assert_eq!(job(&stack).await["encoding"], "windows-1252");
}

#[tokio::test]
async fn delimiter_is_the_most_frequent_in_the_header() {
    let stack = Stack::new().await;
    let cases: [(&str, &str, &str); 9] = [
        ("username,givenname,enabled,staffmember\nu0,a;b;c;d;e,y,y\n", "comma", "a;b;c;d;e"),
        ("username;givenname;enabled;staffmember\nu1;a,b,c,d,e;y;y\n", "semicolon", "a,b,c,d,e"),
        ("username\tgivenname\tenabled\tstaffmember\nu2\ta,b;c\ty\ty\n", "tab", "a,b;c"),
        ("username,givenname,enabled,staffmember,a;b\nu3,x,y,y\n", "comma", "x"),
        ("\"a,b,c,d,e,f,g\";username;givenname;enabled;staffmember\nx;u4;x;y;y\n", "semicolon", "x"),
        ("username;givenname;enabled;staffmember;a,b\tc\nu5;\"semi;colon\";y;y\n", "semicolon", "semi;colon"),
        ("\n \n;;\n", "semicolon", ""),
        ("username\nu0\n", "comma", "a;b;c;d;e"),
        ("username\tgivenname\tenabled\tstaffmember\nu8\t \ty\ty\n", "tab", ""),
    ];
    for (index, (file, delimiter, name)) in cases.iter().enumerate() {
        let answer = stack.post_users(file).await;
        if index == 6 {
            // A line of delimiters is blank, so the file is empty.
            answer.is(200, &result(&[]));
            continue;
        }
        let expected = if index == 7 { Row::Updated } else { Row::Created };
        answer.is(200, &result(&[expected]));
        assert_eq!(job(&stack).await["delimiter"], *delimiter, "{file:?}");
        if index != 7 {
            let stored = given_name(&stack, &format!("u{index}")).await;
            assert_eq!(stored.as_str().unwrap_or(""), *name, "{file:?}");
        }
    }
}

#[tokio::test]
async fn every_line_ending_is_accepted() {
    let stack = Stack::new().await;
    let expected = result(&[Row::Updated, Row::Failed("Field (username) may not be empty. "), Row::Updated]);
    let header = "username,givenname,enabled,staffmember";
    stack.post_users(format!("{header}\na,,y,y\nb,,y,y\n")).await.is(200, &result(&[Row::Created; 2]));
    for (index, end) in ["\n", "\r\n", "\r", "\n\n\r\n \t\r\n", "\r\r", "\n\u{A0}\n"].iter().enumerate() {
        // With and without one after the last row.
        for last in [*end, ""] {
            let lines =
                [header, &format!("a,A{index},y,y"), " ,stranger,y,y", &format!("b,B{index},y,y")].join(end);
            stack.post_users(format!("{end}{lines}{last}")).await.is(200, &expected);
            assert_eq!(given_name(&stack, "a").await, format!("A{index}"));
            assert_eq!(given_name(&stack, "b").await, format!("B{index}"));
        }
    }
    // Neither a line of delimiters nor one of empty quoted cells is a row.
    let file = format!("{header}\n,,,\n\n\"\"\na,,,\n\"\",\"\",\"\",\"\"\n");
    stack.post_users(file).await.is(200, &result(&[Row::Updated]));
}

#[tokio::test]
async fn columns_match_by_letters_and_digits_in_any_order() {
    let stack = Stack::new().await;
    let file = "Staff-Member ID,E-Mail,\"GIVEN  NAME\",_User.Name_,Notes,enabled?,House (2026),,Ünbekannt\n\
                y,a@b.c,Jane,jane,x,y,Red,,\n";
    stack.post_users(file).await.is(200, &result(&[Row::Created]));
    let stored =
        stack.row("select given_name, email_address, staff_member from users where username = 'jane'").await;
    assert_eq!(stored, json!({"given_name": "Jane", "email_address": "a@b.c", "staff_member": true}));
    let job = job(&stack).await;
    assert_eq!(job["ignoredColumns"], json!(["Notes", "House (2026)", "Ünbekannt"]));
    assert_eq!(
        (&job["encoding"], &job["delimiter"], &job["kind"], &job["endpoint"]),
        (&json!("UTF-8"), &json!("comma"), &json!("users"), &json!("users"))
    );
}

#[tokio::test]
async fn cells_are_trimmed_unquoted_and_counted() {
    let stack = Stack::new().await;
    let header = "username,enabled,staffmember,givenname,surname";
    let surplus = |values: usize| format!("Row has {values} values but the header has 5 columns. ");
    let (six, seven, eight) = (surplus(6), surplus(7), surplus(8));
    let cases: [(&str, Row<'_>); 12] = [
        (" a , y ,\ty, Jane \u{A0},\u{3000}Doe ", Row::Created),
        ("\"b\",\"y\",\"y\",\"O, \"\"P\"\"\",\" padded \"", Row::Created),
        ("c,y,y,\"two\nlines\",\"a\r\nb\"", Row::Created),
        ("d,y,y", Row::Created),
        ("d,y,y,Given", Row::Updated),
        ("d", Row::Updated),
        ("e,y,y,,,,, ,\t", Row::Created),
        ("f,y,y,,,x", Row::Failed(&six)),
        ("f,y,y,,,,x", Row::Failed(&seven)),
        ("f,y,y,,,x,,", Row::Failed(&eight)),
        ("g,y,y,half \"quoted\",x\"y", Row::Created),
        ("h,y,y,\"Doe\" Jr,x", Row::Created),
    ];
    let rows: String = cases.iter().map(|(row, _)| format!("{row}\n")).collect();
    stack.post_users(format!("{header}\n{rows}")).await.is(200, &result(&cases.map(|(_, outcome)| outcome)));
    let stored = stack
        .rows("select username, given_name, surname from users where username <> 'autoimport' order by username")
        .await;
    let user = |username: &str, given: Option<&str>, surname: Option<&str>| json!({"username": username, "given_name": given, "surname": surname});
    assert_eq!(
        stored,
        [
            user("a", Some("Jane"), Some("Doe")),
            user("b", Some("O, \"P\""), Some("padded")),
            user("c", Some("two\nlines"), Some("a\r\nb")),
            user("d", Some("Given"), None),
            user("e", None, None),
            user("g", Some("half \"quoted\""), Some("x\"y")),
            user("h", Some("Doe Jr"), Some("x")),
        ]
    );
    // A bad row fails alone: the rows after it are imported.
    let answer = stack.post_users("username,enabled,staffmember\n,y,y\ni,y,y\n").await;
    answer.is(200, &result(&[Row::Failed("Field (username) may not be empty. "), Row::Created]));
}

#[tokio::test]
async fn first_part_with_a_file_name_is_the_file() {
    let stack = Stack::new().await;
    let mut number = 0;
    let mut part = |headers: &str| {
        number += 1;
        format!("--XX\r\n{headers}\r\n\r\nusername,enabled,staffmember\nu{number},y,y\n\r\n")
    };
    let other = "--XX\r\nContent-Disposition: form-data; name=\"tenantId\"\r\n\r\nelsewhere\r\n";
    let another =
        "--XX\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Type: text/csv\r\n\r\nusername\r\n";
    let wrong =
        "--XX\r\nContent-Disposition: form-data; name=\"b\"; filename=\"b.csv\"\r\n\r\nno header\nx\n\r\n";
    let mut forms = Vec::new();
    // Whatever the name and type of the file and the field.
    for disposition in [
        "form-data; name=\"file\"; filename=\"users.csv\"",
        "form-data; name=file; filename=users.csv",
        "form-data; name=\"\"; filename=\"\"",
        "form-data; filename=\"users.csv\"",
        "form-data; filename=\"users.csv\"; name=\"anything at all\"",
        "form-data; name=\"file\"; filename=\"C:\\Users\\me\\users.csv\"",
        "form-data; name=\"file\"; filename=\"../../etc/passwd\"",
        "form-data; name=\"file\"; filename=\"a; b=c.csv\"",
        "form-data; name=\"file\"; filename=\"say \\\"hi\\\".csv\"",
        "form-data; name=\"file\"; filename=\"Schüler 名簿.csv\"",
        "form-data; name=\"file\"; filename*=UTF-8''Sch%C3%BCler.csv",
        "FORM-DATA; NAME=\"file\"; FILENAME=\"USERS.CSV\"",
        "attachment; filename=\"users.csv\"",
        "form-data; name=\"file\"; filename=\"users.xlsx\"",
    ] {
        forms.push(part(&format!("Content-Disposition: {disposition}")));
        forms.push(part(&format!(
            "content-type: image/png\r\nX-Other: 1\r\ncontent-disposition: {disposition}"
        )));
    }
    let file = "Content-Disposition: form-data; name=\"x\"; filename=\"x\"";
    // Whatever comes before and after it.
    forms.push(format!("{other}{another}{}", part(file)));
    forms.push(format!("{}{wrong}{other}", part(file)));
    forms.push(format!("{other}{}{wrong}{wrong}", part(file)));
    forms.push(format!("a preamble\r\nof lines\r\n{}", part(file)));

    let count = forms.len();
    for (index, form) in forms.into_iter().enumerate() {
        let body = form.clone() + "--XX--\r\nan epilogue";
        let request =
            stack.request(Method::POST, USERS).header("content-type", "multipart/form-data; boundary=XX");
        let answer = stack.send(request.body(body)).await;
        assert_eq!((answer.status, answer.text()), (200, &*result(&[Row::Created])), "{index}: {form}");
    }
    assert_eq!(stack.rows("select id from users where username <> 'autoimport'").await.len(), count);

    // A quoted boundary, another kind of form, and lines in the file that almost look like its end.
    for (content_type, boundary) in [
        ("multipart/form-data; boundary=\"X Y:'()+_,-./=?\"", "X Y:'()+_,-./=?"),
        ("Multipart/Mixed; charset=utf-8; Boundary=abc", "abc"),
    ] {
        let body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; filename=a\r\n\r\nusername,givenname\r\nu1,\"\r\n--\r\n--{}\"\r\n\r\n--{boundary}--\r\n",
            &boundary[1..]
        );
        let request = stack.request(Method::POST, USERS).header("content-type", content_type).body(body);
        stack.send(request).await.is(200, &result(&[Row::Updated]));
        assert_eq!(given_name(&stack, "u1").await, format!("--\r\n--{}", &boundary[1..]));
    }
}
