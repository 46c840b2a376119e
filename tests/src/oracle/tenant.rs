//! A tenant.

use std::collections::{BTreeMap, BTreeSet};

use super::snapshot::Snapshot;
use super::user::{PasswordPolicy, User, username_key};

/// The state of one tenant, as the imports so far left it.
#[derive(Debug, Clone, Default)]
pub struct Tenant {
    /// The tenant's password policy; may be changed between imports.
    pub password_policy: PasswordPolicy,
    pub(super) users: BTreeMap<String, User>,
    pub(super) presentation_groups: BTreeSet<String>,
    pub(super) library_groups: BTreeMap<String, BTreeSet<String>>,
    pub(super) system_groups: BTreeMap<String, BTreeSet<String>>,
}

impl Tenant {
    /// A tenant without users and groups.
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

    /// Puts a user in by other means than an import, such as the account that posts the files.
    pub fn put_user(&mut self, user: User) {
        if let Some(label) = &user.presentation_group {
            self.presentation_groups.insert(label.clone());
        }
        self.users.insert(username_key(&user.username), user);
    }

    /// Makes a user a member of a system group by other means than an import. False when there is no such user or group.
    pub fn put_system_member(&mut self, username: &str, group: &str) -> bool {
        match (self.users.get(&username_key(username)), self.system_groups.get_mut(group)) {
            (Some(user), Some(members)) => {
                members.insert(user.username.clone());
                true
            }
            _ => false,
        }
    }

    /// The user by that name, in any case.
    pub fn user(&self, username: &str) -> Option<&User> {
        self.users.get(&username_key(username))
    }

    /// The owner chooses another password. No import has applied it. False when there is no such user.
    pub fn owner_changes_password(&mut self, username: &str, password: &str) -> bool {
        let Some(user) = self.users.get_mut(&username_key(username)) else {
            return false;
        };
        user.login_password = Some(password.to_owned());
        true
    }

    /// The whole state, to compare with the real tables.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            users: self.users.clone(),
            presentation_groups: self.presentation_groups.clone(),
            library_groups: self.library_groups.clone(),
            system_groups: self.system_groups.clone(),
        }
    }
}
