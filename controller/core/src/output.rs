//! The latest lines of each app, and how clients read them.

mod ring;

use std::collections::{BTreeMap, HashMap};

use protocol::bus::output::OutputLine;
use serde::Serialize;

use crate::fault::Fault;
use crate::percent;
use ring::Ring;

/// Bytes that the lines of all apps may have together. At one more, the app that has been silent for
/// the longest time loses its lines.
const MOST_BYTES: usize = 64 << 20;
/// Lines of one read if the client does not say.
const DEFAULT_LIMIT: usize = 100;
/// Lines that it may ask for.
const LARGEST_LIMIT: usize = 1_000;

/// The latest lines of all apps.
#[derive(Clone, Debug, Default)]
pub struct Output {
    apps: HashMap<String, Ring>,
    /// Apps by their last write, the oldest first.
    ages: BTreeMap<u64, String>,
    writes: u64,
    bytes: usize,
}

/// Which lines a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLines {
    /// The first moment, in nanoseconds since 1970.
    pub start: i64,
    /// The moment after the last one.
    pub end: i64,
    /// How many at most, 1 to 1,000.
    pub limit: usize,
    /// The latest first; otherwise the earliest.
    pub descending: bool,
    /// Whether lines are asked for at all, and not only what there is none of.
    pub lines: bool,
}

/// The answer to a read. Clients refuse keys that they do not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Envelopes {
    /// The lines.
    pub envelopes: EnvelopeBatch,
}

/// The lines of an answer, in the order that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnvelopeBatch {
    /// One for each line.
    pub batch: Vec<Envelope>,
}

/// One line, as clients read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Envelope {
    /// When, in nanoseconds since 1970, as text: unique for the app.
    pub timestamp: String,
    /// The app.
    pub source_id: String,
    /// Which instance.
    pub instance_id: String,
    /// Who wrote it.
    pub tags: EnvelopeTags,
    /// What.
    pub log: EnvelopeLog,
}

/// Who wrote a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnvelopeTags {
    /// `APP/PROC/WEB`, `STG`, `CELL`, `API`.
    pub source_type: String,
    /// The type of the process, if it is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub process_type: String,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnvelopeLog {
    /// The text in base64.
    pub payload: String,
    /// `OUT` or `ERR`.
    #[serde(rename = "type")]
    pub stream: &'static str,
}

impl Output {
    /// Adds a line to those of its app; one that is there already is not added twice.
    pub fn add(&mut self, line: &OutputLine) {
        if line.app_guid.is_empty() {
            return;
        }
        let ring = self.apps.entry(line.app_guid.clone()).or_default();
        self.bytes -= ring.bytes();
        ring.add(line);
        self.bytes += ring.bytes();
        self.ages.remove(&ring.written);
        self.writes += 1;
        ring.written = self.writes;
        self.ages.insert(self.writes, line.app_guid.clone());
        while self.bytes > MOST_BYTES {
            let Some((_, app)) = self.ages.first_key_value() else {
                break;
            };
            let app = app.clone();
            self.forget(&app);
        }
    }

    /// Forgets the lines of an app.
    pub fn forget(&mut self, app: &str) {
        if let Some(ring) = self.apps.remove(app) {
            self.ages.remove(&ring.written);
            self.bytes -= ring.bytes();
        }
    }

    /// Returns whether there is any line of the app.
    #[must_use]
    pub fn knows(&self, app: &str) -> bool {
        self.apps.contains_key(app)
    }

    /// Returns the lines of an app that are asked for.
    #[must_use]
    pub fn read(&self, app: &str, asked: ReadLines) -> Envelopes {
        let ring = self.apps.get(app).filter(|_| asked.lines);
        let batch = ring.map_or_else(Vec::new, |ring| ring.read(app, asked));
        Envelopes {
            envelopes: EnvelopeBatch { batch },
        }
    }
}

impl ReadLines {
    /// Reads `query`, the part of a URL after `?`. Parameters that are unknown do not matter.
    ///
    /// # Errors
    /// A time or a limit that is no number, or out of bounds.
    pub fn parse(query: &str) -> Result<Self, Fault> {
        let mut asked = Self {
            start: i64::MIN,
            end: i64::MAX,
            limit: DEFAULT_LIMIT,
            descending: false,
            lines: true,
        };
        let mut types = Vec::new();
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent::decode_form(value);
            match key {
                "start_time" => asked.start = number(key, &value)?,
                "end_time" => asked.end = number(key, &value)?,
                "limit" => {
                    let limit = number(key, &value)?;
                    asked.limit = usize::try_from(limit)
                        .ok()
                        .filter(|limit| (1..=LARGEST_LIMIT).contains(limit))
                        .ok_or_else(|| {
                            let rule = format!("limit must be from 1 to {LARGEST_LIMIT}");
                            Fault::BadQueryParameter(rule)
                        })?;
                }
                "descending" => asked.descending = value == "true",
                "envelope_types" => types.push(value.to_ascii_uppercase()),
                _ => {}
            }
        }
        asked.lines = types.is_empty() || types.iter().any(|one| one == "LOG" || one == "ANY");
        Ok(asked)
    }
}

fn number(key: &str, value: &str) -> Result<i64, Fault> {
    let fault = || Fault::BadQueryParameter(format!("{key} must be an integer"));
    value.parse().map_err(|_| fault())
}

#[cfg(test)]
mod tests;
