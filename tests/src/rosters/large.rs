//! Large valid rosters. They are streamed: writing a million rows takes less than a second.

use std::io::{self, Write};

use super::rng::mix;
use crate::harness::Row;

/// A subset of a file's rows. Rows are numbered from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Share {
    #[default]
    None,
    At(u64),
    /// The last of every N rows. 0 means none.
    Every(u64),
    All,
}

impl Share {
    pub fn contains(self, index: u64) -> bool {
        match self {
            Self::None | Self::Every(0) => false,
            Self::At(at) => index == at,
            Self::Every(n) => index % n == n - 1,
            Self::All => true,
        }
    }

    /// For a row of the subset: how many rows of the subset precede it, and the distance between two of them.
    fn position(self, index: u64) -> (u64, u64) {
        match self {
            Self::None | Self::At(_) => (0, 1),
            Self::Every(n) => (index / n.max(1), n),
            Self::All => (index, 1),
        }
    }
}

/// What contested rows claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Contest {
    /// The barcode of the preceding number. In a file of new users such a row fails, unless the preceding row failed.
    #[default]
    Barcode,
    /// Everything that rows can contest, in groups of four: the first creates a user; the second updates that user, with
    /// another barcode; the third takes the released barcode; the fourth claims the barcode that the second took, and fails.
    Everything,
}

/// The part that a row of [`Contest::Everything`] plays in its group of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContestRole {
    First,
    Repeat,
    Successor,
    Loser,
}

/// The content of the password cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Passwords {
    #[default]
    Blank,
    /// `change` for every user.
    Shared,
    /// `pw-` and the user's number.
    Unique,
}

/// Options of a roster. By default every row is valid: row `i` describes user number `first + i`, and users with different
/// numbers or prefixes share no username, barcode or email address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterOptions {
    /// The prefix of each username and barcode. It must be valid in an email address and need no quotes.
    pub prefix: String,
    /// The number of the first user.
    pub first: u64,
    pub passwords: Passwords,
    /// The revision of the roster. Two revisions differ only in the form class of the `changed` rows.
    pub revision: u64,
    /// The rows that differ between revisions.
    pub changed: Share,
    /// The rows that claim another row's username or barcode.
    pub contested: Share,
    /// What the `contested` rows claim.
    pub contest: Contest,
    /// The rows that fail: on their email address, or in [`write_memberships`] on their username.
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
    /// The outcome of a row in a file of new users. No row may be both bad and contested, and with [`Contest::Barcode`] no
    /// two adjacent rows may be contested.
    pub fn outcome(&self, index: u64) -> Row<'static> {
        const TAKEN: Row<'static> = Row::Failed("Field (libraryBarcode) is already used by another user. ");
        if self.bad.contains(index) {
            return Row::Failed("Field (emailAddress) is not a well-formed email address. ");
        }
        if !self.contested.contains(index) {
            return Row::Created;
        }
        match (self.contest, self.contest_role(index).0) {
            (Contest::Barcode, _) if self.first + index > 0 => TAKEN,
            (Contest::Everything, ContestRole::Repeat) => Row::Updated,
            (Contest::Everything, ContestRole::Loser) => TAKEN,
            (Contest::Barcode | Contest::Everything, _) => Row::Created,
        }
    }

    /// The numbers in the row's username and barcode.
    fn numbers(&self, index: u64) -> (u64, u64) {
        let number = self.first + index;
        if !self.contested.contains(index) {
            return (number, number);
        }
        let (role, step) = self.contest_role(index);
        match (self.contest, role) {
            (Contest::Barcode, _) => (number, number.saturating_sub(1)),
            (Contest::Everything, ContestRole::First) => (number, number),
            (Contest::Everything, ContestRole::Repeat) => (number - step, number),
            (Contest::Everything, ContestRole::Successor | ContestRole::Loser) => (number, number - 2 * step),
        }
    }

    /// The role of a contested row in its group of four, and the distance to the next contested row.
    fn contest_role(&self, index: u64) -> (ContestRole, u64) {
        let (before, step) = self.contested.position(index);
        let role = match before % 4 {
            0 => ContestRole::First,
            1 => ContestRole::Repeat,
            2 => ContestRole::Successor,
            _ => ContestRole::Loser,
        };
        (role, step)
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

/// The size at which the buffer is written out.
const BUFFER_BYTES: usize = 256 * 1024;

/// Writes the header and `rows` rows, about 105 bytes each, as UTF-8 with commas and LF.
pub fn write_roster(out: &mut impl Write, rows: u64, options: &RosterOptions) -> io::Result<()> {
    let prefix = options.prefix.as_bytes();
    let mut buffer = Vec::with_capacity(BUFFER_BYTES + 1024);
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
        put_number(&mut buffer, username);
        put(&mut buffer, &[b",", given_name, b",", surname, b",", middle_name, b",", given_name, b","]);
        if options.bad.contains(index) {
            put(&mut buffer, &[b"not an address"]);
        } else {
            put(&mut buffer, &[prefix]);
            put_number(&mut buffer, number);
            put(&mut buffer, &[b"@school.example"]);
        }
        let year = if staff {
            b",".as_slice()
        } else {
            [b",2026".as_slice(), b",2027", b",2028", b",2029"][nibble(traits, 4) / 4]
        };
        put(&mut buffer, &[year, b",", prefix, b"b"]);
        put_number(&mut buffer, barcode);
        put(&mut buffer, &[b",A"]);
        put_number(&mut buffer, number);
        put(&mut buffer, &[if nibble(traits, 5) < 8 { b",F," } else { b",M," }]);
        match options.passwords {
            Passwords::Blank => {}
            Passwords::Shared => put(&mut buffer, &[b"change"]),
            Passwords::Unique => {
                put(&mut buffer, &[b"pw-"]);
                put_number(&mut buffer, number);
            }
        }
        put(&mut buffer, &[[b",7A".as_slice(), b",8B", b",10C", b",12D"][nibble(traits, 6) / 4]]);
        if options.revision > 0 && options.changed.contains(index) {
            put(&mut buffer, &[b"-"]);
            put_number(&mut buffer, options.revision);
        }
        put(&mut buffer, &[if staff { b",Y,Y\n" } else { b",Y,N\n" }]);
        write_if_over(out, &mut buffer, BUFFER_BYTES)?;
    }
    write_if_over(out, &mut buffer, 0)
}

