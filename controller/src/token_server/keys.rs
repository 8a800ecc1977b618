//! The keys that access tokens are signed with: RS256. The newest signs, all verify.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use controller_core::claims::Claims;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use uuid::Uuid;

use super::TokenServerError;
use crate::clock::now;
use crate::storage::Storage;
use crate::vault::Vault;

/// The keys, the newest first; at least one.
pub(super) struct Keys {
    newest: SigningKey,
    older: Vec<SigningKey>,
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
    pub(super) async fn open(storage: &Storage, vault: &Vault) -> Result<Self, TokenServerError> {
        let mut sealed = storage.signing_keys().await?;
        if sealed.is_empty() {
            let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| TokenServerError::Key)?;
            let der = key.as_der().map_err(|_| TokenServerError::Key)?;
            let id = Uuid::new_v4().to_string();
            let text = vault.seal(der.as_ref())?;
            storage.save_signing_key(&id, &text, now()).await?;
            sealed.push((id, text));
        }
        let mut keys = Vec::new();
        for (id, text) in sealed {
            keys.push(SigningKey::new(id, &vault.open(&text)?)?);
        }
        let newest = keys.remove(0);
        Ok(Self {
            newest,
            older: keys,
        })
    }

    /// Signs claims; None when the key refuses to.
    pub(super) fn sign(&self, claims: &Claims) -> Option<String> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.newest.id.clone());
        jsonwebtoken::encode(&header, claims, &self.newest.encoding).ok()
    }

    /// The claims of a token that one of the keys signed for us and that has not ended.
    pub(super) fn verify(&self, token: &str) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let id = header.kid?;
        let key = self.all().find(|key| key.id == id)?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = 0;
        validation.set_audience(&["cloud_controller"]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        let decoded = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation);
        decoded.ok().map(|token| token.claims)
    }

    /// The public halves.
    pub(super) fn public(&self) -> Vec<PublicKey> {
        self.all().map(|key| key.public.clone()).collect()
    }

    fn all(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<&str> = self.all().map(|key| key.id.as_str()).collect();
        f.debug_struct("Keys").field("ids", &ids).finish()
    }
}

impl SigningKey {
    fn new(id: String, der: &[u8]) -> Result<Self, TokenServerError> {
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| TokenServerError::Key)?;
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der)
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
