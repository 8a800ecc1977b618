//! The access log's way to its sinks: formatted on the workers, written by one thread.
//!
//! Each worker formats into its own chunk. A full or old chunk goes into a bounded queue; when
//! that is full the chunk is dropped and its lines are counted. No request ever waits for a disk.

mod file;
mod writer;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use component::threads;
use router_core::access_log::{Entry, Format};

use self::file::LogFile;
use self::writer::LogWriter;
use crate::config::AccessLogConfig;

/// A chunk is sent when it holds this many bytes ...
const CHUNK: usize = 32 * 1024;
/// ... or when its first line is this old.
const MAX_AGE_NANOS: u64 = 100_000_000;
/// Chunks that may wait for the writer: 8 MiB. At one more the newest is dropped and counted.
const QUEUE: usize = 256;
/// How long `stop` waits for the last lines to reach their sinks.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// The access log of this process. Without a sink it costs one branch a request.
#[derive(Debug)]
pub struct AccessLog {
    format: Arc<Format>,
    state: Arc<LogState>,
    running: Option<WriterThread>,
}

#[derive(Debug)]
struct WriterThread {
    queue: SyncSender<Chunk>,
    /// Behind a lock only because a receiver is not `Sync`; one thread asks once.
    finished: Mutex<Receiver<()>>,
    thread: JoinHandle<()>,
}

/// What workers, the writer and the admin endpoint share.
#[derive(Debug, Default)]
pub struct LogState {
    /// Lines that reached every sink.
    written: AtomicU64,
    /// Lines dropped because the queue was full or a sink failed.
    dropped: AtomicU64,
    /// Times the file was opened anew.
    reopened: AtomicU64,
    reopen_wanted: AtomicBool,
    stopping: AtomicBool,
}

impl LogState {
    /// Lines written so far.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Lines lost so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Times the file was opened anew because it had been moved away.
    pub fn reopened(&self) -> u64 {
        self.reopened.load(Relaxed)
    }
}

/// Whole lines, and how many.
#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    lines: u64,
}

impl AccessLog {
    /// Opens the file and starts the writer.
    ///
    /// # Errors
    /// When the file cannot be opened or no thread can be started.
    pub fn start(config: &AccessLogConfig) -> io::Result<Self> {
        let state = Arc::new(LogState::default());
        let format = Arc::new(config.format.clone());
        if config.file.is_none() && !config.stdout {
            return Ok(Self {
                format,
                state,
                running: None,
            });
        }
        let file = config.file.clone().map(LogFile::open).transpose()?;
        let (queue, chunks) = sync_channel(QUEUE);
        let (done, finished) = sync_channel(1);
        let writer = LogWriter::new(file, config.stdout, Arc::clone(&state));
        let thread = threads::spawn("access-log", move || {
            writer.run(&chunks);
            // Nobody listens any more when the limit of `stop` has passed.
            done.try_send(()).unwrap_or_default();
        })?;
        Ok(Self {
            format,
            state,
            running: Some(WriterThread {
                queue,
                finished: Mutex::new(finished),
                thread,
            }),
        })
    }

    /// A worker's handle.
    pub fn handle(&self) -> LogHandle {
        LogHandle {
            format: Arc::clone(&self.format),
            state: Arc::clone(&self.state),
            queue: self.running.as_ref().map(|running| running.queue.clone()),
            chunk: Chunk::default(),
            first_line_nanos: 0,
        }
    }

    /// The counts, for the admin endpoint.
    pub fn state(&self) -> Arc<LogState> {
        Arc::clone(&self.state)
    }

    /// Asks for the file to be opened anew (SIGUSR2). What is queued before goes to either file.
    pub fn reopen(&self) {
        self.state.reopen_wanted.store(true, Relaxed);
        self.wake();
    }

    /// Writes what is queued and ends the writer. Handles that still live have their lines
    /// dropped and counted. Returns whether everything was written in time.
    pub fn stop(mut self) -> bool {
        self.state.stopping.store(true, Relaxed);
        self.wake();
        let Some(WriterThread {
            queue,
            finished,
            thread,
        }) = self.running.take()
        else {
            return true;
        };
        drop(queue);
        let finished = finished
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let in_time = finished.recv_timeout(STOP_LIMIT).is_ok();
        in_time && thread.join().is_ok()
    }

    /// An empty chunk wakes the writer; when the queue is full, it is awake.
    fn wake(&self) {
        if let Some(running) = &self.running {
            running.queue.try_send(Chunk::default()).unwrap_or_default();
        }
    }
}

/// One worker's end of the log.
#[derive(Debug)]
pub struct LogHandle {
    format: Arc<Format>,
    state: Arc<LogState>,
    queue: Option<SyncSender<Chunk>>,
    chunk: Chunk,
    first_line_nanos: u64,
}

impl LogHandle {
    /// Whether there is a sink. Without one there is no need to build a entry.
    #[inline]
    pub fn wanted(&self) -> bool {
        self.queue.is_some()
    }

    /// Adds one line, and sends the chunk when it is full or old. It never waits.
    ///
    /// The age is judged by the entries' own times, so that no clock is read.
    pub fn write(&mut self, entry: &Entry<'_>) {
        if self.queue.is_none() {
            return;
        }
        let nanos = u64::try_from(entry.total.as_nanos()).unwrap_or(u64::MAX);
        let ended = entry.started_unix_nanos.saturating_add(nanos);
        if self.chunk.lines == 0 {
            self.chunk.bytes.reserve(CHUNK + CHUNK / 8);
            self.first_line_nanos = ended;
        }
        self.format.write(entry, &mut self.chunk.bytes);
        self.chunk.lines += 1;
        let age = ended.saturating_sub(self.first_line_nanos);
        if self.chunk.bytes.len() >= CHUNK || age >= MAX_AGE_NANOS {
            self.flush();
        }
    }

    /// Sends what there is. A worker calls it about ten times a second, and when it stops.
    pub fn flush(&mut self) {
        let Some(queue) = &self.queue else { return };
        if self.chunk.lines == 0 {
            return;
        }
        match queue.try_send(std::mem::take(&mut self.chunk)) {
            Ok(()) => {}
            Err(TrySendError::Full(chunk) | TrySendError::Disconnected(chunk)) => {
                self.state.dropped.fetch_add(chunk.lines, Relaxed);
                // The buffer is kept for the next lines.
                self.chunk.bytes = chunk.bytes;
                self.chunk.bytes.clear();
            }
        }
    }
}

impl Drop for LogHandle {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests;
