//! From text to a tree of nodes.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::quote::unquoted;
use super::{Content, Entry, Fault, Node, Place};

/// The longest text that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 20;
/// The deepest nesting.
pub const MAX_DEPTH: usize = 64;
/// The most values in one tree, those repeated by aliases included, so that a few lines of nested
/// aliases cannot fill the memory.
pub const MAX_NODES: usize = 2_000_000;

/// Reads the one document in `text`. An empty text is [`Content::Null`].
///
/// # Errors
///
/// The first place that is not YAML, repeats a key, refers to an alias that is not defined, begins
/// a second document, or exceeds [`MAX_BYTES`], [`MAX_DEPTH`] or [`MAX_NODES`].
pub fn parse(text: &str) -> Result<Node, Fault> {
    if text.len() > MAX_BYTES {
        return Err(fault(
            Place::default(),
            format!("longer than {MAX_BYTES} bytes"),
        ));
    }
    let mut builder = Builder {
        text,
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        depth: 0,
        nodes: 0,
    };
    let mut root = None;
    loop {
        let (event, span) = builder.next()?;
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(..) if root.is_some() => {
                return Err(fault(place(span.start), "a second document begins here"));
            }
            Event::DocumentStart(..) => {
                let (event, span) = builder.next()?;
                root = Some(builder.node(event, span)?);
            }
            _ => {}
        }
    }
    Ok(root.unwrap_or(Node {
        place: Place { line: 1, column: 1 },
        content: Content::Null,
    }))
}

/// Turns parser events into nodes.
struct Builder<'text> {
    text: &'text str,
    events: Parser<'text, granit_parser::StrInput<'text>>,
    anchors: HashMap<usize, Node>,
    depth: usize,
    nodes: usize,
}

impl<'text> Builder<'text> {
    fn next(&mut self) -> Result<(Event<'text>, Span), Fault> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.misread(place(*error.marker()), &error.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// A fault at `place`, and what may have caused it: a word of that line without its quotes.
    fn misread(&self, place: Place, reason: &str) -> Fault {
        let line = (place.line as usize)
            .checked_sub(1)
            .and_then(|line| self.text.lines().nth(line));
        match line.and_then(unquoted) {
            Some(word) => fault(place, format!("{reason}; quote it: \"{word}\"")),
            None => fault(place, reason),
        }
    }

    /// The node that begins with `event`.
    fn node(&mut self, event: Event<'text>, span: Span) -> Result<Node, Fault> {
        let place = place(span.start);
        self.nodes = count(self.nodes, 1, place)?;
        let (anchor, content) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let null = style == ScalarStyle::Plain
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                if null && (anchor != 0 || tag.is_some()) {
                    return Err(self.misread(place, "a mark of YAML's without a value"));
                }
                let content = if null {
                    Content::Null
                } else {
                    Content::Scalar(text.into_owned())
                };
                (anchor, content)
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.nested(place, Self::list)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.nested(place, Self::map)?),
            Event::Alias(id) => return self.alias(id, place),
            _ => return Err(fault(place, "a value is missing here")),
        };
        let node = Node { place, content };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn nested(
        &mut self,
        place: Place,
        content: impl FnOnce(&mut Self) -> Result<Content, Fault>,
    ) -> Result<Content, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(fault(
                place,
                format!("nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        self.depth += 1;
        let content = content(self);
        self.depth -= 1;
        content
    }

    fn list(&mut self) -> Result<Content, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Content::List(items)),
                (event, span) => items.push(self.node(event, span)?),
            }
        }
    }

    fn map(&mut self) -> Result<Content, Fault> {
        let mut entries = Entries::default();
        let mut merges = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, span)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span)?;
            if merge {
                merges.push(value);
            } else {
                if matches!(key.content, Content::List(_) | Content::Map(_)) {
                    return Err(self.misread(key.place, "a key must be a single value"));
                }
                entries.insert(key, value)?;
            }
        }
        for merge in merges {
            entries.merge(merge)?;
        }
        Ok(Content::Map(entries.list))
    }

    /// A copy of the anchored node, counted as often as it is repeated.
    fn alias(&mut self, id: usize, place: Place) -> Result<Node, Fault> {
        let Some(node) = self.anchors.get(&id) else {
            return Err(fault(place, "an alias inside the value that it stands for"));
        };
        self.nodes = count(self.nodes, size(node), place)?;
        Ok(node.clone())
    }
}

fn count(nodes: usize, more: usize, place: Place) -> Result<usize, Fault> {
    Some(nodes + more)
        .filter(|nodes| *nodes <= MAX_NODES)
        .ok_or_else(|| fault(place, format!("more than {MAX_NODES} values")))
}

/// The entries of a mapping, with an index once there are many.
#[derive(Default)]
struct Entries {
    list: Vec<Entry>,
    lines: HashMap<String, u32>,
}

impl Entries {
    fn insert(&mut self, key: Node, value: Node) -> Result<(), Fault> {
        let name = match key.content {
            Content::Scalar(text) => text,
            _ => String::new(),
        };
        if let Some(line) = self.lines.insert(name.clone(), key.place.line) {
            return Err(fault(
                key.place,
                format!("{name}: already set in line {line}"),
            ));
        }
        self.list.push(Entry {
            key: name,
            place: key.place,
            value,
        });
        Ok(())
    }

