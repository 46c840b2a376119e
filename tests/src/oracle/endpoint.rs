//! The URLs.

/// The two URLs an import is posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/api/import/users`.
    Users,
    /// `/api/import/userGroups`.
    UserGroups,
}

impl Endpoint {
    /// The path of the URL.
    pub fn path(self) -> &'static str {
        match self {
            Self::Users => "/api/import/users",
            Self::UserGroups => "/api/import/userGroups",
        }
    }
}
