//! The part of a tenant's roster that a chunk touches, in memory. This is the one place that implements the contract's
//! rule that rows take effect in file order (contract, §3).
//!
//! The merge loads what the chunk's rows can touch, applies the rows here one after another, and writes back only what
//! has changed. So a username that occurs twice, a barcode that two rows claim, or one that moves from one user to
//! another need no special case and no query.
//!
//! It knows nothing of the database: the merge passes in what is stored and asks for what is to be written.

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rollcall_schema::ids::{GroupId, TenantId, UserId};
use rollcall_schema::imports::tally::Outcome;
use rollcall_schema::passwords::keys::{self, PasswordKeys};
use rollcall_schema::tenants::tenant::PasswordPolicy;
use uuid::Uuid;

use super::row::{Change, Gender, Password, UserRow, UsernameCell};
use super::row_version::RowVersion;
use crate::rows::field::Field;
use crate::rows::problem::{Problem, Problems};

/// What an import can change of a user. Its texts borrow from the file and from the loaded rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Profile<'a> {
    pub given_name: Option<&'a str>,
    pub surname: Option<&'a str>,
    pub middle_name: Option<&'a str>,
    pub preferred_name: Option<&'a str>,
    pub email_address: Option<&'a str>,
    pub graduation_year: Option<i16>,
    pub library_barcode: Option<&'a str>,
    pub admin_system_id: Option<&'a str>,
    pub gender: Option<&'a str>,
    pub form_class: Option<&'a str>,
    pub enabled: bool,
    pub staff_member: bool,
    pub presentation_group: Option<GroupId>,
}

/// A user that the chunk touches: as stored, and as the rows applied so far leave it.
#[derive(Debug)]
pub struct StagedUser<'a> {
    pub id: UserId,
    /// The username as it was first written.
    pub username: &'a str,
    pub username_key: &'a str,
    /// Member of a system group that grants administration.
    pub is_administrator: bool,
    /// As the database holds it. `None` for a user that this chunk creates.
    pub stored: Option<StoredUser<'a>>,
    /// As it will be written.
    pub profile: Profile<'a>,
    /// The digest of the row that was applied last, if that row may be skipped when it is imported again.
    pub row_digest: Option<Uuid>,
    /// The fingerprint of the password that an import applied last.
    pub password_fingerprint: Option<Cow<'a, [u8]>>,
    /// A password that this chunk applies, sealed.
    pub password_sealed: Option<Vec<u8>>,
    /// The name that passwords are bound to, if it is not the username key.
    pub password_owner: Option<&'a str>,
}

/// A user as the database holds it.
#[derive(Debug, Clone, Copy)]
pub struct StoredUser<'a> {
    pub profile: Profile<'a>,
    /// The digest of the row that was applied last.
    pub row_digest: Option<Uuid>,
    /// The version of the row that was loaded.
    pub row_version: RowVersion,
    /// When the user was last changed. A later write must find this value unchanged.
    pub updated_at: DateTime<Utc>,
}

/// A presentation group that the chunk's rows create.
#[derive(Debug)]
pub struct NewGroup<'a> {
    pub id: GroupId,
    pub label: &'a str,
}

/// How the passwords of rows are applied.
pub struct Passwords<'a> {
    pub tenant: TenantId,
    pub policy: PasswordPolicy,
    /// The keys for the seal and for the fingerprint that recognises an unchanged password.
    pub keys: &'a PasswordKeys,
}

/// A row that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied<'a> {
    pub outcome: Outcome,
    /// What the row would have changed of an administrator.
    pub withheld: Option<Withheld<'a>>,
}

/// Fields of an administrator that a row did not change, so that no file can lock an administrator out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withheld<'a> {
    pub username: &'a str,
    pub enabled: bool,
    pub password: bool,
}

/// The owner of each barcode.
pub type BarcodeOwners<'a> = HashMap<&'a str, UserId>;

/// The part of the roster that a chunk touches.
pub struct Roster<'a> {
    passwords: Passwords<'a>,
    /// Whether rows leave `enabled` and the password of administrators alone.
    protect_administrators: bool,
    users: Vec<StagedUser<'a>>,
    /// The index in `users` of a username key.
    by_key: HashMap<&'a str, usize>,
    /// The owners of barcodes that the rows claim.
    barcode_owners: BarcodeOwners<'a>,
    /// Presentation groups by label.
    groups: HashMap<&'a str, GroupId>,
    /// How many groups the rows may create.
    new_group_limit: usize,
    new_groups: Vec<NewGroup<'a>>,
}

