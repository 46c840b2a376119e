//! A tenant's imports.

use crate::harness::stack::{Stack, Tenant};

impl Stack {
    /// The ids of a tenant's imports, in the order of its line.
    pub async fn imports_in_order(&self, tenant: &Tenant) -> Vec<String> {
        let imports = self
            .rows(&format!(
                "select id from imports where tenant_id = '{}' order by queue_position",
                tenant.id
            ))
            .await;
        imports.iter().filter_map(|import| import["id"].as_str().map(str::to_owned)).collect()
    }

    /// How often the tenant's import at this queue position, counted from 1, has been claimed.
    pub async fn attempts(&self, tenant: &Tenant, position: usize) -> u64 {
        let query = format!(
            "select attempt from imports where tenant_id = '{}' and queue_position = {position}",
            tenant.id
        );
        self.row(&query).await["attempt"].as_u64().expect("a count")
    }
}
