//! What the header line says: which kind of import a file is, and where its columns stand.

use rollcall_schema::import::{Endpoint, Kind};

use crate::memberships::columns::{self as membership_columns, MembershipColumns};
use crate::rows::problem::Field;
use crate::read::records::Record;
use crate::read::refusal::Refusal;
use crate::users::columns::{self as user_columns, UserColumns};

/// How many ignored columns are named on the job.
const MAX_NAMES: usize = 100;
/// How much of a name is kept, in characters.
const MAX_NAME_CHARS: usize = 100;
/// How many of a header's names a refusal repeats.
const NAMES_IN_REFUSAL: usize = 10;

/// What the header line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Where the columns of the kind stand.
    pub columns: Columns,
    /// The columns that the kind has no use for, as written: at most 100 names of at most 100 characters.
    pub ignored: Vec<String>,
}

/// Where a file's columns stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// Those of a user import.
    Users(UserColumns),
    /// Those of a group import.
    Memberships(MembershipColumns),
}

impl Columns {
    /// What the rows are.
    pub const fn kind(&self) -> Kind {
        match self {
            Columns::Users(_) => Kind::Users,
            Columns::Memberships(_) => Kind::Memberships,
        }
    }
}

/// The columns at which fields stand, from 0.
pub type Positions = [Option<usize>; Field::COUNT];

/// Reads the header line of a file that was posted to `endpoint`.
pub fn read(record: &Record<'_>, endpoint: Endpoint) -> Result<Header, Refusal> {
    if is_full_of_nuls(record) {
        return Err(Refusal::HeaderFullOfNuls);
    }
    let fields: Vec<Option<Field>> = record.cells().map(field_named).collect();
    let mut positions: Positions = [None; Field::COUNT];
    let mut twice: Positions = [None; Field::COUNT];
    for (index, field) in fields.iter().enumerate().filter_map(|(index, field)| Some((index, (*field)?))) {
        let found = if positions[field as usize].is_none() { &mut positions } else { &mut twice };
        found[field as usize].get_or_insert(index);
    }

    let kind = kind(record, &positions, endpoint)?;
    let known = |field: Field| match kind {
        Kind::Users => user_columns::NAMES.iter().any(|(_, other)| *other == field),
        Kind::Memberships => membership_columns::NAMES.iter().any(|(_, other)| *other == field),
    };
    let doubled = fields
        .iter()
        .flatten()
        .copied()
        .filter(|field| known(*field))
        .find_map(|field| Some((field, positions[field as usize]?, twice[field as usize]?)));
    if let Some((field, first, second)) = doubled {
        let named = |index| (index + 1, printable(record.cell(index).unwrap_or_default(), 40));
        return Err(Refusal::ColumnTwice { field: field.name(), first: named(first), second: named(second) });
    }

    let ignored = record
        .cells()
        .zip(&fields)
        .filter(|(name, field)| !name.is_empty() && !field.is_some_and(known))
        .take(MAX_NAMES)
        .map(|(name, _)| printable(name, MAX_NAME_CHARS))
        .collect();
    let columns = match kind {
        Kind::Users => Columns::Users(UserColumns::new(&positions, record.len())),
        Kind::Memberships => Columns::Memberships(MembershipColumns::new(&positions, record.len())),
    };
    Ok(Header { columns, ignored })
}

/// What a file of these columns is, if it has the columns that it must have. The users' endpoint takes group imports
/// too, since the group document's prose gives its URL.
fn kind(record: &Record<'_>, positions: &Positions, endpoint: Endpoint) -> Result<Kind, Refusal> {
    let has = |field: &Field| positions[*field as usize].is_some();
    let missing: Vec<&str> =
        membership_columns::NAMES.iter().filter(|(_, field)| !has(field)).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Ok(Kind::Memberships);
    }
    let names_a_group = has(&Field::LibraryGroup) || has(&Field::SystemGroup);
    let is_of_users = user_columns::NAMES.iter().any(|(_, field)| *field != Field::Username && has(field));
    if endpoint == Endpoint::UserGroups || (names_a_group && !is_of_users) {
        let missing = missing.iter().map(|name| membership_columns::as_documented(name)).collect::<Vec<_>>();
        return Err(Refusal::MissingColumns {
            missing: missing.join(", no "),
            names: names(record),
            endpoint,
        });
    }
    if !has(&Field::Username) {
        return Err(Refusal::NoUsername { names: names(record) });
    }
    Ok(Kind::Users)
}

/// The field that a column of this name holds. Only letters and digits count, in either case.
fn field_named(name: &str) -> Option<Field> {
    let name: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    user_columns::NAMES
        .iter()
        .chain(membership_columns::NAMES)
        .find_map(|(known, field)| (*known == name).then_some(*field))
}

