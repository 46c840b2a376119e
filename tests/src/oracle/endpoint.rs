//! The two URLs that accept an import.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Users,
    UserGroups,
}

impl Endpoint {
    pub fn path(self) -> &'static str {
        match self {
            Self::Users => "/api/import/users",
            Self::UserGroups => "/api/import/userGroups",
        }
    }
}
