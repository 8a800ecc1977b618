//! YAML for people: every value knows its line, so that every complaint can name one.
//!
//! A file becomes a tree of [`Node`]s that keep each scalar as it was written, because only the
//! reader of a key knows whether `22`, `off` or `1e3` is a number, a switch or a password.
//! [`Keys`] then walks the keys of a program in one function that serves both directions: reading a
//! file into values and writing the values out again, with or without their documentation.

mod collection;
mod keys;
mod near;
mod parse;
mod quote;
mod value;
mod variables;
mod word;
mod write;

use std::fmt;

pub use keys::{Item, Keys, read, write};
pub use near::nearest;
pub use parse::{MAX_BYTES, MAX_DEPTH, MAX_NODES, parse};
pub use value::{Count, Single, Value};
pub use variables::{Variables, expand, unexpanded};
pub use write::{Line, Output, render, render_documented};

/// A position in a file, both parts counted from 1. Line 0 stands for "no line of the file".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

/// A value of the tree with the place where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where the value begins. A value that comes from an alias keeps the place of its anchor.
    pub place: Place,
    /// The value.
    pub content: Content,
}

/// What a [`Node`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing: `~`, `null` or an empty plain scalar.
    Null,
    /// A scalar as written, quotes and escapes resolved.
    Scalar(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in file order. No key appears twice; merge keys (`<<`) are resolved.
    Map(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// What kind of value this is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.content {
            Content::Null => "nothing",
            Content::Scalar(_) => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }

    /// Why this is no single value, when it is none.
    fn not_single(&self) -> String {
        let reason = format!("must be a single value, not {}", self.kind());
        // An IPv6 address in brackets is a list to YAML.
        match &self.content {
            Content::List(rows) => match rows.as_slice() {
                [row] if row.text().is_some_and(|text| text.contains("::")) => {
                    let address = row.text().unwrap_or_default();
                    format!("{reason}; quote it: \"[{address}]\"")
                }
                _ => reason,
            },
            _ => reason,
        }
    }

    /// The value of `key` if this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.content {
            Content::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(text) => Some(text),
            _ => None,
        }
    }
}

/// A remark about one place of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// Where; line 0 when the remark is about something that the file does not hold.
    pub place: Place,
    /// What is wrong there, with the path of the key in front.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.line > 0 {
            write!(f, "{}: ", self.place.line)?;
        }
        f.write_str(&self.reason)
    }
}

/// A key that nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey {
    /// Its dotted path from the root.
    pub path: String,
    /// Where it stands.
    pub place: Place,
    /// A key with a meaning there that is written much like it.
    pub meant: Option<&'static str>,
}

/// A value that another program's file may have and that ours should not. Whose file it is, the
/// reader of the whole file decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lax {
    /// The dotted path of its key.
    pub path: String,
    /// The value.
    pub fault: Fault,
    /// What is lax about it.
    pub kind: Laxity,
}

/// What is lax about a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Laxity {
    /// A duration without a unit, taken for nanoseconds, or one below zero, taken for zero.
    Duration,
    /// A word that is not known, and was passed over.
    Word,
}

/// What was noticed while a file was read.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Why the file cannot be used. Empty: it can.
    pub faults: Vec<Fault>,
    /// What its author should know all the same.
    pub warnings: Vec<Fault>,
    /// Keys without a meaning, in file order.
    pub unknown: Vec<UnknownKey>,
    /// Values that are one thing in one file and another in another.
    pub lax: Vec<Lax>,
    /// The keys from the root to the value that is being read.
    path: Vec<String>,
}

impl Report {
    /// Records that the value at `place` cannot be used, under the key that is being read.
    pub fn fault(&mut self, place: Place, reason: impl fmt::Display) {
        let reason = self.with_path(reason);
        self.faults.push(Fault { place, reason });
    }

    /// Records something worth knowing about `place`, under the key that is being read.
    pub fn warn(&mut self, place: Place, reason: impl fmt::Display) {
        let reason = self.with_path(reason);
        self.warnings.push(Fault { place, reason });
    }

    /// Records that the value at `place` was taken for what it may not be meant for.
    pub fn lax(&mut self, place: Place, kind: Laxity, reason: impl fmt::Display) {
        let reason = self.with_path(reason);
        self.lax.push(Lax {
            path: self.path(),
            fault: Fault { place, reason },
            kind,
        });
    }

    /// Makes a fault of each key without a meaning. Where no key of the program is like it, `meant`
    /// may know what its author had in mind.
    pub fn refuse_unknown(&mut self, meant: impl Fn(&str) -> Option<&'static str>) {
        for unknown in std::mem::take(&mut self.unknown) {
            let UnknownKey { path, place, .. } = unknown;
            let (_, key) = path.rsplit_once('.').unwrap_or(("", &path));
            let hint = match unknown.meant.or_else(|| meant(&path)) {
                Some(meant) if meant != key => format!(", did you mean {meant}?"),
                _ => String::new(),
            };
            let reason = format!("{path}: no such key{hint}");
            self.faults.push(Fault { place, reason });
        }
    }

    /// Makes a fault of each value that can be taken for two things.
    pub fn refuse_lax(&mut self) {
        let lax = std::mem::take(&mut self.lax);
        self.faults.extend(lax.into_iter().map(|lax| lax.fault));
    }

    fn with_path(&self, reason: impl fmt::Display) -> String {
        if self.path.is_empty() {
            reason.to_string()
        } else {
            format!("{}: {reason}", self.path())
        }
    }

    /// The dotted path of the key that is being read.
    fn path(&self) -> String {
        self.path.join(".")
    }

    fn unknown(&mut self, entry: &Entry, named: &[&'static str]) {
        self.path.push(entry.key.clone());
        self.unknown.push(UnknownKey {
            path: self.path(),
            place: entry.place,
            meant: nearest(&entry.key, named.iter().copied()),
        });
        self.path.pop();
    }
}
