use rollcall_schema::imports::model::ImportKind;

use super::*;
use crate::rows::field::Field;
use crate::rows::header::Columns;

fn header(line: &str, endpoint: Endpoint) -> Result<Header, Refusal> {
    match survey(line.as_bytes(), endpoint, None) {
        Ok(survey) => Ok(survey.header.expect("the line is not blank")),
        Err(SurveyError::Refused(refusal)) => Err(refusal),
        Err(SurveyError::Io(error)) => panic!("{error}"),
    }
}

fn good(line: &str, endpoint: Endpoint) -> Header {
    header(line, endpoint).expect("the header is good")
}

fn refusal(line: &str, endpoint: Endpoint) -> String {
    header(line, endpoint).expect_err("the header is bad").to_string()
}

fn positions(line: &str) -> Columns {
    let header = good(line, Endpoint::Users);
    assert_eq!(header.kind, ImportKind::Users, "{line}");
    header.columns
}

#[test]
fn every_name_and_alias_is_known_in_any_writing() {
    for (name, field) in users::columns::NAMES {
        let decorated: String =
            name.to_uppercase().chars().flat_map(|c| [c, '-', ' ', '_', '(', '\u{FEFF}']).collect();
        let line = if *field == Field::Username {
            format!("x,\"{decorated}\"")
        } else {
            format!("username,{decorated}")
        };
        assert_eq!(positions(&line).position(*field), Some(1), "{line}");
        assert_eq!(positions(&line).width(), 2);
    }
    let columns = positions("Surname;User Name;Given Name;E-Mail");
    assert_eq!(columns.position(Field::Username), Some(1));
    assert_eq!(columns.position(Field::GivenName), Some(2));
    assert_eq!(columns.position(Field::EmailAddress), Some(3));
    assert_eq!(columns.position(Field::Surname), Some(0));
    assert_eq!(columns.position(Field::Enabled), None);
    assert_eq!(columns.position(Field::SystemGroup), None);
}

#[test]
fn the_users_endpoint_takes_group_imports() {
    for endpoint in [Endpoint::Users, Endpoint::UserGroups] {
        let header = good("System Group,username,house,library-group", endpoint);
        assert_eq!(header.kind, ImportKind::Memberships);
        assert_eq!(header.ignored, ["house"]);
        let columns = header.columns;
        assert_eq!(columns.position(Field::SystemGroup), Some(0));
        assert_eq!(columns.position(Field::Username), Some(1));
        assert_eq!(columns.position(Field::LibraryGroup), Some(3));
        assert_eq!(columns.width(), 4);
    }
}

#[test]
fn users_and_groups_are_two_files() {
    assert_eq!(
        refusal("username,Surname,enabled,library-group,system-group", Endpoint::Users),
        "The file has columns of users (Surname, enabled) and of groups (library-group, system-group). Send the users \
         and their groups as two files: the users to /api/import/users, and username, library-group and system-group to \
         /api/import/userGroups."
    );
    for line in
        ["username,surname,library-group", "System Group;email", "username,password,systemgroup,librarygroup"]
    {
        for endpoint in [Endpoint::Users, Endpoint::UserGroups] {
            assert!(refusal(line, endpoint).contains("as two files"), "{line}");
        }
    }
}

#[test]
fn columns_that_are_nearly_right_are_named() {
    let header = good("username,enabeld,sur_nane,First Name,Genders,gender", Endpoint::Users);
    let near: Vec<_> = header.near_misses.iter().map(|near| (&*near.written, near.known)).collect();
    // `gender` is there, so `Genders` is just another column.
    assert_eq!(near, [("enabeld", "enabled"), ("sur_nane", "surname")]);
    assert_eq!(header.ignored, ["enabeld", "sur_nane", "First Name", "Genders"]);
    assert!(refusal("enabled,usrename", Endpoint::Users).contains("If column 2 is that column, rename it."));
}

#[test]
fn the_columns_of_failed_rows_are_ignored_in_silence() {
    let header = good("username,import_row,Import_Line,import_codes,import_errors,x", Endpoint::Users);
    assert_eq!(header.ignored, ["x"]);
}

#[test]
fn an_unknown_delimiter_is_told_which_are_known() {
    for line in ["username|enabled|staffmember", "username^enabled", "username enabled"] {
        let text = refusal(&format!("{line}\nx\n"), Endpoint::Users);
        assert!(
            text.contains("commas, semicolons or tabs, which are the known delimiters, but by"),
            "{text}"
        );
    }
}

#[test]
fn lines_in_quotes_as_a_whole_are_named() {
    for text in ["\"username,enabled\"\n\"a,y\"\n", "sep=;\nusername,enabled\na,y\n"] {
        let text = refusal(text, Endpoint::Users);
        assert!(text.contains("reads as a single column, with commas in it."), "{text}");
    }
}

