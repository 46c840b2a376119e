//! The state of one tenant, and the changes that are not imports.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{shared_name, username_key};
use super::snapshot::Snapshot;
use super::user::{PasswordPolicy, User};

#[derive(Debug, Clone)]
pub struct Tenant {
    /// May be changed between imports.
    pub password_policy: PasswordPolicy,
    /// Whether imports leave administrators their login. May be changed between imports.
    pub protect_administrators: bool,
    /// How many presentation groups one import may create. May be changed between imports.
    pub presentation_group_limit: usize,
    /// How many the present import has created.
    pub(super) new_groups: usize,
    pub(super) users: BTreeMap<String, User>,
    pub(super) presentation_groups: BTreeSet<String>,
    pub(super) library_groups: BTreeMap<String, BTreeSet<String>>,
    pub(super) system_groups: BTreeMap<String, BTreeSet<String>>,
    /// The system groups that grant administration.
    administration_groups: BTreeSet<String>,
}

impl Tenant {
    pub fn new(password_policy: PasswordPolicy) -> Self {
        Self {
            password_policy,
            protect_administrators: true,
            presentation_group_limit: 10_000,
            new_groups: 0,
            users: BTreeMap::new(),
            presentation_groups: BTreeSet::new(),
            library_groups: BTreeMap::new(),
            system_groups: BTreeMap::new(),
            administration_groups: BTreeSet::new(),
        }
    }

    /// Defines a library group, as the operator's command does.
    pub fn define_library_group(&mut self, name: &str) {
        self.library_groups.entry(shared_name(name)).or_default();
    }

    /// Defines a system group, as the operator's command does.
    pub fn define_system_group(&mut self, name: &str) {
        self.system_groups.entry(shared_name(name)).or_default();
    }

    /// Defines a system group whose members may import.
    pub fn define_administration_group(&mut self, name: &str) {
        self.define_system_group(name);
        self.administration_groups.insert(shared_name(name));
    }

    /// Whether imports leave a user's login alone.
    pub(super) fn is_protected(&self, user: &User) -> bool {
        let is_member =
            |group| self.system_groups.get(group).is_some_and(|group| group.contains(&user.username));
        self.protect_administrators && self.administration_groups.iter().any(is_member)
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

    /// Finds a user by any spelling of the username.
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
