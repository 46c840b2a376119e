//! Holding up a chunk in its transaction.

use diesel_async::SimpleAsyncConnection as _;
use diesel_async::pooled_connection::deadpool::Object;
use rollcall_schema::database::{Connection, Database, DatabaseAddress};

use crate::harness::condition::eventually;
use crate::harness::stack::Stack;

/// See [`Stack::lock_users`].
pub struct Lock {
    _conn: Object<Connection>,
}

impl Stack {
    /// Keeps everybody else from writing to users until the lock is dropped: a chunk that is begun meanwhile waits amid
    /// its transaction.
    pub async fn lock_users(&self) -> Lock {
        let address = DatabaseAddress::parse(&self.test_database.url).expect("the servers' URL is good");
        let pool = Database::new(address, 1);
        let mut conn = pool.connection().await.expect("the database answers");
        conn.batch_execute("begin; lock table users in share mode").await.expect("the lock can be had");
        Lock { _conn: conn }
    }

    /// Waits until a chunk waits amid its transaction for [`Stack::lock_users`].
    pub async fn wait_for_blocked_chunk(&self) {
        // Storing hashes waits for the lock, too.
        let waiting = "select from pg_stat_activity
                        where datname = current_database() and wait_event_type = 'Lock'
                          and query not like '%password_sealed = null%'
                          and exists (select from imports where state = 'running')";
        eventually("a chunk waits", async || (!self.rows(waiting).await.is_empty()).then_some(())).await;
    }
}
