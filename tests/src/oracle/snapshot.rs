//! A snapshot.

use std::collections::{BTreeMap, BTreeSet};

use super::user::User;

/// The whole state, ordered and comparable. Users are keyed by [`username_key`]; members of groups are named by the
/// username as stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Every user.
    pub users: BTreeMap<String, User>,
    /// Every presentation group's label, groups without members included.
    pub presentation_groups: BTreeSet<String>,
    /// Every defined library group and its members.
    pub library_groups: BTreeMap<String, BTreeSet<String>>,
    /// Every defined system group and its members.
    pub system_groups: BTreeMap<String, BTreeSet<String>>,
}

impl Snapshot {
    /// Without the passwords, which the real tables hold only hashed.
    #[must_use]
    pub fn without_passwords(mut self) -> Self {
        for user in self.users.values_mut() {
            user.password_applied = None;
            user.login_password = None;
        }
        self
    }

    /// What differs, one line each, `self` first; empty when the two are equal.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = differing("user", &self.users, &other.users);
        if self.presentation_groups != other.presentation_groups {
            lines.push(format!(
                "presentation groups: {:?} / {:?}",
                self.presentation_groups, other.presentation_groups
            ));
        }
        lines.extend(differing("library group", &self.library_groups, &other.library_groups));
        lines.extend(differing("system group", &self.system_groups, &other.system_groups));
        lines
    }
}

fn differing<T: PartialEq + std::fmt::Debug>(
    what: &str,
    ours: &BTreeMap<String, T>,
    theirs: &BTreeMap<String, T>,
) -> Vec<String> {
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    names
        .into_iter()
        .filter(|name| ours.get(*name) != theirs.get(*name))
        .map(|name| format!("{what} {name:?}: {:?} / {:?}", ours.get(name), theirs.get(name)))
        .collect()
}
