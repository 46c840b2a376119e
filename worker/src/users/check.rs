//! HashQueue a record of a user import into a row: what each cell asks for, or what is wrong with it.
//!
//! Knows only the record. Whether a barcode is taken or a new user lacks something, only the merge can tell.

use super::columns::UserColumns;
use super::row::{Change, Gender, Password, UserRow, Username, UsernameCell};
use crate::rows::problem::{Fault, Field, FieldSet, Problem, Problems};
use crate::read::records::{Record, Shape};

/// How long a text may be, in characters.
pub(crate) const MAX_CHARS: usize = 255;
/// How long a password may be, in bytes.
const MAX_PASSWORD_BYTES: usize = 1024;
/// How long an address may be, in bytes: RFC 5321, §4.5.3.1.3, allows 256 with the angle brackets.
const MAX_EMAIL_BYTES: usize = 254;
/// How long the part before the `@` may be, in bytes: RFC 5321, §4.5.3.1.1.
const MAX_EMAIL_LOCAL_BYTES: usize = 64;
/// How long a label of a domain may be, in bytes.
const MAX_EMAIL_LABEL_BYTES: usize = 63;

/// Checks one record. A record that did not come out whole has that one problem: its cells are not known.
pub fn check<'a>(record: &Record<'a>, columns: &UserColumns) -> UserRow<'a> {
    let mut cells = Cells { record, columns, problems: Problems::default(), invalid: FieldSet::default() };
    if let Some(problem) = Problem::of_row(record, columns.width()) {
        cells.problems.push(problem);
    }
    // Field initialisers run in the order in which they are written: `problems` and `invalid` come last.
    UserRow {
        username: cells.username(),
        given_name: cells.text(Field::GivenName, Change::Clear),
        surname: cells.text(Field::Surname, Change::Clear),
        middle_name: cells.text(Field::MiddleName, Change::Clear),
        preferred_name: cells.text(Field::PreferredName, Change::Clear),
        email_address: cells.value(Field::EmailAddress, Change::Clear, email_address),
        graduation_year: cells.value(Field::GraduationYear, Change::Keep, year),
        library_barcode: cells.text(Field::LibraryBarcode, Change::Keep),
        admin_system_id: cells.text(Field::AdminSystemId, Change::Keep),
        gender: cells.value(Field::Gender, Change::Clear, gender),
        password: cells.password(),
        form_class: cells.text(Field::FormClass, Change::Clear),
        enabled: cells.value(Field::Enabled, Change::Keep, boolean),
        staff_member: cells.value(Field::StaffMember, Change::Keep, boolean),
        presentation_group_label: cells.text(Field::PresentationGroupLabel, Change::Clear),
        problems: cells.problems,
        invalid: cells.invalid,
    }
}

/// The cells of one record, and what was found wrong with those that were looked at.
struct Cells<'r, 'a> {
    record: &'r Record<'a>,
    columns: &'r UserColumns,
    problems: Problems,
    invalid: FieldSet,
}

