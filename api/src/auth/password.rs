//! Verifying a password against what is stored of it: its hash, or its sealed text if an import has set it and it is
//! still waiting in the hashing queue.

use std::error::Error;

use rollcall_schema::ids::{TenantId, UserId};
use rollcall_schema::passwords::argon2::{HashingPool, Overloaded};
use rollcall_schema::passwords::keys::{self, PasswordKeys};
use rollcall_schema::postgres::error::DatabaseError;
use rollcall_schema::postgres::pool::Database;
use rollcall_schema::tenants::account::{self, Account};
use subtle::ConstantTimeEq as _;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use zeroize::Zeroizing;

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
    /// Opens sealed passwords.
    pub keys: PasswordKeys,
    /// Where the rehashing runs that no request waits for.
    pub tasks: TaskTracker,
}

impl PasswordVerifier {
    /// Whether the given password is the stored one.
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
                let opened = self.keys.open(&owner, sealed);
                if opened.is_none() {
                    tracing::error!(
                        user = %account.id,
                        "cannot open a sealed password: check that ROLLCALL_KEY is the same as the workers'"
                    );
                }
                let matches = opened.is_some_and(|opened| opened.ct_eq(&given).into());
                if matches {
                    self.rehash_in_background(tenant, account.id, sealed.to_vec(), given);
                } else {
                    self.dummy_verify(given).await?;
                }
                Ok(matches)
            }
        }
    }

    /// Takes the time of a verification.
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
        let Self { database, hashing, .. } = self.clone();
        let rehash = async move {
            // If the pool is overloaded the hashing queue still has the password.
            let Ok(hash) = hashing.hash(given).await else { return };
            let stored = async {
                let session = database.session_for(tenant).await?;
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
