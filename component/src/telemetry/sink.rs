//! The thread that writes lines.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::threads;

/// Lines that may wait. One more is dropped and counted: a log that is not read must not stop
/// whoever writes to it.
const QUEUE: usize = 4096;

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Sink {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(String),
    Flush(SyncSender<()>),
}

impl Sink {
    /// Starts the thread, which ends with the sink.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        // Not joined: it ends with the sink.
        drop(threads::spawn("log", move || write(&lines, &counter, out))?);
        Ok(Self { queue, dropped })
    }

    /// Leaves a line, its end included, to be written. Never waits.
    pub(super) fn send(&self, line: String) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Waits until everything sent so far is written, for at most `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let (done, wait) = sync_channel(1);
        // The queue may be full of lines that nobody reads: then its end is not worth waiting for.
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            let limit = deadline.saturating_duration_since(Instant::now());
            match wait.recv_timeout(limit) {
                Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }
}

/// Writes until nobody can send any more. Errors are not worth a line: there is nowhere to log them.
fn write(lines: &Receiver<Message>, dropped: &AtomicU64, mut out: impl Write) {
    let mut told = 0;
    while let Ok(message) = lines.recv() {
        match message {
            Message::Line(line) => drop(out.write_all(line.as_bytes())),
            Message::Flush(done) => {
                drop(out.flush());
                done.send(()).unwrap_or_default();
            }
        }
        let missing = dropped.load(Relaxed);
        if missing > told {
            // In one piece, as the others are.
            let line = format!(
                "{{\"message\":\"log-lines-dropped\",\"data\":{{\"lines\":{}}}}}\n",
                missing - told
            );
            drop(out.write_all(line.as_bytes()));
            told = missing;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_arrive_in_order() {
        let out = Shared::default();
        let sink = Sink::start(out.clone()).unwrap();
        sink.send("a\n".into());
        sink.send("b\n".into());
        sink.flush(Duration::from_secs(10));
        assert_eq!(*out.0.lock().unwrap(), b"a\nb\n");
    }

    /// A pipe that nobody reads until it is told to go on.
    struct Stuck(Receiver<()>, Shared);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().unwrap_or_default();
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_not_time() {
        let out = Shared::default();
        let (go, wait) = channel();
        let sink = Sink::start(Stuck(wait, out.clone())).unwrap();
        for _ in 0..QUEUE + 10 {
            sink.send("x\n".into());
        }
        let dropped = sink.dropped();
        assert!((8..=10).contains(&dropped), "{dropped}");
        drop(go);
        while !String::from_utf8_lossy(&out.0.lock().unwrap()).contains("log-lines-dropped") {
            std::thread::yield_now();
        }
        sink.flush(Duration::from_secs(10));
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text.matches("x\n").count() as u64 + dropped,
            QUEUE as u64 + 10
        );
    }
}
