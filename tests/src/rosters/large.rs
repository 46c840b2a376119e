//! Large valid rosters, streamed: a million rows take less than a second to write.

use std::io::{self, Write};

use super::rng::mix;
use crate::harness::Row;

/// Which rows of a file, by their index from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Share {
    /// None of them.
    #[default]
    None,
    /// The row with this index.
    At(u64),
    /// The last of every so many rows. 0 is none of them.
    Every(u64),
    /// All of them.
    All,
}

impl Share {
    /// Whether the row with this index is one of them.
    pub fn holds(self, index: u64) -> bool {
        match self {
            Self::None | Self::Every(0) => false,
            Self::At(at) => index == at,
            Self::Every(n) => index % n == n - 1,
            Self::All => true,
        }
    }

    /// How many of them stand before the row with this index, which is one, and how far one is from the next.
    fn turn(self, index: u64) -> (u64, u64) {
        match self {
            Self::None | Self::At(_) => (0, 1),
            Self::Every(n) => (index / n.max(1), n),
            Self::All => (index, 1),
        }
    }
}

/// What contested rows ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Contest {
    /// The barcode of the number before theirs. In a file of new users such a row fails, unless the row before it did.
    #[default]
    Barcode,
    /// Everything that rows can contest, by fours: the first is a user of its own; the second is that user once more, with
    /// another barcode; the third takes the barcode that became free; the fourth asks for the one that did not, and fails.
    Everything,
}

/// Which of its four a row of [`Contest::Everything`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quarrel {
    Owner,
    OwnerAgain,
    Heir,
    Loser,
}

/// What the password cells hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Passwords {
    /// Nothing.
    #[default]
    Blank,
    /// `change`, for everyone.
    Shared,
    /// `pw-` and the user's number.
    Own,
}

/// What a roster is to be like. The default is valid throughout: row `i` is the user of number `first + i`, and users of
/// different numbers or prefixes share no username, barcode or email address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterOptions {
    /// Begins each username and barcode. Must need no quoting and suit an email address.
    pub prefix: String,
    /// The number of the first user.
    pub first: u64,
    /// The passwords.
    pub passwords: Passwords,
    /// Which state of the school this file is. Between two revisions the form class of the `changed` rows differs, nothing else.
    pub revision: u64,
    /// The rows that differ between revisions.
    pub changed: Share,
    /// The rows that contest a username or a barcode.
    pub contested: Share,
    /// What they ask for.
    pub contest: Contest,
    /// The rows that fail, on their email address (in [`write_memberships`] on their username).
    pub bad: Share,
}

impl Default for RosterOptions {
    fn default() -> Self {
        Self {
            prefix: "u".to_owned(),
            first: 0,
            passwords: Passwords::default(),
            revision: 0,
            changed: Share::All,
            contested: Share::None,
            contest: Contest::default(),
            bad: Share::None,
        }
    }
}

impl RosterOptions {
    /// What becomes of the row with this index in a file of new users, whose rows are bad or contested but not both, and
    /// of those contested by their [`Contest::Barcode`] no two in a row.
    pub fn outcome(&self, index: u64) -> Row<'static> {
        const TAKEN: Row<'static> = Row::Failed("Field (libraryBarcode) is already used by another user. ");
        if self.bad.holds(index) {
            return Row::Failed("Field (emailAddress) is not a well-formed email address. ");
        }
        if !self.contested.holds(index) {
            return Row::Created;
        }
        match (self.contest, self.quarrel(index).0) {
            (Contest::Barcode, _) if self.first + index > 0 => TAKEN,
            (Contest::Everything, Quarrel::OwnerAgain) => Row::Updated,
            (Contest::Everything, Quarrel::Loser) => TAKEN,
            (Contest::Barcode | Contest::Everything, _) => Row::Created,
        }
    }

    /// The numbers of the username and the barcode in the row with this index.
    fn numbers(&self, index: u64) -> (u64, u64) {
        let number = self.first + index;
        if !self.contested.holds(index) {
            return (number, number);
        }
        let (quarrel, step) = self.quarrel(index);
        match (self.contest, quarrel) {
            (Contest::Barcode, _) => (number, number.saturating_sub(1)),
            (Contest::Everything, Quarrel::Owner) => (number, number),
            (Contest::Everything, Quarrel::OwnerAgain) => (number - step, number),
            (Contest::Everything, Quarrel::Heir | Quarrel::Loser) => (number, number - 2 * step),
        }
    }

    /// Which of its four a contested row is, and how far away the next is.
    fn quarrel(&self, index: u64) -> (Quarrel, u64) {
        let (before, step) = self.contested.turn(index);
        let quarrel = match before % 4 {
            0 => Quarrel::Owner,
            1 => Quarrel::OwnerAgain,
            2 => Quarrel::Heir,
            _ => Quarrel::Loser,
        };
        (quarrel, step)
    }
}