/// Whether the header looks like UTF-16 or UTF-32 that was read as something else: names would match, since a NUL is
/// neither letter nor digit, and then every cell of every row would be refused.
fn is_full_of_nuls(record: &Record<'_>) -> bool {
    let (mut nuls, mut characters) = (0_usize, 0_usize);
    for character in record.cells().flat_map(str::chars) {
        characters += 1;
        nuls += usize::from(character == '\0');
    }
    nuls > 0 && nuls.saturating_mul(3) >= characters
}

/// The first names of a header, for a refusal.
fn names(record: &Record<'_>) -> String {
    let mut names = record.cells().filter(|name| !name.is_empty());
    let first: Vec<String> = names.by_ref().take(NAMES_IN_REFUSAL).map(|name| printable(name, 40)).collect();
    match (first.is_empty(), names.count()) {
        (true, _) => "nothing".to_owned(),
        (false, 0) => first.join(", "),
        (false, more) => format!("{} and {more} more", first.join(", ")),
    }
}

/// At most `max_chars` characters of what a sender wrote, without control characters: they serve no reader, and
/// Postgres stores no NUL.
pub(crate) fn printable(text: &str, max_chars: usize) -> String {
    text.chars()
        .take(max_chars)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::refusal::ReadError;
    use crate::read::survey;

    fn header(line: &str, endpoint: Endpoint) -> Result<Header, Refusal> {
        match survey(line.as_bytes(), endpoint, None) {
            Ok(survey) => Ok(survey.header.expect("the line is not blank")),
            Err(ReadError::Refused(refusal)) => Err(refusal),
            Err(ReadError::Io(error)) => panic!("{error}"),
        }
    }

    fn good(line: &str, endpoint: Endpoint) -> Header {
        header(line, endpoint).expect("the header is good")
    }

    fn refusal(line: &str, endpoint: Endpoint) -> String {
        header(line, endpoint).expect_err("the header is bad").to_string()
    }

    fn positions(line: &str) -> UserColumns {
        match good(line, Endpoint::Users).columns {
            Columns::Users(columns) => columns,
            Columns::Memberships(_) => panic!("{line} is a group import"),
        }
    }

    #[test]
    fn every_name_and_alias_is_known_in_any_writing() {
        for (name, field) in user_columns::NAMES {
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
            let header = good("System Group,username,surname,library-group", endpoint);
            assert_eq!(header.columns.kind(), Kind::Memberships);
            assert_eq!(header.ignored, ["surname"]);
            let Columns::Memberships(columns) = header.columns else { panic!("it is a group import") };
            assert_eq!(columns.position(Field::SystemGroup), Some(0));
            assert_eq!(columns.position(Field::Username), Some(1));
            assert_eq!(columns.position(Field::LibraryGroup), Some(3));
            assert_eq!(columns.width(), 4);
        }
    }

    #[test]
    fn a_group_import_that_lacks_a_column_is_refused() {
        assert_eq!(
            refusal("username,library-group", Endpoint::Users),
            "A group import needs the columns username, library-group and system-group, but the file has no \
             system-group column: its header line names username, library-group. Add what is missing."
        );
        assert_eq!(
            refusal("username,library-group,surname", Endpoint::UserGroups),
            "A group import needs the columns username, library-group and system-group, but the file has no \
             system-group column: its header line names username, library-group, surname. Add what is missing, or \
             send an import of users to /api/import/users."
        );
        assert!(refusal("librarygroup,systemgroup,note", Endpoint::Users).contains("has no username column"));
        assert!(
            refusal("surname", Endpoint::UserGroups)
                .contains("has no username, no library-group, no system-group column")
        );
        // Beside columns of users a group column is one that the import has no use for.
        let header = good("username,surname,library-group", Endpoint::Users);
        assert_eq!((header.columns.kind(), header.ignored), (Kind::Users, vec!["library-group".to_owned()]));
    }

    #[test]
    fn a_file_without_a_username_column_is_refused() {
        assert_eq!(
            refusal("surname,given name,,\n", Endpoint::Users),
            "The file has no username column: its header line names surname, given name. Add a column named username, \
             and make the line of column names the first line of the file."
        );
        assert!(refusal(",,,", Endpoint::Users).contains("its header line names nothing."));
        assert!(
            refusal("a,b,c,d,e,f,g,h,i,j,k,l", Endpoint::Users)
                .contains("names a, b, c, d, e, f, g, h, i, j and 2 more.")
        );
        assert!(refusal("usernames,enabled", Endpoint::Users).contains("no username column"));
        assert!(refusal("surname,librarygroup,systemgroup", Endpoint::Users).contains("no username column"));
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
        let header = good("username,librarygroup,systemgroup,email,email", Endpoint::Users);
        assert_eq!(header.ignored, ["email", "email"]);
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
}