impl<'a> Roster<'a> {
    /// The users of the chunk's usernames, the owners of its barcodes and the groups of its labels, as stored. The rows may
    /// create `new_group_limit` groups.
    pub fn new(
        passwords: Passwords<'a>,
        protect_administrators: bool,
        users: Vec<StagedUser<'a>>,
        barcode_owners: BarcodeOwners<'a>,
        groups: HashMap<&'a str, GroupId>,
        new_group_limit: usize,
    ) -> Self {
        let by_key = users.iter().enumerate().map(|(index, user)| (user.username_key, index)).collect();
        Self {
            passwords,
            protect_administrators,
            users,
            by_key,
            barcode_owners,
            groups,
            new_group_limit,
            new_groups: Vec::new(),
        }
    }

    /// Applies the next row of the file. A row with problems changes nothing and claims nothing.
    pub fn apply(&mut self, row: &'a UserRow<'a>, digest: Option<Uuid>) -> Result<Applied<'a>, Problems> {
        let mut problems = row.problems.clone();
        let library_barcode = row.library_barcode.as_deref();
        let existing = match &row.username {
            // Neither a create nor an update: only the problems of its own cells are listed.
            UsernameCell::Missing => return Err(problems),
            UsernameCell::Invalid => None,
            UsernameCell::Valid(username) => self.by_key.get(&*username.key).copied(),
        };
        if let Change::Set(barcode) = library_barcode
            && let Some(owner) = self.barcode_owners.get(barcode)
            && existing.is_none_or(|index| self.users[index].id != *owner)
        {
            problems.push(Problem::BARCODE_TAKEN);
        }
        if self.is_group_too_many(row) {
            problems.push(Problem::TOO_MANY_GROUPS);
        }
        if existing.is_none() {
            let lacks = |blank: bool, field| blank && !row.invalid.contains(field);
            if lacks(!matches!(row.enabled, Change::Set(_)), Field::Enabled) {
                problems.push(Problem::required_to_create(Field::Enabled));
            }
            if lacks(!matches!(row.staff_member, Change::Set(_)), Field::StaffMember) {
                problems.push(Problem::required_to_create(Field::StaffMember));
            }
            if row.staff_member == Change::Set(false)
                && lacks(!matches!(row.graduation_year, Change::Set(_)), Field::GraduationYear)
            {
                problems.push(Problem::GRADUATION_YEAR_REQUIRED);
            }
        }
        let username = match &row.username {
            UsernameCell::Valid(username) if problems.is_empty() => username,
            _ => return Err(problems),
        };

