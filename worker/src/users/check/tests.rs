use rollcall_schema::imports::model::{Endpoint, ImportKind};

use super::*;
use crate::read::batch::RecordBatch;
use crate::read::record::MAX_RECORD_BYTES;
use crate::read::records::Records;
use crate::survey::survey;

/// The rows of a file, which lives as long as the test process: rows borrow from it.
fn rows(text: &str) -> Vec<UserRow<'static>> {
    let survey = survey(text.as_bytes(), Endpoint::Users, None).expect("the file is good");
    let header = survey.header.as_ref().expect("there is a header");
    assert_eq!(header.kind, ImportKind::Users);
    let columns = &header.columns;
    let mut records = Records::open(text.as_bytes(), survey.format);
    let mut batch = RecordBatch::default();
    while let Some(record) = records.next_record().expect("memory can be read") {
        batch.push(&record);
    }
    let batch: &RecordBatch = Box::leak(Box::new(batch));
    batch.iter().map(|record| check(&record, columns)).collect()
}

/// The row of a file whose header is `username` and `column`.
fn row(column: &str, cell: &str) -> UserRow<'static> {
    rows(&format!("username,{column}\njane,\"{cell}\"\n")).pop().expect("there is a row")
}

fn text(mut row: UserRow<'_>) -> String {
    row.problems.to_text()
}

fn set(value: &str) -> Change<&str> {
    Change::Set(value)
}

const ALL: &str = "username,givenname,surname,middleinitialname,preferredname,emailaddress,graduationyear,\
                   librarybarcode,adminsystemid,gender,password,formclass,enabled,staffmemberid,presentationgroup";

#[test]
fn a_full_row() {
    let file = format!(
        "{ALL}\nJDoe1, Jane ,Doe,Mary,Jan,jdoe1@yourschool.com,2016,123456,S-9,F,change,12A,Y,no,\"Year 12, blue\"\n"
    );
    let row = rows(&file).pop().expect("there is a row");
    assert_eq!(
        row,
        UserRow {
            username: UsernameCell::Valid(Username { written: "JDoe1", key: "jdoe1".into() }),
            given_name: set("Jane"),
            surname: set("Doe"),
            middle_name: set("Mary"),
            preferred_name: set("Jan"),
            email_address: set("jdoe1@yourschool.com"),
            graduation_year: Change::Set(2016),
            library_barcode: Change::Set("123456".into()),
            admin_system_id: set("S-9"),
            gender: Change::Set(Gender::Female),
            password: Change::Set(Password::new("change")),
            form_class: set("12A"),
            enabled: Change::Set(true),
            staff_member: Change::Set(false),
            presentation_group_label: Change::Set("Year 12, blue".into()),
            problems: Problems::default(),
            invalid: FieldSet::default(),
        }
    );
}

#[test]
fn a_blank_clears_or_keeps_as_the_table_says() {
    let row = rows(&format!("{ALL}\njane, ,,,,,\u{A0},,,,,,,,\n")).pop().expect("there is a row");
    for change in [
        &row.given_name,
        &row.surname,
        &row.middle_name,
        &row.preferred_name,
        &row.email_address,
        &row.form_class,
    ] {
        assert_eq!(*change, Change::Clear);
    }
    assert_eq!(row.presentation_group_label, Change::Clear);
    assert_eq!(row.gender, Change::Clear);
    assert_eq!(
        (row.graduation_year, row.enabled, row.staff_member),
        (Change::Keep, Change::Keep, Change::Keep)
    );
    assert_eq!(row.library_barcode, Change::Keep);
    assert_eq!(row.admin_system_id, Change::Keep);
    assert_eq!(row.password, Change::Keep);
    assert!(row.problems.is_empty());
}

#[test]
fn an_absent_column_and_a_missing_cell_keep() {
    for file in [format!("{ALL}\njane\n"), "username\njane\n".to_owned()] {
        let row = rows(&file).pop().expect("there is a row");
        for change in [&row.given_name, &row.email_address, &row.form_class] {
            assert_eq!(*change, Change::Keep);
        }
        assert_eq!(row.presentation_group_label, Change::Keep);
        assert_eq!(row.gender, Change::Keep);
        assert!(row.problems.is_empty());
    }
}

