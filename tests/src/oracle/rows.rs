//! Applies one row to the state that the previous row left (§4, §5). A row that fails returns before it changes anything.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::{self, Cell, parse, problem};
use super::endpoint::Endpoint;
use super::header::{Column, Columns, ImportKind, import_kind};
use super::names::{is_invisible, shared_name, username_key};
use super::tenant::Tenant;
use super::user::{PasswordPolicy, User};

/// The outcome of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Updated,
    /// Updated, except that an administrator kept the login.
    UpdatedButProtected,
    /// The problems' texts, each followed by one space.
    Failed(String),
}

impl Outcome {
    /// The row's value in `details`.
    pub fn text(&self) -> String {
        match self {
            Self::Created => "User Created".to_owned(),
            Self::Updated | Self::UpdatedButProtected => "User Updated".to_owned(),
            Self::Failed(problems) => format!("{problems}User failed to import: {problems}"),
        }
    }
}

/// The user that a row names.
enum Target {
    /// The row has no username.
    Unnamed,
    /// A user whom the row would have to create. An invalid username counts as one, since no user can have it.
    New,
    /// The existing user with this key.
    Existing(String),
}

/// A row's cells, each parsed by its column's rule.
struct UserCells {
    username: Cell<String>,
    given_name: Cell<String>,
    surname: Cell<String>,
    middle_name: Cell<String>,
    preferred_name: Cell<String>,
    email_address: Cell<String>,
    graduation_year: Cell<u16>,
    library_barcode: Cell<String>,
    admin_system_id: Cell<String>,
    gender: Cell<char>,
    password: Cell<String>,
    form_class: Cell<String>,
    enabled: Cell<bool>,
    staff_member: Cell<bool>,
    presentation_group: Cell<String>,
}

impl UserCells {
    fn parse(columns: &Columns, cells: &[String]) -> Self {
        let at = |column| columns.cell(column, cells);
        let text = |column| parse(column, at(column), cells::free_text);
        let boolean = |column| parse(column, at(column), cells::boolean);
        Self {
            username: parse(Column::Username, at(Column::Username), cells::username),
            given_name: text(Column::GivenName),
            surname: text(Column::Surname),
            middle_name: text(Column::MiddleName),
            preferred_name: text(Column::PreferredName),
            email_address: parse(Column::EmailAddress, at(Column::EmailAddress), cells::email),
            graduation_year: parse(Column::GraduationYear, at(Column::GraduationYear), cells::year),
            library_barcode: parse(Column::LibraryBarcode, at(Column::LibraryBarcode), cells::name),
            admin_system_id: text(Column::AdminSystemId),
            gender: parse(Column::Gender, at(Column::Gender), cells::gender),
            password: parse(Column::Password, at(Column::Password), cells::password),
            form_class: text(Column::FormClass),
            enabled: boolean(Column::Enabled),
            staff_member: boolean(Column::StaffMember),
            presentation_group: parse(
                Column::PresentationGroupLabel,
                at(Column::PresentationGroupLabel),
                cells::name,
            ),
        }
    }
}

/// The problems that a row shows by itself, whatever the tenant has.
#[derive(Debug)]
pub struct RowChecks(Option<Columns>);

impl RowChecks {
    /// Of rows under this header.
    pub fn new(header: &[String]) -> Self {
        Self(match import_kind(Endpoint::Users, header) {
            Ok(ImportKind::Users(columns)) => Some(columns),
            _ => None,
        })
    }

    /// The problems' texts, each followed by one space. None under a header that is not one of a user import.
    pub fn user_problems(&self, cells: &[String]) -> String {
        let Some(columns) = &self.0 else { return String::new() };
        let in_cells = || {
            let row = UserCells::parse(columns, cells);
            Tenant::new(PasswordPolicy::default()).user_problems(&row, &Target::Unnamed)
        };
        surplus_problem(columns, cells).unwrap_or_else(in_cells)
    }
}

