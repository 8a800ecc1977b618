//! The token server: who is who. It speaks as UAA does, as far as the cf CLI asks.

mod grants;
mod keys;
mod oauth_fault;
mod passwords;

use std::sync::{Mutex, PoisonError};

use component::tick::Tick;
use controller_core::backoff::Backoff;
use controller_core::claims::Claims;
use controller_core::fault::Fault;
use controller_core::signing::KeyTimes;
use thiserror::Error;
use tokio::time::Instant;

pub(crate) use self::grants::routes;
use self::keys::Keys;
pub(crate) use self::passwords::hash;
use crate::config::TokenTimes;
use crate::storage::{Storage, StorageError};
use crate::vault::{Vault, VaultError};

/// How many passwords are looked at at the same time; each takes tens of milliseconds and megabytes.
const PASSWORDS_AT_A_TIME: usize = 2;

/// Makes and reads tokens.
#[derive(Debug)]
pub struct TokenServer {
    keys: Keys,
    backoff: Mutex<Backoff>,
    room: tokio::sync::Semaphore,
    began: Instant,
    times: TokenTimes,
}

/// Why there is no token server.
#[derive(Debug, Error)]
pub enum TokenServerError {
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A key cannot be decrypted.
    #[error("a signing key cannot be read")]
    Sealed(#[from] VaultError),
    /// A key is none, or none can be made.
    #[error("a signing key is not usable")]
    Key,
}

impl TokenServer {
    /// The token server with the keys of `storage`, which gets one if it has none.
    ///
    /// # Errors
    /// [`TokenServerError`].
    pub async fn open(
        storage: &Storage,
        vault: &Vault,
        times: TokenTimes,
    ) -> Result<Self, TokenServerError> {
        let key_times = KeyTimes {
            signing_key: times.signing_key,
            access: times.access,
        };
        Ok(Self {
            keys: Keys::open(storage, vault, key_times).await?,
            backoff: Mutex::default(),
            room: tokio::sync::Semaphore::new(PASSWORDS_AT_A_TIME),
            began: Instant::now(),
            times,
        })
    }

    /// Replaces its keys when it is time, for as long as it is polled.
    pub(crate) async fn keep(&self, storage: &Storage, vault: &Vault) {
        self.keys.keep(storage, vault).await;
    }

    /// Reads an access token.
    ///
    /// # Errors
    /// [`Fault::InvalidAuthToken`]: it is not ours, was changed, or has ended.
    pub(crate) fn verify(&self, token: &str) -> Result<Claims, Fault> {
        self.keys.verify(token).ok_or(Fault::InvalidAuthToken)
    }

    fn with_backoff<T>(&self, look: impl FnOnce(&mut Backoff, Tick) -> T) -> T {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Whatever panicked, the counts of failures are whole.
        let mut backoff = self.backoff.lock().unwrap_or_else(PoisonError::into_inner);
        look(&mut backoff, Tick::from_millis(millis))
    }
}