const HEADER: &[u8] =
    b"username,givenname,surname,middlename,preferredname,emailaddress,graduationyear,librarybarcode,\
adminsystemid,gender,password,formclass,enabled,staffmember\n";

const GIVEN_NAMES: [&str; 16] = [
    "Jane", "Mark", "Aisha", "Liam", "Olivia", "Noah", "Chloé", "Mateo", "Ingrid", "Yusuf", "Grace", "Henry",
    "Mei", "Tomasz", "Zoë", "Daniel",
];
const SURNAMES: [&str; 16] = [
    "Doe", "Henry", "Nguyen", "Smith", "O'Brien", "Müller", "Kowalski", "Singh", "Garcia", "Jones",
    "Williams", "Tanaka", "Brown", "Ferreira", "Wilson", "Taylor",
];

/// How full the buffer gets before it is written out.
const CHUNK: usize = 256 * 1024;

/// Writes the header and `rows` rows, about 105 bytes each, as UTF-8 with commas and LF.
pub fn write_roster(out: &mut impl Write, rows: u64, options: &RosterOptions) -> io::Result<()> {
    let prefix = options.prefix.as_bytes();
    let mut buffer = Vec::with_capacity(CHUNK + 1024);
    buffer.extend_from_slice(HEADER);
    for index in 0..rows {
        let number = options.first + index;
        let traits = mix(number);
        let staff = traits.is_multiple_of(16);
        let given_name = GIVEN_NAMES[nibble(traits, 1)].as_bytes();
        let surname = SURNAMES[nibble(traits, 2)].as_bytes();
        let middle_name = GIVEN_NAMES[nibble(traits, 3)].as_bytes();
        let (username, barcode) = options.numbers(index);

        put(&mut buffer, &[prefix]);
        digits(&mut buffer, username);
        put(&mut buffer, &[b",", given_name, b",", surname, b",", middle_name, b",", given_name, b","]);
        if options.bad.holds(index) {
            put(&mut buffer, &[b"not an address"]);
        } else {
            put(&mut buffer, &[prefix]);
            digits(&mut buffer, number);
            put(&mut buffer, &[b"@school.example"]);
        }
        let year = if staff {
            b",".as_slice()
        } else {
            [b",2026".as_slice(), b",2027", b",2028", b",2029"][nibble(traits, 4) / 4]
        };
        put(&mut buffer, &[year, b",", prefix, b"b"]);
        digits(&mut buffer, barcode);
        put(&mut buffer, &[b",A"]);
        digits(&mut buffer, number);
        put(&mut buffer, &[if nibble(traits, 5) < 8 { b",F," } else { b",M," }]);
        match options.passwords {
            Passwords::Blank => {}
            Passwords::Shared => put(&mut buffer, &[b"change"]),
            Passwords::Own => {
                put(&mut buffer, &[b"pw-"]);
                digits(&mut buffer, number);
            }
        }
        put(&mut buffer, &[[b",7A".as_slice(), b",8B", b",10C", b",12D"][nibble(traits, 6) / 4]]);
        if options.revision > 0 && options.changed.holds(index) {
            put(&mut buffer, &[b"-"]);
            digits(&mut buffer, options.revision);
        }
        put(&mut buffer, &[if staff { b",Y,Y\n" } else { b",Y,N\n" }]);
        write_out(out, &mut buffer, CHUNK)?;
    }
    write_out(out, &mut buffer, 0)
}

/// Writes a group import of the same users: each in one of the library groups and one of the system groups in turn, by
/// number. Where there are none, the cell is blank. Names must need no quoting.
pub fn write_memberships(
    out: &mut impl Write,
    rows: u64,
    options: &RosterOptions,
    library_groups: &[&str],
    system_groups: &[&str],
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(CHUNK + 1024);
    buffer.extend_from_slice(b"username,library-group,system-group\n");
    for index in 0..rows {
        let number = options.first + index;
        let stranger: &[u8] = if options.bad.holds(index) { b"nobody-" } else { b"" };
        put(&mut buffer, &[stranger, options.prefix.as_bytes()]);
        digits(&mut buffer, number);
        put(
            &mut buffer,
            &[b",", in_turn(library_groups, number), b",", in_turn(system_groups, number), b"\n"],
        );
        write_out(out, &mut buffer, CHUNK)?;
    }
    write_out(out, &mut buffer, 0)
}

