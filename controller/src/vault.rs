//! Secrets at rest: AES-256-GCM under a key that has a name, so that keys can be replaced.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use component::secret::Secret;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Bytes of a nonce.
const NONCE: usize = 12;

/// Encrypts with the first of its keys and decrypts with any of them.
pub struct Vault {
    keys: Vec<(String, RandomizedNonceKey)>,
}

/// Why a secret cannot be read or kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VaultError {
    /// There is no key at all.
    #[error("there is no key to encrypt with")]
    NoKey,
    /// The key of that name, which it was encrypted with, is not among ours.
    #[error("it was encrypted with the key {0:?}, which is not configured")]
    UnknownKey(String),
    /// It is not what was written.
    #[error("it was changed, or encrypted with another key of the same name")]
    Damaged,
}

impl Vault {
    /// The vault of these keys, by name; the first one encrypts. A key is any text that cannot be
    /// guessed.
    ///
    /// # Errors
    /// [`VaultError::NoKey`].
    pub fn new(keys: &[(String, Secret)]) -> Result<Self, VaultError> {
        let made = keys.iter().map(|(name, key)| {
            let key = Sha256::digest(key.reveal().as_bytes());
            let key = RandomizedNonceKey::new(&AES_256_GCM, &key);
            Ok((name.clone(), key.map_err(|_| VaultError::NoKey)?))
        });
        let keys: Vec<_> = made.collect::<Result<_, VaultError>>()?;
        if keys.is_empty() {
            return Err(VaultError::NoKey);
        }
        Ok(Self { keys })
    }

    /// Encrypts `secret`: the name of the key, then nonce and ciphertext in base64.
    ///
    /// # Errors
    /// [`VaultError::NoKey`].
    pub fn seal(&self, secret: &[u8]) -> Result<String, VaultError> {
        let (name, key) = self.keys.first().ok_or(VaultError::NoKey)?;
        let mut text = secret.to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut text)
            .map_err(|_| VaultError::NoKey)?;
        let whole = [nonce.as_ref().as_slice(), &text].concat();
        Ok(format!("{name}:{}", STANDARD.encode(whole)))
    }

    /// Returns whether it was encrypted with the key that encrypts now.
    pub(crate) fn is_current(&self, sealed: &str) -> bool {
        let name = sealed.rsplit_once(':').map(|(name, _)| name);
        let first = self.keys.first();
        first.is_some_and(|(first, _)| Some(first.as_str()) == name)
    }

    /// Decrypts what [`Self::seal`] returned.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`], [`VaultError::Damaged`].
    pub fn open(&self, sealed: &str) -> Result<Vec<u8>, VaultError> {
        let (name, text) = sealed.rsplit_once(':').ok_or(VaultError::Damaged)?;
        let mut keys = self.keys.iter();
        let (_, key) = keys
            .find(|(known, _)| known == name)
            .ok_or_else(|| VaultError::UnknownKey(name.to_owned()))?;
        let whole = STANDARD.decode(text).map_err(|_| VaultError::Damaged)?;
        let (nonce, text) = whole.split_at_checked(NONCE).ok_or(VaultError::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Damaged)?;
        let mut text = text.to_vec();
        let opened = key
            .open_in_place(nonce, Aad::from(name.as_bytes()), &mut text)
            .map_err(|_| VaultError::Damaged)?;
        Ok(opened.to_vec())
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.keys.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Vault").field("keys", &names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(keys: &[(&str, &str)]) -> Vault {
        let keys: Vec<_> = keys
            .iter()
            .map(|(name, key)| ((*name).to_owned(), Secret::new(key)))
            .collect();
        Vault::new(&keys).unwrap()
    }

    #[test]
    fn a_secret_is_read_with_the_key_that_it_names() {
        let old = vault(&[("2025", "a")]);
        let both = vault(&[("2026", "b"), ("2025", "a")]);
        let sealed = old.seal(b"secret").unwrap();
        assert!(sealed.starts_with("2025:") && !sealed.contains("secret"));
        assert_eq!(both.open(&sealed).unwrap(), b"secret");
        assert_ne!(
            old.seal(b"secret").unwrap(),
            sealed,
            "each has its own nonce"
        );
        let newer = both.seal(b"secret").unwrap();
        assert_eq!(
            old.open(&newer),
            Err(VaultError::UnknownKey("2026".to_owned()))
        );
        assert_eq!(
            vault(&[("2025", "x")]).open(&sealed),
            Err(VaultError::Damaged)
        );
        assert_eq!(Vault::new(&[]).unwrap_err(), VaultError::NoKey);
    }

    #[test]
    fn what_was_changed_is_not_read() {
        let vault = vault(&[("k", "a")]);
        let sealed = vault.seal(b"secret").unwrap();
        for damaged in [
            "",
            "k:",
            "k:AAAA",
            &sealed[..sealed.len() - 4],
            &sealed.replace("k:", ""),
        ] {
            assert_eq!(vault.open(damaged), Err(VaultError::Damaged), "{damaged}");
        }
    }
}
