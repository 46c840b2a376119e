//! A number of bytes as people write it: `500MB`, `2GiB`.

use std::fmt;
use std::str::FromStr;

/// A number of bytes, 1 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(i64);

/// The units, the largest first, and what each is in bytes.
const UNITS: [(&str, i64); 8] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
];

/// What is wrong with a size that somebody wrote.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SizeError {
    #[error("write a whole number and a unit, such as 500MB or 2GiB")]
    NoNumber,
    #[error(
        "{0:?} is no unit: write kB, MB, GB or TB for powers of 1000, KiB, MiB, GiB or TiB for powers of 1024"
    )]
    NoUnit(String),
    #[error("write a size of at least 1 byte")]
    Nothing,
    #[error("the size is too large: write one below 8 million TiB")]
    TooLarge,
}

impl Size {
    /// So many bytes.
    pub fn from_bytes(bytes: i64) -> Self {
        Self(bytes)
    }

    /// In bytes.
    pub fn bytes(self) -> i64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = (&text[..end], text[end..].trim_start());
        if number.is_empty() || unit.starts_with(['.', ',']) {
            return Err(SizeError::NoNumber);
        }
        // A lone K, M or G is a power of 1000 to some programs and of 1024 to others: not guessed at.
        let factor = match unit {
            "" | "B" | "b" => 1,
            unit => UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                .map(|(_, factor)| *factor)
                .ok_or_else(|| SizeError::NoUnit(unit.to_owned()))?,
        };
        let bytes = number
            .parse::<i64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .ok_or(SizeError::TooLarge)?;
        if bytes == 0 { Err(SizeError::Nothing) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for Size {
    /// Never rounded: in the largest unit that divides it, so that what is shown can be given back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = match UNITS.iter().find(|(_, factor)| self.0 != 0 && self.0 % factor == 0) {
            Some((unit, factor)) => format!("{}{unit}", self.0 / factor),
            None => format!("{}B", self.0),
        };
        f.pad(&shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, bytes) in [
            ("1", 1),
            ("1500", 1500),
            ("7b", 7),
            ("500MB", 500_000_000),
            ("500 mb", 500_000_000),
            ("2GiB", 2_147_483_648),
            ("2gib", 2_147_483_648),
            ("64KiB", 65_536),
            ("64kB", 64_000),
            ("3TB", 3_000_000_000_000),
            (" 1 TiB ", 1_099_511_627_776),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for (text, error) in [
            ("", SizeError::NoNumber),
            ("MB", SizeError::NoNumber),
            ("-5MB", SizeError::NoNumber),
            ("1.5GB", SizeError::NoNumber),
            ("0", SizeError::Nothing),
            ("0GiB", SizeError::Nothing),
            ("5G", SizeError::NoUnit("G".to_owned())),
            ("5 parsecs", SizeError::NoUnit("parsecs".to_owned())),
            ("9999999TiB", SizeError::TooLarge),
            ("99999999999999999999", SizeError::TooLarge),
        ] {
            assert_eq!(text.parse::<Size>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_size_that_is_shown_can_be_given_back() {
        for (bytes, shown) in [
            (2_147_483_648, "2GiB"),
            (500_000_000, "500MB"),
            (1_000, "1kB"),
            (1_001, "1001B"),
            (1_536_000, "1500KiB"),
            (i64::MAX, "9223372036854775807B"),
        ] {
            assert_eq!(Size(bytes).to_string(), shown);
            assert_eq!(shown.parse(), Ok(Size(bytes)));
        }
    }
}
