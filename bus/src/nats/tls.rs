//! Trust between us and the servers.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::error::BusError;
use crate::options::Tls;

/// Turns the PEM texts into what the TLS library wants.
///
/// # Errors
/// A text holds no certificate or key, or one that cannot be used.
pub(crate) fn client_config(tls: &Tls) -> Result<ClientConfig, BusError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("tls", &error))?
        .with_root_certificates(authorities(&tls.authorities)?);
    let Some(identity) = &tls.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates("certificate chain", &identity.chain)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())
        .map_err(|error| wrong("private key", &error))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| wrong("certificate chain", &error))
}

fn authorities(pem: &str) -> Result<RootCertStore, BusError> {
    let mut roots = RootCertStore::empty();
    if pem.trim().is_empty() {
        // Some of them may be unreadable or of a kind that is not known here: the others serve.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    }
    for certificate in certificates("authorities", pem)? {
        roots
            .add(certificate)
            .map_err(|error| wrong("authorities", &error))?;
    }
    Ok(roots)
}

fn certificates(option: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, BusError> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(option, &error))?;
    if found.is_empty() {
        return Err(wrong(option, &"no certificate in it"));
    }
    Ok(found)
}

fn wrong(option: &str, error: &dyn std::fmt::Display) -> BusError {
    BusError::Options {
        reason: format!("{option}: {error}"),
    }
}
