//! A case: what happens to a tenant.

use std::fmt;

use crate::oracle::{Endpoint, PasswordPolicy, Tenant};

/// A tenant's groups and policy, and what happens to it. Its `Display` is all that is needed to see it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The seed it was generated from.
    pub seed: u64,
    /// The tenant's password policy.
    pub password_policy: PasswordPolicy,
    /// Library groups to define beforehand.
    pub library_groups: Vec<&'static str>,
    /// System groups to define beforehand.
    pub system_groups: Vec<&'static str>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens to a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A file is posted, and its result awaited.
    Import(Upload),
    /// A user chooses another password, where there is such a user.
    OwnerChangesPassword {
        /// In any case.
        username: String,
        /// The new password.
        password: String,
    },
}

/// A file and where to post it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The URL.
    pub endpoint: Endpoint,
    /// The `charset` parameter of the part's content type.
    pub charset: Option<&'static str>,
    /// The byte-order mark and the header, then one record or blank line each, with its line end.
    pub(super) parts: Vec<Vec<u8>>,
}

impl Upload {
    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

impl Case {
    /// The oracle's tenant, before the first step.
    pub fn tenant(&self) -> Tenant {
        let mut tenant = Tenant::new(self.password_policy);
        for name in &self.library_groups {
            tenant.define_library_group(name);
        }
        for name in &self.system_groups {
            tenant.define_system_group(name);
        }
        tenant
    }

    /// Cases with something left out, those that leave out most first. To find what a failing case fails on, go on with
    /// the first of these that fails too, until none does.
    pub fn smaller(&self) -> Vec<Self> {
        let mut cases = Vec::new();
        for at in (0..self.steps.len()).rev() {
            let mut case = self.clone();
            case.steps.remove(at);
            cases.push(case);
        }
        let records = |step: &Step| match step {
            Step::Import(upload) => upload.parts.len().saturating_sub(1),
            Step::OwnerChangesPassword { .. } => 0,
        };
        let longest = self.steps.iter().map(records).max().unwrap_or(0);
        let mut size = longest.div_ceil(2);
        while size > 0 {
            for (at, step) in self.steps.iter().enumerate() {
                for from in (0..records(step)).step_by(size) {
                    let mut case = self.clone();
                    if let Step::Import(upload) = &mut case.steps[at] {
                        let end = upload.parts.len().min(1 + from + size);
                        upload.parts.drain(1 + from..end);
                    }
                    cases.push(case);
                }
            }
            size /= 2;
        }
        cases
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "case of seed {}: passwords {:?}, library groups {:?}, system groups {:?}",
            self.seed, self.password_policy, self.library_groups, self.system_groups
        )?;
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(f, "{}. {step}", at + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Import(upload) => upload.fmt(f),
            Self::OwnerChangesPassword { username, password } => {
                write!(f, "{username:?} chooses the password {password:?}")
            }
        }
    }
}

impl fmt::Display for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "POST {}", self.endpoint.path())?;
        if let Some(charset) = self.charset {
            write!(f, " charset={charset}")?;
        }
        for part in &self.parts {
            write!(f, "\n     b\"{}\"", part.escape_ascii())?;
        }
        Ok(())
    }
}
