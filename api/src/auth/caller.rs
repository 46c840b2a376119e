//! Who sent a request, once that is proved.

use std::net::IpAddr;

use rollcall_schema::audit::{Actor, ActorKind};
use rollcall_schema::ids::{TokenId, UserId};
use rollcall_schema::imports::submit::Submitter;
use rollcall_schema::tenants::tenant::FoundTenant;

/// An administrator of the tenant that the request is for, or one of the tenant's import tokens.
#[derive(Debug, Clone)]
pub struct Caller {
    pub tenant: FoundTenant,
    pub identity: Identity,
    /// The client's address.
    pub client: IpAddr,
}

#[derive(Debug, Clone)]
pub enum Identity {
    /// A system administrator.
    Administrator { user: UserId, username: String },
    /// May import, and read the imports that it submitted.
    Token { id: TokenId, name: String },
}

impl Caller {
    pub fn submitter(&self) -> Submitter {
        match &self.identity {
            Identity::Administrator { user, .. } => Submitter::Account(*user),
            Identity::Token { id, .. } => Submitter::Token(*id),
        }
    }

    /// How an import's sender is shown.
    pub fn shown(&self) -> String {
        match &self.identity {
            Identity::Administrator { username, .. } => username.clone(),
            Identity::Token { name, .. } => format!("token {name}"),
        }
    }

    /// The caller as the audit names it.
    pub fn actor(&self) -> Actor {
        let (kind, name) = match &self.identity {
            Identity::Administrator { username, .. } => (ActorKind::Administrator, username),
            Identity::Token { name, .. } => (ActorKind::Token, name),
        };
        Actor { kind, name: name.clone(), origin: self.client.to_string() }
    }

    /// The token, if it is one.
    pub fn token(&self) -> Option<TokenId> {
        match &self.identity {
            Identity::Administrator { .. } => None,
            Identity::Token { id, .. } => Some(*id),
        }
    }

    /// Whether it may read an import of its tenant that was submitted with this token, or with none.
    pub fn may_read(&self, submitted_token: Option<TokenId>) -> bool {
        self.token().is_none_or(|token| submitted_token == Some(token))
    }
}