        let (index, outcome) = if let Some(index) = existing {
            (index, Outcome::Updated)
        } else {
            let index = self.users.len();
            self.by_key.insert(&username.key, index);
            self.users.push(StagedUser {
                id: UserId::generate(),
                username: username.written,
                username_key: &username.key,
                is_administrator: false,
                stored: None,
                profile: Profile::default(),
                row_digest: None,
                password_fingerprint: None,
                password_sealed: None,
                password_owner: None,
            });
            (index, Outcome::Created)
        };
        let group = match row.presentation_group_label.as_deref() {
            Change::Keep => Change::Keep,
            Change::Clear => Change::Clear,
            Change::Set(label) => Change::Set(self.group(label)),
        };
        let user = &mut self.users[index];
        let protected = self.protect_administrators && user.is_administrator;
        let profile = &mut user.profile;
        if let Change::Set(barcode) = library_barcode
            && profile.library_barcode != Some(barcode)
        {
            if let Some(freed) = profile.library_barcode {
                self.barcode_owners.remove(freed);
            }
            self.barcode_owners.insert(barcode, user.id);
        }
        set(&mut profile.given_name, row.given_name);
        set(&mut profile.surname, row.surname);
        set(&mut profile.middle_name, row.middle_name);
        set(&mut profile.preferred_name, row.preferred_name);
        set(&mut profile.email_address, row.email_address);
        set(&mut profile.graduation_year, row.graduation_year);
        set(&mut profile.library_barcode, library_barcode);
        set(&mut profile.admin_system_id, row.admin_system_id);
        set(&mut profile.gender, row.gender.map(Gender::letter));
        set(&mut profile.form_class, row.form_class);
        set(&mut profile.presentation_group, group);
        let disables = row.enabled == Change::Set(false) && profile.enabled;
        if let Change::Set(enabled) = row.enabled
            && !(disables && protected)
        {
            profile.enabled = enabled;
        }
        if let Change::Set(staff_member) = row.staff_member {
            profile.staff_member = staff_member;
        }
        let mut sets_password = false;
        if let Change::Set(password) = row.password {
            sets_password = self.passwords.apply(user, password, outcome, protected);
        }
        let withheld = (protected && (disables || sets_password)).then_some(Withheld {
            username: user.username,
            enabled: disables,
            password: sets_password,
        });
        // A row that was not applied as it stands is looked at again, and reported again, when it comes again.
        user.row_digest = digest.filter(|_| withheld.is_none());
        Ok(Applied { outcome, withheld })
    }

    /// Whether the row names a new group beyond those that the rows may create.
    fn is_group_too_many(&self, row: &UserRow<'_>) -> bool {
        let Change::Set(label) = row.presentation_group_label.as_deref() else { return false };
        self.new_groups.len() >= self.new_group_limit && !self.groups.contains_key(label)
    }

    /// The group with this label; created if there is none.
    fn group(&mut self, label: &'a str) -> GroupId {
        if let Some(group) = self.groups.get(label) {
            return *group;
        }
        let id = GroupId::generate();
        self.groups.insert(label, id);
        self.new_groups.push(NewGroup { id, label });
        id
    }

    pub fn new_groups(&self) -> &[NewGroup<'a>] {
        &self.new_groups
    }

    pub fn created(&self) -> impl Iterator<Item = &StagedUser<'a>> {
        self.users.iter().filter(|user| user.stored.is_none())
    }

    /// The stored users that the rows have changed.
    pub fn changed(&self) -> impl Iterator<Item = &StagedUser<'a>> {
        self.users.iter().filter(|user| user.is_changed())
    }

    /// The stored users that the rows have not changed and that have no row digest yet. A digest that differs is not
    /// replaced: two files that say the same in different ways, night after night, would write every user twice.
    pub fn newly_digested(&self) -> impl Iterator<Item = &StagedUser<'a>> {
        self.users.iter().filter(|user| {
            user.row_digest.is_some()
                && !user.is_changed()
                && user.stored.is_some_and(|stored| stored.row_digest.is_none())
        })
    }

    /// The stored users whose barcode another user takes over. It must be freed first, because the unique index is
    /// checked row by row.
    pub fn releasing_barcodes(&self) -> impl Iterator<Item = UserId> {
        self.changed().filter_map(|user| {
            let before = user.stored?.profile.library_barcode?;
            let taken_over = self.barcode_owners.get(before).is_some_and(|owner| *owner != user.id);
            taken_over.then_some(user.id)
        })
    }
}

impl StagedUser<'_> {
    /// The fingerprint, if it is to be written. It is written together with the sealed password or not at all.
    pub fn fingerprint_to_write(&self) -> Option<&[u8]> {
        self.password_sealed.as_ref().and(self.password_fingerprint.as_deref())
    }

    fn is_changed(&self) -> bool {
        self.stored.is_some_and(|stored| stored.profile != self.profile || self.password_sealed.is_some())
    }
}

fn set<T>(value: &mut Option<T>, change: Change<T>) {
    match change {
        Change::Keep => {}
        Change::Clear => *value = None,
        Change::Set(new) => *value = Some(new),
    }
}

impl Passwords<'_> {
    /// Applies a row's password if the tenant's policy says so. The password in a file is the default that the school
    /// hands out. Unless the policy is `always`, a password that was applied before is not applied again, so that a
    /// nightly file does not reset a password that its owner has changed.
    ///
    /// Returns whether the row sets the password. It is not set if the user is `protected`.
    fn apply(
        &self,
        user: &mut StagedUser<'_>,
        password: Password<'_>,
        outcome: Outcome,
        protected: bool,
    ) -> bool {
        let owner = keys::owner(self.tenant, user.password_owner.unwrap_or(user.username_key));
        let clear = password.expose().as_bytes();
        let fingerprint = self.keys.fingerprint(&owner, clear);
        let applies = match self.policy {
            PasswordPolicy::Always => true,
            PasswordPolicy::OnCreate => outcome == Outcome::Created,
            PasswordPolicy::WhenChanged => {
                !user.password_fingerprint.as_deref().is_some_and(|stored| fingerprint.matches(stored))
            }
        };
        if applies && !protected {
            user.password_sealed = Some(self.keys.seal(&owner, clear));
            user.password_fingerprint = Some(Cow::Owned(fingerprint.as_bytes().to_vec()));
        }
        applies
    }
}
