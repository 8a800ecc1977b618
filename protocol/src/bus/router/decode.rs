//! Reading a registration.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{Register, RouteOptions, Tags};
use crate::bus::liberal::{Names, set, set_number, set_text};

const FIELDS: Names = Names(&[
    "uris",
    "host",
    "port",
    "tls_port",
    "protocol",
    "app",
    "private_instance_id",
    "private_instance_index",
    "server_cert_domain_san",
    "tags",
    "isolation_segment",
    "route_service_url",
    "stale_threshold_in_seconds",
    "endpoint_updated_at_ns",
    "availability_zone",
    "options",
]);

const OPTIONS: Names = Names(&[
    "loadbalancing",
    "hash_header",
    "hash_balance",
    "route_policy_scope",
    "route_policy_sources",
]);

impl<'de> Deserialize<'de> for Register {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RegisterVisitor)
    }
}

struct RegisterVisitor;

impl<'de> Visitor<'de> for RegisterVisitor {
    type Value = Register;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Register, A::Error> {
        let mut message = Register::default();
        while let Some(field) = map.next_key_seed(FIELDS)? {
            let m = &mut message;
            match field {
                Some(0) => {
                    let uris: Option<Vec<Option<String>>> = map.next_value()?;
                    let uris = uris.into_iter().flatten();
                    m.uris = uris.map(Option::unwrap_or_default).collect();
                }
                Some(1) => set(&mut map, &mut m.host)?,
                Some(2) => set(&mut map, &mut m.port)?,
                Some(3) => set(&mut map, &mut m.tls_port)?,
                Some(4) => set(&mut map, &mut m.protocol)?,
                Some(5) => set(&mut map, &mut m.app)?,
                Some(6) => set(&mut map, &mut m.private_instance_id)?,
                Some(7) => set(&mut map, &mut m.private_instance_index)?,
                Some(8) => set(&mut map, &mut m.server_cert_domain_san)?,
                Some(9) => map.next_value_seed(TagsInto(&mut m.tags))?,
                Some(10) => set(&mut map, &mut m.isolation_segment)?,
                Some(11) => set(&mut map, &mut m.route_service_url)?,
                Some(12) => set(&mut map, &mut m.stale_threshold_in_seconds)?,
                Some(13) => set(&mut map, &mut m.endpoint_updated_at_ns)?,
                Some(14) => set(&mut map, &mut m.availability_zone)?,
                Some(15) => map.next_value_seed(OptionsInto(&mut m.options))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(message)
    }
}

/// Adds to the tags that are there already; `null` takes them away.
struct TagsInto<'a>(&'a mut Tags);

impl<'de> DeserializeSeed<'de> for TagsInto<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match Option::<Tags>::deserialize(deserializer)? {
            None => *self.0 = Tags::default(),
            Some(tags) if self.0.is_empty() => *self.0 = tags,
            Some(tags) => tags.iter().for_each(|(key, value)| self.0.push(key, value)),
        }
        Ok(())
    }
}

/// Adds to the options that are there already; `null` says nothing.
struct OptionsInto<'a>(&'a mut RouteOptions);