    /// Adds what `from` has and this mapping does not: YAML's `<<`.
    fn merge(&mut self, from: Node) -> Result<(), Fault> {
        match from.content {
            Content::Map(entries) => {
                for entry in entries {
                    if !self.lines.contains_key(&entry.key) {
                        self.lines.insert(entry.key.clone(), entry.place.line);
                        self.list.push(entry);
                    }
                }
                Ok(())
            }
            Content::List(items) => items.into_iter().try_for_each(|item| self.merge(item)),
            _ => Err(fault(from.place, "only a mapping can be merged with <<")),
        }
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.content {
        Content::List(items) => items.iter().map(size).sum(),
        Content::Map(entries) => entries.iter().map(|entry| 1 + size(&entry.value)).sum(),
        _ => 0,
    }
}

fn place(mark: Marker) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place {
        line: number(mark.line()),
        column: number(mark.col()).saturating_add(1),
    }
}

fn fault(place: Place, reason: impl Into<String>) -> Fault {
    Fault {
        place,
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(node: &Node) -> String {
        match &node.content {
            Content::Null => "~".into(),
            Content::Scalar(text) => format!("{text:?}"),
            Content::List(items) => {
                format!(
                    "[{}]",
                    items.iter().map(show).collect::<Vec<_>>().join(", ")
                )
            }
            Content::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|e| format!("{}: {}", e.key, show(&e.value)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn check(text: &str, expected: &str) {
        match parse(text) {
            Ok(node) => assert_eq!(show(&node), expected, "{text}"),
            Err(fault) => assert_eq!(format!("{fault}"), expected, "{text}"),
        }
    }

    #[test]
    fn trees() {
        check("", "~");
        check("# only a comment\n", "~");
        check(
            "a: 1\nb: [x, 'y z', \"\\n\"]\n",
            r#"{a: "1", b: ["x", "y z", "\n"]}"#,
        );
        check(
            "a: 0x1F\nb: 1.10\nc: off\nd: 007",
            r#"{a: "0x1F", b: "1.10", c: "off", d: "007"}"#,
        );
        check(
            "a:\nb: ~\nc: ''\nd: \"null\"\n",
            r#"{a: ~, b: ~, c: "", d: "null"}"#,
        );
        check("22: x\n", r#"{22: "x"}"#);
        check("a: |\n  one\n  two\n", r#"{a: "one\ntwo\n"}"#);
        check("a: &x {k: 1}\nb: *x\n", r#"{a: {k: "1"}, b: {k: "1"}}"#);
        check(
            "a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}\n",
            r#"{a: {k: "1", l: "2"}, b: {k: "3", l: "2"}}"#,
        );
        check("--- \na: 1\n...\n", r#"{a: "1"}"#);
    }

    #[test]
    fn places() {
        let node = parse("a: 1\nb:\n  - x\n  - {c: 2}\n").unwrap();
        let list = node.get("b").unwrap();
        let Content::List(items) = &list.content else {
            panic!("{list:?}")
        };
        assert_eq!(items[0].place, Place { line: 3, column: 5 });
        assert_eq!(
            items[1].get("c").unwrap().place,
            Place { line: 4, column: 9 }
        );
    }

    #[test]
    fn faults_name_the_line() {
        check("a: 1\nb: 2\na: 3\n", "3: a: already set in line 1");
        check("a: 1\n---\nb: 2\n", "2: a second document begins here");
        check("[x]: 1\n", "1: a key must be a single value");
        check("a: {<<: 3}\n", "1: only a mapping can be merged with <<");
        for text in ["a: [1,\n", "a: *nobody\n", "a: b: c\n", "a: 'open\n"] {
            let fault = parse(text).unwrap_err();
            assert!(
                fault.place.line >= 1 && !fault.reason.is_empty(),
                "{text}: {fault:?}"
            );
        }
    }

    #[test]
    fn what_should_be_quoted_is_told() {
        for (text, word) in [
            ("uris: [*.example.com]\n", "*.example.com"),
            ("uris:\n  - a\n  - *.example.com/api\n", "*.example.com/api"),
            ("uris: *.example.com\n", "*.example.com"),
            ("address: [::]:80\n", "[::]:80"),
            ("l:\n  - address: [::]:80\n    more: 1\n", "[::]:80"),
            ("l:\n  - [::]:80\n", "[::]:80"),
            ("l: [[::]:80]\n", "[::]:80"),
            ("l: [{address: [::1]:80}]\n", "[::1]:80"),
            ("a: *\n", "*"),
            ("addr: *:80\n", "*:80"),
            ("pass: %abc\n", "%abc"),
            ("pass: @abc\n", "@abc"),
            ("pass: `abc\n", "`abc"),
            ("pass: !abc\n", "!abc"),
            ("pass: &abc\n", "&abc"),
        ] {
            let fault = parse(text).unwrap_err();
            let hint = format!("; quote it: \"{word}\"");
            assert!(fault.reason.ends_with(&hint), "{text}: {fault}");
            let line = text.lines().nth(fault.place.line as usize - 1).unwrap();
            assert!(line.contains(word), "{text}: {fault}");
        }
        let plain = parse("a: {b: c\n").unwrap_err();
        assert!(!plain.reason.contains("quote"), "{plain}");
    }

    #[test]
    fn hostile_sizes_are_refused() {
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(parse(&deep).is_err());
        let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for n in 1..9 {
            let alias = format!("*a{}", n - 1);
            laughs += &format!("a{n}: &a{n} [{}]\n", vec![alias; 10].join(","));
        }
        assert!(parse(&laughs).unwrap_err().reason.contains("more than"));
    }
}
