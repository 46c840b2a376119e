//! Rosters in the shape in which districts send them: usernames made of names, rows in the order of surnames, barcodes and ids
//! in an order of their own, all columns, accents, and a fifth of the cells blank.

use std::collections::HashMap;
use std::io::{self, Write};

use super::rng::{Rng, mix};
use crate::harness::Row;

/// A night's roster of a district. Rosters that differ only in `night`, `order` or `passwords` describe the same users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealRoster {
    /// The users of the first night, and the rows of every night.
    pub users: u64,
    /// Two districts share no barcode and no id.
    pub district: u8,
    pub night: Night,
    pub order: Order,
    pub passwords: bool,
}

/// How a night's roster differs from those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Night {
    #[default]
    First,
    /// One user in a hundred has another form class than on the first night.
    OnePercent,
    /// Every user has another form class.
    Rollover,
    /// Since the rollover 7 users in a hundred have left, as many have joined, and 12 have another form class.
    Turnover,
}

/// The order of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By surname, then by given name, as a school's system exports them.
    #[default]
    Surname,
    Username,
    Random,
}

const HEADER: &[u8] =
    b"username,givenname,surname,middlename,preferredname,emailaddress,graduationyear,librarybarcode,\
adminsystemid,gender,password,formclass,enabled,staffmember,presentationgrouplabel\n";

/// Presentation groups.
const LABELS: u64 = 40;

/// The first are the most frequent.
const GIVEN_NAMES: [&str; 48] = [
    "Olivia",
    "Jack",
    "Amelia",
    "Noah",
    "Isla",
    "Oliver",
    "Mia",
    "Leo",
    "Grace",
    "William",
    "Charlotte",
    "Thomas",
    "Chloé",
    "Lucas",
    "Ava",
    "Henry",
    "Zoë",
    "Mohammed",
    "Matilda",
    "James",
    "Ruby",
    "Ethan",
    "Aisha",
    "Liam",
    "Sienna",
    "Alexander",
    "Mei",
    "Hugo",
    "Priya",
    "Max",
    "Georgia",
    "Tomasz",
    "Renée",
    "Yusuf",
    "Maya",
    "Xavier",
    "Ingrid",
    "Mateo",
    "Siobhán",
    "Daniel",
    "Freya",
    "José",
    "Anaïs",
    "Søren",
    "Layla",
    "Björn",
    "Nadia",
    "Zachary",
];

/// The most frequent surnames, in the order of their frequency.
const SURNAMES: [&str; 40] = [
    "Smith",
    "Jones",
    "Williams",
    "Brown",
    "Wilson",
    "Taylor",
    "Nguyen",
    "Johnson",
    "Martin",
    "White",
    "Anderson",
    "Walker",
    "Thompson",
    "Thomas",
    "Lee",
    "Harris",
    "Ryan",
    "Robinson",
    "Kelly",
    "King",
    "Singh",
    "O'Brien",
    "Müller",
    "García",
    "Patel",
    "Kowalski",
    "Núñez",
    "Tanaka",
    "Ferreira",
    "Fernández",
    "O'Connor",
    "Le Blanc",
    "Göransson",
    "Hussein",
    "Chen",
    "De Souza",
    "Papadopoulos",
    "Šimić",
    "Özdemir",
    "Ålund",
];

/// The rest of the surnames are made of these two halves.
const SURNAME_STARTS: [&str; 40] = [
    "Ash", "Ald", "Bar", "Beck", "Black", "Brad", "Burn", "Cald", "Carl", "Chad", "Clay", "Cran", "Dal",
    "Dray", "Ell", "Fair", "Farn", "Gar", "Glad", "Hard", "Hart", "Hay", "Holl", "Horn", "Kend", "Lang",
    "Lock", "Marl", "Mid", "Nor", "Oak", "Pem", "Rad", "Red", "Sher", "Stan", "Thorn", "Wake", "West", "Win",
];
const SURNAME_ENDS: [&str; 20] = [
    "bury", "by", "combe", "dale", "den", "field", "ford", "ham", "land", "ley", "man", "more", "shaw",
    "son", "stead", "stone", "ton", "well", "wood", "worth",
];

/// The size at which the buffer is written out.
const BUFFER_BYTES: usize = 256 * 1024;

impl RealRoster {
    /// A district's first roster, by surname and without passwords.
    pub fn first(users: u64) -> Self {
        Self { users, district: 1, night: Night::default(), order: Order::default(), passwords: false }
    }

