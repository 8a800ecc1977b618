//! The keys that access tokens are signed with (RS256). One signs, all verify.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use component::error_chain::error_chain;
use controller_core::claims::Claims;
use controller_core::signing::{KeyTimes, KnownKey, plan, signer};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use uuid::Uuid;

use super::TokenServerError;
use crate::clock::now;
use crate::storage::{SigningKeyRow, Storage};
use crate::vault::Vault;

/// How often the keys are looked at.
const LOOK: Duration = Duration::from_secs(60);

/// The keys that are known now.
pub(super) struct Keys {
    times: KeyTimes,
    ring: RwLock<Arc<Ring>>,
}

/// Keys that verify, one of which signs.
#[derive(Clone, Default)]
struct Ring {
    signer: Option<Arc<SigningKey>>,
    all: Vec<Arc<SigningKey>>,
}

struct SigningKey {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    public: PublicKey,
}

/// A public key in the form of RFC 7517.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PublicKey {
    kid: String,
    kty: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    n: String,
    e: String,
}

impl Keys {
    pub(super) async fn open(
        storage: &Storage,
        vault: &Vault,
        times: KeyTimes,
    ) -> Result<Self, TokenServerError> {
        let keys = Self {
            times,
            ring: RwLock::default(),
        };
        keys.refresh(storage, vault).await?;
        Ok(keys)
    }

    /// Keeps the keys as they shall be, for as long as it is polled.
    pub(super) async fn keep(&self, storage: &Storage, vault: &Vault) {
        loop {
            sleep(LOOK).await;
            if let Err(error) = self.refresh(storage, vault).await {
                let error = error_chain(&error);
                tracing::error!(error, "signing-keys-not-refreshed");
            }
        }
    }

    /// Makes a key if one is due, forgets those that were outlived, and reads what others made.
    async fn refresh(&self, storage: &Storage, vault: &Vault) -> Result<(), TokenServerError> {
        let now = now();
        let mut rows = storage.signing_keys().await?;
        let plan = plan(&known(&rows), self.times, now);
        if plan.is_due {
            let row = generated(vault, now).await?;
            tracing::info!(key = row.guid, "signing-key-made");
            storage.save_signing_key(&row).await?;
            rows.insert(0, row);
        }
        for id in &plan.outlived {
            tracing::info!(key = id, "signing-key-forgotten");
            storage.delete("signing_keys", id).await?;
        }
        rows.retain(|row| !plan.outlived.contains(&row.guid));
        let before = self.ring();
        let mut all = Vec::new();
        for row in &rows {
            all.push(match before.find(&row.guid) {
                Some(key) => Arc::clone(key),
                None => Arc::new(SigningKey::new(row, vault)?),
            });
        }
        let known = known(&rows);
        let signer = signer(&known, now);
        let signer = signer.and_then(|signer| all.iter().find(|key| key.id == signer.id));
        let ring = Ring {
            signer: signer.cloned(),
            all,
        };
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        Ok(())
    }

    /// Signs claims; None when the key refuses to.
    pub(super) fn sign(&self, claims: &Claims) -> Option<String> {
        let signer = self.ring().signer.clone()?;
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(signer.id.clone());
        jsonwebtoken::encode(&header, claims, &signer.encoding).ok()
    }

    /// The claims of a token that one of the keys signed for us and that has not ended.
    pub(super) fn verify(&self, token: &str) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let ring = self.ring();
        let key = ring.find(&header.kid?)?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = 0;
        validation.set_audience(&["cloud_controller"]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        let decoded = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation);
        decoded.ok().map(|token| token.claims)
    }

    /// The public halves.
    pub(super) fn public(&self) -> Vec<PublicKey> {
        let ring = self.ring();
        ring.all.iter().map(|key| key.public.clone()).collect()
    }

    /// The ring is replaced whole, so a panic elsewhere does not spoil it.
    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    fn find(&self, id: &str) -> Option<&Arc<SigningKey>> {
        self.all.iter().find(|key| key.id == id)
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ring = self.ring();
        let ids: Vec<&str> = ring.all.iter().map(|key| key.id.as_str()).collect();
        f.debug_struct("Keys").field("ids", &ids).finish()
    }
}

