//! The state of one tenant, and the changes that are not imports.

use std::collections::{BTreeMap, BTreeSet};

use super::snapshot::Snapshot;
use super::user::{PasswordPolicy, User, username_key};

#[derive(Debug, Clone, Default)]
pub struct Tenant {
    /// May be changed between imports.
    pub password_policy: PasswordPolicy,
    pub(super) users: BTreeMap<String, User>,
    pub(super) presentation_groups: BTreeSet<String>,
    pub(super) library_groups: BTreeMap<String, BTreeSet<String>>,
    pub(super) system_groups: BTreeMap<String, BTreeSet<String>>,
}

impl Tenant {
    pub fn new(password_policy: PasswordPolicy) -> Self {
        Self { password_policy, ..Self::default() }
    }

    /// Defines a library group, as the operator's command does.
    pub fn define_library_group(&mut self, name: &str) {
        self.library_groups.entry(name.to_owned()).or_default();
    }

    /// Defines a system group, as the operator's command does.
    pub fn define_system_group(&mut self, name: &str) {
        self.system_groups.entry(name.to_owned()).or_default();
    }

    /// Adds a user without an import, such as the account that posts the files.
    pub fn put_user(&mut self, user: User) {
        if let Some(label) = &user.presentation_group {
            self.presentation_groups.insert(label.clone());
        }
        self.users.insert(username_key(&user.username), user);
    }

    /// Adds a user to a system group without an import. Returns false if the user or the group does not exist.
    pub fn put_system_member(&mut self, username: &str, group: &str) -> bool {
        match (self.users.get(&username_key(username)), self.system_groups.get_mut(group)) {
            (Some(user), Some(members)) => {
                members.insert(user.username.clone());
                true
            }
            _ => false,
        }
    }

    /// Finds a user. Case does not matter.
    pub fn user(&self, username: &str) -> Option<&User> {
        self.users.get(&username_key(username))
    }

    /// Sets the login password without an import, as its owner would. Returns false if the user does not exist.
    pub fn owner_changes_password(&mut self, username: &str, password: &str) -> bool {
        let Some(user) = self.users.get_mut(&username_key(username)) else {
            return false;
        };
        user.login_password = Some(password.to_owned());
        true
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            users: self.users.clone(),
            presentation_groups: self.presentation_groups.clone(),
            library_groups: self.library_groups.clone(),
            system_groups: self.system_groups.clone(),
        }
    }
}