    /// Writes the roster as UTF-8 with commas and LF, about 130 bytes a row. Returns each row's outcome, if the nights before
    /// were imported.
    pub fn write(&self, out: &mut impl Write) -> io::Result<Vec<Row<'static>>> {
        let users = self.users();
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + 1024);
        buffer.extend_from_slice(HEADER);
        for user in &users {
            self.write_row(&mut buffer, user)?;
            if buffer.len() > BUFFER_BYTES {
                out.write_all(&buffer)?;
                buffer.clear();
            }
        }
        out.write_all(&buffer)?;
        Ok(users.iter().map(|user| self.outcome(user)).collect())
    }

    /// Writes a group import that puts every user of the roster into a library group, round-robin. Names must need no quotes.
    pub fn write_memberships(&self, out: &mut impl Write, library_groups: &[&str]) -> io::Result<()> {
        out.write_all(b"username,library-group,system-group\n")?;
        for (user, group) in self.users().iter().zip(library_groups.iter().cycle()) {
            writeln!(out, "{},{group},", user.username)?;
        }
        Ok(())
    }

    /// The users of this night, in the order of the rows.
    fn users(&self) -> Vec<User> {
        let joined = if self.night == Night::Turnover { self.users / 100 * 7 } else { 0 };
        let mut named = HashMap::new();
        // A username's running number counts all who ever had the name, so it does not depend on who has left.
        let mut users: Vec<User> = (0..self.users + joined)
            .map(|number| User::new(number, self.district, &mut named))
            .filter(|user| self.night != Night::Turnover || joined == 0 || !user.leaves(self.users))
            .collect();
        match self.order {
            Order::Surname => users.sort_by(|a, b| a.by_surname().cmp(&b.by_surname())),
            Order::Username => users.sort_by(|a, b| a.username.cmp(&b.username)),
            Order::Random => Rng::new(self.users).shuffle(&mut users),
        }
        users
    }

    fn outcome(&self, user: &User) -> Row<'static> {
        if self.night == Night::First || user.number >= self.users { Row::Created } else { Row::Updated }
    }

    fn write_row(&self, out: &mut Vec<u8>, user: &User) -> io::Result<()> {
        let traits = user.traits;
        let percent = |salt: u64| mix(traits ^ salt) % 100;
        let filled =
            |blank: u64, salt: u64, text: String| if percent(salt) < blank { String::new() } else { text };
        let User { number, username, given_name, surname, .. } = user;
        let staff = user.is_staff();
        let year = if staff { String::new() } else { (2027 + traits % 13).to_string() };
        writeln!(
            out,
            "{username},{given_name},{surname},{middle},{preferred},{email},{year},{barcode},{id},{gender},{password},\
             {class},Y,{staff},{label}",
            middle = filled(60, 1, pick(&GIVEN_NAMES, mix(traits ^ 2)).to_owned()),
            preferred = filled(75, 3, given_name.to_string()),
            email = filled(20, 4, format!("{username}@students.district{}.example", self.district)),
            barcode = filled(5, 5, format!("{:02}{:010}", self.district, scatter(*number, 2_654_435_761))),
            id = filled(5, 6, format!("S{:02}{:010}", self.district, scatter(*number, 2_246_822_519))),
            gender = filled(25, 7, if traits & 1 == 0 { "F" } else { "M" }.to_owned()),
            password = if self.passwords { format!("pw-{:08x}", traits >> 32) } else { String::new() },
            class =
                format_args!("{:02}{}", user.class(self.night) % 13, char::from(b'A' + (traits % 6) as u8)),
            staff = if staff { 'Y' } else { 'N' },
            label = filled(15, 8, format!("Campus {:02}", mix(traits ^ 9) % LABELS)),
        )
    }
}

/// A user, whatever the night.
struct User {
    number: u64,
    /// A hash of the number, from which the rest is derived.
    traits: u64,
    given_name: &'static str,
    surname: String,
    username: String,
}

impl User {
    fn new(number: u64, district: u8, named: &mut HashMap<String, u32>) -> Self {
        let traits = mix(number << 8 | u64::from(district));
        let given_name = pick(&GIVEN_NAMES, mix(traits ^ 0xB));
        let surname = surname(mix(traits ^ 0xC));
        let mut username: String =
            given_name.chars().take(1).chain(surname.chars()).filter_map(ascii).collect();
        let bearers = named.entry(username.clone()).or_default();
        *bearers += 1;
        if *bearers > 1 {
            username.push_str(&bearers.to_string());
        }
        Self { number, traits, given_name, surname, username }
    }

    fn by_surname(&self) -> (&str, &str, u64) {
        (&self.surname, self.given_name, self.number)
    }

    fn is_staff(&self) -> bool {
        self.traits.is_multiple_of(16)
    }

    /// Whether the user leaves a district of `users` in the turnover: 7 in a hundred do.
    fn leaves(&self, users: u64) -> bool {
        self.number < users / 100 * 100 && self.number % 100 < 7
    }

