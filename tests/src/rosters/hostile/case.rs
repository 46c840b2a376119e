//! A case: a tenant and what happens to it.

use std::fmt;

use crate::oracle::{Endpoint, PasswordPolicy, Tenant};

/// A tenant's groups and policy, and the steps that happen to it. Its `Display` shows everything needed to reproduce it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub seed: u64,
    pub password_policy: PasswordPolicy,
    /// Defined before the first step.
    pub library_groups: Vec<&'static str>,
    /// Defined before the first step.
    pub system_groups: Vec<&'static str>,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A file is posted and its result awaited.
    Import(Upload),
    /// A user chooses a new password. Nothing happens if the user does not exist.
    OwnerChangesPassword { username: String, password: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub endpoint: Endpoint,
    /// The `charset` parameter of the multipart part's content type.
    pub charset: Option<&'static str>,
    /// First the byte-order mark and the header, then one record or blank line each, with its line end.
    pub(super) parts: Vec<Vec<u8>>,
}

impl Upload {
    /// The content of the file.
    pub fn bytes(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

impl Case {
    /// The oracle's tenant before the first step.
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

    /// Cases that omit a part of this one, those that omit most first. To shrink a failing case, replace it by the first of
    /// these that also fails, until none does.
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