#[test]
fn usernames() {
    let check =
        |cell: &str| rows(&format!("username,surname\n\"{cell}\",x\n")).pop().expect("there is a row");
    let long = "é".repeat(255);
    for cell in ["jane", " jane doe ", long.as_str()] {
        let row = check(cell);
        assert!(row.problems.is_empty());
        assert!(matches!(row.username, UsernameCell::Valid(username) if username.written == cell.trim()));
    }
    assert!(matches!(check("ΟΔΟΣ").username, UsernameCell::Valid(username) if username.key == "οδοσ"));

    let row = check(&"é".repeat(256));
    assert_eq!(row.username, UsernameCell::Invalid);
    assert!(row.invalid.contains(Field::Username));
    assert_eq!(text(row), "Field (username) is longer than 255 characters. ");
    for control in ['\0', '\t', '\n', '\u{7F}', '\u{85}'] {
        let row = check(&format!("a{control}b"));
        assert_eq!(row.username, UsernameCell::Invalid);
        assert_eq!(text(row), "Field (username) contains control characters. ");
    }
    let row = check("a\u{200B}b");
    assert_eq!(row.username, UsernameCell::Invalid);
    assert_eq!(text(row), "Field (username) contains invisible characters. ");
    assert_eq!(
        text(check(&"a\0\u{FEFF}x".repeat(200))),
        "Field (username) is longer than 255 characters. Field (username) contains control characters. \
         Field (username) contains invisible characters. "
    );
    let row = check(" ");
    assert_eq!(row.username, UsernameCell::Missing);
    assert!(!row.invalid.contains(Field::Username));
    assert_eq!(text(row), "Field (username) may not be empty. ");
    let row = rows("surname,username\nDoe\n").pop().expect("there is a row");
    assert_eq!(row.username, UsernameCell::Missing);
    assert_eq!(text(row), "Field (username) may not be empty. ");
}

