//! Packages, droplets and caches: large files in a directory.

use std::fmt;
use std::path::{Path as FilePath, PathBuf};

use bytes::Bytes;
use component::hex::hex;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, WriteMultipart};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use thiserror::Error;
use tokio::io::AsyncWriteExt as _;

/// Bytes that are read at a time.
const PART: usize = 256 << 10;
/// Parts of a blob that are written at the same time.
const WRITES: usize = 2;

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlobKind {
    /// What a developer uploaded, a zip.
    Package,
    /// What staging made, a gzip tar.
    Droplet,
    /// What staging keeps for the next time, a gzip tar. It has the guid of the app.
    Cache,
}

/// Why a blob was not written or read.
#[derive(Debug, Error)]
pub(crate) enum BlobError {
    /// There is none of that guid.
    #[error("there is no such blob")]
    Missing,
    /// It is longer than it may be.
    #[error("it is longer than {0} bytes")]
    TooLarge(u64),
    /// Whoever sends it has stopped.
    #[error("the upload was cut: {0}")]
    Cut(String),
    /// It cannot be kept, perhaps because the disk is full.
    #[error("it cannot be stored")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The place where blobs are.
pub(crate) struct Blobs {
    store: LocalFileSystem,
    arrivals: PathBuf,
}

/// A blob that has arrived and is not kept yet. Dropping it deletes it.
#[derive(Debug)]
pub(crate) struct ArrivedBlob {
    file: NamedTempFile,
    /// Its digest in hexadecimal.
    pub(crate) sha256: String,
}

impl ArrivedBlob {
    /// Where it is for now.
    pub(crate) fn path(&self) -> &FilePath {
        self.file.path()
    }
}

impl Blobs {
    /// Blobs in `directory`, which is made if it is not there.
    ///
    /// # Errors
    /// [`BlobError::Store`].
    pub(crate) fn open(directory: &FilePath) -> Result<Self, BlobError> {
        let arrivals = directory.join("arrivals");
        // What a controller left behind that was ended itself belongs to no request any more.
        match std::fs::remove_dir_all(&arrivals) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(kept(error)),
            _ => {}
        }
        std::fs::create_dir_all(&arrivals).map_err(kept)?;
        Ok(Self {
            store: LocalFileSystem::new_with_prefix(directory).map_err(kept)?,
            arrivals,
        })
    }

