//! A user.

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

/// What makes two usernames the same: each character's lower case, without regard to its neighbours (no final sigma).
pub fn username_key(username: &str) -> String {
    username.chars().flat_map(char::to_lowercase).collect()
}