fn known(rows: &[SigningKeyRow]) -> Vec<KnownKey> {
    let known = |row: &SigningKeyRow| KnownKey {
        id: row.guid.clone(),
        created_at: row.created_at,
    };
    rows.iter().map(known).collect()
}

/// A new key, encrypted. It takes a good part of a second of one processor.
async fn generated(vault: &Vault, now: i64) -> Result<SigningKeyRow, TokenServerError> {
    let made = spawn_blocking(|| {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
        key.as_der().ok()
    });
    let der = made.await.ok().flatten().ok_or(TokenServerError::Key)?;
    Ok(SigningKeyRow {
        guid: Uuid::new_v4().to_string(),
        private_key: vault.seal(der.as_ref())?,
        created_at: now,
    })
}

impl SigningKey {
    fn new(row: &SigningKeyRow, vault: &Vault) -> Result<Self, TokenServerError> {
        let id = row.guid.clone();
        let der = vault.open(&row.private_key)?;
        let pair = RsaKeyPair::from_pkcs8(&der).map_err(|_| TokenServerError::Key)?;
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(&der)
        );
        let encoding = EncodingKey::from_rsa_pem(pem.as_bytes());
        let public = pair.public_key();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let modulus = part(public.modulus().big_endian_without_leading_zero());
        let exponent = part(public.exponent().big_endian_without_leading_zero());
        let decoding = DecodingKey::from_rsa_components(&modulus, &exponent);
        Ok(Self {
            encoding: encoding.map_err(|_| TokenServerError::Key)?,
            decoding: decoding.map_err(|_| TokenServerError::Key)?,
            public: PublicKey {
                kid: id.clone(),
                kty: "RSA",
                alg: "RS256",
                usage: "sig",
                n: modulus,
                e: exponent,
            },
            id,
        })
    }
}

#[cfg(test)]
mod tests {
    use component::secret::Secret;
    use controller_core::claims::Subject;

    use super::*;

    const DAY: i64 = 86_400_000_000;
    const TIMES: KeyTimes = KeyTimes {
        signing_key: Duration::from_secs(30 * 86_400),
        access: Duration::from_secs(600),
    };

    fn claims() -> Claims {
        let subject = Subject {
            guid: "u-1",
            name: "ada",
            is_admin: false,
        };
        Claims::new(
            "j".to_owned(),
            subject,
            "http://a.test",
            now() / 1_000_000,
            600,
        )
    }

    #[tokio::test]
    async fn a_key_is_replaced_and_what_it_signed_is_still_read() {
        let home = tempfile::tempdir().unwrap();
        let storage = Storage::open(&home.path().join("c.db")).await.unwrap();
        let vault = Vault::new(&[("one".to_owned(), Secret::new("a key"))]).unwrap();
        for age in [90 * DAY, 31 * DAY] {
            let row = generated(&vault, now() - age).await.unwrap();
            storage.save_signing_key(&row).await.unwrap();
        }
        let keys = Keys::open(&storage, &vault, TIMES).await.unwrap();
        let rows = storage.signing_keys().await.unwrap();
        assert_eq!(rows.len(), 2, "one was made, one was outlived");
        let token = keys.sign(&claims()).unwrap();
        let signer = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
        assert_eq!(signer, rows[1].guid, "the new one is introduced first");
        assert_eq!(keys.public().len(), 2);
        // A controller that comes later reads the same keys, and makes none.
        let other = Keys::open(&storage, &vault, TIMES).await.unwrap();
        assert_eq!(storage.signing_keys().await.unwrap().len(), 2);
        assert_eq!(other.verify(&token), Some(claims()));
    }
}
