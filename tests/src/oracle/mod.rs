//! The oracle: what the wire contract promises, in the plainest code that can say it.
//!
//! It is written from the contract alone. It knows nothing of SQL, chunks, lanes or retries, shares no code with the
//! service and uses neither its CSV reader nor its decoder, so that a mistake has to be made twice to pass.
//! Data flows one way: bytes → text (`encoding`) → records (`records`) → columns (`header`) → rows (`rows`),
//! one row at a time, each on the state the row before it left.

pub mod encoding;
mod header;
mod problems;
mod records;
mod rows;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use header::Plan;
use rows::Outcome;

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

/// The tenant setting that says when the password of a file replaces the one a user logs in with (§4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PasswordPolicy {
    /// When it differs from the password the last import applied to that user.
    #[default]
    WhenChanged,
    /// With every row that holds one.
    Always,
    /// Only with the row that creates the user.
    OnCreate,
}

/// A user, with the columns of §4.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// As the row that created the user spelled it.
    pub username: String,
    /// Given name.
    pub given_name: Option<String>,
    /// Surname.
    pub surname: Option<String>,
    /// Middle name.
    pub middle_name: Option<String>,
    /// Preferred name.
    pub preferred_name: Option<String>,
    /// Email address.
    pub email_address: Option<String>,
    /// Graduation year, 1900–2200.
    pub graduation_year: Option<u16>,
    /// Barcode: unique in the tenant, compared exactly.
    pub library_barcode: Option<String>,
    /// The school system's own identifier.
    pub admin_system_id: Option<String>,
    /// `M` or `F`, upper case.
    pub gender: Option<char>,
    /// Form class.
    pub form_class: Option<String>,
    /// Whether the user may log in.
    pub enabled: bool,
    /// Whether the user is staff.
    pub staff_member: bool,
    /// The label of the one presentation group the user is in.
    pub presentation_group: Option<String>,
    /// The password the last import applied.
    pub password_applied: Option<String>,
    /// The password a login takes now.
    pub login_password: Option<String>,
}

/// The state of one tenant, as the imports so far left it.
#[derive(Debug, Clone, Default)]
pub struct Tenant {
    /// The tenant's password policy; may be changed between imports.
    pub password_policy: PasswordPolicy,
    users: BTreeMap<String, User>,
    presentation_groups: BTreeSet<String>,
    library_groups: BTreeMap<String, BTreeSet<String>>,
    system_groups: BTreeMap<String, BTreeSet<String>>,
}

/// The answer to a plain POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 or 400.
    pub status: u16,
    /// For a 200 the exact bytes. For a 400 a sentence of the oracle's own: the contract fixes only its shape.
    pub body: String,
}

/// The whole state, ordered and comparable. Users are keyed by [`username_key`]; members of groups are named by the
/// username as stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Every user.
    pub users: BTreeMap<String, User>,
    /// Every presentation group's label, groups without members included.
    pub presentation_groups: BTreeSet<String>,
    /// Every defined library group and its members.
    pub library_groups: BTreeMap<String, BTreeSet<String>>,
    /// Every defined system group and its members.
    pub system_groups: BTreeMap<String, BTreeSet<String>>,
}

/// What makes two usernames the same: each character's lower case, without regard to its neighbours (no final sigma).
pub fn username_key(username: &str) -> String {
    username.chars().flat_map(char::to_lowercase).collect()
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

    /// Applies a file and answers as a plain POST of it would.
    pub fn apply(&mut self, endpoint: Endpoint, bytes: &[u8], charset: Option<&str>) -> Answer {
        let text = match encoding::decode(bytes, charset) {
            Ok(text) => text,
            Err(why) => return Answer::could_not_run(&why),
        };
        let mut records = records::read(&text).into_iter();
        let Some(header) = records.next() else {
            return Answer::finished(&[]);
        };
        if !header.closes {
            return Answer::could_not_run("The header line has a quote that never closes.");
        }
        let plan = match header::plan(endpoint, &header.cells) {
            Ok(plan) => plan,
            Err(why) => return Answer::could_not_run(&why),
        };
        let outcomes: Vec<Outcome> = records
            .map(|row| match &plan {
                _ if !row.closes => Outcome::Failed("Row has a quote that never closes. ".to_owned()),
                Plan::Users(columns) => self.apply_user_row(columns, &row.cells),
                Plan::Groups(columns) => self.apply_group_row(columns, &row.cells),
            })
            .collect();
        Answer::finished(&outcomes)
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

impl Snapshot {
    /// Without the passwords, which the real tables hold only hashed.
    #[must_use]
    pub fn without_passwords(mut self) -> Self {
        for user in self.users.values_mut() {
            user.password_applied = None;
            user.login_password = None;
        }
        self
    }

    /// What differs, one line each, `self` first; empty when the two are equal.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = differing("user", &self.users, &other.users);
        if self.presentation_groups != other.presentation_groups {
            lines.push(format!(
                "presentation groups: {:?} / {:?}",
                self.presentation_groups, other.presentation_groups
            ));
        }
        lines.extend(differing("library group", &self.library_groups, &other.library_groups));
        lines.extend(differing("system group", &self.system_groups, &other.system_groups));
        lines
    }
}

fn differing<T: PartialEq + std::fmt::Debug>(
    what: &str,
    ours: &BTreeMap<String, T>,
    theirs: &BTreeMap<String, T>,
) -> Vec<String> {
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    names
        .into_iter()
        .filter(|name| ours.get(*name) != theirs.get(*name))
        .map(|name| format!("{what} {name:?}: {:?} / {:?}", ours.get(name), theirs.get(name)))
        .collect()
}

impl Answer {
    fn could_not_run(why: &str) -> Self {
        let why = why.replace('\\', "\\\\").replace('"', "\\\"");
        Self { status: 400, body: format!(r#"{{"success":false,"summary":"{why}"}}"#) }
    }

    fn finished(outcomes: &[Outcome]) -> Self {
        let count = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let summary = [
            (outcomes.len(), "processed"),
            (count(|outcome| matches!(outcome, Outcome::Created)), "created"),
            (count(|outcome| matches!(outcome, Outcome::Updated)), "updated"),
            (failed, "failed"),
        ]
        .map(|(n, verb)| format!("{n} {} {verb}.", if n == 1 { "user" } else { "users" }))
        .join(" ");

        let mut body = format!(r#"{{"success":{},"summary":"{summary}""#, failed == 0);
        if failed > 0 {
            body.push_str(r#","details":{"#);
            for (index, outcome) in outcomes.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                // No outcome quotes what the file holds, so nothing in it needs an escape. A String takes every write.
                let _ = write!(body, r#"{comma}"{}":"{}""#, index + 1, outcome.text());
            }
            body.push('}');
        }
        body.push('}');
        Self { status: 200, body }
    }

    /// Whether the service's answer is this one. A 200 is compared byte for byte, but for the spaces that keep a long
    /// import's connection alive. Of a 400 the contract fixes that it is an object of `success`, false, and `summary`.
    pub fn agrees_with(&self, status: u16, body: impl AsRef<[u8]>) -> bool {
        if status != self.status {
            return false;
        }
        let mut body = body.as_ref();
        while let [b' ', rest @ ..] = body {
            body = rest;
        }
        if status == 200 {
            return body == self.body.as_bytes();
        }
        let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(body) else {
            return false;
        };
        object.get("success") == Some(&serde_json::Value::Bool(false))
            && object
                .get("summary")
                .and_then(serde_json::Value::as_str)
                .is_some_and(|summary| !summary.is_empty())
            && object.len() == 2
    }
}
