//! Random cases: a few small files of users and groups, imported one after another into one tenant.
//!
//! The generator never says what a file means; only the oracle does. It leaves out what the contract leaves truly open:
//! a header whose delimiters tie (there are always two columns or more), a line that is only `""`, and bytes that are
//! not what their charset says.

use std::fmt;

use super::rng::Rng;
use crate::oracle::encoding::{Encoding, WINDOWS_1252_80_TO_9F};
use crate::oracle::{Endpoint, PasswordPolicy, Tenant};

/// A tenant's groups and policy, and what happens to it. Its `Display` is all that is needed to see it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The seed it was generated from.
    pub seed: u64,
    /// The tenant's password policy.
    pub password_policy: PasswordPolicy,
    /// Library groups to define beforehand.
    pub library_groups: Vec<&'static str>,
    /// System groups to define beforehand.
    pub system_groups: Vec<&'static str>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens to a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A file is posted, and its result awaited.
    Import(Upload),
    /// A user chooses another password, where there is such a user.
    OwnerChangesPassword {
        /// In any case.
        username: String,
        /// The new password.
        password: String,
    },
}

/// A file and where to post it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The URL.
    pub endpoint: Endpoint,
    /// The `charset` parameter of the part's content type.
    pub charset: Option<&'static str>,
    /// The byte-order mark and the header, then one record or blank line each, with its line end.
    parts: Vec<Vec<u8>>,
}

impl Upload {
    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

impl Case {
    /// The case of a seed.
    pub fn generate(seed: u64) -> Self {
        Story::new(seed).tell()
    }

    /// The oracle's tenant, before the first step.
    pub fn tenant(&self) -> Tenant {
        let mut tenant = Tenant::new(self.password_policy);
        for name in &self.library_groups {
            tenant.define_library_group(name);
        }
        for name in &self.system_groups {
            tenant.define_system_group(name);
        }
        tenant
    }

    /// Cases with something left out, those that leave out most first. To find what a failing case fails on, go on with
    /// the first of these that fails too, until none does.
    pub fn smaller(&self) -> Vec<Self> {
        let mut cases = Vec::new();
        for at in (0..self.steps.len()).rev() {
            let mut case = self.clone();
            case.steps.remove(at);
            cases.push(case);
        }
        let records = |step: &Step| match step {
            Step::Import(upload) => upload.parts.len().saturating_sub(1),
            Step::OwnerChangesPassword { .. } => 0,
        };
        let longest = self.steps.iter().map(records).max().unwrap_or(0);
        let mut size = longest.div_ceil(2);
        while size > 0 {
            for (at, step) in self.steps.iter().enumerate() {
                for from in (0..records(step)).step_by(size) {
                    let mut case = self.clone();
                    if let Step::Import(upload) = &mut case.steps[at] {
                        let end = upload.parts.len().min(1 + from + size);
                        upload.parts.drain(1 + from..end);
                    }
                    cases.push(case);
                }
            }
            size /= 2;
        }
        cases
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "case of seed {}: passwords {:?}, library groups {:?}, system groups {:?}",
            self.seed, self.password_policy, self.library_groups, self.system_groups
        )?;
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(f, "{}. {step}", at + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Import(upload) => upload.fmt(f),
            Self::OwnerChangesPassword { username, password } => {
                write!(f, "{username:?} chooses the password {password:?}")
            }
        }
    }
}

impl fmt::Display for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "POST {}", self.endpoint.path())?;
        if let Some(charset) = self.charset {
            write!(f, " charset={charset}")?;
        }
        for part in &self.parts {
            write!(f, "\n     b\"{}\"", part.escape_ascii())?;
        }
        Ok(())
    }
}

/// The columns a generated header may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Username,
    GivenName,
    Surname,
    MiddleName,
    PreferredName,
    Email,
    GraduationYear,
    Barcode,
    AdminSystemId,
    Gender,
    Password,
    FormClass,
    Enabled,
    StaffMember,
    PresentationGroup,
    LibraryGroup,
    SystemGroup,
    Unknown,
}

