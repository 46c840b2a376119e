//! Sizes in bytes, as in `--upload-limit 500MB`.

use std::fmt;
use std::str::FromStr;

use bytesize::ByteSize;

/// A size of at least 1 byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(i64);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SizeError {
    #[error(
        "write a number and a unit, such as 500MB or 2GiB: kB, MB, GB, TB are powers of 1000, \
         KiB, MiB, GiB, TiB powers of 1024"
    )]
    Invalid,
    #[error("write a size of at least 1 byte")]
    Zero,
    #[error("the size is too large: write one below 8 million TiB")]
    TooLarge,
}

impl Size {
    pub fn from_bytes(bytes: i64) -> Self {
        Self(bytes)
    }

    pub fn bytes(self) -> i64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        // `bytesize` accepts a lone K, M or G, which is a power of 1000 in some programs and of 1024 in others.
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == ' ');
        if unit.len() == 1 && !unit.eq_ignore_ascii_case("B") {
            return Err(SizeError::Invalid);
        }
        let ByteSize(bytes) = text.parse().map_err(|_| SizeError::Invalid)?;
        match i64::try_from(bytes) {
            Ok(0) => Err(SizeError::Zero),
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => Err(SizeError::TooLarge),
        }
    }
}

impl fmt::Display for Size {
    /// Rounded to one decimal, in powers of 1000 for a multiple of 1000 and else in powers of 1024.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = ByteSize(self.0.unsigned_abs()).display();
        let size = if self.0 % 1000 == 0 { size.si() } else { size.iec() };
        f.pad(&size.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        for (text, bytes) in [
            ("1", 1),
            ("1500", 1500),
            ("7b", 7),
            ("500MB", 500_000_000),
            ("500 mb", 500_000_000),
            ("1.5GB", 1_500_000_000),
            ("512MiB", 536_870_912),
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
    fn invalid_sizes_are_refused() {
        for (text, error) in [
            ("", SizeError::Invalid),
            ("MB", SizeError::Invalid),
            ("-5MB", SizeError::Invalid),
            ("0", SizeError::Zero),
            ("0GiB", SizeError::Zero),
            ("5G", SizeError::Invalid),
            ("5 m", SizeError::Invalid),
            ("5 parsecs", SizeError::Invalid),
            ("9999999TiB", SizeError::TooLarge),
            ("99999999999999999999", SizeError::Invalid),
        ] {
            assert_eq!(text.parse::<Size>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_size_is_shown_in_the_kind_of_unit_that_fits_it() {
        for (bytes, shown) in [
            (2_147_483_648, "2.0 GiB"),
            (500_000_000, "500.0 MB"),
            (1_000, "1.0 kB"),
            (1_001, "1001 B"),
            (1_575_000, "1.6 MB"),
            (i64::MAX, "8.0 EiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), shown);
        }
    }
}
