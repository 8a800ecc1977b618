//! The latest lines of one app.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::bus::output::{OutputLine, Stream};

use super::{Envelope, EnvelopeLog, EnvelopeTags, ReadLines};

/// Lines that are kept. At one more, the oldest goes.
pub(super) const MOST_LINES: usize = 2_000;
/// Bytes that they may have together, with [`OVERHEAD`] for each.
pub(super) const MOST_BYTES: usize = 512 << 10;
/// What a line takes besides its text.
const OVERHEAD: usize = 100;

/// Lines by their time, which is unique.
#[derive(Clone, Debug, Default)]
pub(super) struct Ring {
    lines: BTreeMap<i64, KeptLine>,
    bytes: usize,
    /// The number of the last write.
    pub(super) written: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KeptLine {
    text: String,
    stream: Stream,
    source: String,
    instance: i64,
    process_type: String,
}

impl Ring {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, line: &OutputLine) {
        let kept = KeptLine {
            text: line.text.clone(),
            stream: line.filename,
            source: line.source.clone(),
            instance: line.instance_index,
            process_type: line.process_type.clone(),
        };
        // Two nodes may use one nanosecond. The other line then gets the next one that is free.
        let mut time = line.unix_nanos;
        while let Some(there) = self.lines.get(&time) {
            if *there == kept || time == i64::MAX {
                return;
            }
            time += 1;
        }
        self.bytes += size(&kept);
        self.lines.insert(time, kept);
        while self.lines.len() > MOST_LINES || self.bytes > MOST_BYTES {
            let Some((_, oldest)) = self.lines.pop_first() else {
                break;
            };
            self.bytes -= size(&oldest);
        }
    }

    pub(super) fn read(&self, app: &str, asked: ReadLines) -> Vec<Envelope> {
        if asked.start >= asked.end {
            return Vec::new();
        }
        let envelope = |(time, line): (&i64, &KeptLine)| line.envelope(app, *time);
        let lines = self.lines.range(asked.start..asked.end);
        if asked.descending {
            lines.rev().take(asked.limit).map(envelope).collect()
        } else {
            lines.take(asked.limit).map(envelope).collect()
        }
    }
}

impl KeptLine {
    fn envelope(&self, app: &str, time: i64) -> Envelope {
        let source_type = match self.source.as_str() {
            "app" => format!("APP/PROC/{}", self.process_type.to_ascii_uppercase()),
            "staging" => "STG".to_owned(),
            "dea" => "CELL".to_owned(),
            other => other.to_ascii_uppercase(),
        };
        Envelope {
            timestamp: time.to_string(),
            source_id: app.to_owned(),
            instance_id: self.instance.max(0).to_string(),
            tags: EnvelopeTags {
                source_type,
                process_type: self.process_type.clone(),
            },
            log: EnvelopeLog {
                payload: STANDARD.encode(&self.text),
                stream: match self.stream {
                    Stream::Stdout => "OUT",
                    Stream::Stderr => "ERR",
                },
            },
        }
    }
}

fn size(line: &KeptLine) -> usize {
    line.text.len() + OVERHEAD
}
