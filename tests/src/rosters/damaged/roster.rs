//! A seed → a good roster, and its damage.

use std::fmt;

use super::damage::damage;
use super::part::Part;
use crate::oracle::User;
use crate::rosters::rng::Rng;

/// A roster of new users before and after its damage. Its `Display` shows every byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRoster {
    pub seed: u64,
    pub delimiter: char,
    pub header: Part,
    pub rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub part: Part,
    /// The user whom the good row creates.
    pub user: User,
}

const COLUMNS: [&str; 10] = [
    "username",
    "givenname",
    "surname",
    "emailaddress",
    "graduationyear",
    "librarybarcode",
    "formclass",
    "enabled",
    "staffmember",
    "presentationgrouplabel",
];
const USERNAMES: [&str; 5] = ["k.øvre", "m.jäger", "anna", "b.åse", "o'neil"];
const NAMES: [&str; 14] = [
    "Åse",
    "Jäger",
    "Bjørn-Åke",
    "Zoë",
    "Müller",
    "Strauß",
    "François",
    "Øvre, Jr.",
    "\"Al\" Åse",
    "Hå\"kon",
    "Ann",
    "løv; lund",
    "Anna\nMærta",
    "Ås\r\nø, y\r\nx",
];
/// Quoted, they begin with what may follow a closing quote.
const CONFUSING_NAMES: [&str; 3] = [", Jr. å", "\nÅse", "; æ"];
const LABELS: [&str; 3] = ["Rød", "Blå, mørk", "Gul"];

impl DamagedRoster {
    /// Generates the damaged roster of a seed.
    pub fn generate(seed: u64) -> Self {
        let rng = &mut Rng::new(seed);
        let delimiter = rng.pick(&[',', ',', ';', '\t']);
        let line_end = rng.pick(&["\n", "\r\n", "\r"]);
        let quoted = rng.pick(&[0, 20, 100]);
        let confusing = rng.pick(&[0, 0, 0, 5]);
        let mut columns = COLUMNS.to_vec();
        columns.retain(|column| {
            matches!(*column, "username" | "surname" | "enabled" | "staffmember") || rng.chance(60)
        });
        if rng.chance(50) {
            rng.shuffle(&mut columns);
        }
        let header = columns.join(&delimiter.to_string()) + line_end;
        let count = if rng.chance(50) { 2 + rng.below(6) } else { 2 + rng.below(59) };
        let rows = (0..count)
            .map(|number| {
                let cells: Vec<(&str, String)> =
                    columns.iter().map(|column| (*column, cell(rng, column, number, confusing))).collect();
                let line: Vec<String> =
                    cells.iter().map(|(_, value)| quote(value, rng.chance(quoted), delimiter)).collect();
                let line = line.join(&delimiter.to_string()) + line_end;
                Row { part: Part::undamaged(line), user: user(&cells) }
            })
            .collect();
        let mut roster = Self { seed, delimiter, header: Part::undamaged(header), rows };
        for _ in 0..=rng.below(4) {
            let rows = roster.rows.iter_mut().map(|row| &mut row.part);
            damage(rng, std::iter::once(&mut roster.header).chain(rows).collect(), delimiter);
        }
        roster
    }

    /// The file as it was.
    pub fn good_bytes(&self) -> Vec<u8> {
        self.parts().flat_map(|part| part.good.clone()).collect()
    }

    /// The file as it arrives.
    pub fn damaged_bytes(&self) -> Vec<u8> {
        self.parts().flat_map(|part| part.damaged.clone()).collect()
    }

    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.header).chain(self.rows.iter().map(|row| &row.part))
    }

    /// Rosters with fewer rows or less damage, those that omit most first. To shrink a failing one, replace it by the first
    /// of these that also fails, until none does.
    pub fn smaller(&self) -> Vec<Self> {
        let mut rosters = Vec::new();
        let mut size = self.rows.len().div_ceil(2);
        while size > 0 {
            for from in (0..self.rows.len()).step_by(size) {
                let mut roster = self.clone();
                roster.rows.drain(from..self.rows.len().min(from + size));
                rosters.push(roster);
            }
            size /= 2;
        }
        for at in 0..self.rows.len() {
            if self.rows[at].part.is_damaged() {
                let mut roster = self.clone();
                roster.rows[at].part.damaged.clone_from(&self.rows[at].part.good);
                rosters.push(roster);
            }
        }
        rosters
    }
}

fn cell(rng: &mut Rng, column: &str, number: usize, confusing: u64) -> String {
    match column {
        "username" => format!("{}{number:03}", rng.pick(&USERNAMES)),
        "emailaddress" => format!("user{number}@school.example"),
        "graduationyear" => "2031".to_owned(),
        "librarybarcode" => format!("B-{number:04}"),
        "enabled" => rng.pick(&["y", "n", "yes", "0"]).to_owned(),
        "staffmember" => rng.pick(&["y", "yes"]).to_owned(),
        "presentationgrouplabel" => rng.pick(&LABELS).to_owned(),
        _ if rng.chance(confusing) => rng.pick(&CONFUSING_NAMES).to_owned(),
        "surname" => rng.pick(&NAMES).to_owned(),
        _ if rng.chance(20) => String::new(),
        _ => rng.pick(&NAMES).to_owned(),
    }
}

/// The user whom a row creates.
fn user(cells: &[(&str, String)]) -> User {
    let cell = |name: &str| cells.iter().find(|(column, _)| *column == name).map(|(_, value)| value.as_str());
    let text = |name: &str| cell(name).map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned);
    let is_true = |name: &str| matches!(cell(name), Some("y" | "yes"));
    User {
        username: text("username").unwrap_or_default(),
        given_name: text("givenname"),
        surname: text("surname"),
        email_address: text("emailaddress"),
        graduation_year: cell("graduationyear").map(|_| 2031),
        library_barcode: text("librarybarcode"),
        form_class: text("formclass"),
        enabled: is_true("enabled"),
        staff_member: is_true("staffmember"),
        presentation_group: text("presentationgrouplabel"),
        ..User::default()
    }
}

fn quote(value: &str, always: bool, delimiter: char) -> String {
    if always || value.starts_with('"') || value.contains([delimiter, '\r', '\n']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

impl fmt::Display for DamagedRoster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damaged roster of seed {}:", self.seed)?;
        for part in self.parts() {
            write!(f, "\n     b\"{}\"", part.damaged.escape_ascii())?;
            if part.is_damaged() {
                write!(f, "\n was b\"{}\"", part.good.escape_ascii())?;
            }
        }
        Ok(())
    }
}
