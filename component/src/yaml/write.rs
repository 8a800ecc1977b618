//! From values to text.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A value on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// No value: shown as a comment where keys are documented, else left out.
    Absent,
    /// A scalar; quoted when it must be.
    Scalar(String),
    /// A sequence.
    List(Vec<Self>),
    /// A mapping.
    Map(Vec<Line>),
}

/// One key of a mapping on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// A heading above a group of keys.
    pub title: Option<&'static str>,
    /// What the key means.
    pub doc: &'static str,
    /// The key.
    pub name: Cow<'static, str>,
    /// Its value.
    pub value: Output,
    /// Shown as a comment only: another key has the say.
    pub comment: bool,
}

impl Output {
    fn is_inline(&self) -> bool {
        match self {
            Self::Absent | Self::Scalar(_) => true,
            Self::List(items) => items.iter().all(|item| matches!(item, Self::Scalar(_))),
            Self::Map(lines) => lines.is_empty(),
        }
    }
}

/// The lines as a YAML document: values only.
#[must_use]
pub fn render(lines: &[Line]) -> String {
    let mut out = Renderer {
        text: String::new(),
        documented: false,
    };
    out.map(lines, 0);
    out.text
}

/// The lines as a YAML document with their documentation above each key.
#[must_use]
pub fn render_documented(lines: &[Line]) -> String {
    let mut out = Renderer {
        text: String::new(),
        documented: true,
    };
    out.map(lines, 0);
    out.text
}

struct Renderer {
    text: String,
    documented: bool,
}

/// The width at which comments are folded.
const WIDTH: usize = 100;

impl Renderer {
    fn map(&mut self, lines: &[Line], indent: usize) {
        for line in lines {
            let hidden = line.comment || line.value == Output::Absent;
            if hidden && !self.documented {
                continue;
            }
            if self.documented {
                self.document(line, indent);
            }
            self.start(indent, if hidden { "#" } else { "" }, &line.name);
            self.value(&line.value, indent);
        }
    }

    fn document(&mut self, line: &Line, indent: usize) {
        if let Some(title) = line.title {
            let rule = "-".repeat(WIDTH.saturating_sub(title.len() + 6));
            _ = writeln!(self.text, "\n# --- {title} {rule}");
        }
        if indent == 0 {
            self.text.push('\n');
        }
        for folded in fold(line.doc, WIDTH.saturating_sub(indent + 2)) {
            _ = writeln!(self.text, "{:indent$}# {folded}", "");
        }
    }

    fn start(&mut self, indent: usize, mark: &str, name: &str) {
        _ = write!(self.text, "{:indent$}{mark}{}:", "", quote(name));
    }

    /// What follows `key:` or `-`, to the end of the line or lines.
    fn value(&mut self, value: &Output, indent: usize) {
        match value {
            Output::Map(lines) if !lines.is_empty() => {
                self.text.push('\n');
                self.map(lines, indent + 2);
            }
            Output::List(items) if !value.is_inline() => {
                self.text.push('\n');
                for item in items {
                    self.item(item, indent + 2);
                }
            }
            Output::Absent => self.text.push('\n'),
            inline => {
                self.text.push(' ');
                self.inline(inline);
                self.text.push('\n');
            }
        }
    }

    fn item(&mut self, item: &Output, indent: usize) {
        _ = write!(self.text, "{:indent$}-", "");
        match item {
            // The keys of a mapping in a list carry no documentation: they would drown the list.
            Output::Map(lines) if !lines.is_empty() => {
                let mut inner = Self {
                    text: String::new(),
                    documented: false,
                };
                inner.map(lines, indent + 2);
                let text = inner.text.get(indent + 1..).unwrap_or_default();
                self.text.push_str(text);
            }
            other => self.value(other, indent),
        }
    }

    fn inline(&mut self, value: &Output) {
        match value {
            Output::Absent => self.text.push('~'),
            Output::Scalar(text) => self.text.push_str(&quote(text)),
            Output::Map(_) => self.text.push_str("{}"),
            Output::List(items) => {
                self.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.text.push_str(", ");
                    }
                    self.inline(item);
                }
                self.text.push(']');
            }
        }
    }
}

/// The text as a scalar: plain when every reader takes it for the same string in every position.
fn quote(text: &str) -> String {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_-./%".contains(&b))
        && text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'/')
        && !matches!(text, "null" | "Null" | "NULL");
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => _ = write!(quoted, "\\U{:08X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// Words of `text` in lines of at most `width` characters. Its own line breaks stay, and so does
/// the indentation of lines that have one: these are samples and not folded.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        if paragraph.starts_with(' ') {
            lines.push(paragraph.to_owned());
            continue;
        }
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    #[test]
    fn what_is_quoted_reads_back() {
        for text in [
            "", "a", "-", "- x", "a: b", "#", "null", "~", "\"\\", "a\nb\n", "[::]:80", "é",
            "\u{7}", "*.x", "%a", "true", "0x1", " x ", "a #b", "<<", "?", "!t", "&a", "@", "`",
        ] {
            let node = parse(&format!("k: {}\n", quote(text))).unwrap();
            assert_eq!(node.get("k").unwrap().text(), Some(text));
        }
    }

    #[test]
    fn documents() {
        let line = |name: &'static str, value| Line {
            title: None,
            doc: "What it is.",
            name: name.into(),
            value,
            comment: false,
        };
        let scalar = |text: &str| Output::Scalar(text.into());
        let lines = [
            line("port", scalar("80")),
            line("none", Output::Absent),
            line("names", Output::List(vec![scalar("a"), scalar("b c")])),
            line("empty", Output::List(vec![])),
            line("inner", Output::Map(vec![line("x", scalar("1"))])),
            line(
                "rows",
                Output::List(vec![Output::Map(vec![
                    line("a", scalar("1")),
                    line("b", Output::Map(vec![line("c", scalar("2"))])),
                ])]),
            ),
        ];
        assert_eq!(
            render(&lines),
            "port: 80\nnames: [a, \"b c\"]\nempty: []\ninner:\n  x: 1\nrows:\n  - a: 1\n    b:\n      c: 2\n"
        );
        assert!(render_documented(&lines).contains("\n# What it is.\n#none:\n"));
        assert_eq!(
            parse(&render(&lines))
                .unwrap()
                .get("rows")
                .map(super::super::Node::kind),
            Some("a list")
        );
    }
}
