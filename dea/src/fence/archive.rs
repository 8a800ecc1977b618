//! Files in and out of containers, packed and unpacked by the engine within the container's own root.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bollard::body_try_stream;
use bollard::query_parameters::{
    DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};

use super::{ContainerId, Fence, FenceError};

/// Bytes of a header of tar (POSIX.1-2001, ustar).
const HEADER: usize = 512;
/// Where a header has the size of its file, in octal.
const SIZE: std::ops::Range<usize> = 124..136;
/// Where a header has the type of its entry.
const TYPE: usize = 156;

type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The content of one file.
pub struct FileStream {
    /// Its bytes in all.
    pub size: u64,
    left: u64,
    buffered: Bytes,
    rest: Chunks,
}

impl Fence {
    /// Unpacks an archive, plain or gzipped, into a directory of the container.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn put(
        &self,
        id: &ContainerId,
        directory: &str,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), FenceError> {
        let options = UploadToContainerOptionsBuilder::default().path(directory);
        let put =
            self.engine
                .upload_to_container(id, Some(options.build()), body_try_stream(archive));
        Ok(put.await?)
    }

    /// Returns the content of a file of the container.
    ///
    /// # Errors
    /// [`FenceError::Gone`] when it is not there; [`FenceError::Refused`] when it is no plain file.
    pub async fn get(&self, id: &ContainerId, path: &str) -> Result<FileStream, FenceError> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path);
        let archive = self
            .engine
            .download_from_container(id, Some(options.build()));
        let mut chunks = Box::pin(archive);
        let mut head = BytesMut::new();
        while head.len() < HEADER {
            match chunks.next().await {
                Some(chunk) => head.extend_from_slice(&chunk?),
                None => return Err(FenceError::Gone),
            }
        }
        let size =
            size(&head).ok_or_else(|| FenceError::Refused(format!("{path} is no plain file")))?;
        head.advance(HEADER);
        Ok(FileStream {
            size,
            left: size,
            buffered: head.freeze(),
            rest: Box::pin(chunks.map(|chunk| chunk.map_err(io::Error::other))),
        })
    }
}

/// The size that a header tells of a plain file.
fn size(header: &[u8]) -> Option<u64> {
    if !matches!(header.get(TYPE)?, b'0' | 0) {
        return None;
    }
    let text = std::str::from_utf8(header.get(SIZE)?).ok()?;
    u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}

impl Stream for FileStream {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        while this.buffered.is_empty() {
            match this.rest.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(chunk))) => this.buffered = chunk,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    this.left = 0;
                    let short = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Poll::Ready(Some(Err(short)));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        let there = u64::try_from(this.buffered.len()).unwrap_or(u64::MAX);
        let take = usize::try_from(there.min(this.left)).unwrap_or(usize::MAX);
        let chunk = this.buffered.split_to(take);
        this.left -= there.min(this.left);
        Poll::Ready(Some(Ok(chunk)))
    }
}

impl std::fmt::Debug for FileStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStream")
            .field("size", &self.size)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    async fn read(size: u64, chunks: &[&'static [u8]]) -> io::Result<Vec<Bytes>> {
        let chunks: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok(Bytes::from_static(chunk)))
            .collect();
        let stream = FileStream {
            size,
            left: size,
            buffered: Bytes::new(),
            rest: Box::pin(futures_util::stream::iter(chunks)),
        };
        stream.try_collect().await
    }

    #[tokio::test]
    async fn a_file_ends_where_its_header_says() {
        let whole = read(5, &[b"ab", b"", b"cde\0\0\0", b"\0"]).await.unwrap();
        assert_eq!(whole.concat(), b"abcde");
        assert!(read(0, &[b"x"]).await.unwrap().is_empty());
        let short = read(5, &[b"ab"]).await.unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn only_a_plain_file_has_a_size() {
        let header = |kind: u8, text: &[u8]| {
            let mut header = vec![0; HEADER];
            header[SIZE.start..SIZE.start + text.len()].copy_from_slice(text);
            header[TYPE] = kind;
            header
        };
        assert_eq!(size(&header(b'0', b"00000000017\0")), Some(15));
        assert_eq!(size(&header(0, b"17 ")), Some(15));
        assert_eq!(size(&header(b'5', b"17 ")), None);
        assert_eq!(size(&header(b'0', b"9")), None);
        assert_eq!(size(b"short"), None);
    }
}
