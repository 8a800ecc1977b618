//! The thread that writes.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::file::LogFile;
use super::{Chunk, LogState};

/// How often the file's name is checked, and how often a failing sink is complained about.
const CHECK: Duration = Duration::from_secs(1);

pub(super) struct LogWriter {
    file: Option<LogFile>,
    stdout: bool,
    state: Arc<LogState>,
    checked: Instant,
    complained: Option<Instant>,
}

impl LogWriter {
    pub(super) fn new(file: Option<LogFile>, stdout: bool, state: Arc<LogState>) -> Self {
        Self {
            file,
            stdout,
            state,
            checked: Instant::now(),
            complained: None,
        }
    }

    /// Writes until told to stop or until no handle is left, and then what is still queued.
    pub(super) fn run(mut self, chunks: &Receiver<Chunk>) {
        loop {
            match chunks.recv_timeout(CHECK) {
                Ok(chunk) => self.write(&chunk),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.state.stopping.load(Relaxed) {
                while let Ok(chunk) = chunks.try_recv() {
                    self.write(&chunk);
                }
                return;
            }
            self.follow();
        }
    }

    fn write(&mut self, chunk: &Chunk) {
        if chunk.lines == 0 {
            return;
        }
        let file = self
            .file
            .as_mut()
            .map_or(Ok(()), |file| file.write(&chunk.bytes));
        let stdout = if self.stdout {
            to_stdout(&chunk.bytes)
        } else {
            Ok(())
        };
        match file.and(stdout) {
            Ok(()) => {
                self.state.written.fetch_add(chunk.lines, Relaxed);
            }
            Err(error) => {
                self.state.dropped.fetch_add(chunk.lines, Relaxed);
                self.complain("access-log-write-failed", &error);
            }
        }
    }

    /// Follows the file's name about each second, and at once when asked.
    fn follow(&mut self) {
        let asked = self.state.reopen_wanted.swap(false, Relaxed);
        if !asked && self.checked.elapsed() < CHECK {
            return;
        }
        self.checked = Instant::now();
        match self.file.as_mut().map_or(Ok(false), LogFile::follow) {
            Ok(false) => {}
            Ok(true) => {
                self.state.reopened.fetch_add(1, Relaxed);
                info!("access-log-reopened");
            }
            Err(error) => self.complain("access-log-reopen-failed", &error),
        }
    }

    fn complain(&mut self, event: &'static str, error: &io::Error) {
        if self.complained.is_none_or(|at| at.elapsed() >= CHECK) {
            self.complained = Some(Instant::now());
            warn!(%error, "{event}");
        }
    }
}

fn to_stdout(lines: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(lines)?;
    out.flush()
}
