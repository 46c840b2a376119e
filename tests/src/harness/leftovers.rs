//! What must not remain once every import has ended.

use std::fs::File;
use std::time::{Duration, SystemTime};

use super::condition::eventually;
use super::stack::Stack;

impl Stack {
    /// Waits until nothing remains of what the imports needed on the way: no import without a result, no lease, no open
    /// transaction, no sealed password, no message, no incomplete or orphaned upload.
    ///
    /// Set a short interval for the workers' janitor, as `Options::fast_recovery` does.
    pub async fn assert_nothing_left_over(&self) {
        for query in [
            "select id, state, attempt, failures, lease_holder, lease_until, published_at from imports where state <> 'finished'",
            "select username from users where password_sealed is not null",
            "select pid, state, query from pg_stat_activity
              where datname = current_database() and pid <> pg_backend_pid() and state like 'idle in transaction%'",
            "select pid, locktype, mode from pg_locks where locktype = 'advisory'
                and database = (select oid from pg_database where datname = current_database())",
        ] {
            self.wait_until_none(query).await;
        }
        self.wait_until_queues_empty().await;
        self.age_stored_files();
        self.wait_until_uploads_match_imports().await;
    }

    /// Waits until a query returns no rows.
    pub async fn wait_until_none(&self, query: &str) {
        eventually(&format!("no rows are left of: {query}"), async || {
            self.rows(query).await.is_empty().then_some(())
        })
        .await;
    }

    /// Makes every stored file two hours old, so that the janitor treats an orphaned one as a leftover.
    pub fn age_stored_files(&self) {
        let then = SystemTime::now() - Duration::from_hours(2);
        for file in self.stored_files() {
            // The janitor may have deleted it already.
            if let Ok(file) = File::options().write(true).open(file) {
                file.set_modified(then).expect("the time of an own file can be set");
            }
        }
    }

    async fn wait_until_uploads_match_imports(&self) {
        eventually("only imports have uploads", async || {
            let imports = self.rows("select id from imports where upload_deleted_at is null").await;
            let imports: Vec<&str> = imports.iter().filter_map(|import| import["id"].as_str()).collect();
            let is_known = |file: &std::path::PathBuf| {
                file.file_name().is_some_and(|name| imports.contains(&&*name.to_string_lossy()))
            };
            self.stored_files().iter().all(is_known).then_some(())
        })
        .await;
    }
}
