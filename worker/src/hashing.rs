//! Passwords, off the critical path: an import stores them sealed, and they are hashed here afterwards, a few at
//! a time. A login that comes first opens the seal itself.

use std::time::Duration;

use futures_util::future::try_join_all;
use rollcall_schema::account::{self, WaitingPassword};
use rollcall_schema::database::{Database, DatabaseError};
use rollcall_schema::password::{self, HashingPool};
use rollcall_schema::seal::PasswordKeys;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Passwords taken at once: few, because their rows are locked until they are hashed.
const BATCH: i64 = 8;
/// How long to wait before looking again unasked: passwords that another worker sealed, or left behind.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Hashes waiting passwords until `stop`; looks at once when `sealed` is notified.
pub async fn run(
    database: Database,
    keys: PasswordKeys,
    pool: HashingPool,
    sealed: &Notify,
    stop: CancellationToken,
) {
    loop {
        match hash_some(&database, &keys, &pool).await {
            Ok(0) => {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = sealed.notified() => {}
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                }
            }
            Ok(_) if stop.is_cancelled() => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "waiting passwords could not be hashed yet"
                );
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                }
            }
        }
    }
}

/// Hashes some; returns how many.
///
/// No deadlock: the rows that this transaction locks are those that nobody else has locked, and it asks for no
/// lock after them.
async fn hash_some(
    database: &Database,
    keys: &PasswordKeys,
    pool: &HashingPool,
) -> Result<usize, DatabaseError> {
    use diesel_async::AsyncConnection as _;

    let mut conn = database.connection().await?;
    let hashed = conn
        .transaction(async |conn| {
            let waiting = account::waiting_passwords(conn, BATCH).await?;
            let hashes = try_join_all(waiting.iter().map(|one| hash(keys, pool, one)));
            // Overloaded: the logins of this process came first. Another look will do.
            let Ok(hashes) = hashes.await else { return Ok(0) };
            for (one, hash) in waiting.iter().zip(&hashes) {
                account::store_hash(conn, one.tenant, one.user, &one.sealed, hash.as_deref()).await?;
            }
            Ok::<_, diesel::result::Error>(hashes.len())
        })
        .await?;
    Ok(hashed)
}

/// The hash; `None` for a password whose seal does not open.
async fn hash(
    keys: &PasswordKeys,
    pool: &HashingPool,
    waiting: &WaitingPassword,
) -> Result<Option<String>, password::Overloaded> {
    let owner = password::owner(waiting.tenant, &waiting.username_key);
    let Some(clear) = keys.open(&owner, &waiting.sealed) else {
        tracing::error!(
            tenant = %waiting.tenant, user = %waiting.user,
            "a waiting password was sealed with another key and is dropped; the next import sets it again \
             once it changes, or with the policy `always`"
        );
        return Ok(None);
    };
    pool.hash(clear).await.map(Some)
}
