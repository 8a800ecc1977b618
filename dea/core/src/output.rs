//! What an app writes: bytes become lines, lines get their stamps, and too many are dropped.

use protocol::bus::output::{OutputLine, Stream};

use crate::recent::Recent;
use component_core::calendar::calendar;

const NANOS: i64 = 1_000_000_000;

/// Cuts the output of one container into lines.
#[derive(Debug)]
pub struct Splitter {
    longest: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// What all instances of one app on this node write together.
#[derive(Debug)]
pub struct AppOutput {
    rate: Rate,
    last_nanos: i64,
    recent: Recent,
}

/// How many lines an app may write. Beyond that lines are dropped, and the next one that passes is
/// preceded by a remark that says how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Lines a second in the long run; 0 is no limit.
    pub per_second: u32,
    /// Lines at once after a silence.
    pub burst: u32,
}

#[derive(Debug)]
struct Rate {
    limit: RateLimit,
    /// The time that is saved up, in nanoseconds. A line costs its share of a second.
    credit: i64,
    since_nanos: i64,
    dropped: u64,
}

impl Splitter {
    /// Cuts into lines of at most `longest` bytes, at least 4. A longer line becomes several.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self {
            longest: longest.max(4),
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }

    /// Takes what was written to `stream`, and returns the lines that are whole now, without their
    /// ends. What is not UTF-8 becomes U+FFFD.
    pub fn push(&mut self, stream: Stream, bytes: &[u8]) -> Vec<String> {
        let longest = self.longest;
        let pending = self.pending(stream);
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            pending.extend_from_slice(piece);
            if pending.ends_with(b"\n") {
                pending.pop();
                if pending.ends_with(b"\r") {
                    pending.pop();
                }
                cut(pending, longest, &mut lines);
                lines.push(text(pending));
                pending.clear();
            } else {
                cut(pending, longest, &mut lines);
            }
        }
        lines
    }

    /// Returns what `stream` ended with, if that was no whole line.
    pub fn rest(&mut self, stream: Stream) -> Option<String> {
        let pending = std::mem::take(self.pending(stream));
        (!pending.is_empty()).then(|| text(&pending))
    }

    /// Whether nothing waits for the rest of its line.
    #[must_use]
    pub fn is_between_lines(&self) -> bool {
        self.stdout.is_empty() && self.stderr.is_empty()
    }

    fn pending(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

/// Moves all but the last `longest` bytes of `pending` into `lines`, between characters.
fn cut(pending: &mut Vec<u8>, longest: usize, lines: &mut Vec<String>) {
    let mut start = 0;
    while let Some(rest) = pending.get(start..)
        && rest.len() > longest
    {
        let is_inside = |at: &usize| rest.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
        let end = (longest - 3..=longest).rev().find(|at| !is_inside(at));
        let end = end.unwrap_or(longest);
        lines.push(text(rest.get(..end).unwrap_or_default()));
        start += end;
    }
    pending.drain(..start);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl AppOutput {
    /// Nothing written yet; of what will be, `recent` is kept.
    #[must_use]
    pub fn new(limit: RateLimit, recent: Recent) -> Self {
        Self {
            rate: Rate::new(limit),
            last_nanos: 0,
            recent,
        }
    }

    /// Takes a line of the app that was written at `at_nanos` since 1970, and returns what is to be
    /// passed on: nothing, the line, or a remark and the line. Stamps are unique, and increase.
    pub fn take(&mut self, line: OutputLine, at_nanos: i64) -> Vec<OutputLine> {
        let Some(dropped) = self.rate.admit(at_nanos) else {
            return Vec::new();
        };
        let remark = (dropped > 0).then(|| self.dropped_remark(&line, dropped));
        let lines = remark.into_iter().chain([line]);
        lines.map(|line| self.stamp(line, at_nanos)).collect()
    }

    /// Returns the remark that lines were dropped, if any were since the last one. `like` is a line of
    /// the app.
    pub fn take_dropped(&mut self, like: &OutputLine, at_nanos: i64) -> Option<OutputLine> {
        let dropped = std::mem::take(&mut self.rate.dropped);
        let remark = (dropped > 0).then(|| self.dropped_remark(like, dropped))?;
        Some(self.stamp(remark, at_nanos))
    }

    /// Takes a remark of the platform, which is always passed on.
    pub fn remark(&mut self, line: OutputLine, at_nanos: i64) -> OutputLine {
        self.stamp(line, at_nanos)
    }

    /// The latest lines.
    #[must_use]
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// When the latest line was written, in nanoseconds since 1970.
    #[must_use]
    pub fn last_nanos(&self) -> i64 {
        self.last_nanos
    }

    fn stamp(&mut self, mut line: OutputLine, at_nanos: i64) -> OutputLine {
        self.last_nanos = at_nanos.max(self.last_nanos.saturating_add(1));
        line.unix_nanos = self.last_nanos;
        line.unix_time = self.last_nanos.div_euclid(NANOS);
        line.human_time = calendar(line.unix_time, 'T', "+00:00");
        self.recent.push(line.clone());
        line
    }

    fn dropped_remark(&self, like: &OutputLine, dropped: u64) -> OutputLine {
        let limit = self.rate.limit.per_second;
        OutputLine {
            text: format!(
                "{dropped} lines were dropped: the app writes more than {limit} a second"
            ),
            filename: Stream::Stderr,
            source: "dea".to_owned(),
            ..like.clone()
        }
    }
}

impl Rate {
    fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            credit: i64::MAX,
            since_nanos: 0,
            dropped: 0,
        }
    }

    /// Returns how many lines were dropped before this one; None: this one is dropped as well.
    fn admit(&mut self, at_nanos: i64) -> Option<u64> {
        let RateLimit { per_second, burst } = self.limit;
        if per_second > 0 {
            let cost = NANOS / i64::from(per_second);
            let most = cost.saturating_mul(i64::from(burst.max(1)));
            // A clock that was set back earns nothing.
            let earned = at_nanos.saturating_sub(self.since_nanos).max(0);
            self.since_nanos = self.since_nanos.max(at_nanos);
            self.credit = self.credit.saturating_add(earned).min(most);
            if self.credit < cost {
                self.dropped += 1;
                return None;
            }
            self.credit -= cost;
        }
        Some(std::mem::take(&mut self.dropped))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recent() -> Recent {
        Recent::new(100, 1 << 20)
    }

    #[test]
    fn bytes_become_lines() {
        let check = |pieces: &[&[u8]], expected: &[&str], rest: Option<&str>| {
            let mut splitter = Splitter::new(8);
            let lines: Vec<String> = pieces
                .iter()
                .flat_map(|piece| splitter.push(Stream::Stdout, piece))
                .collect();
            assert_eq!(lines, expected, "{pieces:?}");
            assert_eq!(splitter.rest(Stream::Stdout).as_deref(), rest, "{pieces:?}");
            assert_eq!(splitter.rest(Stream::Stderr), None);
            assert!(splitter.is_between_lines());
        };
        check(&[b"one\ntwo\n"], &["one", "two"], None);
        check(&[b"on", b"e\n", b"tw"], &["one"], Some("tw"));
        check(&[b"\n\r\n"], &["", ""], None);
        check(&[b"12345678\n"], &["12345678"], None);
        check(&[b"12345678", b"9\n"], &["12345678", "9"], None);
        check(
            &[b"1234567890123456789"],
            &["12345678", "90123456"],
            Some("789"),
        );
        check(&["1234567ä9\n".as_bytes()], &["1234567", "ä9"], None);
        check(&["ä\n".as_bytes().split_at(1).0, b"\xa4\n"], &["ä"], None);
        check(&[b"a\xffb\n"], &["a\u{fffd}b"], None);
        check(
            &[&[0x80; 9], b"\n"],
            &["\u{fffd}".repeat(8).as_str(), "\u{fffd}"],
            None,
        );
    }

    #[test]
    fn streams_are_not_mixed() {
        let mut splitter = Splitter::new(100);
        assert!(splitter.push(Stream::Stdout, b"out").is_empty());
        assert_eq!(splitter.push(Stream::Stderr, b"err\n"), ["err"]);
        assert_eq!(splitter.push(Stream::Stdout, b"put\n"), ["output"]);
    }

    #[test]
    fn a_flood_is_cut_and_told() {
        let limit = RateLimit {
            per_second: 2,
            burst: 3,
        };
        let mut output = AppOutput::new(limit, recent());
        let mut texts = |at_nanos: i64| -> Vec<String> {
            let line = OutputLine {
                text: "x".to_owned(),
                ..OutputLine::default()
            };
            let passed = output.take(line, at_nanos);
            passed.into_iter().map(|line| line.text).collect()
        };
        let start = 1_000 * NANOS;
        for _ in 0..3 {
            assert_eq!(texts(start), ["x"]);
        }
        assert!(texts(start).is_empty());
        assert!(texts(start - NANOS).is_empty());
        let remark = "2 lines were dropped: the app writes more than 2 a second";
        assert_eq!(texts(start + NANOS / 2), [remark, "x"]);
        assert!(texts(start + NANOS / 2).is_empty());
        let like = OutputLine::default();
        let told = output.take_dropped(&like, start + NANOS).unwrap();
        assert!(told.text.starts_with("1 lines were dropped"), "{told:?}");
        assert_eq!(told.source, "dea");
        assert_eq!(output.take_dropped(&like, start + NANOS), None);
    }

    #[test]
    fn a_line_is_stamped_three_times() {
        let mut output = AppOutput::new(
            RateLimit {
                per_second: 0,
                burst: 0,
            },
            recent(),
        );
        let line = output
            .take(OutputLine::default(), 1_793_607_330_123_456_789)
            .remove(0);
        assert_eq!(line.unix_time, 1_793_607_330);
        assert_eq!(line.human_time, "2026-11-02T08:15:30+00:00");
        let remark = output.remark(OutputLine::default(), 5);
        assert_eq!(remark.unix_nanos, 1_793_607_330_123_456_790);
        assert_eq!(output.recent().latest(10).len(), 2);
    }

    proptest! {
        #[test]
        fn stamps_increase_whatever_the_clock_does(times in prop::collection::vec(any::<i64>(), 1..50)) {
            let mut output = AppOutput::new(RateLimit { per_second: 0, burst: 0 }, recent());
            let mut last = 0;
            for at in times.into_iter().filter(|at| *at < i64::MAX - 100) {
                let line = output.take(OutputLine::default(), at).remove(0);
                prop_assert!(line.unix_nanos > last);
                last = line.unix_nanos;
            }
        }

        #[test]
        fn lines_lose_nothing_but_their_ends(text in "[a-zäöü€\n]{0,60}", at in 0..60_usize) {
            let (one, two) = text.as_bytes().split_at(at.min(text.len()));
            let mut splitter = Splitter::new(1_000);
            let mut lines = splitter.push(Stream::Stdout, one);
            lines.extend(splitter.push(Stream::Stdout, two));
            let rest = splitter.rest(Stream::Stdout).unwrap_or_default();
            lines.push(rest);
            prop_assert_eq!(lines.join("\n"), text);
        }
    }
}
