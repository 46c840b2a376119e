//! Names that cannot be brought into their form, because two of a tenant would become the same.

use std::fmt::{self, Display, Formatter};

use uuid::Uuid;

/// How many collisions are listed.
pub const LISTED: usize = 50;

/// Two names of a tenant that would become the same.
#[derive(Debug)]
pub struct NameCollision {
    pub tenant: String,
    /// What the names are.
    pub kind: &'static str,
    /// How an operator resolves a collision of this kind.
    pub remedy: &'static str,
    /// Who has the names.
    pub holder: &'static str,
    /// The name that both would have.
    pub name: String,
    /// A name as it is written, and its holder's id.
    pub first: (String, Uuid),
    pub second: (String, Uuid),
}

/// Names would become the same. Nothing was changed. The message lists them and says how to resolve it.
#[derive(Debug, Default, thiserror::Error)]
pub struct NameCollisions {
    listed: Vec<NameCollision>,
    /// Listed or not.
    count: i64,
}

impl NameCollisions {
    /// Adds collisions of a kind: their number, and at least the first [`LISTED`] of them.
    pub fn add(&mut self, count: i64, first: impl IntoIterator<Item = NameCollision>) {
        self.count += count;
        let room = LISTED - self.listed.len();
        self.listed.extend(first.into_iter().take(room));
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Display for NameCollisions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = if self.count == 1 { "One name".to_owned() } else { format!("{} names", self.count) };
        writeln!(
            f,
            "this version compares names as they look: composed and decomposed accents are the same, several spaces are \
             one, and in usernames so are upper and lower case. {names} in use would become the same as another one, so \
             nothing was changed:\n"
        )?;
        for NameCollision { tenant, kind, holder, name, first, second, .. } in &self.listed {
            writeln!(
                f,
                "  tenant {tenant}, {kind} {}: {} ({holder} {}) and {} ({holder} {})",
                Visible(name),
                Visible(&first.0),
                first.1,
                Visible(&second.0),
                second.1,
            )?;
        }
        let more = self.count - i64::try_from(self.listed.len()).unwrap_or(i64::MAX);
        if more > 0 {
            writeln!(f, "  and {more} more")?;
        }
        write!(
            f,
            "\nIn each line, decide which of the two keeps the name, and change the other in the database with psql:"
        )?;
        let mut last = "";
        for NameCollision { kind, remedy, .. } in &self.listed {
            if *kind != last {
                write!(f, "\n\n{kind}\n{remedy}")?;
                last = kind;
            }
        }
        write!(f, "\n\nThen run `rollcall migrate` again.")
    }
}

/// A name in quotes, with what cannot be seen in it as an escape.
struct Visible<'a>(&'a str);

impl Display for Visible<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '\'' | '"' | '\\' => write!(f, "{c}")?,
                // Also escapes a combining mark, as which the two spellings of an accent are told apart.
                _ => write!(f, "{}", c.escape_debug())?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_look_alike_can_be_told_apart() {
        for (name, shown) in [
            ("O'Brien \"Bo\"", "\"O'Brien \"Bo\"\""),
            ("é", "\"é\""),
            ("e\u{301}", "\"e\\u{301}\""),
            ("k\u{200B}moen", "\"k\\u{200b}moen\""),
            ("a\u{A0}b\t", "\"a\\u{a0}b\\t\""),
        ] {
            assert_eq!(Visible(name).to_string(), shown);
        }
    }
}
