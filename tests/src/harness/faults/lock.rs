//! A lock that blocks a chunk in the middle of its transaction.

use diesel_async::SimpleAsyncConnection as _;
use diesel_async::pooled_connection::deadpool::Object;
use rollcall_schema::postgres::address::DatabaseAddress;
use rollcall_schema::postgres::pool::{Connection, Database, PoolSizes};

use crate::harness::condition::eventually;
use crate::harness::stack::Stack;

/// Released when dropped: see [`Stack::lock_users`] and [`Stack::lock_user`].
pub struct Lock {
    _conn: Object<Connection>,
}

impl Stack {
    /// Blocks all other writes to `users` until the lock is dropped. A chunk that starts in the meantime blocks in the middle
    /// of its transaction.
    pub async fn lock_users(&self) -> Lock {
        self.lock("lock table users in share mode").await
    }

    /// Blocks all other writes of a user until the lock is dropped.
    pub async fn lock_user(&self, username: &str) -> Lock {
        self.lock(&format!("select from users where username = '{username}' for update")).await
    }

    /// Begins a transaction with this command, whose locks are kept until the lock is dropped.
    pub async fn lock(&self, command: &str) -> Lock {
        let address = DatabaseAddress::parse(&self.test_database.url).expect("the servers' URL is good");
        let pool = Database::new(address, PoolSizes { connections: 1, sessions: 1 });
        let mut conn = pool.connection().await.expect("the database answers");
        conn.batch_execute(&format!("begin; {command}")).await.expect("what is there can be locked");
        Lock { _conn: conn }
    }

    /// Waits until a chunk is blocked by a lock.
    pub async fn wait_for_blocked_chunk(&self) {
        // Storing password hashes is blocked as well, and is no chunk.
        let waiting = "select from pg_stat_activity
                        where datname = current_database() and wait_event_type = 'Lock'
                          and query not like '%password_sealed = null%'
                          and exists (select from imports where state = 'running')";
        eventually("a chunk is blocked", async || (!self.rows(waiting).await.is_empty()).then_some(())).await;
    }
}
