//! The keys of a program, declared once for reading and for writing.

use std::fmt::Display;
use std::str::FromStr;

use super::word::{known_word, read_word, word_of};
use super::{Content, Entry, Line, Node, Output, Place, Report, Value};

/// A walk over the keys of one mapping, in one of two directions: out of a file or into one.
///
/// A function that takes `&mut Keys` and names each key with its documentation and the value it
/// stands for is everything a program says about a part of its configuration.
#[derive(Debug)]
pub struct Keys<'walk> {
    direction: Direction<'walk>,
}

#[derive(Debug)]
enum Direction<'walk> {
    Read {
        place: Place,
        entries: &'walk [Entry],
        known: Vec<bool>,
        /// What was asked for so far.
        named: Vec<&'static str>,
        report: &'walk mut Report,
    },
    Write {
        lines: Vec<Line>,
        title: Option<&'static str>,
    },
}

/// A mapping that stands in a list.
pub trait Item: Default {
    /// Walks its keys.
    fn keys(&mut self, keys: &mut Keys<'_>);

    /// Reads the short form, a single value in place of the mapping.
    ///
    /// # Errors
    ///
    /// Why the text is none; by default because there is no short form.
    fn short(_text: &str) -> Result<Self, String> {
        Err("must be a mapping".into())
    }
}

/// Reads the mapping `root` into whatever `walk` names. Null counts as an empty mapping.
pub fn read(root: &Node, report: &mut Report, walk: impl FnOnce(&mut Keys<'_>)) {
    let entries: &[Entry] = match &root.content {
        Content::Map(entries) => entries,
        Content::Null => &[],
        _ => {
            return report.fault(
                root.place,
                format!("must be a mapping, not {}", root.kind()),
            );
        }
    };
    let known = vec![false; entries.len()];
    let mut keys = Keys {
        direction: Direction::Read {
            place: root.place,
            entries,
            known,
            named: Vec::new(),
            report,
        },
    };
    walk(&mut keys);
    keys.finish();
}

/// The lines that `walk` names.
pub fn write(walk: impl FnOnce(&mut Keys<'_>)) -> Vec<Line> {
    let mut keys = Keys {
        direction: Direction::Write {
            lines: Vec::new(),
            title: None,
        },
    };
    walk(&mut keys);
    match keys.direction {
        Direction::Write { lines, .. } => lines,
        Direction::Read { .. } => Vec::new(),
    }
}

impl Keys<'_> {
    /// True while a file is read; checks and derived defaults belong there only.
    #[must_use]
    pub fn reading(&self) -> bool {
        matches!(self.direction, Direction::Read { .. })
    }

    /// A heading above the keys that follow, in the documented form.
    pub fn title(&mut self, text: &'static str) {
        if let Direction::Write { title, .. } = &mut self.direction {
            *title = Some(text);
        }
    }

    /// A key with a single value or a list of such. Answers whether the file sets it.
    pub fn key(&mut self, name: &'static str, doc: &'static str, value: &mut impl Value) -> bool {
        self.with(name, |node, report| value.read(node, report))
            .unwrap_or_else(|| self.put(name, doc, value.write(), false))
    }

    /// A key that is read, but whose value is written under another name or not at all.
    pub fn alias(&mut self, name: &'static str, doc: &'static str, value: &mut impl Value) -> bool {
        self.with(name, |node, report| value.read(node, report))
            .unwrap_or_else(|| self.put(name, doc, value.write(), true))
    }

    /// A key whose value is one of a few words.
    pub fn choice<T: Copy + PartialEq>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        value: &mut T,
        words: &[(&'static str, T)],
    ) -> bool {
        self.with(name, |node, report| {
            if let Some(found) = read_word(node, report, words) {
                *value = found;
            }
        })
        .unwrap_or_else(|| self.put(name, doc, word_of(*value, words), false))
    }

    /// As [`choice`](Self::choice), for a key of which another program takes any word: one that is
    /// not among `words` leaves `value` as it is and is [lax](super::Laxity::Word).
    pub fn lax_choice<T: Copy + PartialEq>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        value: &mut T,
        words: &[(&'static str, T)],
    ) -> bool {
        self.with(name, |node, report| {
            if let Some(found) = known_word(node, report, words) {
                *value = found;
            }
        })
        .unwrap_or_else(|| self.put(name, doc, word_of(*value, words), false))
    }

    /// A key whose value is a list of words. One that stands alone is a list of one. What is not
    /// among `words` is left out and [lax](super::Laxity::Word).
    pub fn choices<T: Copy + PartialEq>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        values: &mut Vec<T>,
        words: &[(&'static str, T)],
    ) -> bool {
        self.with(name, |node, report| {
            *values = rows(node)
                .iter()
                .filter_map(|row| known_word(row, report, words))
                .collect();
        })
        .unwrap_or_else(|| {
            let rows = values.iter().map(|value| word_of(*value, words)).collect();
            self.put(name, doc, Output::List(rows), false)
        })
    }

    /// A key whose value is of a type that parses and prints itself.
    pub fn parsed<T>(&mut self, name: &'static str, doc: &'static str, value: &mut T) -> bool
    where
        T: FromStr<Err: Display> + Display,
    {
        self.with(name, |node, report| {
            if let Some(parsed) = parse_scalar(node, report) {
                *value = parsed;
            }
        })
        .unwrap_or_else(|| self.put(name, doc, Output::Scalar(value.to_string()), false))
    }

    /// A list of such values. One that stands alone is a list of one.
    pub fn parsed_list<T>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        values: &mut Vec<T>,
    ) -> bool
    where
        T: FromStr<Err: Display> + Display,
    {
        self.with(name, |node, report| {
            let rows = match &node.content {
                Content::List(rows) => rows.as_slice(),
                _ => std::slice::from_ref(node),
            };
            *values = rows
                .iter()
                .filter_map(|row| parse_scalar(row, report))
                .collect();
        })
        .unwrap_or_else(|| {
            let rows = values
                .iter()
                .map(|value| Output::Scalar(value.to_string()))
                .collect();
            self.put(name, doc, Output::List(rows), false)
        })
    }

    /// A key that holds a mapping. A file without it is read as if the mapping were empty, so that
    /// defaults that depend on other keys come about all the same.
    pub fn section(
        &mut self,
        name: &'static str,
        doc: &'static str,
        mut walk: impl FnMut(&mut Keys<'_>),
    ) -> bool {
        let read_it = self.with(name, |node, report| read(node, report, &mut walk));
        if read_it == Some(false)
            && let Direction::Read { place, report, .. } = &mut self.direction
        {
            report.path.push(name.to_owned());
            read(
                &Node {
                    place: *place,
                    content: Content::Null,
                },
                report,
                walk,
            );
            report.path.pop();
            return false;
        }
        read_it.unwrap_or_else(|| self.put(name, doc, Output::Map(write(walk)), false))
    }

    /// A key that holds a list of mappings. A list in the file replaces what `items` held.
    pub fn list<T: Item>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        items: &mut Vec<T>,
    ) -> bool {
        self.with(name, |node, report| {
            if let Some(read) = read_items(node, report) {
                *items = read;
            }
        })
        .unwrap_or_else(|| {
            let rows = items
                .iter_mut()
                .map(|item| Output::Map(write(|keys| item.keys(keys))));
            let rows = Output::List(rows.collect());
            self.put(name, doc, rows, false)
        })
    }

    /// Says that the value of `name` cannot be used; about the mapping itself if `name` is absent.
    pub fn fault(&mut self, name: &str, reason: impl Display) {
        self.remark(name, |report, place| report.fault(place, reason));
    }

    /// Says something about `name` that its author should know.
    pub fn warn(&mut self, name: &str, reason: impl Display) {
        self.remark(name, |report, place| report.warn(place, reason));
    }

    fn remark(&mut self, name: &str, say: impl FnOnce(&mut Report, Place)) {
        let Direction::Read {
            place,
            entries,
            report,
            ..
        } = &mut self.direction
        else {
            return;
        };
        let found = entries.iter().find(|entry| entry.key == name);
        let place = found.map_or(*place, |entry| entry.value.place);
        report.path.push(name.to_owned());
        say(report, place);
        report.path.pop();
    }

    /// Runs `read` on the value of `name` if the file sets it. `None`: this walk writes.
    fn with(&mut self, name: &'static str, read: impl FnOnce(&Node, &mut Report)) -> Option<bool> {
        let Direction::Read {
            entries,
            known,
            named,
            report,
            ..
        } = &mut self.direction
        else {
            return None;
        };
        named.push(name);
        let Some(index) = entries.iter().position(|entry| entry.key == name) else {
            return Some(false);
        };
        if let Some(known) = known.get_mut(index) {
            *known = true;
        }
        let Some(entry) = entries
            .get(index)
            .filter(|e| e.value.content != Content::Null)
        else {
            return Some(false);
        };
        report.path.push(name.to_owned());
        read(&entry.value, report);
        report.path.pop();
        Some(true)
    }

    fn put(&mut self, name: &'static str, doc: &'static str, value: Output, comment: bool) -> bool {
        if let Direction::Write { lines, title } = &mut self.direction {
            lines.push(Line {
                title: title.take(),
                doc,
                name: name.into(),
                value,
                comment,
            });
        }
        false
    }

    /// Reports the keys that nobody named.
    fn finish(self) {
        if let Direction::Read {
            entries,
            known,
            named,
            report,
            ..
        } = self.direction
        {
            for (entry, _) in entries.iter().zip(known).filter(|(_, known)| !known) {
                report.unknown(entry, &named);
            }
        }
    }
}

/// The rows of a list; a value that stands alone is its only row.
fn rows(node: &Node) -> &[Node] {
    match &node.content {
        Content::List(rows) => rows,
        _ => std::slice::from_ref(node),
    }
}

/// The scalar as a `T`, or a fault that says why not.
fn parse_scalar<T: FromStr<Err: Display>>(node: &Node, report: &mut Report) -> Option<T> {
    let Some(text) = node.text() else {
        report.fault(node.place, node.not_single());
        return None;
    };
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            report.fault(node.place, format!("{text:?}: {error}"));
            None
        }
    }
}

/// The mappings of a list, or nothing when the node is no list. A row with a fault stays out.
fn read_items<T: Item>(node: &Node, report: &mut Report) -> Option<Vec<T>> {
    let Content::List(rows) = &node.content else {
        report.fault(node.place, format!("must be a list, not {}", node.kind()));
        return None;
    };
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let mut item = T::default();
        match &row.content {
            Content::Scalar(text) => match T::short(text) {
                Ok(short) => item = short,
                Err(reason) => report.fault(row.place, reason),
            },
            _ => read(row, report, |keys| item.keys(keys)),
        }
        items.push(item);
    }
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::super::{parse, render};
    use super::*;

    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    enum Mode {
        #[default]
        Slow,
        Fast,
    }

    #[derive(Debug, Default, PartialEq)]
    struct Row {
        name: String,
        weight: u16,
    }

    impl Item for Row {
        fn keys(&mut self, keys: &mut Keys<'_>) {
            keys.key("name", "Its name.", &mut self.name);
            keys.key("weight", "Its weight.", &mut self.weight);
        }

        fn short(text: &str) -> Result<Self, String> {
            Ok(Self {
                name: text.to_owned(),
                weight: 1,
            })
        }
    }

    #[derive(Debug, Default, PartialEq)]
    struct Program {
        port: u16,
        mode: Mode,
        level: u16,
        rows: Vec<Row>,
    }

    impl Program {
        fn keys(&mut self, keys: &mut Keys<'_>) {
            keys.alias("old_port", "As port.", &mut self.port);
            keys.key("port", "Where.", &mut self.port);
            keys.choice(
                "mode",
                "How.",
                &mut self.mode,
                &[("slow", Mode::Slow), ("fast", Mode::Fast)],
            );
            keys.section("log", "Log.", |keys| {
                keys.key("level", "How much.", &mut self.level);
                if self.level > 9 {
                    keys.fault("level", "at most 9");
                }
            });
            keys.list("rows", "Rows.", &mut self.rows);
        }

        fn read(text: &str) -> (Self, Report) {
            let mut program = Self::default();
            let mut report = Report::default();
            read(&parse(text).unwrap(), &mut report, |keys| {
                program.keys(keys)
            });
            (program, report)
        }
    }

    #[test]
    fn reads_and_writes_the_same() {
        let text = "port: 7\nmode: fast\nlog:\n  level: 3\nrows:\n  - name: a\n    weight: 2\n";
        let (mut program, report) = Program::read(text);
        assert!(
            report.faults.is_empty() && report.unknown.is_empty(),
            "{report:?}"
        );
        assert_eq!(render(&write(|keys| program.keys(keys))), text);
        assert_eq!(Program::read("old_port: 7").0.port, 7);
        assert_eq!(
            Program::read("rows: [x]").0.rows,
            [Row {
                name: "x".into(),
                weight: 1
            }]
        );
        assert_eq!(Program::read("").0, Program::default());
    }

    #[test]
    fn every_complaint_has_a_line_and_a_path() {
        let (_, report) = Program::read(
            "port: x\nmode: odd\nlog: {level: 10, junk: 1}\nrows: {}\nmore:\n  - 1\nlist: ~\n",
        );
        let faults: Vec<_> = report.faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "1: port: \"x\" is not a whole number from 0 to 65535",
                "2: mode: must be one of slow, fast",
                "3: log.level: at most 9",
                "4: rows: must be a list, not a mapping",
            ]
        );
        let unknown: Vec<_> = report
            .unknown
            .iter()
            .map(|u| (&*u.path, u.place.line))
            .collect();
        assert_eq!(unknown, [("log.junk", 3), ("more", 5), ("list", 7)]);
        let (_, report) = Program::read("[]");
        assert_eq!(
            report.faults[0].to_string(),
            "1: must be a mapping, not a list"
        );
    }
}