impl<'de> DeserializeSeed<'de> for OptionsInto<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for OptionsInto<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(options) = self;
        while let Some(field) = map.next_key_seed(OPTIONS)? {
            match field {
                Some(0) => set(&mut map, &mut options.loadbalancing)?,
                Some(1) => set(&mut map, &mut options.hash_header)?,
                Some(2) => set_number(&mut map, &mut options.hash_balance)?,
                Some(3) => set_text(&mut map, &mut options.route_policy_scope)?,
                Some(4) => set_text(&mut map, &mut options.route_policy_sources)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Glimpse;
    use super::*;
    use crate::bus::Message;

    fn decode(text: impl AsRef<[u8]>) -> Register {
        let text = text.as_ref();
        Register::decode(text).unwrap_or_else(|error| panic!("{}: {error}", text.escape_ascii()))
    }

    #[test]
    fn a_key_counts_in_any_case_and_the_last_of_several_counts() {
        let message = decode(
            r#"{"Uris":["a.test"],"URIS":["b.test","c.test"],"host":"x","Host":"y","HOST":null,
            "port":80,"Port":81,"TLS_Port":443,"Private_Instance_ID":"i","protocol":"http1",
            "Stale_Threshold_In_Seconds":9,"Availability_Zone":"z","App":"a","nothing":{"host":1}}"#,
        );
        assert_eq!(message.uris, ["b.test", "c.test"]);
        assert_eq!(
            (&*message.host, message.port, message.tls_port),
            ("y", 81, 443)
        );
        assert_eq!(message.private_instance_id, "i");
        assert_eq!(message.stale_threshold_in_seconds, 9);
        assert_eq!((&*message.availability_zone, &*message.app), ("z", "a"));
    }

    #[test]
    fn objects_that_are_said_twice_add_up() {
        let message = decode(
            r#"{"tags":{"a":"1","b":"1"},"Tags":{"b":"2","B":"3","c":null},
            "options":{"loadbalancing":"hash","Hash_Header":"X-A"},
            "OPTIONS":{"hash_balance":"1.5","HASH_HEADER":"X-B","loadbalancing":null},"options":null}"#,
        );
        let tags = ["a", "b", "B", "c", "d"].map(|key| message.tags.get(key));
        assert_eq!(tags, [Some("1"), Some("2"), Some("3"), Some(""), None]);
        assert_eq!(message.options.loadbalancing, "hash");
        assert_eq!(message.options.hash_header, "X-B");
        assert!((message.options.hash_balance - 1.5).abs() < f64::EPSILON);
        assert!(decode(r#"{"tags":{"a":"1"},"tags":null}"#).tags.is_empty());
    }

    #[test]
    fn what_is_no_text_is_shown_as_such() {
        let message = decode(
            b"{\"uris\":[\"a.test\",null],\"host\":\"x\",\"tags\":{\"app_name\":\"caf\xe9\"},\
            \"app\":\"\\ud83d\",\"x\xff\":\"\xff\"}",
        );
        assert_eq!(message.uris, ["a.test", ""]);
        assert_eq!(message.tags.get("app_name"), Some("caf\u{fffd}"));
        assert_eq!(message.app, "\u{fffd}");
    }

    #[test]
    fn what_is_of_another_type_is_an_error_still() {
        for text in [
            r#"{"port":"80"}"#,
            r#"{"port":80.0}"#,
            r#"{"port":65536}"#,
            r#"{"Port":-1}"#,
            r#"{"host":1}"#,
            r#"{"uris":"a.test"}"#,
            r#"{"uris":[1]}"#,
            r#"{"tags":["a"]}"#,
            r#"{"tags":{"a":1}}"#,
            r#"{"options":[]}"#,
            r#"{"host":"x"} x"#,
            r#"{"host":"x",}"#,
            r#"["a.test"]"#,
            "null",
        ] {
            assert!(Register::decode(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Register::decode(b"{\"host\":\xff}").is_err());
    }

    /// A key in some spelling, and a value for it.
    fn entry() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
        let keys = |keys: &'static [&'static str]| proptest::sample::select(keys);
        let values = |values: &'static [&'static [u8]]| proptest::sample::select(values);
        const TEXTS: &[&[u8]] = &[b"null", b"\"x\"", b"\"\\u0079\"", b"\"z\xff\"", b"\"\""];
        const PORTS: &[&[u8]] = &[b"null", b"0", b"80", b"81"];
        const URIS: &[&[u8]] = &[
            b"null",
            b"[]",
            b"[\"a\"]",
            b"[\"b\",\"c\"]",
            b"[\"\xc3\",null]",
        ];
        const OTHERS: &[&[u8]] = &[b"{\"host\":[\"\xfe\"]}", b"1e999"];
        prop_oneof![
            (keys(&["host", "host", "HOST", "Ho\u{17f}t"]), values(TEXTS)),
            (keys(&["port", "port", "Port"]), values(PORTS)),
            (keys(&["tls_port", "tls_port", "TLS_PORT"]), values(PORTS)),
            (keys(&["uris", "uris", "Uris"]), values(URIS)),
            (keys(&["x", "tags2", "h\u{f6}st"]), values(OTHERS)),
        ]
        .prop_map(|(key, value)| (key, value.to_vec()))
    }

    /// What each entry does to what was said before, one after the other.
    fn expected(entries: &[(&str, Vec<u8>)]) -> Register {
        let mut message = Register::default();
        for (key, value) in entries {
            let text: Option<String> = match &**value {
                b"\"x\"" => Some("x".into()),
                b"\"\\u0079\"" => Some("y".into()),
                b"\"z\xff\"" => Some("z\u{fffd}".into()),
                b"\"\"" => Some(String::new()),
                _ => None,
            };
            let port = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
            match *key {
                "host" | "HOST" | "Ho\u{17f}t" => message.host = text.unwrap_or(message.host),
                "port" | "Port" => message.port = port.unwrap_or(message.port),
                "tls_port" | "TLS_PORT" => message.tls_port = port.unwrap_or(message.tls_port),
                "uris" | "Uris" => {
                    let uris: &[&str] = match &**value {
                        b"[\"a\"]" => &["a"],
                        b"[\"b\",\"c\"]" => &["b", "c"],
                        b"[\"\xc3\",null]" => &["\u{fffd}", ""],
                        _ => &[],
                    };
                    message.uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
                }
                _ => {}
            }
        }
        message
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn every_entry_counts_in_its_turn_and_a_glimpse_never_says_otherwise(
            entries in proptest::collection::vec(entry(), 0..8),
        ) {
            let parts: Vec<Vec<u8>> = entries
                .iter()
                .map(|(key, value)| [b"\"", key.as_bytes(), b"\":", value].concat())
                .collect();
            let text = [b"{", &*parts.join(&b','), b"}"].concat();
            let message = decode(&text);
            prop_assert_eq!(&message, &expected(&entries));
            if let Some(glimpse) = Glimpse::of(&text) {
                prop_assert_eq!(glimpse.uris, message.uris);
                prop_assert_eq!(glimpse.host, message.host);
                prop_assert_eq!(glimpse.port, message.port);
                prop_assert_eq!(glimpse.tls_port, message.tls_port);
            }
        }
    }
}
