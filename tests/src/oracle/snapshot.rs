//! A tenant's state in a form that can be compared with the service's tables.

use std::collections::{BTreeMap, BTreeSet};

use super::user::User;

/// Users are keyed by [`username_key`](super::username_key), members of groups by the username as stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    pub users: BTreeMap<String, User>,
    /// The labels of all presentation groups, including groups without members.
    pub presentation_groups: BTreeSet<String>,
    /// Defined groups and their members.
    pub library_groups: BTreeMap<String, BTreeSet<String>>,
    /// Defined groups and their members.
    pub system_groups: BTreeMap<String, BTreeSet<String>>,
}

impl Snapshot {
    /// Drops the passwords, which the service's tables hold only hashed or sealed.
    #[must_use]
    pub fn without_passwords(mut self) -> Self {
        for user in self.users.values_mut() {
            user.password_applied = None;
            user.login_password = None;
        }
        self
    }

    /// Describes each difference in one line: first the value in `self`, then the value in `other`. A presentation group that
    /// has no members may be missing in `self`: the service deletes it at some time. (One that has members is also in its
    /// users.)
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = map_differences("user", &self.users, &other.users);
        if !self.presentation_groups.is_subset(&other.presentation_groups) {
            lines.push(format!(
                "presentation groups: {:?} / {:?}",
                self.presentation_groups, other.presentation_groups
            ));
        }
        lines.extend(map_differences("library group", &self.library_groups, &other.library_groups));
        lines.extend(map_differences("system group", &self.system_groups, &other.system_groups));
        lines
    }
}

fn map_differences<T: PartialEq + std::fmt::Debug>(
    what: &str,
    left: &BTreeMap<String, T>,
    right: &BTreeMap<String, T>,
) -> Vec<String> {
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    names
        .into_iter()
        .filter(|name| left.get(*name) != right.get(*name))
        .map(|name| format!("{what} {name:?}: {:?} / {:?}", left.get(name), right.get(name)))
        .collect()
}
