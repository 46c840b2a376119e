//! Verifying a password against what is stored of it: its hash, or its sealed text if an import has set it and it is
//! still waiting in the hashing queue.

use std::error::Error;

use rollcall_schema::ids::{TenantId, UserId};
use rollcall_schema::passwords::argon2::{HashingPool, Overloaded};
use rollcall_schema::passwords::keys::{self, PasswordKeys, SealError};
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::tenants::account::{self, Account};
use subtle::ConstantTimeEq as _;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use zeroize::Zeroizing;

use crate::auth::hashing_queue::{HashingQueue, Place};
use crate::http::error::ApiError;

/// What is stored of a password.
#[derive(Clone, Copy)]
pub enum StoredPassword<'a> {
    Hash(&'a str),
    Sealed(&'a [u8]),
}

impl<'a> StoredPassword<'a> {
    /// What is stored of the account's password, or `None` if it has none. Where there are both, the sealed password
    /// is newer than the hash.
    pub fn of(account: &'a Account) -> Option<Self> {
        let sealed = account.password_sealed.as_deref().map(Self::Sealed);
        sealed.or_else(|| account.password_hash.as_deref().map(Self::Hash))
    }

    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Hash(hash) => hash.as_bytes(),
            Self::Sealed(sealed) => sealed,
        }
    }
}

/// Verifies passwords.
#[derive(Clone)]
pub struct PasswordVerifier {
    pub database: Database,
    pub hashing: HashingPool,
    /// Where a login waits for one of the pool's threads before its password is verified.
    pub queue: HashingQueue,
    /// Opens sealed passwords.
    pub keys: PasswordKeys,
    /// Where the rehashing runs that no request waits for.
    pub tasks: TaskTracker,
}

impl PasswordVerifier {
    /// Whether the given password is the stored one. The caller holds a permit of the queue.
    pub async fn verify(
        &self,
        tenant: TenantId,
        account: &Account,
        stored: StoredPassword<'_>,
        given: Zeroizing<Vec<u8>>,
    ) -> Result<bool, ApiError> {
        match stored {
            StoredPassword::Hash(hash) => {
                self.hashing.verify(given, hash.to_owned()).await.map_err(overloaded)
            }
            StoredPassword::Sealed(sealed) => {
                let owner = keys::owner(tenant, &account.password_owner);
                let matches = match self.keys.open(&owner, sealed).await {
                    Ok(opened) => opened.ct_eq(&given).into(),
                    // Whether the password is right is unknown: the login is neither refused nor counted as failed.
                    Err(SealError::KeyUnavailable(error)) => return Err(ApiError::Unavailable(error.into())),
                    Err(error @ SealError::Damaged) => {
                        let error = &error as &(dyn Error + 'static);
                        tracing::error!(user = %account.id, error, "a login was refused");
                        false
                    }
                };
                if matches {
                    self.rehash_in_background(tenant, account.id, sealed.to_vec(), given);
                } else {
                    self.dummy_verify(given).await?;
                }
                Ok(matches)
            }
        }
    }

    /// Takes the time of a verification. The caller holds a permit of the queue.
    pub async fn dummy_verify(&self, given: Zeroizing<Vec<u8>>) -> Result<(), ApiError> {
        self.hashing.dummy_verify(given).await.map_err(overloaded)
    }

    /// Replaces a sealed password by its hash, as the workers' hashing queue would, without making the login wait.
    fn rehash_in_background(
        &self,
        tenant: TenantId,
        user: UserId,
        sealed: Vec<u8>,
        given: Zeroizing<Vec<u8>>,
    ) {
        let Self { database, hashing, queue, .. } = self.clone();
        let rehash = async move {
            // If the threads are busy the hashing queue still has the password.
            let Ok(_permit) = queue.wait(Place::Background).await else { return };
            let Ok(hash) = hashing.hash(given).await else { return };
            let stored = async {
                let session = database.session_for(tenant).await?.with_cached_plans();
                Ok::<_, DatabaseError>(account::store_hash(&session, tenant, user, &sealed, &hash).await?)
            };
            if let Err(error) = stored.await {
                let error = &error as &(dyn Error + 'static);
                tracing::warn!(error, "failed to store a password hash, leaving it to the hashing queue");
            }
        };
        self.tasks.spawn(rehash.in_current_span());
    }
}

fn overloaded(_: Overloaded) -> ApiError {
    ApiError::Overloaded
}
