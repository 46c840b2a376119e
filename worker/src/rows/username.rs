//! A username as a file writes it, and the key that it is compared by.

use std::borrow::Cow;

use rollcall_schema::names::username_key;

/// A username that a user can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username<'a> {
    /// As the file writes it: the name of a new user.
    pub written: &'a str,
    /// The same for all spellings of one name: what users are found by.
    pub key: Cow<'a, str>,
}

impl<'a> Username<'a> {
    pub fn new(written: &'a str) -> Username<'a> {
        Username { written, key: username_key(written) }
    }
}