/// Writes a group import of the same users. Library groups and system groups are assigned round-robin by the user's
/// number; without groups of a kind its cells are blank. Names must need no quotes.
pub fn write_memberships(
    out: &mut impl Write,
    rows: u64,
    options: &RosterOptions,
    library_groups: &[&str],
    system_groups: &[&str],
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES + 1024);
    buffer.extend_from_slice(b"username,library-group,system-group\n");
    for index in 0..rows {
        let number = options.first + index;
        let unknown: &[u8] = if options.bad.contains(index) { b"stranger-" } else { b"" };
        put(&mut buffer, &[unknown, options.prefix.as_bytes()]);
        put_number(&mut buffer, number);
        put(
            &mut buffer,
            &[b",", round_robin(library_groups, number), b",", round_robin(system_groups, number), b"\n"],
        );
        write_if_over(out, &mut buffer, BUFFER_BYTES)?;
    }
    write_if_over(out, &mut buffer, 0)
}

fn round_robin<'a>(names: &[&'a str], number: u64) -> &'a [u8] {
    let index = number.checked_rem(names.len() as u64).and_then(|index| usize::try_from(index).ok());
    index.map_or(b"", |index| names[index].as_bytes())
}

/// The n-th group of four bits.
fn nibble(bits: u64, n: u32) -> usize {
    usize::from((bits >> (4 * n)).to_le_bytes()[0] & 15)
}

fn put(buffer: &mut Vec<u8>, pieces: &[&[u8]]) {
    for piece in pieces {
        buffer.extend_from_slice(piece);
    }
}

/// Appends a number with at least nine digits.
fn put_number(buffer: &mut Vec<u8>, mut number: u64) {
    let mut text = [b'0'; 20];
    let mut from = text.len();
    while number > 0 || from > text.len() - 9 {
        from -= 1;
        text[from] = b'0' + (number % 10).to_le_bytes()[0];
        number /= 10;
    }
    buffer.extend_from_slice(&text[from..]);
}

fn write_if_over(out: &mut impl Write, buffer: &mut Vec<u8>, limit: usize) -> io::Result<()> {
    if buffer.len() > limit {
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
            passwords: Passwords::Unique,
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
    fn outcomes_agree_with_the_oracle() {
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
    fn a_million_rows_are_written() {
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