impl Tenant {
    /// Applies a row of a user import.
    pub(super) fn apply_user_row(&mut self, columns: &Columns, cells: &[String]) -> Outcome {
        if let Some(problem) = surplus_problem(columns, cells) {
            return Outcome::Failed(problem);
        }
        let mut row = UserCells::parse(columns, cells);
        let target = match &row.username {
            Cell::Absent | Cell::Blank => Target::Unnamed,
            Cell::Bad(_) => Target::New,
            Cell::Good(username) => {
                let key = username_key(username);
                if self.users.contains_key(&key) { Target::Existing(key) } else { Target::New }
            }
        };
        let problems = self.user_problems(&row, &target);
        if !problems.is_empty() {
            return Outcome::Failed(problems);
        }

        if let Cell::Good(label) = &row.presentation_group
            && self.presentation_groups.insert(label.clone())
        {
            self.new_groups += 1;
        }
        if let Target::Existing(key) = target {
            let protects = self.keep_login(&mut row, &self.users[&key]);
            if let Some(user) = self.users.get_mut(&key) {
                user.apply_cells(row, Some(self.password_policy));
            }
            return if protects { Outcome::UpdatedButProtected } else { Outcome::Updated };
        }
        let mut user = User { username: row.username.good().cloned().unwrap_or_default(), ..User::default() };
        user.apply_cells(row, None);
        self.users.insert(username_key(&user.username), user);
        Outcome::Created
    }

    /// Drops the cells by which a row would disable an administrator or change the password of one. Returns whether there
    /// were any.
    fn keep_login(&self, row: &mut UserCells, user: &User) -> bool {
        if !self.is_protected(user) {
            return false;
        }
        let disables = user.enabled && row.enabled == Cell::Good(false);
        let sets_password =
            row.password.good().is_some_and(|password| user.takes_password(password, self.password_policy));
        if disables {
            row.enabled = Cell::Absent;
        }
        if sets_password {
            row.password = Cell::Absent;
        }
        disables || sets_password
    }

    /// Every problem of a row except surplus cells, in the order of the field table.
    fn user_problems(&self, row: &UserCells, target: &Target) -> String {
        let creates = matches!(target, Target::New);
        let required = |missing: bool, column| {
            if creates && missing { problem(column, "is required to create a user") } else { String::new() }
        };

        let mut all = String::new();
        if row.username.is_missing() {
            all += &problem(Column::Username, "may not be empty");
        }
        all += row.username.problems();
        all += row.given_name.problems();
        all += row.surname.problems();
        all += row.middle_name.problems();
        all += row.preferred_name.problems();
        all += row.email_address.problems();
        all += row.graduation_year.problems();
        if creates && row.graduation_year.is_missing() && row.staff_member == Cell::Good(false) {
            all += &problem(Column::GraduationYear, "is required to create a student");
        }
        all += row.library_barcode.problems();
        if self.is_barcode_taken(&row.library_barcode, target) {
            all += &problem(Column::LibraryBarcode, "is already used by another user");
        }
        all += row.admin_system_id.problems();
        all += row.gender.problems();
        all += row.password.problems();
        all += row.form_class.problems();
        all += row.enabled.problems();
        all += &required(row.enabled.is_missing(), Column::Enabled);
        all += row.staff_member.problems();
        all += &required(row.staff_member.is_missing(), Column::StaffMember);
        all += row.presentation_group.problems();
        if self.is_group_too_many(&row.presentation_group, target) {
            all += &problem(Column::PresentationGroupLabel, "names one presentation group too many");
        }
        all
    }

    /// Whether a label would create a group beyond those that the import may create.
    fn is_group_too_many(&self, label: &Cell<String>, target: &Target) -> bool {
        let Cell::Good(label) = label else { return false };
        !matches!(target, Target::Unnamed)
            && self.new_groups >= self.presentation_group_limit
            && !self.presentation_groups.contains(label)
    }

    fn is_barcode_taken(&self, barcode: &Cell<String>, target: &Target) -> bool {
        let Cell::Good(barcode) = barcode else {
            return false;
        };
        let own = match target {
            Target::Unnamed => return false,
            Target::New => None,
            Target::Existing(key) => Some(key),
        };
        self.users
            .iter()
            .any(|(key, user)| user.library_barcode.as_ref() == Some(barcode) && Some(key) != own)
    }

