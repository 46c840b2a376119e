//! The role that a process connects as.

use std::fmt;

/// The service's role.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceRole {
    pub name: String,
    /// The password with which the role is created, if there is none of this name.
    pub password: Option<String>,
}

/// Without the password.
impl fmt::Debug for ServiceRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceRole").field("name", &self.name).finish_non_exhaustive()
    }
}