const USER_FIELDS: [Field; 15] = [
    Field::Username,
    Field::GivenName,
    Field::Surname,
    Field::MiddleName,
    Field::PreferredName,
    Field::Email,
    Field::GraduationYear,
    Field::Barcode,
    Field::AdminSystemId,
    Field::Gender,
    Field::Password,
    Field::FormClass,
    Field::Enabled,
    Field::StaffMember,
    Field::PresentationGroup,
];

impl Field {
    /// The header's names for it, the usual one first, in words.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Username => &["user name"],
            Self::GivenName => &["given name"],
            Self::Surname => &["surname"],
            Self::MiddleName => &["middle name", "middle initial name", "middle initial"],
            Self::PreferredName => &["preferred name"],
            Self::Email => &["email address", "email"],
            Self::GraduationYear => &["graduation year"],
            Self::Barcode => &["library barcode", "barcode"],
            Self::AdminSystemId => &["admin system id"],
            Self::Gender => &["gender"],
            Self::Password => &["password"],
            Self::FormClass => &["form class"],
            Self::Enabled => &["enabled"],
            Self::StaffMember => &["staff member", "staff member id"],
            Self::PresentationGroup => &["presentation group label", "presentation group"],
            Self::LibraryGroup => &["library group"],
            Self::SystemGroup => &["system group"],
            Self::Unknown => &["house", "locker no 2", "", "Größe", "user", "name", "group", "style1"],
        }
    }
}

const PEOPLE: [&str; 16] = [
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
const BARCODES: [&str; 10] = ["b1", "b2", "b3", "b4", "B1", "0012", "12", "ü-7", "b,5", "b 1"];
const PASSWORDS: [&str; 6] = ["change", "Change", "pässword", "p w", "\"quoted\"", "s3cret,x"];
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
const LABELS: [&str; 6] = ["Red", "red", "Blue", "Green, dark", "Gelb/Ö", "Red  2"];
const LIBRARY_GROUPS: [&str; 4] = ["Year 7", "Staff", "Boarders, junior", "Élèves"];
const SYSTEM_GROUPS: [&str; 3] = ["Borrowers", "borrowers 2", "Librarians"];
const TRUE: [&str; 8] = ["y", "Y", "yes", "Yes", "true", "TRUE", "1", "yES"];
const FALSE: [&str; 8] = ["n", "N", "no", "No", "false", "FALSE", "0", "nO"];
const BLANKS: [&str; 6] = ["", "", "", " ", "   ", "\u{a0}"];

/// What a file is out to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bent {
    /// Every rule.
    Anything,
    /// Rows that hinge on barcodes alone: chains, swaps, contests.
    Barcodes,
    /// A narrow file for users who exist.
    Update,
    /// Memberships.
    Groups,
}

/// How a file is written.
struct Dress {
    delimiter: char,
    line_end: &'static str,
    mixed_line_ends: bool,
    /// Percent of the cells that could do without quotes.
    quoted: u64,
    /// Percent of cells with something odd about quotes or spaces.
    odd: u64,
    /// Percent of rows with a blank line before.
    blank_lines: u64,
}