    /// Applies a row of a group import.
    pub(super) fn apply_group_row(&mut self, columns: &Columns, cells: &[String]) -> Outcome {
        if let Some(problem) = surplus_problem(columns, cells) {
            return Outcome::Failed(problem);
        }
        let filled = |column| columns.cell(column, cells).filter(|text| !text.is_empty());
        let username = filled(Column::Username);
        let library_group = filled(Column::LibraryGroup);
        let system_group = filled(Column::SystemGroup);

        let member = username.and_then(|name| self.users.get(&username_key(name)));
        let member = member.map(|user| user.username.clone());
        let mut problems = match username {
            None => problem(Column::Username, "may not be empty"),
            Some(name) if name.contains(is_invisible) => problem(Column::Username, cells::INVISIBLE),
            Some(_) if member.is_none() => problem(Column::Username, "is not a known user"),
            Some(_) => String::new(),
        };
        if library_group.is_none() && system_group.is_none() {
            problems += "Row names no group. ";
        }
        if let Some(name) = library_group {
            problems += &group_problem(
                Column::LibraryGroup,
                name,
                &self.library_groups,
                "is not a defined library group",
            );
        }
        if let Some(name) = system_group {
            problems += &group_problem(
                Column::SystemGroup,
                name,
                &self.system_groups,
                "is not a defined system group",
            );
        }
        let (true, Some(member)) = (problems.is_empty(), member) else {
            return Outcome::Failed(problems);
        };

        if let Some(members) = library_group.and_then(|name| self.library_groups.get_mut(&shared_name(name)))
        {
            members.insert(member.clone());
        }
        if let Some(members) = system_group.and_then(|name| self.system_groups.get_mut(&shared_name(name))) {
            members.insert(member);
        }
        Outcome::Updated
    }
}

/// The problem of a cell that names a group, or nothing.
fn group_problem(
    column: Column,
    name: &str,
    groups: &BTreeMap<String, BTreeSet<String>>,
    undefined: &str,
) -> String {
    if name.contains(is_invisible) {
        problem(column, cells::INVISIBLE)
    } else if groups.contains_key(&shared_name(name)) {
        String::new()
    } else {
        problem(column, undefined)
    }
}

/// `Row has N values but the header has M columns. ` if a cell beyond the header is not blank. N counts every cell.
fn surplus_problem(columns: &Columns, cells: &[String]) -> Option<String> {
    let (values, width) = (cells.len(), columns.width());
    if cells.iter().skip(width).all(String::is_empty) {
        return None;
    }
    // The contract gives no text for a header of one column, so the word is always "columns".
    Some(format!("Row has {values} values but the header has {width} columns. "))
}

impl User {
    /// Applies a row that has no problems. `update` is the tenant's password policy if the user exists already.
    fn apply_cells(&mut self, row: UserCells, update: Option<PasswordPolicy>) {
        set_or_clear(&mut self.given_name, row.given_name);
        set_or_clear(&mut self.surname, row.surname);
        set_or_clear(&mut self.middle_name, row.middle_name);
        set_or_clear(&mut self.preferred_name, row.preferred_name);
        set_or_clear(&mut self.email_address, row.email_address);
        set_or_keep(&mut self.graduation_year, row.graduation_year);
        set_or_keep(&mut self.library_barcode, row.library_barcode);
        set_or_keep(&mut self.admin_system_id, row.admin_system_id);
        set_or_clear(&mut self.gender, row.gender);
        set_or_clear(&mut self.form_class, row.form_class);
        set_or_clear(&mut self.presentation_group, row.presentation_group);
        if let Cell::Good(enabled) = row.enabled {
            self.enabled = enabled;
        }
        if let Cell::Good(staff_member) = row.staff_member {
            self.staff_member = staff_member;
        }
        if let Cell::Good(password) = row.password
            && update.is_none_or(|policy| self.takes_password(&password, policy))
        {
            self.password_applied = Some(password.clone());
            self.login_password = Some(password);
        }
    }
}

impl User {
    /// Whether a row with this password sets it, if the user exists already.
    fn takes_password(&self, password: &str, policy: PasswordPolicy) -> bool {
        match policy {
            PasswordPolicy::Always => true,
            PasswordPolicy::WhenChanged => self.password_applied.as_deref() != Some(password),
            PasswordPolicy::OnCreate => false,
        }
    }
}

/// For columns in which a blank cell clears the value.
fn set_or_clear<T>(value: &mut Option<T>, cell: Cell<T>) {
    match cell {
        Cell::Good(new) => *value = Some(new),
        Cell::Blank => *value = None,
        Cell::Absent | Cell::Bad(_) => {}
    }
}

/// For columns in which a blank cell keeps the value.
fn set_or_keep<T>(value: &mut Option<T>, cell: Cell<T>) {
    if let Cell::Good(new) = cell {
        *value = Some(new);
    }
}