impl<'a> Cells<'_, 'a> {
    fn cell(&self, field: Field) -> Option<&'a str> {
        self.record.cell(self.columns.position(field)?)
    }

    fn fail(&mut self, field: Field, fault: Fault) {
        self.problems.push(Problem::Field(field, fault));
        self.invalid.insert(field);
    }

    fn username(&mut self) -> UsernameCell<'a> {
        if self.record.shape() != Shape::Whole {
            return UsernameCell::Missing;
        }
        let Some(cell) = self.cell(Field::Username).filter(|cell| !cell.is_empty()) else {
            self.problems.push(Problem::Field(Field::Username, Fault::Empty));
            return UsernameCell::Missing;
        };
        if is_too_long(cell) {
            self.fail(Field::Username, Fault::TooManyCharacters);
        }
        if cell.chars().any(char::is_control) {
            self.fail(Field::Username, Fault::ControlCharacters);
        }
        if self.invalid.contains(Field::Username) {
            UsernameCell::Invalid
        } else {
            UsernameCell::Valid(Username::new(cell))
        }
    }

    fn text(&mut self, field: Field, blank: Change<&'a str>) -> Change<&'a str> {
        let Some(cell) = self.cell(field) else { return Change::Keep };
        if cell.is_empty() {
            return blank;
        }
        if is_too_long(cell) {
            self.fail(field, Fault::TooManyCharacters);
        }
        self.refuse_nul(field, cell);
        if self.invalid.contains(field) { Change::Keep } else { Change::Set(cell) }
    }

    fn password(&mut self) -> Change<Password<'a>> {
        let Some(cell) = self.cell(Field::Password).filter(|cell| !cell.is_empty()) else {
            return Change::Keep;
        };
        if cell.len() > MAX_PASSWORD_BYTES {
            self.fail(Field::Password, Fault::TooManyBytes);
        }
        self.refuse_nul(Field::Password, cell);
        if self.invalid.contains(Field::Password) { Change::Keep } else { Change::Set(Password::new(cell)) }
    }

    /// Postgres stores no NUL in a text; other control characters are the school's own affair.
    fn refuse_nul(&mut self, field: Field, cell: &str) {
        if cell.contains('\0') {
            self.fail(field, Fault::ControlCharacters);
        }
    }

    fn value<T>(
        &mut self,
        field: Field,
        blank: Change<T>,
        parse: impl Fn(&'a str) -> Result<T, Fault>,
    ) -> Change<T> {
        let Some(cell) = self.cell(field) else { return Change::Keep };
        if cell.is_empty() {
            return blank;
        }
        match parse(cell) {
            Ok(value) => Change::Set(value),
            Err(fault) => {
                self.fail(field, fault);
                Change::Keep
            }
        }
    }
}

/// Whether a text is longer than [`MAX_CHARS`].
pub(crate) fn is_too_long(cell: &str) -> bool {
    cell.len() > MAX_CHARS && cell.chars().nth(MAX_CHARS).is_some()
}

fn boolean(cell: &str) -> Result<bool, Fault> {
    let is_one_of = |words: [&str; 4]| words.iter().any(|word| cell.eq_ignore_ascii_case(word));
    if is_one_of(["y", "yes", "true", "1"]) {
        Ok(true)
    } else if is_one_of(["n", "no", "false", "0"]) {
        Ok(false)
    } else {
        Err(Fault::NotABoolean)
    }
}

fn gender(cell: &str) -> Result<Gender, Fault> {
    match cell {
        "F" | "f" => Ok(Gender::Female),
        "M" | "m" => Ok(Gender::Male),
        _ => Err(Fault::NotAGender),
    }
}

fn year(cell: &str) -> Result<i16, Fault> {
    let is_four_digits = cell.len() == 4 && cell.bytes().all(|byte| byte.is_ascii_digit());
    match cell.parse() {
        Ok(year @ 1900..=2200) if is_four_digits => Ok(year),
        _ => Err(Fault::NotAYear),
    }
}

fn email_address(cell: &str) -> Result<&str, Fault> {
    if is_email_address(cell) { Ok(cell) } else { Err(Fault::NotAnEmailAddress) }
}

