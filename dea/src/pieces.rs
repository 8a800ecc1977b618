//! Bytes that are written on a thread and read as a stream.

use std::io::{self, BufWriter, Write};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Bytes of a piece at most.
const PIECE: usize = 64 * 1024;
/// Pieces that wait. Whoever writes one more waits.
const WAITING: usize = 4;

/// Where a thread writes.
pub(crate) type Pieces = BufWriter<Sender>;

/// Sends what is written.
#[derive(Debug)]
pub(crate) struct Sender(mpsc::Sender<io::Result<Bytes>>);

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has `work` write on a thread of its own, and returns what it writes. The stream ends with the error
/// that `work` ends with, which is returned as well: [`io::ErrorKind::BrokenPipe`] when nobody reads on.
pub(crate) fn produce(
    work: impl FnOnce(&mut Pieces) -> io::Result<()> + Send + 'static,
) -> (
    impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    JoinHandle<io::Result<()>>,
) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let thread = tokio::task::spawn_blocking(move || {
        let mut out = BufWriter::with_capacity(PIECE, Sender(sender.clone()));
        let done = work(&mut out).and_then(|()| out.flush());
        // What is left of an archive that ends too early is not written.
        drop(out.into_parts());
        if let Err(error) = &done {
            let error = io::Error::new(error.kind(), error.to_string());
            drop(sender.blocking_send(Err(error)));
        }
        done
    });
    let stream = futures_util::stream::unfold(receiver, async |mut receiver| {
        Some((receiver.recv().await?, receiver))
    });
    (stream, thread)
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn all_that_is_written_is_read() {
        let (stream, thread) = produce(|out| (0..100_000).try_for_each(|_| out.write_all(b"abc")));
        let pieces: Vec<_> = stream.map(Result::unwrap).collect().await;
        assert_eq!(pieces.concat(), "abc".repeat(100_000).into_bytes());
        thread.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_failure_ends_the_stream() {
        let (stream, thread) = produce(|out| {
            out.write_all(b"half")?;
            Err(io::Error::other("broken"))
        });
        let pieces: Vec<_> = stream.collect().await;
        assert_eq!(pieces.len(), 1);
        assert_eq!(pieces[0].as_ref().unwrap_err().to_string(), "broken");
        assert_eq!(thread.await.unwrap().unwrap_err().to_string(), "broken");
    }

    #[tokio::test]
    async fn who_is_not_read_ends() {
        let (stream, thread) = produce(|out| {
            loop {
                out.write_all(b"abc")?;
            }
        });
        drop(stream);
        let ended = thread.await.unwrap().unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::BrokenPipe);
    }
}
