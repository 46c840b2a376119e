//! A row of a user import, checked: what it asks for and what is wrong with it.

use std::fmt;

use rollcall_schema::account::username_key;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::problem::{FieldSet, Problems};
use crate::read::records::RowNumber;

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

/// One row of a user import.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the field table")]
pub struct UserRow {
    pub number: RowNumber,
    pub username: UsernameCell,
    pub given_name: Change<String>,
    pub surname: Change<String>,
    pub middle_name: Change<String>,
    pub preferred_name: Change<String>,
    pub email_address: Change<String>,
    pub graduation_year: Change<i16>,
    pub library_barcode: Change<String>,
    pub admin_system_id: Change<String>,
    pub gender: Change<Gender>,
    pub password: Change<Password>,
    pub form_class: Change<String>,
    pub enabled: Change<bool>,
    pub staff_member: Change<bool>,
    pub presentation_group_label: Change<String>,
    /// What is wrong with the row's cells. The merge adds what only the database knows.
    pub problems: Problems,
    /// The fields whose cell is there and invalid: they lack no value, they have a bad one.
    pub invalid: FieldSet,
}

/// What a row has for a username.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsernameCell {
    /// A blank, or no cell at all.
    Missing,
    /// A value that no user can have.
    Invalid,
    /// A username.
    Valid(Username),
}

/// A username: as written, and the key that it is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username {
    /// What a new user is called.
    pub written: String,
    /// What makes it one with the same name in other cases.
    pub key: String,
}

impl Username {
    /// The username that is `written` so.
    pub fn new(written: &str) -> Username {
        Username { written: written.to_owned(), key: username_key(written) }
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

/// A password in clear. It is wiped from memory when dropped and never shows in `Debug`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Password(String);

impl Password {
    /// The password that a cell holds.
    pub(super) fn new(clear: &str) -> Password {
        Password(clear.to_owned())
    }

    /// The clear text, to be sealed or hashed and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
