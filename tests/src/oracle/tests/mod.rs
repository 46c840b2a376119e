//! The examples of the contract and of the source documents, and each rule of §2–§5 once.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, clippy::format_collect)]

mod administrators;
mod names;
mod reading;
mod shared_cases;

use super::Endpoint::{UserGroups, Users};
use std::collections::BTreeSet;

use super::*;

fn tenant() -> Tenant {
    let mut tenant = Tenant::new(PasswordPolicy::WhenChanged);
    tenant.define_library_group("Year 7");
    tenant.define_system_group("Borrowers");
    tenant
}

/// Imports a user file and returns the rows' outcomes: "C", "U" or the problems. Appends a row that always fails, so that
/// the answer has details.
fn outcomes(tenant: &mut Tenant, file: &str) -> Vec<String> {
    let file = format!("{}\n;,\"\"\n", file.trim_end_matches('\n'));
    let answer = tenant.apply(Users, file.as_bytes(), None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let details = body["details"].as_object().unwrap();
    (1..details.len())
        .map(|row| match details[&row.to_string()].as_str().unwrap() {
            "User Created" => "C".to_owned(),
            "User Updated" => "U".to_owned(),
            failed => failed.split_once("User failed to import: ").unwrap().1.to_owned(),
        })
        .collect()
}

const HEADER: &str = "username,enabled,staffmember,graduationyear,librarybarcode,givenname";

fn rows(tenant: &mut Tenant, rows: &str) -> Vec<String> {
    outcomes(tenant, &format!("{HEADER}\n{rows}"))
}

/// The answer to a file in which every row fails with these problems.
fn failed(rows: &[&str]) -> String {
    let details =
        rows.iter().enumerate().map(|(at, e)| format!(r#""{}":"{e}User failed to import: {e}""#, at + 1));
    let details = details.collect::<Vec<_>>().join(",");
    let n = match rows.len() {
        1 => "1 user".to_owned(),
        n => format!("{n} users"),
    };
    format!(
        r#"{{"success":false,"summary":"{n} processed. 0 users created. 0 users updated. {n} failed.","details":{{{details}}}}}"#
    )
}

fn ok(summary: &str) -> String {
    format!(r#"{{"success":true,"summary":"{summary}"}}"#)
}

#[test]
fn an_empty_file_gets_the_contracts_answer() {
    let nothing = ok("0 users processed. 0 users created. 0 users updated. 0 users failed.");
    for file in ["", "\u{FEFF}", "\r\n \n", "username,enabled", "username;x\r\n\r\n"] {
        let answer = tenant().apply(Users, file.as_bytes(), None);
        assert_eq!((answer.status, &answer.body), (200, &nothing), "{file:?}");
    }
}

#[test]
fn the_contracts_three_rows_with_details() {
    let mut tenant = tenant();
    rows(&mut tenant, "anna,y,y,,,\n");
    let file = "username,emailaddress,enabled,staffmember\nanna,a@b.c,y,y\nbea,stranger,y,y\ncleo,,y,y\n";
    assert_eq!(
        tenant.apply(Users, file.as_bytes(), None).body,
        concat!(
            r#"{"success":false,"#,
            r#""summary":"3 users processed. 1 user created. 1 user updated. 1 user failed.","#,
            r#""details":{"1":"User Updated","2":"Field (emailAddress) is not a well-formed email address. "#,
            r#"User failed to import: Field (emailAddress) is not a well-formed email address. ","3":"User Created"}}"#
        )
    );
}

const SAMPLE: [&str; 3] = [
    "username,givenname,surname,middleinitialname,preferredname,emailaddress,graduationyear,librarybarcode,\
     adminsystemid,gender,password,formclass,enabled,staffmemberid",
    "jdoe1,Jane,Doe,Mary,Jane,jdoe1@yourschool.com,2016,123456,123456,F,change,12A,Y,N,style1",
    "mhenry1,Mark,Steven,Henry,Henry,mhenry1@yourschool.com,2018,123457,123457,M,change,10C,Y,N,style2",
];

#[test]
fn the_sources_sample_as_printed_has_a_header_of_29_columns() {
    let mut tenant = tenant();
    let file = format!("{},{}\n{}\n", SAMPLE[0], SAMPLE[1], SAMPLE[2]);
    assert_eq!(
        tenant.apply(Users, file.as_bytes(), None).body,
        ok("1 user processed. 1 user created. 0 users updated. 0 users failed.")
    );
    let user = tenant.user("MHENRY1").unwrap();
    assert_eq!(user.middle_name.as_deref(), Some("Henry"));
    assert_eq!(user.graduation_year, Some(2018));
    assert_eq!(user.login_password.as_deref(), Some("change"));
    assert_eq!((user.gender, user.enabled, user.staff_member), (Some('M'), true, false));
}

#[test]
fn the_sources_sample_with_its_line_break_has_surplus_values() {
    let mut tenant = tenant();
    let answer = tenant.apply(Users, SAMPLE.join("\r\n").as_bytes(), None);
    let e = "Row has 15 values but the header has 14 columns. ";
    assert_eq!(
        answer.body,
        format!(
            r#"{{"success":false,"summary":"2 users processed. 0 users created. 0 users updated. 2 users failed.","details":{{"1":"{e}User failed to import: {e}","2":"{e}User failed to import: {e}"}}}}"#
        )
    );
    assert_eq!(tenant.snapshot().users.len(), 0);
}

#[test]
fn a_file_without_the_required_columns_is_refused() {
    for (endpoint, file) in [
        (Users, "enabled,staffmember\ny,y"),
        (Users, "username,Email,emailaddress\na,,"),
        (Users, "username,USER NAME\na,"),
        (Users, "username,library-group\na,Year 7"),
        (Users, "library-group,system-group\nYear 7,"),
        (UserGroups, "username,library-group\na,Year 7"),
        (UserGroups, "username,enabled,staffmember\na,y,y"),
        (UserGroups, "username,library-group,system-group,library group\na,,,"),
        (Users, "username,enabled,staffmember,librarygroup\na,y,y,Year 7\n"),
        (Users, "username,givenname,library-group,system-group\na,A,Year 7,\n"),
        (UserGroups, "username,givenname,library-group,system-group\na,A,Year 7,\n"),
    ] {
        let mut tenant = tenant();
        let answer = tenant.apply(endpoint, file.as_bytes(), None);
        assert_eq!(answer.status, 400, "{file}");
        assert!(answer.agrees_with(400, r#"{"success":false,"summary":"Another sentence."}"#));
        assert!(!answer.agrees_with(400, r#"{"success":true,"summary":"Another sentence."}"#));
        assert!(!answer.agrees_with(200, &answer.body));
        assert_eq!(tenant.snapshot().users.len(), 0);
    }
}

#[test]
fn leading_spaces_are_ignored_in_the_comparison() {
    let answer = tenant().apply(Users, b"", None);
    assert!(answer.agrees_with(200, format!("  {}", answer.body)));
    assert!(!answer.agrees_with(200, format!("{}\n", answer.body)));
    assert!(!answer.agrees_with(400, &answer.body));
}

#[test]
fn delimiters_line_ends_quotes_and_blank_lines() {
    for (delimiter, end) in [(",", "\n"), (";", "\r\n"), ("\t", "\r")] {
        let mut tenant = tenant();
        let file = [
            "\"Given, Name\",User-Name,ENABLED,staff member,Surname",
            " \t ",
            "\"A \"\"B\"\" , \n\r c\",u1,y,y,\" Doe \"x",
            "",
            "5\" disc,\"u2\"\"\",y,y, \"no\"",
            "\"\",u3,y,y,\"open, to",
            "the end\"",
        ];
        let file = file.map(|line| line.replace(',', delimiter)).join(end);
        let answer = tenant.apply(Users, file.as_bytes(), None);
        assert_eq!(
            answer.body,
            ok("3 users processed. 3 users created. 0 users updated. 0 users failed."),
            "{file}"
        );
        let user = tenant.user("u1").unwrap();
        assert_eq!(user.given_name.as_deref(), Some(format!("A \"B\" {delimiter} \n\r c").as_str()));
        assert_eq!(user.surname.as_deref(), Some("Doe x"));
        let user = tenant.user("u2\"").unwrap();
        assert_eq!(user.given_name.as_deref(), Some("5\" disc"));
        assert_eq!(user.surname.as_deref(), Some("no"));
        assert_eq!(tenant.user("u3").unwrap().surname, Some(format!("open{delimiter} to{end}the end")));
    }
}

#[test]
fn encodings() {
    let file = "username,enabled,staffmember,surname\nzo\u{e9},y,y,\u{20ac} \u{1F600}\n";
    let units: Vec<u16> = "\u{FEFF}".encode_utf16().chain(file.encode_utf16()).collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let utf8 = file.as_bytes().to_vec();
    let marked = [b"\xEF\xBB\xBF".as_slice(), &utf8].concat();
    for (bytes, charset) in [
        (&utf8, None),
        (&marked, None),
        (&little, None),
        (&big, None),
        (&utf8, Some("UTF-8")),
        (&marked, Some("utf8")),
        (&little[2..].to_vec(), Some("utf-16le")),
        (&big[2..].to_vec(), Some("UTF-16BE")),
    ] {
        let mut tenant = tenant();
        tenant.apply(Users, bytes, charset);
        assert_eq!(tenant.user("ZO\u{c9}").unwrap().surname.as_deref(), Some("\u{20ac} \u{1F600}"));
    }

    let latin = b"username,enabled,staffmember,surname\nzo\xE9,y,y,\x80\x81\xFF\n";
    for charset in [None, Some("iso-8859-1")] {
        let mut tenant = tenant();
        tenant.apply(Users, latin, charset);
        assert_eq!(tenant.user("zo\u{e9}").unwrap().surname.as_deref(), Some("\u{20ac}\u{81}\u{ff}"));
    }
    let mut tenant = self::tenant();
    let answer = tenant.apply(Users, latin, Some("utf-8"));
    assert_eq!(answer.body, failed(&["Row contains bytes that are not valid UTF-8. "]));
    assert_eq!(self::tenant().apply(Users, latin, Some("klingon")).status, 400);
    assert_eq!(self::tenant().apply(Users, &little[..9], None).status, 400);
    tenant.apply(Users, &utf8, Some("windows-1252"));
    assert!(tenant.user("zo\u{c3}\u{a9}").is_some());
}

#[test]
fn rows_apply_in_file_order() {
    let mut tenant = tenant();
    assert_eq!(
        rows(
            &mut tenant,
            "Ann,y,y,,b1,\nANN,,,,,Ann\nbob,y,y,,b1,\nbob,y,y,,b2,\nann,,,,b3,\ncy,y,y,,b1,\nbob,,,,b3,\nCY,,,,,\n"
        ),
        [
            "C",
            "U",
            "Field (libraryBarcode) is already used by another user. ",
            "C",
            "U",
            "C",
            "Field (libraryBarcode) is already used by another user. ",
            "U"
        ]
    );
    let snapshot = tenant.snapshot();
    assert_eq!(snapshot.users.keys().collect::<Vec<_>>(), ["ann", "bob", "cy"]);
    assert_eq!(snapshot.users["ann"].username, "Ann");
    assert_eq!(snapshot.users["ann"].library_barcode.as_deref(), Some("b3"));
    assert_eq!(snapshot.users["ann"].given_name, None);
}

#[test]
fn blank_clears_or_keeps_and_absent_keeps() {
    let mut tenant = tenant();
    let full = "username,givenname,surname,middlename,preferredname,email,graduationyear,barcode,adminsystemid,gender,\
                password,formclass,enabled,staffmember,presentationgroup\n";
    outcomes(&mut tenant, &format!("{full}a,G,S,M,P,e@x,2020,b,id,f,pw,7A,Yes,0,Red\n"));
    let before = tenant.snapshot();
    assert_eq!(outcomes(&mut tenant, "username,enabled,staffmember\nA\n"), ["U"]);
    assert_eq!(tenant.snapshot(), before);
    assert_eq!(outcomes(&mut tenant, &format!("{full}a,,,,,,,,,,,,,,\n")), ["U"]);
    let user = tenant.user("a").unwrap();
    assert_eq!(
        *user,
        User {
            username: "a".to_owned(),
            graduation_year: Some(2020),
            library_barcode: Some("b".to_owned()),
            admin_system_id: Some("id".to_owned()),
            enabled: true,
            password_applied: Some("pw".to_owned()),
            login_password: Some("pw".to_owned()),
            ..User::default()
        }
    );
    assert_eq!(tenant.snapshot().presentation_groups, BTreeSet::from(["Red".to_owned()]));
    assert_eq!(before.differences(&before), [""; 0]);
    assert_eq!(before.differences(&tenant.snapshot()).len(), 1);
}

#[test]
fn an_import_creates_a_limited_number_of_presentation_groups() {
    let mut tenant = tenant();
    tenant.presentation_group_limit = 1;
    let file = "username,enabled,staffmember,presentationgroup\na,y,y,Red\nb,y,y,Blue\nc,,y,Blue\n,,,Blue\nb,y,y,Red\n";
    let too_many = "Field (presentationGroupLabel) names one presentation group too many. ";
    let expected = [
        "C".to_owned(),
        too_many.to_owned(),
        format!("Field (enabled) is required to create a user. {too_many}"),
        "Field (username) may not be empty. ".to_owned(),
        "C".to_owned(),
    ];
    assert_eq!(outcomes(&mut tenant, file), expected);
    // The next import counts anew.
    assert_eq!(outcomes(&mut tenant, "username,presentationgroup\na,Blue\nb,Green\n"), ["U", too_many]);
}

#[test]
fn all_problems_of_a_row_are_listed_in_the_order_of_the_field_table() {
    let mut tenant = tenant();
    rows(&mut tenant, "owner,y,y,,taken,\n");
    let long = "\u{e9}".repeat(256);
    let bad = format!(
        "{long}\u{1}\u{200B}x,{long},{long},{long},{long}\0,x@,20,taken,{long},X,{},{long},maybe,t,{long}\u{2060}x,,",
        "p".repeat(1025)
    );
    let header = "username,givenname,surname,middlename,preferredname,email,graduationyear,barcode,adminsystemid,gender,\
                  password,formclass,enabled,staffmember,presentationgroup";
    let long_text = |name: &str| format!("Field ({name}) is longer than 255 characters. ");
    assert_eq!(
        outcomes(&mut tenant, &format!("{header}\n{bad}\n")),
        [[
            &long_text("username"),
            "Field (username) contains control characters. ",
            "Field (username) contains invisible characters. ",
            &long_text("givenName"),
            &long_text("surname"),
            &long_text("middleName"),
            &long_text("preferredName"),
            "Field (preferredName) contains control characters. ",
            "Field (emailAddress) is not a well-formed email address. ",
            "Field (graduationYear) is not a valid year. ",
            "Field (libraryBarcode) is already used by another user. ",
            &long_text("adminSystemId"),
            "Field (gender) must be M, F or blank. ",
            "Field (password) is longer than 1024 bytes. ",
            &long_text("formClass"),
            "Field (enabled) is not a valid boolean. ",
            "Field (staffMember) is not a valid boolean. ",
            &long_text("presentationGroupLabel"),
            "Field (presentationGroupLabel) contains invisible characters. ",
        ]
        .concat()]
    );
    // A surplus value shifts the others, so nothing is said of them.
    assert_eq!(
        outcomes(&mut tenant, &format!("{header}\n{bad}surplus,\n")),
        ["Row has 18 values but the header has 15 columns. "]
    );
}

#[test]
fn fields_required_to_create() {
    let required = |name: &str| format!("Field ({name}) is required to create a user. ");
    let both = required("enabled") + &required("staffMember");
    let student = "Field (graduationYear) is required to create a student. ";
    let empty = "Field (username) may not be empty. ";
    let control = "Field (username) contains control characters. ";
    let mut tenant = tenant();
    assert_eq!(
        rows(
            &mut tenant,
            "a,,,,,\na\na,y,n,,,\na,y,n,12,,\na,maybe,,,,\n,,y,,,\n,,n,x,,\nx\u{7}y,,,,,\na,y,n,2020,,\nA,,n,,,\nb,y,y,2020,,,,\n"
        ),
        [
            both.clone(),
            both.clone(),
            student.to_owned(),
            "Field (graduationYear) is not a valid year. ".to_owned(),
            format!("Field (enabled) is not a valid boolean. {}", required("staffMember")),
            empty.to_owned(),
            format!("{empty}Field (graduationYear) is not a valid year. "),
            format!("{control}{both}"),
            "C".to_owned(),
            "U".to_owned(),
            "C".to_owned(),
        ]
    );
    assert_eq!(outcomes(&mut tenant, "username,password\nnew,pw\na,pw"), [both.as_str(), "U"]);
}

#[test]
fn a_failing_row_changes_nothing() {
    let mut tenant = tenant();
    let file = "username,enabled,staffmember,barcode,presentationgroup,email\na,y,y,b1,Red,stranger\n";
    outcomes(&mut tenant, file);
    assert_eq!(tenant.snapshot().users.len() + tenant.snapshot().presentation_groups.len(), 0);
    assert_eq!(rows(&mut tenant, "b,y,y,,b1,\n"), ["C"]);
}

#[test]
fn values_at_their_limits() {
    let local = "l".repeat(64);
    let domain = format!("{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(61));
    for (email, well_formed) in [
        (format!("{local}@{domain}"), true),
        (format!("{local}@{domain}d"), false),
        (format!("{local}l@x"), false),
        (format!("a@{}", "b".repeat(63)), true),
        (format!("a@{}", "b".repeat(64)), false),
        ("a@b".to_owned(), true),
        ("!#$%&'*+/=?^_`{|}~-.@b-c.d".to_owned(), true),
        ("a@b@c".to_owned(), false),
        ("a@b..c".to_owned(), false),
        ("a@-b".to_owned(), false),
        ("a@b-".to_owned(), false),
        ("@b".to_owned(), false),
        ("a@".to_owned(), false),
        ("a b@c".to_owned(), false),
        ("a@b\u{e9}".to_owned(), false),
    ] {
        assert_eq!(cells::email(&email).is_ok(), well_formed, "{email}");
    }
    for (year, valid) in
        [("1900", true), ("2200", true), ("1899", false), ("2201", false), ("+999", false), ("02000", false)]
    {
        assert_eq!(cells::year(year).is_ok(), valid, "{year}");
    }
    assert!(cells::free_text(&"\u{1F600}".repeat(255)).is_ok());
    assert!(cells::free_text(&"\u{1F600}".repeat(256)).is_err());
    assert!(cells::free_text("a\nb\u{7f}").is_ok());
    assert!(cells::password(&"\u{e9}".repeat(512)).is_ok());
    assert!(cells::password(&"\u{e9}".repeat(513)).is_err());
    assert_eq!(cells::boolean("tRuE"), Ok(true));
    assert!(cells::boolean("t").is_err());
    assert_eq!(username_key("\u{130}\u{3a3}\u{3a3}"), "i\u{307}\u{3c3}\u{3c3}");
}

#[test]
fn passwords_by_policy() {
    let file = |password: &str| format!("username,enabled,staffmember,password\na,y,y,{password}\n");
    let import = |tenant: &mut Tenant, password: &str| {
        tenant.apply(Users, file(password).as_bytes(), None);
    };
    for (policy, nightly, next) in [
        (PasswordPolicy::WhenChanged, "own", "second"),
        (PasswordPolicy::Always, "first", "second"),
        (PasswordPolicy::OnCreate, "own", "own"),
    ] {
        let mut tenant = Tenant::new(policy);
        import(&mut tenant, "first");
        assert!(tenant.owner_changes_password("A", "own"));
        import(&mut tenant, "first");
        import(&mut tenant, "");
        assert_eq!(tenant.user("a").unwrap().login_password.as_deref(), Some(nightly));
        import(&mut tenant, "second");
        assert_eq!(tenant.user("a").unwrap().login_password.as_deref(), Some(next));
    }
    assert!(!tenant().owner_changes_password("stranger", "x"));
}

#[test]
fn group_imports_on_either_url() {
    for endpoint in [Users, UserGroups] {
        let mut tenant = tenant();
        rows(&mut tenant, "Ann,y,y,,,\n");
        let file = "Library-Group;username;house;system_group\n\
                    Year 7;ann;Changed; Borrowers \n;ann;;Borrowers\nyear 7;ANN;;\n;stranger;;\nYear 7;;;Strangers\n\
                    Year 7;ann\n;ann;;;x\nYear 7;;;;\n";
        let answer = tenant.apply(endpoint, file.as_bytes(), None);
        let failed = |e: &str| format!("{e}User failed to import: {e}");
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["summary"], "8 users processed. 0 users created. 3 users updated. 5 users failed.");
        for (row, outcome) in [
            ("1", "User Updated".to_owned()),
            ("2", "User Updated".to_owned()),
            ("3", failed("Field (libraryGroup) is not a defined library group. ")),
            ("4", failed("Field (username) is not a known user. Row names no group. ")),
            (
                "5",
                failed(
                    "Field (username) may not be empty. Field (systemGroup) is not a defined system group. ",
                ),
            ),
            ("6", "User Updated".to_owned()),
            ("7", failed("Row has 5 values but the header has 4 columns. ")),
            ("8", failed("Field (username) may not be empty. ")),
        ] {
            assert_eq!(body["details"][row], outcome, "{row}");
        }
        let snapshot = tenant.snapshot();
        assert_eq!(snapshot.library_groups["Year 7"], BTreeSet::from(["Ann".to_owned()]));
        assert_eq!(snapshot.system_groups["Borrowers"], BTreeSet::from(["Ann".to_owned()]));
        assert_eq!(snapshot.users["ann"].given_name, None);
    }
}
