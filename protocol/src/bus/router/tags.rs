//! Labels of a registration.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// A small map of text to text, in the order of the message, in two allocations.
///
/// Registrations arrive by the thousand a second, nearly all of them renewals whose tags are
/// compared and forgotten: a tree of strings would be most of the work.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tags {
    text: String,
    /// Where each key and each value ends in `text`, by turns.
    ends: Vec<usize>,
}

impl Tags {
    /// Adds a tag. A key given twice counts with its last value.
    pub fn push(&mut self, key: &str, value: &str) {
        for part in [key, value] {
            self.text.push_str(part);
            self.ends.push(self.text.len());
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter()
            .filter(|(name, _)| *name == key)
            .map(|(_, value)| value)
            .last()
    }

    /// All pairs as they were given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.chunks_exact(2).map(move |ends| {
            let key = &self.text[start..ends[0]];
            let value = &self.text[ends[0]..ends[1]];
            start = ends[1];
            (key, value)
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut tags = Self::default();
        for (key, value) in pairs {
            tags.push(key.as_ref(), value.as_ref());
        }
        tags
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TagsVisitor)
    }
}

struct TagsVisitor;

impl<'de> Visitor<'de> for TagsVisitor {
    type Value = Tags;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tags, A::Error> {
        // Room for what most registrations carry, so that it is found in one go.
        let mut tags = Tags {
            text: String::with_capacity(384),
            ends: Vec::with_capacity(16),
        };
        while map.next_key_seed(Part(&mut tags))?.is_some() {
            map.next_value_seed(Part(&mut tags))?;
        }
        Ok(tags)
    }
}

/// Appends one key or value without a string of its own.
struct Part<'a>(&'a mut Tags);

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, part: &str) -> Result<(), E> {
        self.0.text.push_str(part);
        self.0.ends.push(self.0.text.len());
        Ok(())
    }

    /// `null` as a value is the empty text.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.visit_str("")
    }
}
