//! A cell's text → its value or its problems (§4).

use super::header::Column;
use super::names::{is_invisible, shared_name};

/// A parsed cell. A cell that a short row lacks is `Absent`, like the cell of an absent column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell<T> {
    Absent,
    Blank,
    Good(T),
    /// The problems' texts, each followed by one space.
    Bad(String),
}

impl<T> Cell<T> {
    pub fn good(&self) -> Option<&T> {
        match self {
            Self::Good(value) => Some(value),
            _ => None,
        }
    }

    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Absent | Self::Blank)
    }

    pub fn problems(&self) -> &str {
        match self {
            Self::Bad(problems) => problems,
            _ => "",
        }
    }
}

/// `Field (NAME) TEXT. `
pub fn problem(column: Column, text: &str) -> String {
    format!("Field ({}) {text}. ", column.name())
}

/// Parses a cell by a rule that returns its value or the texts of its problems.
pub fn parse<T>(
    column: Column,
    text: Option<&str>,
    rule: fn(&str) -> Result<T, Vec<&'static str>>,
) -> Cell<T> {
    match text {
        None => Cell::Absent,
        Some("") => Cell::Blank,
        Some(text) => match rule(text) {
            Ok(value) => Cell::Good(value),
            Err(texts) => Cell::Bad(texts.into_iter().map(|text| problem(column, text)).collect()),
        },
    }
}

pub const INVISIBLE: &str = "contains invisible characters";

pub fn username(text: &str) -> Result<String, Vec<&'static str>> {
    let mut problems = Vec::new();
    if text.chars().count() > 255 {
        problems.push("is longer than 255 characters");
    }
    if text.chars().any(char::is_control) {
        problems.push("contains control characters");
    }
    if text.chars().any(is_invisible) {
        problems.push(INVISIBLE);
    }
    value_or_problems(text.to_owned(), problems)
}

pub fn free_text(text: &str) -> Result<String, Vec<&'static str>> {
    value_or_problems(text.to_owned(), free_text_problems(text))
}

/// A barcode or the label of a group.
pub fn name(text: &str) -> Result<String, Vec<&'static str>> {
    let mut problems = free_text_problems(text);
    if text.chars().any(is_invisible) {
        problems.push(INVISIBLE);
    }
    value_or_problems(shared_name(text), problems)
}

fn free_text_problems(text: &str) -> Vec<&'static str> {
    let mut problems = Vec::new();
    if text.chars().count() > 255 {
        problems.push("is longer than 255 characters");
    }
    if text.contains('\0') {
        problems.push("contains control characters");
    }
    problems
}

pub fn password(text: &str) -> Result<String, Vec<&'static str>> {
    let mut problems = Vec::new();
    if text.len() > 1024 {
        problems.push("is longer than 1024 bytes");
    }
    if text.contains('\0') {
        problems.push("contains control characters");
    }
    value_or_problems(text.to_owned(), problems)
}

fn value_or_problems(value: String, problems: Vec<&'static str>) -> Result<String, Vec<&'static str>> {
    if problems.is_empty() { Ok(value) } else { Err(problems) }
}

pub fn email(text: &str) -> Result<String, Vec<&'static str>> {
    let is_well_formed = text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && local.len() <= 64
            && text.len() <= 254
            && local.bytes().all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b))
            && domain.split('.').all(is_domain_label)
    });
    if is_well_formed { Ok(text.to_owned()) } else { Err(vec!["is not a well-formed email address"]) }
}

fn is_domain_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

pub fn year(text: &str) -> Result<u16, Vec<&'static str>> {
    let digits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(year @ 1900..=2200) if digits => Ok(year),
        _ => Err(vec!["is not a valid year"]),
    }
}

pub fn gender(text: &str) -> Result<char, Vec<&'static str>> {
    match text {
        "M" | "m" => Ok('M'),
        "F" | "f" => Ok('F'),
        _ => Err(vec!["must be M, F or blank"]),
    }
}

pub fn boolean(text: &str) -> Result<bool, Vec<&'static str>> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "true" | "1" => Ok(true),
        "n" | "no" | "false" | "0" => Ok(false),
        _ => Err(vec!["is not a valid boolean"]),
    }
}