    /// Writes what arrives to a file, `limit` bytes at most.
    ///
    /// # Errors
    /// [`BlobError`].
    pub(crate) async fn arrive<E: fmt::Display>(
        &self,
        mut parts: impl Stream<Item = Result<Bytes, E>> + Unpin,
        limit: u64,
    ) -> Result<ArrivedBlob, BlobError> {
        let arrivals = self.arrivals.clone();
        let made = tokio::task::spawn_blocking(move || NamedTempFile::new_in(arrivals)).await;
        let file = made.map_err(kept)?.map_err(kept)?;
        let handle = file.reopen().map_err(kept)?;
        let mut writer = tokio::fs::File::from_std(handle);
        let mut digest = Sha256::new();
        let mut length = 0_u64;
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| BlobError::Cut(error.to_string()))?;
            length = length.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            if length > limit {
                return Err(BlobError::TooLarge(limit));
            }
            digest.update(&part);
            writer.write_all(&part).await.map_err(kept)?;
        }
        writer.flush().await.map_err(kept)?;
        let sha256 = hex(digest.finalize());
        Ok(ArrivedBlob { file, sha256 })
    }

    /// Keeps what has arrived as the blob of that guid, in place of an earlier one.
    ///
    /// # Errors
    /// [`BlobError::Store`].
    pub(crate) async fn keep(
        &self,
        kind: BlobKind,
        guid: &str,
        arrived: ArrivedBlob,
    ) -> Result<(), BlobError> {
        let place = place(kind, guid);
        let file = arrived.file.reopen().map_err(kept)?;
        let file = tokio::fs::File::from_std(file);
        let mut parts = tokio_util::io::ReaderStream::with_capacity(file, PART);
        let upload = self.store.put_multipart(&place).await.map_err(kept)?;
        let mut writer = WriteMultipart::new(upload);
        while let Some(part) = parts.next().await {
            let part = match part {
                Ok(part) => part,
                Err(error) => {
                    writer.abort().await.map_err(kept)?;
                    return Err(kept(error));
                }
            };
            writer.wait_for_capacity(WRITES).await.map_err(kept)?;
            writer.put(part);
        }
        writer.finish().await.map_err(kept)?;
        Ok(())
    }

    /// Returns the length of the blob of that guid, and its parts.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Store`].
    pub(crate) async fn read(
        &self,
        kind: BlobKind,
        guid: &str,
    ) -> Result<(u64, BoxStream<'static, object_store::Result<Bytes>>), BlobError> {
        match self.store.get(&place(kind, guid)).await {
            Ok(found) => Ok((found.meta.size, found.into_stream())),
            Err(object_store::Error::NotFound { .. }) => Err(BlobError::Missing),
            Err(error) => Err(kept(error)),
        }
    }

    /// Deletes the blob of that guid, if there is one.
    pub(crate) async fn delete(&self, kind: BlobKind, guid: &str) {
        match self.store.delete(&place(kind, guid)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(%error, ?kind, guid, "blob-not-deleted"),
        }
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// Where a blob is. Directories of two digits keep each of them short.
fn place(kind: BlobKind, guid: &str) -> Path {
    let kind = match kind {
        BlobKind::Package => "packages",
        BlobKind::Droplet => "droplets",
        BlobKind::Cache => "caches",
    };
    let start: String = guid.chars().take(2).collect();
    Path::from_iter([kind, &start, guid])
}

fn kept(error: impl std::error::Error + Send + Sync + 'static) -> BlobError {
    BlobError::Store(Box::new(error))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    fn parts(texts: &[&'static str]) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin {
        let parts: Vec<_> = texts.iter().map(|text| Ok(Bytes::from(*text))).collect();
        stream::iter(parts)
    }

    async fn text(blobs: &Blobs, kind: BlobKind) -> Option<String> {
        let (size, mut parts) = blobs.read(kind, "abcd").await.ok()?;
        let mut whole = Vec::new();
        while let Some(part) = parts.next().await {
            whole.extend_from_slice(&part.unwrap());
        }
        assert_eq!(size, u64::try_from(whole.len()).unwrap());
        String::from_utf8(whole).ok()
    }

    #[tokio::test]
    async fn a_blob_is_kept_whole_and_replaced_whole() {
        let home = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(home.path()).unwrap();
        assert_eq!(text(&blobs, BlobKind::Package).await, None);
        for (first, second) in [("one", " blob"), ("an", "other")] {
            let arrived = blobs.arrive(parts(&[first, second]), 8).await.unwrap();
            assert_eq!(arrived.sha256.len(), 64);
            blobs
                .keep(BlobKind::Package, "abcd", arrived)
                .await
                .unwrap();
            let whole = text(&blobs, BlobKind::Package).await;
            assert_eq!(whole, Some(format!("{first}{second}")));
        }
        assert_eq!(text(&blobs, BlobKind::Droplet).await, None);
        blobs.delete(BlobKind::Package, "abcd").await;
        blobs.delete(BlobKind::Package, "abcd").await;
        assert_eq!(text(&blobs, BlobKind::Package).await, None);
    }

    #[tokio::test]
    async fn what_is_cut_or_too_long_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(home.path()).unwrap();
        let long = blobs.arrive(parts(&["123", "456"]), 5).await;
        assert!(matches!(long, Err(BlobError::TooLarge(5))));
        let cut = stream::iter([Ok(Bytes::from("1")), Err("gone")]);
        let cut = blobs.arrive(cut, 5).await;
        assert!(matches!(cut, Err(BlobError::Cut(_))));
        let left = std::fs::read_dir(home.path().join("arrivals")).unwrap();
        assert_eq!(left.count(), 0);
    }
}
