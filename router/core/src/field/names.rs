//! Names of fields that an operator chose.

use std::cmp::Ordering;
use std::sync::Arc;

/// A set of field names, any case. An empty one is asked and copied at no cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldNames(Option<Arc<Names>>);

#[derive(Debug, PartialEq, Eq)]
struct Names {
    /// In lower case, the short ones first.
    sorted: Vec<Box<str>>,
    /// A bit for each length that occurs; lengths that differ by 64 share theirs.
    lengths: u64,
}

impl FieldNames {
    /// The set of `names`.
    #[must_use]
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let lower = |name: &str| name.to_ascii_lowercase().into_boxed_str();
        let mut sorted: Vec<Box<str>> = names.into_iter().map(lower).collect();
        if sorted.is_empty() {
            return Self(None);
        }
        sorted.sort_by(|a, b| order(a, b.as_bytes()));
        sorted.dedup();
        let lengths = sorted.iter().fold(0, |bits, name| bits | bit(name.len()));
        Self(Some(Arc::new(Names { sorted, lengths })))
    }

    /// Whether it has a name. What this costs grows with the name, and hardly with the set.
    #[inline]
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|names| names.contains(name))
    }

    /// Whether it has none.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Names {
    fn contains(&self, name: &[u8]) -> bool {
        self.lengths & bit(name.len()) != 0
            && self
                .sorted
                .binary_search_by(|known| order(known, name))
                .is_ok()
    }
}

const fn bit(length: usize) -> u64 {
    1 << (length % 64)
}

/// How a name in lower case stands to one in any case.
fn order(known: &str, name: &[u8]) -> Ordering {
    let lower = name.iter().map(u8::to_ascii_lowercase);
    known
        .len()
        .cmp(&name.len())
        .then_with(|| known.bytes().cmp(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        let names = FieldNames::new(["X-Powered-By", "server", "Via", "x-a"]);
        for name in ["x-powered-by", "SERVER", "via", "X-A"] {
            assert!(names.contains(name.as_bytes()), "{name}");
        }
        for name in ["", "x-b", "serves", "x-powered-bye", "vi"] {
            assert!(!names.contains(name.as_bytes()), "{name}");
        }
        assert!(FieldNames::new([]).is_empty());
        assert!(!FieldNames::default().contains(b"via"));
    }

    #[test]
    fn many_names_are_found_and_lengths_that_share_a_bit_told_apart() {
        let long: Vec<String> = (0..200).map(|length| "n".repeat(length + 1)).collect();
        let even = long.iter().step_by(2).map(String::as_str);
        let names = FieldNames::new(even);
        for (index, name) in long.iter().enumerate() {
            assert_eq!(names.contains(name.as_bytes()), index % 2 == 0, "{index}");
        }
    }
}
