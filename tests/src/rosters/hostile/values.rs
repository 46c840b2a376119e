//! The values of cells.

use unicode_normalization::UnicodeNormalization as _;

use super::columns::Field;
use crate::rosters::rng::Rng;

const USERNAMES: [&str; 16] = [
    "jdoe1",
    "mhenry1",
    "anna",
    "bob",
    "o'neil",
    "de la cruz",
    "zoë",
    "émile",
    "straße",
    "σοφος",
    "İnci",
    "ǆuro",
    "李雷",
    "a,b;c",
    "quo\"te",
    "12345",
];
const BARCODES: [&str; 11] = ["b1", "b2", "b3", "b4", "B1", "0012", "12", "ü-7", "Ü 7", "b,5", "b 1"];
pub const PASSWORDS: [&str; 6] = ["change", "Change", "pässword", "p w", "\"quoted\"", "s3cret,x"];
const TEXTS: [&str; 14] = [
    "Jane",
    "Mark",
    "O’Brien",
    "Zoë",
    "van der Berg",
    "Anne-Marie",
    "x",
    "€ 5",
    "\"Al\"",
    "5\" disc",
    "Doe, Jr.",
    "a;b",
    "two\r\nlines",
    "李",
];
const LABELS: [&str; 6] = ["Red", "red", "Blue", "Green, dark", "Gelb/Ö", "Röd  2"];
pub const LIBRARY_GROUPS: [&str; 4] = ["Year 7", "Staff", "Boarders, junior", "Élèves"];
pub const SYSTEM_GROUPS: [&str; 3] = ["Borrowers", "borrowers 2", "Librarians"];
const TRUE: [&str; 8] = ["y", "Y", "yes", "Yes", "true", "TRUE", "1", "yES"];
const FALSE: [&str; 8] = ["n", "N", "no", "No", "false", "FALSE", "0", "nO"];
const BLANKS: [&str; 6] = ["", "", "", " ", "   ", "\u{a0}"];

/// The values that a case draws from. They are few, so that rows and files meet the same users and barcodes.
pub struct Values {
    pub usernames: Vec<&'static str>,
    pub barcodes: Vec<&'static str>,
    passwords: Vec<&'static str>,
}

impl Values {
    pub fn new(rng: &mut Rng) -> Self {
        let mut sample = |from: &[&'static str], min: usize, max: usize| {
            let mut sample = from.to_vec();
            rng.shuffle(&mut sample);
            sample.truncate(min + rng.below(max - min + 1));
            sample
        };
        let usernames = sample(&USERNAMES, 2, 7);
        let barcodes = sample(&BARCODES, 2, 7);
        let passwords = sample(&PASSWORDS, 1, 3);
        Self { usernames, barcodes, passwords }
    }

    /// One of the case's usernames, in one of its spellings.
    pub fn username(&self, rng: &mut Rng) -> String {
        let name = rng.pick(&self.usernames);
        match rng.below(16) {
            0 | 1 => name.to_uppercase(),
            2 | 3 => name.to_lowercase(),
            4 | 5 => name.chars().rev().flat_map(char::to_uppercase).rev().collect(),
            6 | 7 => name.nfd().collect(),
            8 => name.to_uppercase().nfd().collect(),
            9 => name.replace('ς', "σ").replace("ß", rng.pick(&["ss", "SS", "ẞ"])),
            _ => name.to_owned(),
        }
    }