/// Generates one case.
struct Story {
    rng: Rng,
    seed: u64,
    people: Vec<&'static str>,
    barcodes: Vec<&'static str>,
    passwords: Vec<&'static str>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut some = |from: &[&'static str], least: usize, most: usize| {
            let mut from = from.to_vec();
            rng.shuffle(&mut from);
            from.truncate(least + rng.below(most - least + 1));
            from
        };
        let people = some(&PEOPLE, 2, 7);
        let barcodes = some(&BARCODES, 2, 7);
        let passwords = some(&PASSWORDS, 1, 3);
        Self { rng, seed, people, barcodes, passwords }
    }

    fn tell(mut self) -> Case {
        let policies = [
            PasswordPolicy::WhenChanged,
            PasswordPolicy::WhenChanged,
            PasswordPolicy::Always,
            PasswordPolicy::OnCreate,
        ];
        let password_policy = self.rng.pick(&policies);
        let library_groups = self.most_of(&LIBRARY_GROUPS);
        let system_groups = self.most_of(&SYSTEM_GROUPS);

        let mut steps: Vec<Step> = Vec::new();
        for import in 0..=self.rng.below(4) {
            if import > 0 && self.rng.chance(30) {
                steps.push(Step::OwnerChangesPassword {
                    username: self.username(),
                    password: self.rng.pick(&PASSWORDS).to_owned(),
                });
            }
            // The nightly file again.
            if self.rng.chance(12)
                && let Some(Step::Import(again)) =
                    steps.iter().find(|step| matches!(step, Step::Import(_))).cloned()
            {
                steps.push(Step::Import(again));
                continue;
            }
            let bent = match self.rng.below(100) {
                _ if import == 0 && self.rng.chance(80) => Bent::Anything,
                0..50 => Bent::Anything,
                50..65 => Bent::Barcodes,
                65..78 => Bent::Update,
                _ => Bent::Groups,
            };
            let upload = self.upload(bent);
            steps.push(Step::Import(upload));
        }
        Case { seed: self.seed, password_policy, library_groups, system_groups, steps }
    }

    /// All, mostly; else the first few or none.
    fn most_of(&mut self, names: &[&'static str]) -> Vec<&'static str> {
        let count = if self.rng.chance(60) { names.len() } else { self.rng.below(names.len()) };
        names[..count].to_vec()
    }

    fn upload(&mut self, bent: Bent) -> Upload {
        let endpoint = match bent {
            Bent::Groups if self.rng.chance(70) => Endpoint::UserGroups,
            Bent::Groups => Endpoint::Users,
            // A user file at the wrong URL cannot run.
            _ if self.rng.chance(2) => Endpoint::UserGroups,
            _ => Endpoint::Users,
        };
        let (encoding, mark, charset) = self.rng.pick(&[
            (Encoding::Utf8, false, None),
            (Encoding::Utf8, false, None),
            (Encoding::Utf8, false, None),
            (Encoding::Utf8, false, None),
            (Encoding::Utf8, true, None),
            (Encoding::Utf8, true, None),
            (Encoding::Utf8, false, Some("utf-8")),
            (Encoding::Utf8, true, Some("UTF-8")),
            (Encoding::Utf8, false, Some("windows-1252")),
            (Encoding::Utf16Le, true, None),
            (Encoding::Utf16Be, true, None),
            (Encoding::Utf16Le, false, Some("utf-16le")),
            (Encoding::Utf16Be, false, Some("UTF-16BE")),
            (Encoding::Windows1252, false, None),
            (Encoding::Windows1252, false, None),
            (Encoding::Windows1252, false, Some("Windows-1252")),
            (Encoding::Windows1252, false, Some("iso-8859-1")),
        ]);
        let lines = if self.rng.chance(2) { Vec::new() } else { self.lines(bent) };
        let mut parts: Vec<Vec<u8>> = lines.iter().map(|line| encode(line, encoding)).collect();
        if mark {
            parts.insert(0, encode("\u{FEFF}", encoding));
            if parts.len() > 1 {
                let header = parts.remove(1);
                parts[0].extend(header);
            }
        }
        Upload { endpoint, charset, parts }
    }

    /// The header (with the blank lines before it), then each record and blank line, all with their line ends.
    fn lines(&mut self, bent: Bent) -> Vec<String> {
        let dress = Dress {
            delimiter: self.rng.pick(&[',', ',', ',', ';', '\t']),
            line_end: self.rng.pick(&["\n", "\n", "\r\n", "\r\n", "\r"]),
            mixed_line_ends: self.rng.chance(5),
            quoted: self.rng.pick(&[0, 0, 5, 40, 100]),
            odd: self.rng.pick(&[0, 0, 3, 10]),
            blank_lines: self.rng.pick(&[0, 0, 0, 10, 40]),
        };
        let fields = self.fields(bent);
        let count = match self.rng.below(100) {
            0..4 => 0,
            4..40 => 1 + self.rng.below(5),
            40..75 => 4 + self.rng.below(12),
            _ => 10 + self.rng.below(31),
        };

        let names: Vec<String> = fields.iter().map(|field| self.header_cell(*field)).collect();
        let mut header = String::new();
        while self.rng.chance(dress.blank_lines / 3) {
            // None that another charset would fill: such a line would be a header without delimiters.
            header += self.rng.pick(&["", "", " ", "\t"]);
            header += self.line_end(&dress);
        }
        let names: Vec<String> =
            names.iter().map(|name| quote(name, self.rng.chance(dress.quoted), dress.delimiter)).collect();
        header += &names.join(&dress.delimiter.to_string());
        header += self.line_end(&dress);

        let mut lines = vec![header];
        let rows = self.rows(bent, &fields, count);
        let unclosed = if self.rng.chance(2) { self.rng.below(count + 1) } else { usize::MAX };
        for (at, row) in rows.iter().enumerate() {
            if self.rng.chance(dress.blank_lines) {
                lines.push(format!("{}{}", self.blank_line(), self.line_end(&dress)));
            }
            let mut line = self.record(row, &dress);
            if at == unclosed && !line.is_empty() {
                line.push(dress.delimiter);
                line += "\"never closed";
            }
            line += self.line_end(&dress);
            lines.push(line);
        }
        if self.rng.chance(25)
            && let Some(last) = lines.last_mut()
        {
            last.truncate(last.trim_end_matches(['\r', '\n']).len());
        }
        lines
    }

    fn line_end(&mut self, dress: &Dress) -> &'static str {
        if dress.mixed_line_ends { self.rng.pick(&["\n", "\r\n", "\r"]) } else { dress.line_end }
    }

    fn blank_line(&mut self) -> &'static str {
        self.rng.pick(&["", "", "", " ", "\t", "  \t ", "\u{a0}"])
    }

    /// The header's columns.
    fn fields(&mut self, bent: Bent) -> Vec<Field> {
        let mut fields = match bent {
            Bent::Groups => vec![Field::Username, Field::LibraryGroup, Field::SystemGroup],
            Bent::Barcodes => vec![Field::Username, Field::Barcode, Field::Enabled, Field::StaffMember],
            Bent::Update => vec![Field::Username, Field::Password, Field::Email, Field::FormClass],
            Bent::Anything if self.rng.chance(25) => USER_FIELDS.to_vec(),
            Bent::Anything => {
                let required = self.rng.chance(88);
                let percent = self.rng.pick(&[20, 50, 80]);
                let mut fields = USER_FIELDS.to_vec();
                fields.retain(|field| match field {
                    Field::Username => true,
                    Field::Enabled | Field::StaffMember if required => true,
                    Field::GraduationYear if required => self.rng.chance(75),
                    _ => self.rng.chance(percent),
                });
                fields
            }
        };
        for _ in 0..if self.rng.chance(25) { 1 + self.rng.below(3) } else { 0 } {
            fields.push(Field::Unknown);
        }
        match self.rng.below(100) {
            0..2 => fields.push(self.rng.pick(&USER_FIELDS)),
            2..4 => fields.push(self.rng.pick(&[Field::LibraryGroup, Field::SystemGroup])),
            4..6 => {
                let at = self.rng.below(fields.len());
                fields.remove(at);
            }
            6 => fields.extend([Field::LibraryGroup, Field::SystemGroup]),
            7 => fields = vec![Field::Username, self.rng.pick(&[Field::LibraryGroup, Field::SystemGroup])],
            _ => {}
        }
        if self.rng.chance(45) {
            self.rng.shuffle(&mut fields);
        }
        // One column has no delimiter to count.
        while fields.len() < 2 {
            fields.push(Field::Unknown);
        }
        fields
    }

    fn header_cell(&mut self, field: Field) -> String {
        let names = field.names();
        let name =
            if field == Field::Unknown || self.rng.chance(30) { self.rng.pick(names) } else { names[0] };
        if field == Field::Unknown {
            return name.to_owned();
        }
        let title = |separator: &str| {
            let words = name.split(' ').map(|word| word[..1].to_uppercase() + &word[1..]);
            words.collect::<Vec<_>>().join(separator)
        };
        match self.rng.below(20) {
            0..10 => name.replace(' ', ""),
            10 | 11 => name.replace(' ', "").to_uppercase(),
            12 | 13 => title(" "),
            14 => title(""),
            15 => name.replace(' ', "-"),
            16 => name.replace(' ', "_"),
            17 => format!("  {}. ", title(" ")),
            18 => format!("*{}?", name.replace(' ', ", ")),
            _ => name.replace(' ', "\n;"),
        }
    }

    fn rows(&mut self, bent: Bent, fields: &[Field], count: usize) -> Vec<Vec<String>> {
        let mut rows = Vec::with_capacity(count);
        while rows.len() < count {
            if bent == Bent::Barcodes && self.rng.chance(30) {
                rows.extend(self.barcode_dance(fields));
                continue;
            }
            let row = self.row(bent, fields);
            // The same row twice in a file.
            if self.rng.chance(4) {
                rows.push(row.clone());
            }
            rows.push(row);
        }
        rows.truncate(count);
        rows
    }

    /// Users hand their barcodes on, one to the next; the first may get the last one's: a swap or a longer ring. Whether
    /// each step of it succeeds depends on who held what.
    fn barcode_dance(&mut self, fields: &[Field]) -> Vec<Vec<String>> {
        let mut people = self.people.clone();
        self.rng.shuffle(&mut people);
        people.truncate(2 + self.rng.below(3));
        let mut barcodes = self.barcodes.clone();
        self.rng.shuffle(&mut barcodes);
        let spare = self.rng.chance(50).then_some("spare");
        let order = spare.into_iter().chain(barcodes);
        let mut rows: Vec<Vec<String>> = people
            .iter()
            .zip(order)
            .map(|(person, barcode)| {
                let cell = |field: &Field| match field {
                    Field::Username => (*person).to_owned(),
                    Field::Barcode => barcode.to_owned(),
                    Field::Enabled | Field::StaffMember => "y".to_owned(),
                    _ => String::new(),
                };
                fields.iter().map(cell).collect()
            })
            .collect();
        if self.rng.chance(30) {
            rows.reverse();
        }
        rows
    }

    fn row(&mut self, bent: Bent, fields: &[Field]) -> Vec<String> {
        let blanks = self.rng.pick(&[0, 5, 15, 40]);
        let mut row: Vec<String> = fields.iter().map(|field| self.cell(bent, *field, blanks)).collect();
        let bad = match self.rng.below(100) {
            _ if bent == Bent::Barcodes && self.rng.chance(80) => 0,
            0..80 => 0,
            80..94 => 1,
            94..97 => 3,
            97..99 => fields.len(),
            _ => fields.len() * 3,
        };
        for _ in 0..bad {
            let at = self.rng.below(fields.len());
            row[at] = self.bad(fields[at]);
        }
        match self.rng.below(100) {
            0..4 => row.truncate(1 + self.rng.below(row.len())),
            4..8 => {
                for _ in 0..=self.rng.below(3) {
                    row.push(self.blank());
                }
            }
            8..10 => {
                for _ in 0..=self.rng.below(3) {
                    let cell = if self.rng.chance(60) { self.text() } else { self.blank() };
                    row.push(cell);
                }
            }
            _ => {}
        }
        row
    }

    /// A cell that is good by itself, or blank. Students who could be created are the rule.
    fn cell(&mut self, bent: Bent, field: Field, blanks: u64) -> String {
        let blanks = match field {
            Field::Username | Field::Enabled | Field::StaffMember => blanks / 10,
            Field::GraduationYear => blanks / 5,
            Field::Barcode if bent != Bent::Barcodes => blanks + 40,
            _ => blanks,
        };
        if self.rng.chance(blanks) { self.blank() } else { self.good(field) }
    }

    fn blank(&mut self) -> String {
        self.rng.pick(&BLANKS).to_owned()
    }

    /// One of the case's people, in one of the ways to spell it.
    fn username(&mut self) -> String {
        let name = self.rng.pick(&self.people);
        match self.rng.below(8) {
            0 => name.to_uppercase(),
            1 => name.to_lowercase(),
            2 => name.chars().rev().flat_map(char::to_uppercase).rev().collect(),
            _ => name.to_owned(),
        }
    }

    fn text(&mut self) -> String {
        match self.rng.below(60) {
            0 => "x".repeat(255),
            1 => "é".repeat(255),
            2 => format!("  {}  ", "€".repeat(255)),
            3 => "bell\u{7}".to_owned(),
            _ => self.rng.pick(&TEXTS).to_owned(),
        }
    }

    fn good(&mut self, field: Field) -> String {
        let from: &[&str] = match field {
            Field::Username => return self.username(),
            Field::Barcode => &self.barcodes,
            Field::Password if self.rng.chance(3) => return "é".repeat(512),
            Field::Password => &self.passwords,
            Field::Email if self.rng.chance(4) => return long_email(64, 189),
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
                if self.rng.chance(80) {
                    &TRUE
                } else {
                    &FALSE
                }
            }
            Field::StaffMember => {
                if self.rng.chance(45) {
                    &TRUE
                } else {
                    &FALSE
                }
            }
            Field::PresentationGroup => &LABELS,
            Field::LibraryGroup => &LIBRARY_GROUPS,
            Field::SystemGroup => &SYSTEM_GROUPS,
            _ => return self.text(),
        };
        self.rng.pick(from).to_owned()
    }

    /// A cell that breaks a rule, mostly.
    fn bad(&mut self, field: Field) -> String {
        let from: &[&str] = match field {
            Field::Username => match self.rng.below(7) {
                0 => return "u".repeat(256),
                1 => return "\u{1}é".repeat(200),
                _ => &["", " ", "bad\u{7}user", "two\nlines", "nul\0", "nobody", "c1\u{85}x", "\"\""],
            },
            Field::Email => match self.rng.below(6) {
                0 => return long_email(65, 20),
                1 => return long_email(64, 190),
                2 => return format!("a@{}.example", "b".repeat(64)),
                _ => &[
                    "nobody",
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
            Field::GraduationYear => &[
                "25",
                "1899",
                "2201",
                "20 25",
                "02025",
                "+202",
                "２０２５",
                "year",
                "2025.0",
                "20\0",
                "-200",
            ],
            Field::Gender => &["x", "MF", "male", "W", "f.", "\0"],
            Field::Enabled | Field::StaffMember => {
                &["maybe", "2", "t", "on", "ye", "y.", "01", "oui", "yes\0"]
            }
            Field::Password => match self.rng.below(3) {
                0 => return "p".repeat(1025),
                1 => return "é".repeat(513),
                _ => &["pw\0", "change "],
            },
            Field::LibraryGroup => &["year 7", "YEAR 7", "Nobodies", "Year  7", "Staff\0", "Borrowers", ""],
            Field::SystemGroup => &["borrowers", "Nobodies", "Year 7", "Borrower", ""],
            _ => match self.rng.below(4) {
                0 => return "x".repeat(256),
                1 => return "é".repeat(256),
                2 => return format!("{}\0", "€".repeat(256)),
                _ => &["nul\0inside", "\0"],
            },
        };
        self.rng.pick(from).to_owned()
    }

    fn record(&mut self, row: &[String], dress: &Dress) -> String {
        if let [alone] = row
            && alone.trim().is_empty()
        {
            return String::new();
        }
        let cells: Vec<String> = row.iter().map(|value| self.written(value, dress)).collect();
        cells.join(&dress.delimiter.to_string())
    }

    /// A cell as it stands in the file.
    fn written(&mut self, value: &str, dress: &Dress) -> String {
        let plain = quote(value, self.rng.chance(dress.quoted), dress.delimiter);
        if !self.rng.chance(dress.odd) {
            return plain;
        }
        let pad = self.rng.pick(&[" ", "  ", "\u{a0}"]);
        match self.rng.below(6) {
            // A space before a quote makes it a character like any other; behind the closing one it is trimmed.
            0 => format!("{pad}{plain}"),
            1 => format!("{plain}{pad}"),
            2 => format!("{pad}{plain}{pad}"),
            3 => format!("{pad}\"{value}\""),
            // Strays behind the closing quote.
            4 => format!("\"{}\"tail\"s\"", value.replace('"', "\"\"")),
            // A quote inside a bare cell.
            _ => {
                let bare = value.replace(['\r', '\n', dress.delimiter], "");
                format!("x\"{bare}\"")
            }
        }
    }
}

fn quote(value: &str, anyway: bool, delimiter: char) -> String {
    // A header's cell must not add to the count of any delimiter.
    if anyway || value.starts_with('"') || value.contains([delimiter, ',', ';', '\r', '\n']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

fn long_email(local: usize, domain: usize) -> String {
    let mut email = "l".repeat(local);
    for at in 0..domain {
        email.push(match at {
            0 => '@',
            _ if at % 64 == 0 => '.',
            _ => 'd',
        });
    }
    // The `@` is not of the domain.
    email.push('d');
    email
}

/// What an encoding has no character for becomes a question mark.
fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Encoding::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Encoding::Windows1252 => text.chars().map(windows_1252).collect(),
    }
}

fn windows_1252(c: char) -> u8 {
    let high = (0x80..=0x9F).zip(WINDOWS_1252_80_TO_9F).find(|(_, known)| *known == c);
    match (high, u8::try_from(u32::from(c))) {
        (Some((byte, _)), _) => byte,
        (None, Ok(byte)) if !(0x80..=0x9F).contains(&byte) => byte,
        _ => b'?',
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_seed_is_a_case() {
        assert_eq!(Case::generate(7), Case::generate(7));
        assert_ne!(Case::generate(7), Case::generate(8));
        assert!(Case::generate(7).to_string().starts_with("case of seed 7"));
    }

    #[test]
    fn smaller_cases_end() {
        let mut case = Case::generate(3);
        while let Some(smaller) = case.smaller().into_iter().next_back() {
            case = smaller;
        }
        assert_eq!(case.steps, []);
    }

    #[test]
    fn long_addresses_are_as_long_as_the_limit() {
        assert_eq!(long_email(64, 189).len(), 254);
    }

    /// What thousands of cases come to: half of the rows good, every outcome met, and no import that cannot run too often.
    #[test]
    fn cases_meet_every_rule() {
        let mut met: BTreeMap<String, u64> = BTreeMap::new();
        for seed in 0..1000 {
            let case = Case::generate(seed);
            let mut tenant = case.tenant();
            for step in &case.steps {
                let upload = match step {
                    Step::Import(upload) => upload,
                    Step::OwnerChangesPassword { username, password } => {
                        tenant.owner_changes_password(username, password);
                        continue;
                    }
                };
                let answer = tenant.apply(upload.endpoint, &upload.bytes(), upload.charset);
                assert!(answer.agrees_with(answer.status, &answer.body), "{case}{}", answer.body);
                let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
                let summary = body["summary"].as_str().unwrap();
                let mut count_in = |what: &str, n: u64| *met.entry(what.to_owned()).or_default() += n;
                count_in(&format!("status {}", answer.status), 1);
                if answer.status != 200 {
                    count_in(summary.split_once(' ').unwrap().1, 1);
                    continue;
                }
                for sentence in summary.split_terminator('.') {
                    let mut words = sentence.split_whitespace();
                    let count = words.next().unwrap().parse().unwrap();
                    count_in(words.last().unwrap(), count);
                }
                for outcome in body["details"].as_object().into_iter().flat_map(|details| details.values()) {
                    let outcome = outcome.as_str().unwrap();
                    if let Some((_, problems)) = outcome.split_once("User failed to import: ") {
                        for problem in problems.split_terminator(". ") {
                            let general = problem.starts_with("Row has").then_some("Row has N values");
                            count_in(general.unwrap_or(problem), 1);
                        }
                    }
                }
            }
        }
        let listing = met.iter().fold(String::new(), |all, (what, n)| format!("{all}{n:>8} {what}\n"));
        println!("{listing}");
        let percent_good = (met["created"] + met["updated"]) * 100 / met["processed"];
        assert!((40..=65).contains(&percent_good), "{percent_good} % good\n{listing}");
        assert!(met["status 400"] * 12 < met["status 200"], "{listing}");
        assert!(met.len() >= 50, "{listing}");
    }
}
