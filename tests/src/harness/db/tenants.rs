//! Tenants, their administrators and their groups.

use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use rollcall_schema::tenants::account;
use rollcall_schema::tenants::group;
use rollcall_schema::tenants::tenant::{self, DEFAULT_UPLOAD_LIMIT_BYTES, PasswordPolicy};

use crate::harness::stack::{ADMINISTRATOR, PASSWORD, Stack, Tenant};

impl Stack {
    /// Adds a tenant with an administrator.
    pub async fn add_tenant(&self, name: &str) -> Tenant {
        let mut conn = self.database.connection().await.expect("the database answers");
        let id = tenant::add(&mut conn, name, &[], PasswordPolicy::WhenChanged, DEFAULT_UPLOAD_LIMIT_BYTES)
            .await
            .expect("the tenant is new");
        account::add_administrator(&mut conn, id, ADMINISTRATOR, cheap_hash())
            .await
            .expect("the administrator can be added");
        Tenant { id, name: name.to_owned() }
    }

    /// Defines a tenant's library groups and system groups.
    pub async fn define_groups(&self, tenant: &Tenant, library: &[&str], system: &[&str]) {
        let mut conn = self.database.connection().await.expect("the database answers");
        for name in library {
            group::add_library_group(&mut conn, tenant.id, name).await.expect("a group can be defined");
        }
        for name in system {
            group::add_system_group(&mut conn, tenant.id, name, false).await.expect("a group can be defined");
        }
    }
}

/// A cheap hash of [`PASSWORD`].
pub fn cheap_hash() -> &'static str {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| cheap_hash_of(PASSWORD))
}

/// A hash that takes almost no time to check: a hash carries its own parameters.
pub fn cheap_hash_of(password: &str) -> String {
    let params = Params::new(8, 1, 1, None).expect("the smallest parameters that Argon2 accepts");
    let hash: PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.as_bytes())
        .expect("a password can be hashed");
    hash.to_string()
}