    /// A number that changes with the user's form class.
    fn class(&self, night: Night) -> u64 {
        let place = self.number % 100;
        (self.traits >> 8) % 13
            + match night {
                Night::First => 0,
                Night::OnePercent => u64::from(place == 50),
                Night::Rollover => 2,
                Night::Turnover => 2 + u64::from((7..19).contains(&place)),
            }
    }
}

fn surname(traits: u64) -> String {
    // Half of the users share the frequent surnames.
    let single = |traits: u64| match traits & 1 {
        0 => pick(&SURNAMES, mix(traits)).to_owned(),
        _ => format!("{}{}", pick(&SURNAME_STARTS, mix(traits ^ 1)), pick(&SURNAME_ENDS, mix(traits ^ 2))),
    };
    match traits >> 1 & 15 {
        0 => format!("{}-{}", single(traits), single(mix(traits))),
        _ => single(traits),
    }
}

/// One of the names; the first are picked most.
fn pick(names: &[&'static str], random: u64) -> &'static str {
    let uniform = random >> 32;
    let skewed = (uniform * uniform) >> 32;
    names[((skewed * names.len() as u64) >> 32) as usize]
}

/// A number of 32 bits that no other number below 2^32 gives.
fn scatter(number: u64, odd: u64) -> u64 {
    number.wrapping_mul(odd) & u64::from(u32::MAX)
}

/// The letter as it stands in a username: without accents, in lower case. Nothing for other characters.
fn ascii(letter: char) -> Option<char> {
    let plain = match letter {
        'á' | 'Å' => 'a',
        'ć' => 'c',
        'í' => 'i',
        'ñ' => 'n',
        'ö' | 'Ö' => 'o',
        'Š' => 's',
        'ú' | 'ü' => 'u',
        letter => letter.to_ascii_lowercase(),
    };
    plain.is_ascii_lowercase().then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::result;
    use crate::oracle::{Endpoint, PasswordPolicy, Tenant};

    const USERS: u64 = 500;

    fn written(roster: &RealRoster) -> (String, Vec<Row<'static>>) {
        let mut file = Vec::new();
        let outcomes = roster.write(&mut file).expect("writing to memory cannot fail");
        (String::from_utf8(file).expect("a roster is UTF-8"), outcomes)
    }

    #[test]
    fn each_night_has_the_outcomes_of_the_oracle_and_changes_what_it_says() {
        let mut tenant = Tenant::new(PasswordPolicy::WhenChanged);
        // Turnover: 35 joined and 60 changed.
        for (night, changes) in [
            (Night::First, 500),
            (Night::First, 0),
            (Night::OnePercent, 5),
            (Night::Rollover, 500),
            (Night::Turnover, 95),
        ] {
            let before = tenant.snapshot();
            let (file, mut outcomes) = written(&RealRoster { night, ..RealRoster::first(USERS) });
            assert_eq!(outcomes.len(), 500);
            if changes == 0 {
                outcomes.fill(Row::Updated);
            }
            let answer = tenant.apply(Endpoint::Users, file.as_bytes(), None);
            assert_eq!(answer.body, result(&outcomes), "{night:?}");
            let changed = before.differences(&tenant.snapshot()).len();
            // The groups are new on the first night.
            assert!(
                if night == Night::First { changed >= changes } else { changed == changes },
                "{night:?}: {changed}"
            );
        }
    }

    #[test]
    fn a_roster_looks_like_one_of_a_school() {
        let (file, _) = written(&RealRoster::first(20_000));
        let rows: Vec<Vec<&str>> = file.lines().skip(1).map(|line| line.split(',').collect()).collect();
        assert!(rows.iter().all(|row| row.len() == 15));
        assert!(rows.is_sorted_by_key(|row| (row[2], row[1])));
        assert!(!rows.is_sorted_by_key(|row| row[0]) && !rows.is_sorted_by_key(|row| row[7]));
        let cells = rows.len() * 15;
        let blank = rows.iter().flatten().filter(|cell| cell.is_empty()).count();
        // The passwords are blank as well.
        assert!((cells / 5..cells / 4).contains(&blank), "{blank} of {cells}");
        let labels: std::collections::HashSet<_> = rows.iter().map(|row| row[14]).collect();
        assert_eq!(labels.len(), 41, "{labels:?}");
        assert!(file.contains("Chloé,Müller") && file.contains("jsmith12,"), "no accents or no numbers");
    }

    #[test]
    fn the_order_changes_nothing_else() {
        let sorted = |order| {
            let (file, _) = written(&RealRoster { order, ..RealRoster::first(USERS) });
            let mut lines: Vec<String> = file.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(Order::Surname), sorted(Order::Random));
        assert_eq!(sorted(Order::Surname), sorted(Order::Username));
    }
}
