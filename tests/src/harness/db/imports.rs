//! A tenant's imports as the tables have them.

use crate::harness::stack::{Stack, Tenant};

impl Stack {
    /// A tenant's imports in the order of its line: their ids.
    pub async fn imports_in_order(&self, tenant: &Tenant) -> Vec<String> {
        let imports = self
            .rows(&format!("select id from imports where tenant_id = '{}' order by place", tenant.id))
            .await;
        imports.iter().filter_map(|import| import["id"].as_str().map(str::to_owned)).collect()
    }

    /// How often the import in this place of a tenant's line has been claimed.
    pub async fn attempts(&self, tenant: &Tenant, place: usize) -> u64 {
        let query =
            format!("select attempt from imports where tenant_id = '{}' and place = {place}", tenant.id);
        self.row(&query).await["attempt"].as_u64().expect("a count")
    }
}
