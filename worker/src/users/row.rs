//! A checked row of a user import: what it asks for, and what is wrong with it. It borrows the text of its record.

use std::borrow::Cow;
use std::fmt;

use crate::rows::field::FieldSet;
use crate::rows::problem::{Problem, Problems};
use crate::rows::username::Username;

/// What a cell asks of the stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// Leave it alone: the column is absent, or the cell is blank and blank keeps, or the cell is invalid.
    #[default]
    Keep,
    /// Remove it.
    Clear,
    /// Replace it by this.
    Set(T),
}

impl<T> Change<T> {
    pub fn map<U>(self, value: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Change::Keep => Change::Keep,
            Change::Clear => Change::Clear,
            Change::Set(set) => Change::Set(value(set)),
        }
    }
}

impl Change<Cow<'_, str>> {
    pub fn as_deref(&self) -> Change<&str> {
        match self {
            Change::Keep => Change::Keep,
            Change::Clear => Change::Clear,
            Change::Set(text) => Change::Set(text),
        }
    }
}

/// One row of a user import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow<'a> {
    pub username: UsernameCell<'a>,
    pub given_name: Change<&'a str>,
    pub surname: Change<&'a str>,
    pub middle_name: Change<&'a str>,
    pub preferred_name: Change<&'a str>,
    pub email_address: Change<&'a str>,
    pub graduation_year: Change<i16>,
    /// In the form in which barcodes are compared.
    pub library_barcode: Change<Cow<'a, str>>,
    pub admin_system_id: Change<&'a str>,
    pub gender: Change<Gender>,
    pub password: Change<Password<'a>>,
    pub form_class: Change<&'a str>,
    pub enabled: Change<bool>,
    pub staff_member: Change<bool>,
    /// In the form in which labels are compared.
    pub presentation_group_label: Change<Cow<'a, str>>,
    /// The problems of the row's cells. The merge adds those that only the database can reveal.
    pub problems: Problems,
    /// The fields whose cell is present but invalid. They do not count as missing.
    pub invalid: FieldSet,
}

impl UserRow<'_> {
    /// A row that has a problem as a whole: it names no user and asks for nothing.
    pub(super) fn failed(problem: Problem) -> Self {
        let mut problems = Problems::default();
        problems.push(problem);
        Self {
            username: UsernameCell::Missing,
            given_name: Change::Keep,
            surname: Change::Keep,
            middle_name: Change::Keep,
            preferred_name: Change::Keep,
            email_address: Change::Keep,
            graduation_year: Change::Keep,
            library_barcode: Change::Keep,
            admin_system_id: Change::Keep,
            gender: Change::Keep,
            password: Change::Keep,
            form_class: Change::Keep,
            enabled: Change::Keep,
            staff_member: Change::Keep,
            presentation_group_label: Change::Keep,
            problems,
            invalid: FieldSet::default(),
        }
    }
}

/// What a row has as its username.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsernameCell<'a> {
    /// A blank cell, or none.
    Missing,
    /// A name that no user can have.
    Invalid,
    Valid(Username<'a>),
}

/// A value of the column `gender`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gender {
    /// `F`
    Female,
    /// `M`
    Male,
}

impl Gender {
    /// The letter that is stored.
    pub const fn letter(self) -> &'static str {
        match self {
            Gender::Female => "F",
            Gender::Male => "M",
        }
    }
}

/// A password in clear. `Debug` never shows it, and the owner of the record's text wipes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password<'a>(&'a str);

impl<'a> Password<'a> {
    pub(super) fn new(clear: &'a str) -> Password<'a> {
        Password(clear)
    }

    /// The clear text, only to be sealed or digested.
    pub fn expose(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