/// The pattern that the HTML standard gives for a valid email address, within RFC 5321's lengths: some of the ASCII
/// letters, digits and signs that an unquoted local part may have, dots anywhere among them; an `@`; and labels of
/// letters, digits and inner hyphens, joined by dots.
fn is_email_address(cell: &str) -> bool {
    let Some((local, domain)) = cell.split_once('@') else { return false };
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let is_label = |label: &str| {
        (1..=MAX_EMAIL_LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    cell.len() <= MAX_EMAIL_BYTES
        && (1..=MAX_EMAIL_LOCAL_BYTES).contains(&local.len())
        && local.bytes().all(is_local)
        && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use rollcall_schema::import::Endpoint;

    use super::*;
    use crate::rows::header::Columns;
    use crate::read::batch::RecordBatch;
    use crate::read::records::{MAX_RECORD_BYTES, Records};
    use crate::read::survey;

    /// The rows of a file, which lives as long as the test process: rows borrow from it.
    fn rows(text: &str) -> Vec<UserRow<'static>> {
        let survey = survey(text.as_bytes(), Endpoint::Users, None).expect("the file is good");
        let header = survey.header.as_ref().expect("there is a header");
        let Columns::Users(columns) = &header.columns else { panic!("it is a user import") };
        let mut records = Records::open(text.as_bytes(), &survey);
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
                library_barcode: set("123456"),
                admin_system_id: set("S-9"),
                gender: Change::Set(Gender::Female),
                password: Change::Set(Password::new("change")),
                form_class: set("12A"),
                enabled: Change::Set(true),
                staff_member: Change::Set(false),
                presentation_group_label: set("Year 12, blue"),
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
            &row.presentation_group_label,
        ] {
            assert_eq!(*change, Change::Clear);
        }
        assert_eq!(row.gender, Change::Clear);
        assert_eq!(
            (row.graduation_year, row.enabled, row.staff_member),
            (Change::Keep, Change::Keep, Change::Keep)
        );
        assert_eq!((row.library_barcode, row.admin_system_id), (Change::Keep, Change::Keep));
        assert_eq!(row.password, Change::Keep);
        assert!(row.problems.is_empty());
    }

    #[test]
    fn an_absent_column_and_a_missing_cell_keep() {
        for file in [format!("{ALL}\njane\n"), "username\njane\n".to_owned()] {
            let row = rows(&file).pop().expect("there is a row");
            for change in
                [&row.given_name, &row.email_address, &row.form_class, &row.presentation_group_label]
            {
                assert_eq!(*change, Change::Keep);
            }
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
        // One by one: a final sigma is lowered like any other.
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
        assert_eq!(
            text(check(&"a\0".repeat(200))),
            "Field (username) is longer than 255 characters. Field (username) contains control characters. "
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
        let cases: [(&str, &str, Get, Field); 8] = [
            ("givenname", "givenName", |row| row.given_name, Field::GivenName),
            ("surname", "surname", |row| row.surname, Field::Surname),
            ("middlename", "middleName", |row| row.middle_name, Field::MiddleName),
            ("preferredname", "preferredName", |row| row.preferred_name, Field::PreferredName),
            ("librarybarcode", "libraryBarcode", |row| row.library_barcode, Field::LibraryBarcode),
            ("adminsystemid", "adminSystemId", |row| row.admin_system_id, Field::AdminSystemId),
            ("formclass", "formClass", |row| row.form_class, Field::FormClass),
            (
                "presentationgrouplabel",
                "presentationGroupLabel",
                |row| row.presentation_group_label,
                Field::PresentationGroupLabel,
            ),
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
            assert_eq!(
                text(row("staffmember", cell)),
                "Field (staffMember) is not a valid boolean. ",
                "{cell}"
            );
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
    fn surplus_values_fail_the_row_and_its_cells_are_checked_all_the_same() {
        let mut rows = rows("username,enabled\na,y,, ,\nb,y,,x,\nc,maybe,x\n,,x\n").into_iter();
        let mut next = || rows.next().expect("there is a row");
        assert_eq!(text(next()), "");
        let b = next();
        assert_eq!(b.enabled, Change::Set(true));
        assert_eq!(text(b), "Row has 5 values but the header has 2 columns. ");
        assert_eq!(
            text(next()),
            "Row has 3 values but the header has 2 columns. Field (enabled) is not a valid boolean. "
        );
        assert_eq!(
            text(next()),
            "Row has 3 values but the header has 2 columns. Field (username) may not be empty. "
        );
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
        assert_eq!(text(rows[2].clone()), "Row has a quote that never closes. ");
    }

    #[test]
    fn all_problems_of_a_row_are_listed_in_the_order_of_the_table() {
        let file = format!("{ALL}\n,,,,,x,x,,,x,,,x,x,,x\n");
        assert_eq!(
            text(rows(&file).remove(0)),
            "Row has 16 values but the header has 15 columns. Field (username) may not be empty. \
             Field (emailAddress) is not a well-formed email address. Field (graduationYear) is not a valid year. \
             Field (gender) must be M, F or blank. Field (enabled) is not a valid boolean. \
             Field (staffMember) is not a valid boolean. "
        );
    }
}