    /// A valid value.
    pub fn valid(&self, rng: &mut Rng, field: Field) -> String {
        let from: &[&str] = match field {
            Field::Username => return self.username(rng),
            Field::Barcode => &self.barcodes,
            Field::Password if rng.chance(3) => return "é".repeat(512),
            Field::Password => &self.passwords,
            Field::Email if rng.chance(4) => return long_email(64, 189),
            Field::Email => &[
                "jane@school.example",
                "a@b",
                "O'Neil.x+y@a-b.c",
                "j.doe@x.y.example",
                "JANE@SCHOOL.example",
            ],
            Field::GraduationYear => &["2025", "2026", "2031", "1900", "2200"],
            Field::Gender => &["M", "F", "m", "f"],
            Field::Enabled => {
                if rng.chance(80) {
                    &TRUE
                } else {
                    &FALSE
                }
            }
            Field::StaffMember => {
                if rng.chance(45) {
                    &TRUE
                } else {
                    &FALSE
                }
            }
            Field::PresentationGroup => &LABELS,
            Field::LibraryGroup => &LIBRARY_GROUPS,
            // Its members may import, and so are protected.
            Field::SystemGroup if rng.chance(15) => &["Administrators"],
            Field::SystemGroup => &SYSTEM_GROUPS,
            _ => return text(rng),
        };
        let value = rng.pick(from).to_owned();
        match field {
            Field::Barcode | Field::PresentationGroup | Field::LibraryGroup | Field::SystemGroup => {
                respelt(rng, value)
            }
            _ => value,
        }
    }
}

/// The same barcode or group, at times in another spelling.
fn respelt(rng: &mut Rng, value: String) -> String {
    match rng.below(12) {
        0 => value.nfd().collect(),
        1 => value.replace(' ', rng.pick(&["  ", "\u{a0}", " \u{2003}", "\t "])),
        _ => value,
    }
}

pub fn blank(rng: &mut Rng) -> String {
    rng.pick(&BLANKS).to_owned()
}

pub fn text(rng: &mut Rng) -> String {
    match rng.below(60) {
        0 => "x".repeat(255),
        1 => "é".repeat(255),
        2 => format!("  {}  ", "€".repeat(255)),
        3 => "bell\u{7}".to_owned(),
        _ => rng.pick(&TEXTS).to_owned(),
    }
}

/// A value that usually breaks one of the column's rules.
pub fn invalid(rng: &mut Rng, field: Field) -> String {
    let from: &[&str] = match field {
        Field::Username => match rng.below(7) {
            0 => return "u".repeat(256),
            1 => return "\u{1}é".repeat(200),
            _ => &["", " ", "bad\u{7}user", "two\nlines", "nul\0", "stranger", "c1\u{85}x", "\"\""],
        },
        Field::Email => match rng.below(6) {
            0 => return long_email(65, 20),
            1 => return long_email(64, 190),
            2 => return format!("a@{}.example", "b".repeat(64)),
            _ => &[
                "stranger",
                "@b.c",
                "a@",
                "a@b..c",
                "a@-b.c",
                "a@b-.c",
                "a b@c.d",
                "a@b@c",
                "a@b.c,",
                "é@b.c",
                "a@bü.c",
                "<a@b.c>",
                "a@b.c.",
                "\"a\"@b.c",
                "a@b_c",
                "a\0@b.c",
            ],
        },
        Field::GraduationYear => {
            &["25", "1899", "2201", "20 25", "02025", "+202", "２０２５", "year", "2025.0", "20\0", "-200"]
        }
        Field::Gender => &["x", "MF", "male", "W", "f.", "\0"],
        Field::Enabled | Field::StaffMember => &["maybe", "2", "t", "on", "ye", "y.", "01", "oui", "yes\0"],
        Field::Password => match rng.below(3) {
            0 => return "p".repeat(1025),
            1 => return "é".repeat(513),
            _ => &["pw\0", "change "],
        },
        Field::LibraryGroup => &["year 7", "YEAR 7", "Strangers", "Year  7", "Staff\0", "Borrowers", ""],
        Field::SystemGroup => &["borrowers", "Strangers", "Year 7", "Borrower", ""],
        _ => match rng.below(4) {
            0 => return "x".repeat(256),
            1 => return "é".repeat(256),
            2 => return format!("{}\0", "€".repeat(256)),
            _ => &["nul\0inside", "\0"],
        },
    };
    rng.pick(from).to_owned()
}

pub(super) fn long_email(local: usize, domain: usize) -> String {
    let mut email = "l".repeat(local);
    for at in 0..domain {
        email.push(match at {
            0 => '@',
            _ if at % 64 == 0 => '.',
            _ => 'd',
        });
    }
    // `domain` does not count the `@`.
    email.push('d');
    email
}
