//! The log on a real disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::*;

/// Long enough for a loaded machine.
const DEADLINE: Duration = Duration::from_secs(10);

struct TempDir(PathBuf);

impl TempDir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("access.log")
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn entry(id: &str, started_unix_nanos: u64) -> Entry<'_> {
    Entry {
        host: b"a.test",
        method: b"GET",
        target: b"/",
        version: "HTTP/1.1",
        referer: b"",
        user_agent: b"",
        x_forwarded_for: b"",
        x_forwarded_proto: b"",
        request_id: id,
        peer: None,
        client: None,
        endpoint: None,
        started_unix_nanos,
        status: Some(200),
        request_bytes: 0,
        response_bytes: 0,
        total: Duration::ZERO,
        gorouter_time: Duration::ZERO,
        backend_time: None,
        dial_time: None,
        dns_time: None,
        failed_attempts: 0,
        failed_attempts_time: Duration::ZERO,
        router_error: "",
        local: None,
        extra: &[],
    }
}

fn start(file: &Path) -> AccessLog {
    let file = Some(file.to_owned());
    AccessLog::start(&AccessLogConfig {
        file,
        ..AccessLogConfig::default()
    })
    .unwrap()
}

fn lines(file: &Path) -> usize {
    fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn everything_written_is_in_the_file_after_the_stop() {
    let dir = TempDir::new("log-stop");
    let log = start(&dir.file());
    let mut first = log.handle();
    let mut second = log.handle();
    for n in 0..1_000 {
        first.write(&entry(&format!("first-{n}"), 0));
        second.write(&entry(&format!("second-{n}"), 0));
    }
    drop((first, second));
    let state = log.state();
    assert!(log.stop());
    let text = fs::read_to_string(dir.file()).unwrap();
    for n in 0..1_000 {
        assert!(
            text.contains(&format!("\"first-{n}\"")) && text.contains(&format!("\"second-{n}\""))
        );
    }
    assert_eq!(
        (state.written(), state.dropped(), lines(&dir.file())),
        (2_000, 0, 2_000)
    );
}

#[test]
fn an_old_chunk_is_sent_without_being_full() {
    let dir = TempDir::new("log-age");
    let log = start(&dir.file());
    let mut handle = log.handle();
    handle.write(&entry("young", 1_000_000_000));
    handle.write(&entry("older", 1_000_000_000 + MAX_AGE_NANOS));
    eventually("both lines are written", || lines(&dir.file()) == 2);
    handle.write(&entry("alone", 2_000_000_000));
    handle.flush();
    eventually("a flush writes the rest", || lines(&dir.file()) == 3);
    assert!(log.stop());
}

#[test]
fn a_file_that_is_moved_away_is_opened_anew_and_no_line_is_lost() {
    let dir = TempDir::new("log-move");
    let log = start(&dir.file());
    let mut handle = log.handle();
    let moved = dir.0.join("access.log.1");
    let mut written = 0;
    let write = |handle: &mut LogHandle, written: &mut usize| {
        handle.write(&entry("x", 0));
        handle.flush();
        *written += 1;
    };
    write(&mut handle, &mut written);
    eventually("the first line is written", || lines(&dir.file()) == 1);
    fs::rename(dir.file(), &moved).unwrap();
    log.reopen();
    let state = log.state();
    let begun = Instant::now();
    while state.reopened() == 0 || written < 500 {
        assert!(begun.elapsed() < DEADLINE, "the file is opened anew");
        write(&mut handle, &mut written);
        // As fast as the writer takes them.
        eventually("the queue is read", || {
            state.written() + 16 > written as u64
        });
    }
    drop(handle);
    assert!(log.stop());
    assert_eq!(
        (lines(&moved) + lines(&dir.file()), state.dropped()),
        (written, 0)
    );
    assert!(lines(&dir.file()) > 0);
}

#[test]
fn the_move_is_noticed_without_being_told() {
    let dir = TempDir::new("log-notice");
    let log = start(&dir.file());
    fs::remove_file(dir.file()).unwrap();
    eventually("the file is there again", || dir.file().exists());
    assert!(log.stop());
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let dir = TempDir::new("log-full");
    let pipe = dir.file();
    let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &name, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    // A reader that does not read: the writer stops at a full pipe.
    let reader = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    let log = start(&pipe);
    let state = log.state();
    let mut handle = log.handle();
    let begun = Instant::now();
    let mut written = 0;
    while state.dropped() == 0 {
        assert!(begun.elapsed() < DEADLINE);
        handle.write(&entry("x", 0));
        written += 1;
    }
    drop(handle);
    assert!(!log.stop(), "the writer is stuck in the pipe");
    assert!(state.dropped() > 0 && state.dropped() < written);
    drop(reader);
}

#[test]
fn without_a_sink_nothing_is_wanted() {
    let log = AccessLog::start(&AccessLogConfig::default()).unwrap();
    let mut handle = log.handle();
    assert!(!handle.wanted());
    handle.write(&entry("x", 0));
    assert!(log.stop());
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_at_the_start() {
    let file = Some(PathBuf::from("/nowhere/access.log"));
    assert!(
        AccessLog::start(&AccessLogConfig {
            file,
            ..AccessLogConfig::default()
        })
        .is_err()
    );
}
