//! Tags of an endpoint, packed.
//!
//! A table of 100,000 routes keeps as many sets of tags, nearly all of them the same few keys with
//! GUIDs as values, and reads them almost never. So a well-known key takes half a byte, a GUID
//! sixteen bytes, and a value that repeats the app's or the instance's id nothing.

use std::fmt;

use protocol::bus::Tags;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use uuid::Uuid;

/// Keys with a number; their order is part of the snapshot's format.
const KEYS: [&str; 12] = [
    "component",
    "process_id",
    "process_instance_id",
    "process_type",
    "app_id",
    "app_name",
    "space_id",
    "space_name",
    "organization_id",
    "organization_name",
    "instance_id",
    "source_id",
];

/// In place of a key's number: the key follows.
const OTHER_KEY: u8 = 15;

const TEXT: u8 = 0 << 4;
const GUID: u8 = 1 << 4;
const APP: u8 = 2 << 4;
const INSTANCE: u8 = 3 << 4;

/// The longest hyphenated form.
const GUID_LEN: usize = 36;

/// One byte for each tag (kind of value, number of key), then the key if it has no number, then
/// the value. Text has its length before it, in two bytes.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct PackedTags(Box<[u8]>);

impl PackedTags {
    /// Packs `tags`; `None` when a key or value is longer than 65,535 bytes.
    pub(super) fn pack(tags: Option<&Tags>, app: &str, instance_id: &str) -> Option<Self> {
        // A GUID with its head, for each of as many tags as there mostly are.
        let mut packed = Vec::with_capacity(tags.map_or(0, |_| 8 * 17));
        for (key, value) in tags.into_iter().flat_map(Tags::iter) {
            let number = KEYS.iter().position(|known| *known == key);
            let number = number
                .and_then(|n| u8::try_from(n).ok())
                .unwrap_or(OTHER_KEY);
            let guid = parse_guid(value);
            let kind = match value {
                "" => TEXT,
                _ if value == app => APP,
                _ if value == instance_id => INSTANCE,
                _ if guid.is_some() => GUID,
                _ => TEXT,
            };
            packed.push(kind | number);
            if number == OTHER_KEY {
                push_text(&mut packed, key)?;
            }
            match (kind, guid) {
                (TEXT, _) => push_text(&mut packed, value)?,
                (GUID, Some(guid)) => packed.extend_from_slice(guid.as_bytes()),
                _ => {}
            }
        }
        // Copied, not shrunk in place: allocators keep what is too small to give back.
        Some(Self(packed.as_slice().into()))
    }

    /// Its bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// All tags, in the order of the message. `app` and `instance_id` as when packing.
    pub(super) fn iter<'a>(&'a self, app: &'a str, instance_id: &'a str) -> Unpack<'a> {
        Unpack {
            rest: &self.0,
            app,
            instance_id,
        }
    }

    /// Takes bytes as they were packed; `None` when they cannot be such.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut unpack = Unpack {
            rest: bytes,
            app: "",
            instance_id: "",
        };
        while !unpack.rest.is_empty() {
            unpack.next()?;
        }
        Some(Self(bytes.into()))
    }
}

impl Serialize for PackedTags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for PackedTags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        Self::from_bytes(bytes).ok_or_else(|| D::Error::custom("these are no tags"))
    }
}

impl fmt::Debug for PackedTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedTags({} bytes)", self.0.len())
    }
}

/// See [`PackedTags::iter`].
pub(super) struct Unpack<'a> {
    rest: &'a [u8],
    app: &'a str,
    instance_id: &'a str,
}

impl<'a> Unpack<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = self.take(2)?;
        let len = usize::from(u16::from_le_bytes([len[0], len[1]]));
        std::str::from_utf8(self.take(len)?).ok()
    }
}

