//! Files as schools really send them: damaged, from spreadsheets, scripts and old systems (contract §3, §4). One bad byte or
//! quote costs one row, what is not a row is not counted, and nothing is lost in silence.

use rollcall_tests::harness::{ADMINISTRATOR, PASSWORD, Row, Stack, result};
use serde_json::{Value, json};

/// The stored users but the administrator: username, given name and surname.
async fn users(stack: &Stack) -> Vec<(String, String, String)> {
    let rows = stack
        .rows("select username, given_name, surname from users where username <> 'autoimport' order by username_key")
        .await;
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("").to_owned();
    rows.iter().map(|row| (text(row, "username"), text(row, "given_name"), text(row, "surname"))).collect()
}

fn named(users: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    users.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect()
}

/// The warnings of the newest job.
async fn warnings(stack: &Stack) -> Vec<String> {
    let job = stack.get("/api/import/jobs?limit=1").await.json()["jobs"][0].clone();
    job["warnings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

const NOT_UTF_8: Row<'_> = Row::Failed("Row contains bytes that are not valid UTF-8. ");
const OPEN_QUOTE: Row<'_> = Row::Failed("Row has a quote that does not close. ");
const INVISIBLE: Row<'_> = Row::Failed("Field (username) contains invisible characters. ");

#[tokio::test]
async fn one_bad_byte_costs_one_row() {
    let stack = Stack::new().await;
    let header = "username,givenname,surname,enabled,staffmember\n";
    let good = format!("{header}k.øvre,Kåre,Øvre,y,y\nm.jäger,Märta,Jäger,y,y\n");
    stack.post_users(&good).await.is(200, &result(&[Row::Created; 2]));
    let stored = named(&[("k.øvre", "Kåre", "Øvre"), ("m.jäger", "Märta", "Jäger")]);

    for (mark, bad) in [
        (&b""[..], &b"o.dale,Ola,Dal\xC3,y,y\n"[..]),
        (b"\xEF\xBB\xBF", b"o.dale,Ola,Dal\xC3,y,y\n"),
        (b"", b"o.dal\xFF,Ola,Dale,y,y\n"),
        (b"", b"o.dale,\"Ola\n\x80\",Dale,y,y"),
    ] {
        let file = [mark, good.as_bytes(), bad].concat();
        stack.post_users(&file).await.is(200, &result(&[Row::Updated, Row::Updated, NOT_UTF_8]));
        assert_eq!(users(&stack).await, stored);
        // Wherever it is.
        let file = [mark, header.as_bytes(), bad.strip_suffix(b"\n").unwrap_or(bad), b"\n", good.as_bytes()];
        let file = [file.concat(), b"\n".to_vec()].concat();
        let header_again = Row::Failed(
            "Field (enabled) is not a valid boolean. Field (staffMember) is not a valid boolean. ",
        );
        let rows = [NOT_UTF_8, header_again, Row::Updated, Row::Updated];
        stack.post_users(&file).await.is(200, &result(&rows));
        assert_eq!(users(&stack).await, stored);
    }
    assert_eq!(warnings(&stack).await, [""; 0]);
}

#[tokio::test]
async fn lost_line_breaks_are_refused() {
    let stack = Stack::new().await;
    for file in [
        "username,enabled,staffmember p.lund,y,y s.moe,y,n",
        "username,enabled,staffmember\u{85}p.lund,y,y\u{85}",
        "username;enabled;staffmember;p.lund;y;y\r\n",
        "username,enabled,staffmember\\r\\np.lund,y,y\\r\\n",
        "sep=,\r\nusername,enabled,staffmember<br />p.lund,y,y<br />\r\n",
    ] {
        let summary = stack.post_users(file).await.is_failure(400);
        assert!(summary.contains("line breaks of the file were lost"), "{file}: {summary}");
    }
    let nothing = result(&[]);
    for file in ["username,enabled,staffmember", "username,House,Locker no 2,enabled\n", ""] {
        stack.post_users(file).await.is(200, &nothing);
    }
    assert_eq!(users(&stack).await, []);
}

#[tokio::test]
async fn a_stray_quote_costs_its_row() {
    let stack = Stack::new().await;
    let post = async |file: &str, rows: &[Row<'_>]| stack.post_users(file).await.is(200, &result(rows));
    let (created, updated) = (Row::Created, Row::Updated);
    post(
        "username,givenname,enabled,staffmember\nt.aas,\"Tex,y,y\nu.bo,Una,y,y\nv.lie,Vidar,y,y\n",
        &[OPEN_QUOTE, created, created],
    )
    .await;
    post(
        "username,surname,enabled,staffmember\nw.ek,\"Ek,y,y\nx.ali,Ali,y,y\ny.roe,Roe\",y,y\nz.hall,Hall,y,y\n",
        &[OPEN_QUOTE, created, created, created],
    )
    .await;
    let stored = named(&[
        ("u.bo", "Una", ""),
        ("v.lie", "Vidar", ""),
        ("x.ali", "", "Ali"),
        ("y.roe", "", "Roe\""),
        ("z.hall", "", "Hall"),
    ]);
    assert_eq!(users(&stack).await, stored);

    // Two lines next to each other; a pair that a good quote closes; a quote in the last cell.
    for rows in [
        "w.ek,\"Ek,y,y\ny.roe,Roe\"\"\",y,y\n",
        "w.ek,\"Ek,y,y\r\n\"y.roe\",\"Roe\"\"\",\"y\",\"y\"\r\n",
        "w.ek,Ek,y,\"y\ny.roe,\"Roe\"\"\",y,y\n",
    ] {
        post(
            &format!("username,surname,enabled,staffmember\n{rows}z.hall,Hall,y,y\n"),
            &[OPEN_QUOTE, updated, updated],
        )
        .await;
    }
    // A cell that holds line breaks is a cell.
    post(
        "username,surname,enabled,staffmember\nx.ali,\"Ali\n\nof two lines, no less\",y,y\nz.hall,Hall,y,y\n",
        &[updated, updated],
    )
    .await;
    let stored = stack.row("select surname from users where username = 'x.ali'").await;
    assert_eq!(stored["surname"], "Ali\n\nof two lines, no less");
}

#[tokio::test]
async fn blanks_before_quotes_and_formulas_are_not_data() {
    let stack = Stack::new().await;
    let file = "username, givenname, surname, enabled, staffmember\nd.foss, \"Dina\", \"Foss\", y, y\n\
                e.foss, \"Even, Jr\", \"Foss\", y, y\n";
    stack.post_users(file).await.is(200, &result(&[Row::Created; 2]));
    assert_eq!(users(&stack).await, named(&[("d.foss", "Dina", "Foss"), ("e.foss", "Even, Jr", "Foss")]));
    let file = "username,librarybarcode,enabled,staffmember\r\n=\"o.berge\",\"=\"\"00042\"\"\",y,y\r\n";
    stack.post_users(file).await.is(200, &result(&[Row::Created]));
    let taken = Row::Failed("Field (libraryBarcode) is already used by another user. ");
    let file = "username;librarybarcode;enabled;staffmember\n=\"d.foss\"; =\"00042\" ;y;y\n\
                \"=\"\"o.berge\"\"\";=\"00043\";=\"y\";y\ne.foss;\"=\"\"0,0;1\"\"\";y;y\n";
    stack.post_users(file).await.is(200, &result(&[taken, Row::Updated, Row::Updated]));
    let barcodes =
        stack.rows("select library_barcode from users where library_barcode is not null order by 1").await;
    assert_eq!(barcodes, [json!({"library_barcode": "0,0;1"}), json!({"library_barcode": "00043"})]);
}

#[tokio::test]
async fn rows_of_nothing_are_skipped() {
    let stack = Stack::new().await;
    for (file, expected) in [
        ("username,givenname,enabled,staffmember\r\na.vik,Anja,y,y\r\n,,,\r\n ,,,\r\n", 1),
        ("username\tgivenname\tenabled\tstaffmember\r\nb.vik\tBo\ty\ty\r\n\t\t\t\r\n", 1),
        ("username,enabled,staffmember\r\ni.bakk,y,y\r\n\x1A", 1),
        ("username,enabled,staffmember\r\nj.bakk,y,y\x1A\0\0\0\0", 1),
        (";;\r\n\r\nusername;enabled;staffmember\r\n;;\r\nk.bakk;y;y\r\n\"\";\" \";\r\n;;;;;\r\n", 1),
        ("username,enabled,staffmember\n\u{FEFF},\u{200B},\u{A0}\nl.bakk,y,y\n\n\u{3000}\n", 1),
    ] {
        stack.post_users(file).await.is(200, &result(&vec![Row::Created; expected]));
        stack.post_users(file).await.is(200, &result(&vec![Row::Updated; expected]));
    }
    // Only at the end of the file is it what MS-DOS left.
    let control = Row::Failed(
        "Field (username) contains control characters. Field (enabled) is required to create a user. \
         Field (staffMember) is required to create a user. ",
    );
    stack
        .post_users("username,enabled,staffmember\n\x1A\ni.bakk,y,y\n")
        .await
        .is(200, &result(&[control, Row::Updated]));
}

#[tokio::test]
async fn users_and_groups_are_two_files() {
    let stack = Stack::new().await;
    stack.define_groups(stack.school(), &["Year 8"], &["Borrowers"]).await;
    stack.post_users("username,enabled,staffmember\nc.nyg,y,y\n").await.is(200, &result(&[Row::Created]));
    for file in [
        "username,surname,enabled,staffmember,library-group,system-group\nc.nyg,Nygaard,n,y,Year 8,Borrowers\n",
        "username,surname,library-group\nc.nyg,Nygaard,Year 8\n",
        "System Group;username;Password\nBorrowers;c.nyg;x\n",
        "librarygroup\temail\nYear 8\ta@b.example\n",
    ] {
        for answer in [stack.post_users(file).await, stack.post_groups(file).await] {
            let summary = answer.is_failure(400);
            assert!(summary.contains("two files"), "{summary}");
        }
    }
    assert_eq!(users(&stack).await, named(&[("c.nyg", "", "")]));
    assert_eq!(stack.rows("select user_id from library_group_members").await.len(), 0);
}

#[tokio::test]
async fn users_who_look_alike_are_one_user() {
    let stack = Stack::new().await;
    let (created, updated) = (Row::Created, Row::Updated);
    let file = "username,enabled,staffmember\nk.moen,y,y\nk.moen\u{200B},y,y\n\u{202A}k.moen\u{202C},y,y\nk.moen\u{FEFF},y,y\n";
    stack.post_users(file).await.is(200, &result(&[created, updated, updated, updated]));
    let file = "username,enabled,staffmember\nl.sandé,y,y\nl.sande\u{301},y,y\n";
    stack.post_users(file).await.is(200, &result(&[created, updated]));
    let file = "username,enabled,staffmember\nσοφος,y,y\nΣΟΦΟΣ,y,y\nσοφοσ,y,y\nStraße,y,y\nSTRASSE,y,y\nﬁn,y,y\nFIN,y,y\n";
    stack
        .post_users(file)
        .await
        .is(200, &result(&[created, updated, updated, created, updated, created, updated]));
    // Inside a name they are refused. A mark in the middle of a file comes from files that were put together.
    let file = "username,enabled,staffmember\nk.mo\u{AD}en,y,y\nk\u{200D}.moen,y,y\nk.moe\u{2060}n,y,y\n\u{FEFF}K.Moen,y,y\n";
    stack.post_users(file).await.is(200, &result(&[INVISIBLE, INVISIBLE, INVISIBLE, updated]));
    let names: Vec<String> = users(&stack).await.into_iter().map(|(username, ..)| username).collect();
    assert_eq!(names, ["ﬁn", "k.moen", "l.sandé", "Straße", "σοφος"]);
}

#[tokio::test]
async fn barcodes_labels_and_groups_that_look_alike_are_one() {
    let stack = Stack::new().await;
    stack.define_groups(stack.school(), &["Élèves  7"], &["Prêt"]).await;
    let file = "username,barcode,presentationgroup,enabled,staffmember\na,é 1,Classe é,y,y\n\
                b,e\u{301}  1,x,y,y\nc,2,Classe\u{A0} e\u{301},y,y\nd,3\u{200B}3,Gr\u{FEFF}oup,y,y\n";
    let invisible = "Field (libraryBarcode) contains invisible characters. \
                     Field (presentationGroupLabel) contains invisible characters. ";
    stack.post_users(file).await.is(
        200,
        &result(&[
            Row::Created,
            Row::Failed("Field (libraryBarcode) is already used by another user. "),
            Row::Created,
            Row::Failed(invisible),
        ]),
    );
    assert_eq!(stack.rows("select label from presentation_groups").await, [json!({"label": "Classe é"})]);
    let file = "username,library-group,system-group\na,E\u{301}le\u{300}ves 7,Pre\u{302}t\nc,\u{200E}Élèves\u{A0}7,\na,Élè\u{200B}ves 7,\n";
    stack.post_groups(file).await.is(
        200,
        &result(&[
            Row::Updated,
            Row::Updated,
            Row::Failed("Field (libraryGroup) contains invisible characters. "),
        ]),
    );
    assert_eq!(stack.rows("select user_id from library_group_members").await.len(), 2);
}

#[tokio::test]
async fn lines_that_tools_write_first_are_skipped() {
    let stack = Stack::new().await;
    for (file, delimiter) in [
        ("sep=;\r\nusername;enabled;staffmember\r\nf.haug;y;y\r\n", "semicolon"),
        (
            "#TYPE System.Management.Automation.PSCustomObject\r\n\"username\",\"enabled\",\"staffmember\"\r\n\"f.haug\",\"y\",\"y\"\r\n",
            "comma",
        ),
        ("\u{FEFF}\"SEP=\t\"\nusername\tenabled\tstaffmember\nf.haug\ty\ty\n", "tab"),
        ("sep=,\n#type Selected.Object\nusername,enabled;a;b;c;d,staffmember\nf.haug,y,y\n", "comma"),
    ] {
        let answer = stack.post_users(file).await;
        assert_eq!(answer.json()["success"], true, "{}", answer.text());
        let job = stack.get("/api/import/jobs?limit=1").await.json()["jobs"][0].clone();
        assert_eq!((&job["delimiter"], &job["rows"]["processed"]), (&json!(delimiter), &json!(1)), "{file}");
    }
    for file in
        ["sep=|\nusername|enabled\na|y\n", "username|enabled|staffmember\na|y|y\n", "username^enabled\na^y\n"]
    {
        let summary = stack.post_users(file).await.is_failure(400);
        assert!(summary.contains("commas, semicolons or tabs"), "{summary}");
    }
}

#[tokio::test]
async fn utf_16_without_a_mark_is_read() {
    let stack = Stack::new().await;
    let text = "username,enabled,staffmember\r\nx.nés,y,y\r\n";
    for (unit, charset) in [
        (u16::to_le_bytes as fn(u16) -> [u8; 2], None),
        (u16::to_be_bytes, None),
        (u16::to_le_bytes, Some("binary")),
    ] {
        let file: Vec<u8> = text.encode_utf16().flat_map(unit).collect();
        let header =
            charset.map_or(String::new(), |charset| format!("Content-Type: text/csv; charset={charset}\r\n"));
        let (content_type, body) = rollcall_tests::harness::multipart(&header, &file);
        let request = stack.request(reqwest::Method::POST, "/api/import/users");
        let answer = stack.send(request.header("content-type", content_type).body(body)).await;
        assert_eq!(answer.json()["success"], true, "{}", answer.text());
    }
    assert_eq!(users(&stack).await, named(&[("x.nés", "", "")]));
}

/// Whether the administrator can still log in and is enabled.
async fn can_still_import(stack: &Stack) -> bool {
    let row = stack.row("select enabled from users where username_key = 'autoimport'").await;
    row["enabled"] == json!(true) && stack.get("/api/import/jobs").await.status == 200
}

#[tokio::test]
async fn an_import_cannot_lock_out_an_administrator() {
    let stack = Stack::new().await;
    let own = "username,enabled,staffmember,password\nAUTOIMPORT,n,y,change\n";
    // Each night anew: the row is never taken for one that was applied.
    for _ in 0..2 {
        stack.post_users(own).await.is(200, &result(&[Row::Updated]));
        assert!(can_still_import(&stack).await);
        assert_eq!(
            warnings(&stack).await,
            ["Row 1: autoimport is an administrator, so the import left \"enabled\" and the password alone."]
        );
    }
    // The rest of the row takes effect.
    let file = "username,surname,enabled\nautoimport,Robot,no\n";
    stack.post_users(file).await.is(200, &result(&[Row::Updated]));
    let row = stack.row("select surname, enabled from users where username = 'autoimport'").await;
    assert_eq!(row, json!({"surname": "Robot", "enabled": true}));
    assert_eq!(
        warnings(&stack).await,
        ["Row 1: autoimport is an administrator, so the import left \"enabled\" alone."]
    );

    // Another administrator, whom a group file has made one.
    stack
        .post_users("username,enabled,staffmember\nboss,y,y\nclerk,y,y\n")
        .await
        .is(200, &result(&[Row::Created; 2]));
    let groups = "username,library-group,system-group\nBoss,,Administrators\nboss,,Administrators\nautoimport,,Administrators\n";
    stack.post_groups(groups).await.is(200, &result(&[Row::Updated; 3]));
    assert_eq!(
        warnings(&stack).await,
        ["Row 1: Boss was added to Administrators, which grants system administration."]
    );
    stack.post_groups(groups).await.is(200, &result(&[Row::Updated; 3]));
    assert_eq!(warnings(&stack).await, [""; 0]);
    let both = "username,enabled,password\nboss,n,\nclerk,n,x\nboss,,x\n";
    stack.post_users(both).await.is(200, &result(&[Row::Updated; 3]));
    let enabled =
        stack.rows("select enabled from users where username in ('boss', 'clerk') order by username").await;
    assert_eq!(enabled, [json!({"enabled": true}), json!({"enabled": false})]);
    assert_eq!(
        warnings(&stack).await,
        [
            "Row 1: boss is an administrator, so the import left \"enabled\" alone.",
            "Row 3: boss is an administrator, so the import left the password alone.",
        ]
    );
    // What does not lock out is done: a disabled administrator may be enabled.
    stack.execute("update users set enabled = false where username = 'boss'").await;
    stack.post_users("username,enabled\nboss,n\nboss,y\n").await.is(200, &result(&[Row::Updated; 2]));
    assert_eq!(
        stack.row("select enabled from users where username = 'boss'").await,
        json!({"enabled": true})
    );
    assert_eq!(warnings(&stack).await, [""; 0]);

    // Unless the tenant wants it so.
    stack.execute("update tenants set protect_administrators = false").await;
    stack.post_users("username,enabled\nboss,n\n").await.is(200, &result(&[Row::Updated]));
    assert_eq!(
        stack.row("select enabled from users where username = 'boss'").await,
        json!({"enabled": false})
    );
    stack.post_users(own).await.is(200, &result(&[Row::Updated]));
    let login =
        stack.anonymous(reqwest::Method::GET, "/api/import/jobs").basic_auth(ADMINISTRATOR, Some(PASSWORD));
    assert_eq!(stack.send(login).await.status, 401);
}

#[tokio::test]
async fn what_is_odd_about_a_file_is_a_warning() {
    let stack = Stack::new().await;
    let file = "username,First Name,Last Name,Home Room,form clas\nk.moen,Kari,Moen,7B,7B\n";
    let lacks =
        "Field (enabled) is required to create a user. Field (staffMember) is required to create a user. ";
    stack.post_users(file).await.is(200, &result(&[Row::Failed(lacks)]));
    assert_eq!(
        warnings(&stack).await,
        [
            "Column \"form clas\" was ignored: is formclass meant? Then rename it.",
            "Ignored columns: First Name, Last Name, Home Room.",
        ]
    );
    let file = b"username,enabled,staffmember,Pr\xE9nom\nm.m\xFCller,y,y,x\n";
    stack.post_users(file).await.is(200, &result(&[Row::Created]));
    assert_eq!(
        warnings(&stack).await,
        [
            "The file is not UTF-8; it was read as Windows-1252. If names look wrong, save it as UTF-8.",
            "Ignored columns: Prénom.",
        ]
    );
    let taken = Row::Failed("Field (libraryBarcode) is already used by another user. ");
    let file =
        "username,barcode,enabled,staffmember\na,NULL,y,y\nb,NULL,y,y\nnull,\\N,y,y\n#N/A,,y,y\nNULLE,,y,y\n";
    stack
        .post_users(file)
        .await
        .is(200, &result(&[Row::Created, taken, Row::Created, Row::Created, Row::Created]));
    let warned = warnings(&stack).await;
    let rows: Vec<&str> = warned.iter().map(|text| text.split(". ").next().unwrap()).collect();
    assert_eq!(
        rows,
        [
            "Row 1 has \"NULL\" as its libraryBarcode",
            "Row 3 has \"NULL\" as its username",
            "Row 3 has \"\\N\" as its libraryBarcode",
            "Row 4 has \"#N/A\" as its username",
        ]
    );
}
