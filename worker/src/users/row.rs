//! A row of a user import, checked: what it asks for and what is wrong with it. It borrows its record's text.

use std::borrow::Cow;
use std::fmt;

use rollcall_schema::account::username_key;

use crate::rows::problem::{FieldSet, Problems};

/// What a cell asks of the stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// Leave it alone: the column is absent, or blank and blank keeps, or the cell is invalid.
    #[default]
    Keep,
    /// Take it away.
    Clear,
    /// Put this in its place.
    Set(T),
}

impl<T> Change<T> {
    /// The same change of another value.
    pub fn map<U>(self, value: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Change::Keep => Change::Keep,
            Change::Clear => Change::Clear,
            Change::Set(set) => Change::Set(value(set)),
        }
    }
}

/// One row of a user import.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the field table")]
pub struct UserRow<'a> {
    pub username: UsernameCell<'a>,
    pub given_name: Change<&'a str>,
    pub surname: Change<&'a str>,
    pub middle_name: Change<&'a str>,
    pub preferred_name: Change<&'a str>,
    pub email_address: Change<&'a str>,
    pub graduation_year: Change<i16>,
    pub library_barcode: Change<&'a str>,
    pub admin_system_id: Change<&'a str>,
    pub gender: Change<Gender>,
    pub password: Change<Password<'a>>,
    pub form_class: Change<&'a str>,
    pub enabled: Change<bool>,
    pub staff_member: Change<bool>,
    pub presentation_group_label: Change<&'a str>,
    /// What is wrong with the row's cells. The merge adds what only the database knows.
    pub problems: Problems,
    /// The fields whose cell is there and invalid: they lack no value, they have a bad one.
    pub invalid: FieldSet,
}

/// What a row has for a username.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsernameCell<'a> {
    /// A blank, or no cell at all.
    Missing,
    /// A value that no user can have.
    Invalid,
    /// A username.
    Valid(Username<'a>),
}

/// A username: as written, and the key that it is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username<'a> {
    /// What a new user is called.
    pub written: &'a str,
    /// What makes it one with the same name in other cases.
    pub key: Cow<'a, str>,
}

impl<'a> Username<'a> {
    /// The username that is `written` so.
    pub fn new(written: &'a str) -> Username<'a> {
        let is_its_key = written.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        let key = if is_its_key { Cow::Borrowed(written) } else { Cow::Owned(username_key(written)) };
        Username { written, key }
    }
}

/// What the column `gender` can say.
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

/// A password in clear. It never shows in `Debug`; whoever keeps the record's text wipes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password<'a>(&'a str);

impl<'a> Password<'a> {
    /// The password that a cell holds.
    pub(super) fn new(clear: &'a str) -> Password<'a> {
        Password(clear)
    }

    /// The clear text, to be sealed or digested and nothing else.
    pub fn expose(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