#[test]
fn what_is_odd_about_a_file_is_told_in_sentences() {
    let warnings = |bytes: &[u8]| surveyed(bytes, None).file_format().warnings;
    assert_eq!(
        warnings(b"username,enabeld,Home Room,M\xFC\na,y,x,y\n"),
        [
            "The file is not UTF-8; it was read as Windows-1252. If names look wrong, save it as UTF-8.",
            "Column \"enabeld\" was ignored: is enabled meant? Then rename it.",
            "Ignored columns: Home Room, Mü.",
        ]
    );
    assert_eq!(warnings(b"username,enabled\na,y\n"), [""; 0]);
    let many: Vec<String> = (0..30).map(|n| format!("x{n}")).collect();
    let header = format!("username,{}\n", many.join(","));
    assert!(warnings(header.as_bytes())[0].ends_with("x19 and 10 more."));
    let many: Vec<String> = (0..300).map(|n| format!("x{n}")).collect();
    let header = format!("username,{}\n", many.join(","));
    assert!(warnings(header.as_bytes())[0].ends_with("x19 and 280 more."));
    assert!(warnings(b"username,library_groups\na,x\n")[0].contains("is librarygroup meant?"));
}

#[test]
fn a_group_import_that_lacks_a_column_is_refused() {
    assert_eq!(
        refusal("username,library-group", Endpoint::Users),
        "A group import needs the columns username, library-group and system-group, but the file has no \
         system-group column: its header line names username, library-group. Add what is missing."
    );
    assert_eq!(
        refusal("username,library-group,house", Endpoint::UserGroups),
        "A group import needs the columns username, library-group and system-group, but the file has no \
         system-group column: its header line names username, library-group and 1 unknown column. Add what is missing, or \
         send an import of users to /api/import/users."
    );
    assert!(refusal("librarygroup,systemgroup,note", Endpoint::Users).contains("has no username column"));
    assert!(
        refusal("surname,email", Endpoint::UserGroups)
            .contains("has no username, no library-group, no system-group column")
    );
}

#[test]
fn a_file_without_a_username_column_is_refused() {
    assert_eq!(
        refusal("surname,given name,,\n", Endpoint::Users),
        "The file has no username column: its header line names surname, given name. Add a column named username, \
         and make the line of column names the first line of the file."
    );
    assert!(refusal("usernames,enabled", Endpoint::Users).contains("no username column"));
}

#[test]
fn a_first_line_that_is_a_row_is_called_that_and_not_repeated() {
    assert_eq!(
        refusal("jane,Jane,Doe,Hunter2\njohn,John,Roe,s3cret\n", Endpoint::Users),
        "The first line is not a header: none of its 4 cells is the name of a known column. Make the first line of the \
         file the column names, username among them, separated by commas, semicolons or tabs."
    );
    assert_eq!(
        refusal("jane,Readers,Staff\n", Endpoint::UserGroups),
        "The first line is not a header: none of its 3 cells is the name of a known column. Make the first line of the \
         file the column names, which are username, library-group and system-group, separated by commas, semicolons or \
         tabs."
    );
    for line in [
        "jane,Gender,Hunter2",
        "jane|Hunter2",
        "jane Hunter2",
        "\"jane,Hunter2\"",
        "sep=;\njane,Hunter2",
        "Hunter2",
        ",-,Hunter2,",
        "usernam1,Hunter2",
        "Hunter2|gender",
        "Hunter2,library-group,system-group",
    ] {
        for endpoint in [Endpoint::Users, Endpoint::UserGroups] {
            let text = refusal(&format!("{line}\nx\n"), endpoint);
            assert!(!text.contains("Hunter2") && !text.contains("jane"), "{line}: {text}");
        }
    }
    // A row that happens to hold the name of a column.
    let header = good("username,Hunter2,jane@example.org,Jane,y\nx\n", Endpoint::Users);
    assert_eq!(header.ignored, ["column 2", "column 3", "column 4", "column 5"]);
    assert_eq!(header.near_misses, []);
}

#[test]
fn a_known_column_twice_is_refused() {
    assert_eq!(
        refusal("username,Email,surname,emailaddress,e-mail", Endpoint::Users),
        "Columns 2 (Email) and 4 (emailaddress) of the header line both stand for emailAddress. Keep one of them \
         and take the other out."
    );
    assert!(refusal("username,User Name", Endpoint::Users).contains("both stand for username."));
    assert!(
        refusal("username,librarygroup,systemgroup,library-group", Endpoint::UserGroups)
            .contains("both stand for libraryGroup.")
    );
    // Only what the kind of import knows.
    assert_eq!(good("username,x,x,,", Endpoint::Users).ignored, ["x", "x"]);
}

#[test]
fn ignored_columns_are_named_as_written_and_within_bounds() {
    assert_eq!(
        good("username, Année  d'entrée ,,\"a\nb\"", Endpoint::Users).ignored,
        ["Année  d'entrée", "a\u{FFFD}b"]
    );
    let line = format!("username{}", format!(",{}", "ß".repeat(200)).repeat(150));
    let ignored = good(&line, Endpoint::Users).ignored;
    assert_eq!(ignored.len(), 100);
    assert!(ignored.iter().all(|name| name.chars().count() == 100));
}
