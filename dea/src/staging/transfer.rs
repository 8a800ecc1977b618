//! Packages and caches that are fetched, droplets and caches that are brought.

use std::fs::File;
use std::io::{self, Seek as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use component::hex::hex;
use futures_util::{Stream, TryStreamExt as _};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Client, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

/// Why something was not fetched or brought. No message has the password of the URI.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransferError {
    /// The other side.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// It cannot be kept.
    #[error(transparent)]
    Store(#[from] io::Error),
    /// It is too large.
    #[error("it has more than {0} bytes")]
    Large(u64),
}

/// A file without a name that has been fetched, at its beginning.
#[derive(Debug)]
pub(super) struct Fetched {
    /// The file.
    pub(super) file: File,
    /// Its bytes.
    pub(super) size: u64,
}

/// Fetches what is at `uri`, at most `most` bytes, into a file of `directory`; None: there is nothing
/// (404).
pub(super) async fn fetch(
    http: &Client,
    uri: &str,
    directory: &Path,
    most: u64,
) -> Result<Option<Fetched>, TransferError> {
    let answer = http.get(uri).send().await;
    let answer = answer.map_err(reqwest::Error::without_url)?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let answer = answer.error_for_status();
    let mut answer = answer.map_err(reqwest::Error::without_url)?;
    let mut out = tokio::fs::File::from_std(tempfile::tempfile_in(directory)?);
    let mut size = 0;
    while let Some(piece) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        size += piece.len() as u64;
        if size > most {
            return Err(TransferError::Large(most));
        }
        out.write_all(&piece).await?;
    }
    out.flush().await?;
    let mut file = out.into_std().await;
    file.rewind()?;
    Ok(Some(Fetched { file, size }))
}

/// Brings `size` bytes to `uri`, and returns their SHA-256 in hexadecimal.
pub(super) async fn bring(
    http: &Client,
    uri: &str,
    size: u64,
    bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Result<String, TransferError> {
    let digest = Arc::new(Mutex::new(Sha256::new()));
    let counted = Arc::clone(&digest);
    let bytes = bytes.inspect_ok(move |piece| {
        let mut digest = counted.lock().unwrap_or_else(PoisonError::into_inner);
        digest.update(piece);
    });
    let request = http
        .post(uri)
        .header(CONTENT_TYPE, "application/gzip")
        .header(CONTENT_LENGTH, size)
        .body(Body::wrap_stream(bytes));
    let answer = request.send().await.and_then(Response::error_for_status);
    answer.map_err(reqwest::Error::without_url)?;
    let digest = digest.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(hex(digest.clone().finalize()))
}

/// Returns how many bytes these are, for people: `16K`.
pub(super) fn readable(bytes: u64) -> String {
    let mut rest = bytes;
    for unit in ["B", "K", "M"] {
        if rest < 1_024 {
            return format!("{rest}{unit}");
        }
        rest = rest.div_ceil(1_024);
    }
    format!("{rest}G")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        let check = |bytes, expected: &str| assert_eq!(readable(bytes), expected);
        check(0, "0B");
        check(1_023, "1023B");
        check(1_025, "2K");
        check(5 << 20, "5M");
        check(3 << 40, "3072G");
    }
}