impl<'a> Iterator for Unpack<'a> {
    type Item = (&'a str, TagValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let head = self.take(1)?[0];
        let key = match head & 0x0f {
            OTHER_KEY => self.text()?,
            number => KEYS.get(usize::from(number))?,
        };
        let value = match head & 0xf0 {
            TEXT => TagValue(Value::Text(self.text()?)),
            GUID => TagValue::guid(self.take(16)?.try_into().ok()?),
            APP => TagValue(Value::Text(self.app)),
            INSTANCE => TagValue(Value::Text(self.instance_id)),
            _ => return None,
        };
        Some((key, value))
    }
}

/// The value of a tag.
#[derive(Clone, Copy)]
pub struct TagValue<'a>(Value<'a>);

#[derive(Clone, Copy)]
enum Value<'a> {
    Text(&'a str),
    Guid([u8; GUID_LEN]),
}

impl TagValue<'_> {
    fn guid(bytes: [u8; 16]) -> Self {
        let mut text = [0; GUID_LEN];
        Uuid::from_bytes(bytes).hyphenated().encode_lower(&mut text);
        Self(Value::Guid(text))
    }

    /// The value as it was registered.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Value::Text(text) => text,
            Value::Guid(guid) => std::str::from_utf8(guid).unwrap_or_default(),
        }
    }
}

impl fmt::Debug for TagValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Reads a GUID if `text` is exactly how it would be written again.
fn parse_guid(text: &str) -> Option<Uuid> {
    if text.len() != GUID_LEN || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    Uuid::try_parse(text).ok()
}

fn push_text(packed: &mut Vec<u8>, text: &str) -> Option<()> {
    let len = u16::try_from(text.len()).ok()?;
    packed.extend_from_slice(&len.to_le_bytes());
    packed.extend_from_slice(text.as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const APP_GUID: &str = "9f4d4f0c-43a6-4f76-bd51-1a1f7dc2a2d6";

    fn packed_len(key: &str, value: &str) -> usize {
        let tags = [(key, value)].into_iter().collect();
        PackedTags::pack(Some(&tags), APP_GUID, "i-0")
            .unwrap()
            .0
            .len()
    }

    #[test]
    fn small_where_it_counts() {
        assert_eq!(packed_len("app_id", APP_GUID), 1);
        assert_eq!(packed_len("instance_id", "i-0"), 1);
        assert_eq!(
            packed_len("space_id", "0f4d4f0c-43a6-4f76-bd51-1a1f7dc2a2d6"),
            17
        );
        assert_eq!(
            packed_len("space_id", "0F4D4F0C-43A6-4F76-BD51-1A1F7DC2A2D6"),
            39
        );
        assert_eq!(packed_len("color", "blue"), 1 + 7 + 6);
    }

    #[test]
    fn a_value_too_long_to_pack_is_refused() {
        let tags = [("k", "v".repeat(65_536))].into_iter().collect();
        assert_eq!(PackedTags::pack(Some(&tags), "", ""), None);
    }

    proptest! {
        #[test]
        fn unpacks_to_what_was_packed(
            pairs in proptest::collection::vec(
                (
                    prop_oneof![proptest::sample::select(&KEYS[..]).prop_map(str::to_owned), ".*"],
                    prop_oneof![
                        Just(APP_GUID.to_owned()),
                        Just("i-0".to_owned()),
                        any::<[u8; 16]>().prop_map(|b| Uuid::from_bytes(b).to_string()),
                        ".*",
                    ],
                ),
                0..8,
            )
        ) {
            let tags: Tags = pairs.iter().map(|(k, v)| (k, v)).collect();
            let packed = PackedTags::pack(Some(&tags), APP_GUID, "i-0").unwrap();
            let unpacked: Vec<_> = packed
                .iter(APP_GUID, "i-0")
                .map(|(key, value)| (key.to_owned(), value.as_str().to_owned()))
                .collect();
            prop_assert_eq!(unpacked, pairs);
            prop_assert_eq!(PackedTags::from_bytes(&packed.0), Some(packed.clone()));
        }

        #[test]
        fn damaged_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(packed) = PackedTags::from_bytes(&bytes) {
                packed.iter("a", "b").count();
            }
        }
    }
}
