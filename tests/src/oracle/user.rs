//! A user as §4 describes it, and what identifies one.

/// The tenant setting that says when a password in a file replaces the one that the user logs in with (§4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PasswordPolicy {
    /// If it differs from the password that the last import applied to the user.
    #[default]
    WhenChanged,
    /// In every row that has a password.
    Always,
    /// Only in the row that creates the user.
    OnCreate,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// As spelled in the row that created the user.
    pub username: String,
    pub given_name: Option<String>,
    pub surname: Option<String>,
    pub middle_name: Option<String>,
    pub preferred_name: Option<String>,
    pub email_address: Option<String>,
    /// 1900–2200.
    pub graduation_year: Option<u16>,
    /// Unique in the tenant, in the form in which barcodes are compared.
    pub library_barcode: Option<String>,
    /// The identifier in the school's own system.
    pub admin_system_id: Option<String>,
    /// `M` or `F`.
    pub gender: Option<char>,
    pub form_class: Option<String>,
    pub enabled: bool,
    pub staff_member: bool,
    /// The label of the user's presentation group. A user is in at most one.
    pub presentation_group: Option<String>,
    /// The password that the last import applied.
    pub password_applied: Option<String>,
    /// The password that a login accepts now.
    pub login_password: Option<String>,
}