fn in_turn<'a>(names: &[&'a str], number: u64) -> &'a [u8] {
    let turn = number.checked_rem(names.len() as u64).and_then(|turn| usize::try_from(turn).ok());
    turn.map_or(b"", |turn| names[turn].as_bytes())
}

/// The n-th four bits: 0–15.
fn nibble(bits: u64, n: u32) -> usize {
    usize::from((bits >> (4 * n)).to_le_bytes()[0] & 15)
}

fn put(buffer: &mut Vec<u8>, pieces: &[&[u8]]) {
    for piece in pieces {
        buffer.extend_from_slice(piece);
    }
}

/// Decimal, nine digits or more.
fn digits(buffer: &mut Vec<u8>, mut number: u64) {
    let mut text = [b'0'; 20];
    let mut from = text.len();
    while number > 0 || from > text.len() - 9 {
        from -= 1;
        text[from] = b'0' + (number % 10).to_le_bytes()[0];
        number /= 10;
    }
    buffer.extend_from_slice(&text[from..]);
}

fn write_out(out: &mut impl Write, buffer: &mut Vec<u8>, full: usize) -> io::Result<()> {
    if buffer.len() > full {
        out.write_all(buffer)?;
        buffer.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::oracle::{Endpoint, PasswordPolicy, Tenant};

    fn roster(rows: u64, options: &RosterOptions) -> Vec<u8> {
        let mut file = Vec::new();
        write_roster(&mut file, rows, options).unwrap();
        file
    }

    fn summary(tenant: &mut Tenant, file: &[u8]) -> String {
        let answer = tenant.apply(Endpoint::Users, file, None);
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        body["summary"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_roster_is_valid_and_about_a_hundred_bytes_a_row() {
        let options = RosterOptions { passwords: Passwords::Shared, ..RosterOptions::default() };
        let file = roster(400, &options);
        let per_row = (file.len() - HEADER.len()) / 400;
        assert!((100..=120).contains(&per_row), "{per_row}");
        let mut tenant = Tenant::new(PasswordPolicy::WhenChanged);
        assert_eq!(
            summary(&mut tenant, &file),
            "400 users processed. 400 users created. 0 users updated. 0 users failed."
        );
        let before = tenant.snapshot();
        let options = RosterOptions { revision: 2, changed: Share::Every(10), ..options };
        assert_eq!(
            summary(&mut tenant, &roster(400, &options)),
            "400 users processed. 0 users created. 400 users updated. 0 users failed."
        );
        assert_eq!(before.differences(&tenant.snapshot()).len(), 40);
    }

    #[test]
    fn bad_and_contested_rows_fail() {
        let options = RosterOptions {
            prefix: "s".to_owned(),
            first: 999_999_990,
            passwords: Passwords::Own,
            bad: Share::At(7),
            contested: Share::Every(10),
            ..RosterOptions::default()
        };
        let mut tenant = Tenant::new(PasswordPolicy::WhenChanged);
        assert_eq!(
            summary(&mut tenant, &roster(100, &options)),
            "100 users processed. 89 users created. 0 users updated. 11 users failed."
        );
        tenant.define_library_group("Year 7");
        let mut file = Vec::new();
        write_memberships(&mut file, 7, &options, &["Year 7"], &[]).unwrap();
        assert_eq!(
            summary(&mut tenant, &file),
            "7 users processed. 0 users created. 7 users updated. 0 users failed."
        );
    }

    #[test]
    fn outcomes_are_those_that_rows_have() {
        let cases = [
            (Contest::Everything, Share::All, Share::None),
            (Contest::Everything, Share::Every(10), Share::None),
            (Contest::Everything, Share::At(50), Share::None),
            (Contest::Barcode, Share::Every(3), Share::None),
            (Contest::Barcode, Share::None, Share::At(7)),
        ];
        for (contest, contested, bad) in cases {
            let options = RosterOptions { contested, contest, bad, ..RosterOptions::default() };
            let outcomes: Vec<Row<'_>> = (0..101).map(|index| options.outcome(index)).collect();
            let mut tenant = Tenant::new(PasswordPolicy::WhenChanged);
            let answer = tenant.apply(Endpoint::Users, &roster(101, &options), None);
            assert_eq!(answer.body, crate::harness::result(&outcomes), "{options:?}");
        }
    }

    #[test]
    fn a_million_rows() {
        struct Count(u64);
        impl Write for Count {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 += bytes.len() as u64;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut count = Count(0);
        let started = std::time::Instant::now();
        write_roster(&mut count, 1_000_000, &RosterOptions::default()).unwrap();
        println!("{} bytes in {:?}", count.0, started.elapsed());
        assert!(count.0 > 90_000_000);
    }
}