#[test]
fn texts() {
    type Get = fn(&UserRow<'static>) -> Change<&'static str>;
    let cases: [(&str, &str, Get, Field); 6] = [
        ("givenname", "givenName", |row| row.given_name, Field::GivenName),
        ("surname", "surname", |row| row.surname, Field::Surname),
        ("middlename", "middleName", |row| row.middle_name, Field::MiddleName),
        ("preferredname", "preferredName", |row| row.preferred_name, Field::PreferredName),
        ("adminsystemid", "adminSystemId", |row| row.admin_system_id, Field::AdminSystemId),
        ("formclass", "formClass", |row| row.form_class, Field::FormClass),
    ];
    for (column, name, of, field) in cases {
        for cell in ["é".repeat(255), "a\u{1}\nb".to_owned()] {
            let row = row(column, &cell);
            assert_eq!(of(&row), set(&cell));
            assert_eq!(text(row), "");
        }
        let row = row(column, &("\0".to_owned() + &"é".repeat(255)));
        assert_eq!(of(&row), Change::Keep);
        assert!(row.invalid.contains(field));
        assert_eq!(
            text(row),
            format!(
                "Field ({name}) is longer than 255 characters. Field ({name}) contains control characters. "
            )
        );
    }
}

#[test]
fn names_are_read_in_the_form_in_which_they_are_compared() {
    type Get = fn(UserRow<'static>) -> Change<Cow<'static, str>>;
    let cases: [(&str, &str, Get); 2] = [
        ("librarybarcode", "libraryBarcode", |row| row.library_barcode),
        ("presentationgrouplabel", "presentationGroupLabel", |row| row.presentation_group_label),
    ];
    for (column, name, of) in cases {
        for (cell, value) in [
            ("0012", "0012"),
            (" Year  7\u{A0}", "Year 7"),
            ("E\u{301}le\u{300}ves", "Élèves"),
            ("a\u{1}\nb", "a\u{1} b"),
        ] {
            assert_eq!(of(row(column, cell)), Change::Set(value.into()), "{cell:?}");
        }
        assert_eq!(of(row(column, "a\u{200B}b")), Change::Keep);
        assert_eq!(
            text(row(column, &("a\0\u{AD}".to_owned() + &"é".repeat(255)))),
            format!(
                "Field ({name}) is longer than 255 characters. Field ({name}) contains control characters. \
                 Field ({name}) contains invisible characters. "
            )
        );
    }
}

#[test]
fn passwords() {
    let longest = "é".repeat(512);
    assert_eq!(row("password", &longest).password, Change::Set(Password::new(&longest)));
    let too_long = row("password", &(longest.clone() + "x"));
    assert_eq!(too_long.password, Change::Keep);
    assert!(too_long.invalid.contains(Field::Password));
    assert_eq!(text(too_long), "Field (password) is longer than 1024 bytes. ");
    assert_eq!(text(row("password", "a\0b")), "Field (password) contains control characters. ");
    let shown = format!("{:?}", row("password", "swordfish"));
    assert!(!shown.contains("swordfish") && shown.contains("Password(…)"), "{shown}");
    assert_eq!(Password::new("swordfish").expose(), "swordfish");
}

#[test]
fn booleans() {
    for (cell, value) in [
        ("y", true),
        ("Y", true),
        ("yes", true),
        ("YeS", true),
        ("true", true),
        ("TRUE", true),
        ("1", true),
        ("n", false),
        ("N", false),
        ("no", false),
        ("No", false),
        ("false", false),
        ("False", false),
        ("0", false),
        (" n ", false),
    ] {
        assert_eq!(row("enabled", cell).enabled, Change::Set(value), "{cell}");
        assert_eq!(row("staffmember", cell).staff_member, Change::Set(value), "{cell}");
    }
    for cell in ["t", "on", "2", "01", "yes!", "ÿ", "-"] {
        let bad = row("enabled", cell);
        assert_eq!(bad.enabled, Change::Keep);
        assert!(bad.invalid.contains(Field::Enabled));
        assert_eq!(text(bad), "Field (enabled) is not a valid boolean. ", "{cell}");
        assert_eq!(text(row("staffmember", cell)), "Field (staffMember) is not a valid boolean. ", "{cell}");
    }
}

#[test]
fn years() {
    for (cell, year) in [("1900", 1900), ("2200", 2200), (" 2026 ", 2026)] {
        assert_eq!(row("graduationyear", cell).graduation_year, Change::Set(year));
    }
    for cell in
        ["1899", "2201", "+202", "+2026", "-2026", "02026", "26", "2026.0", "٢٠٢٦", "20 26", "0x7E", "x"]
    {
        let bad = row("graduationyear", cell);
        assert_eq!(bad.graduation_year, Change::Keep);
        assert!(bad.invalid.contains(Field::GraduationYear));
        assert_eq!(text(bad), "Field (graduationYear) is not a valid year. ", "{cell}");
    }
}

#[test]
fn genders() {
    for (cell, gender) in
        [("M", Gender::Male), ("m", Gender::Male), ("F", Gender::Female), ("f", Gender::Female)]
    {
        assert_eq!(row("gender", cell).gender, Change::Set(gender));
        assert_eq!(gender.letter(), cell.to_uppercase());
    }
    for cell in ["X", "male", "MF", "\0"] {
        assert_eq!(text(row("gender", cell)), "Field (gender) must be M, F or blank. ", "{cell}");
    }
}

#[test]
fn email_addresses() {
    let long_local = format!("{}@example.org", "a".repeat(64));
    let long_label = format!("a@{}.org", "a".repeat(63));
    let longest = format!("{}@{}.{}.{}", "a".repeat(62), "b".repeat(63), "c".repeat(63), "d".repeat(63));
    assert_eq!(longest.len(), 254);
    for cell in [
        "jane@gmail.com",
        "jane@localhost",
        "a@b",
        "JANE.Doe+x@sub-domain.example.ORG",
        ".a..b.@1.2.3.4",
        "!#$%&'*+/=?^_`{|}~-@x",
        &long_local,
        &long_label,
        &longest,
    ] {
        assert_eq!(row("email", cell).email_address, set(cell), "{cell}");
    }
    for cell in [
        "jane",
        "@",
        "jane@",
        "@gmail.com",
        "a@b@c",
        "a b@c",
        "a@b c",
        "a@-b",
        "a@b-",
        "a@b..c",
        "a@.b",
        "a@b.",
        "jané@gmail.com",
        "a@exämple.org",
        "a@b_c",
        "<a@b>",
        "a@[127.0.0.1]",
        "a\0@b",
        "a,b@c",
        "(x)a@b",
        &format!("a{long_local}"),
        &format!("a@a{}", &long_label[2..]),
        &format!("a{longest}"),
    ] {
        let bad = row("emailaddress", cell);
        assert_eq!(bad.email_address, Change::Keep);
        assert!(bad.invalid.contains(Field::EmailAddress));
        assert_eq!(text(bad), "Field (emailAddress) is not a well-formed email address. ", "{cell}");
    }
    assert_eq!(
        text(row("email", "\"\"jane\"\"@gmail.com")),
        "Field (emailAddress) is not a well-formed email address. "
    );
}

#[test]
fn surplus_values_fail_the_row_and_nothing_is_said_of_its_cells() {
    let mut rows = rows("username,enabled\na,y,, ,\nb,y,,x,\nc,maybe,x\n,,x\n").into_iter();
    let mut next = || rows.next().expect("there is a row");
    assert_eq!(text(next()), "");
    let b = next();
    assert_eq!((&b.username, b.enabled), (&UsernameCell::Missing, Change::Keep));
    assert_eq!(text(b), "Row has 5 values but the header has 2 columns. ");
    assert_eq!(text(next()), "Row has 3 values but the header has 2 columns. ");
    assert_eq!(text(next()), "Row has 3 values but the header has 2 columns. ");
}

#[test]
fn a_row_that_did_not_come_out_whole_has_that_one_problem() {
    let file = format!("username,enabled\n{},maybe\nb,y\nc,\"", "x".repeat(MAX_RECORD_BYTES));
    let rows = rows(&file);
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0].username, UsernameCell::Missing);
    assert_eq!(text(rows[0].clone()), "Row is longer than 1 MiB. ");
    assert_eq!(text(rows[1].clone()), "");
    assert_eq!(rows[2].username, UsernameCell::Missing);
    assert_eq!(text(rows[2].clone()), "Row has a quote that does not close. ");
}

#[test]
fn all_problems_of_a_row_are_listed_in_the_order_of_the_table() {
    let file = format!("{ALL}\n,,,,,x,x,,,x,,,x,x,,\n");
    assert_eq!(
        text(rows(&file).remove(0)),
        "Field (username) may not be empty. \
         Field (emailAddress) is not a well-formed email address. Field (graduationYear) is not a valid year. \
         Field (gender) must be M, F or blank. Field (enabled) is not a valid boolean. \
         Field (staffMember) is not a valid boolean. "
    );
}
