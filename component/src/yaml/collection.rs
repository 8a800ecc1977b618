//! Options, lists and maps of values.

use std::collections::BTreeMap;

use super::value::{Single, Value};
use super::{Content, Line, Node, Output, Report};

/// No value is an empty text, or what the type itself takes for none.
impl<T: Single> Value for Option<T> {
    fn read(&mut self, node: &Node, report: &mut Report) {
        if T::EMPTY_IS_NONE && node.text() == Some("") {
            *self = None;
        } else if let Some(value) = read_one::<T>(node, report) {
            *self = Some(value).filter(|value| !value.says_none());
        }
    }

    fn write(&self) -> Output {
        self.as_ref().map_or_else(T::none, Value::write)
    }
}

/// A single value stands for a list of one, and a list in the file replaces the old one.
impl<T: Single> Value for Vec<T> {
    fn read(&mut self, node: &Node, report: &mut Report) {
        let rows = match &node.content {
            Content::List(rows) => rows.as_slice(),
            Content::Scalar(text) if text.is_empty() => &[],
            Content::Scalar(_) => std::slice::from_ref(node),
            _ => return report.fault(node.place, format!("must be a list, not {}", node.kind())),
        };
        let items: Vec<Option<T>> = rows.iter().map(|row| read_one(row, report)).collect();
        if let Some(items) = items.into_iter().collect() {
            *self = items;
        }
    }

    fn write(&self) -> Output {
        Output::List(self.iter().map(Value::write).collect())
    }
}

impl<T: Single> Single for Vec<T> {
    const EMPTY_IS_NONE: bool = false;

    fn blank() -> Self {
        Self::new()
    }
}

/// A mapping whose keys are the operator's own. One in the file replaces the old one.
impl<T: Single> Value for BTreeMap<String, T> {
    fn read(&mut self, node: &Node, report: &mut Report) {
        let entries = match &node.content {
            Content::Map(entries) => entries.as_slice(),
            Content::Null => &[],
            _ => {
                let reason = format!("must be a mapping, not {}", node.kind());
                return report.fault(node.place, reason);
            }
        };
        let values: Vec<Option<(String, T)>> = entries
            .iter()
            .map(|entry| Some((entry.key.clone(), read_one(&entry.value, report)?)))
            .collect();
        if let Some(values) = values.into_iter().collect() {
            *self = values;
        }
    }

    fn write(&self) -> Output {
        let line = |(key, value): (&String, &T)| Line {
            title: None,
            doc: "",
            name: key.clone().into(),
            value: value.write(),
            comment: false,
        };
        Output::Map(self.iter().map(line).collect())
    }
}

impl<T: Single> Single for BTreeMap<String, T> {
    const EMPTY_IS_NONE: bool = false;

    fn blank() -> Self {
        Self::new()
    }
}

/// Reads one value; none if it has a fault.
fn read_one<T: Single>(node: &Node, report: &mut Report) -> Option<T> {
    let faults = report.faults.len();
    let mut value = T::blank();
    value.read(node, report);
    (report.faults.len() == faults).then_some(value)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::super::{parse, render};
    use super::*;

    /// What `text` makes of `old`, and how many faults it has. What is read is written as text that
    /// reads back as the same.
    fn read<T: Value + Clone + Debug + PartialEq>(old: &T, text: &str) -> (T, usize) {
        let (value, faults) = read_once(old, text);
        if faults == 0 && value.write() != Output::Absent {
            let lines = [Line {
                title: None,
                doc: "",
                name: "k".into(),
                value: value.write(),
                comment: false,
            }];
            let written = parse(&render(&lines)).unwrap();
            let mut again = old.clone();
            again.read(written.get("k").unwrap(), &mut Report::default());
            assert_eq!(again, value, "{text}");
        }
        (value, faults)
    }

    fn read_once<T: Value + Clone>(old: &T, text: &str) -> (T, usize) {
        let mut value = old.clone();
        let mut report = Report::default();
        value.read(&parse(text).unwrap(), &mut report);
        (value, report.faults.len())
    }

    #[test]
    fn lists_take_one_or_many() {
        let old = vec!["old".to_owned()];
        assert_eq!(read(&old, "[a, 1]"), (vec!["a".into(), "1".into()], 0));
        assert_eq!(read(&old, "a"), (vec!["a".into()], 0));
        assert_eq!(read(&old, "[]"), (vec![], 0));
        assert_eq!(read(&old, "[a, {}]"), (old.clone(), 1));
        assert_eq!(read(&old, "{}"), (old.clone(), 1));
        assert_eq!(read(&vec![7u16], "[1, x, 70000]"), (vec![7], 2));
        let nested = vec![vec![1u16], vec![2, 3]];
        assert_eq!(read(&Vec::new(), "[1, [2, 3]]"), (nested, 0));
    }

    #[test]
    fn options_are_of_anything() {
        assert_eq!(read(&Some(7u16), "''"), (None, 0));
        assert_eq!(read(&Some(7u16), "8"), (Some(8), 0));
        assert_eq!(read(&Some(7u16), "x"), (Some(7), 1));
        let address = "127.0.0.1:80".parse::<SocketAddr>().ok();
        assert_eq!(read(&None, "127.0.0.1:80"), (address, 0));
        assert_eq!(read(&None, "0.25"), (Some(0.25), 0));
        assert_eq!(read(&None, "[1, 2]"), (Some(vec![1u32, 2]), 0));
        assert_eq!(None::<String>.write(), Output::Absent);
    }

    #[test]
    fn no_duration_is_zero() {
        let old = Some(Duration::from_secs(1));
        assert_eq!(read(&old, "0s"), (None, 0));
        assert_eq!(read(&old, "2s"), (Some(Duration::from_secs(2)), 0));
        assert_eq!(read(&old, "''"), (old, 1));
        let zero = Output::Scalar("0s".to_owned());
        assert_eq!(None::<Duration>.write(), zero);
    }

    #[test]
    fn maps_have_the_operators_own_keys() {
        let map = |pairs: &[(&str, f64)]| -> BTreeMap<String, f64> {
            let own = pairs.iter().map(|(key, value)| ((*key).to_owned(), *value));
            own.collect()
        };
        let old = map(&[("old", 1.0)]);
        assert_eq!(
            read(&old, "{a: 1.5, \"b: c\": 2}"),
            (map(&[("a", 1.5), ("b: c", 2.0)]), 0)
        );
        assert_eq!(read(&old, "{}"), (map(&[]), 0));
        assert_eq!(read(&old, "~"), (map(&[]), 0));
        assert_eq!(read(&old, "{a: x, b: y}"), (old.clone(), 2));
        assert_eq!(read(&old, "[a]"), (old.clone(), 1));
        let deep = BTreeMap::from([("a".to_owned(), vec!["x".to_owned()])]);
        assert_eq!(read_once(&BTreeMap::new(), "{a: [x]}"), (deep, 0));
    }
}
