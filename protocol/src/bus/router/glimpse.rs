//! A look at a registration without taking it apart.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::bus::liberal::means;

/// What a [`Register`](super::Register) message claims, and nothing else it says. Its texts lie in
/// the message: nothing is copied.
///
/// For readers that know the message already. Whatever is unusual about one (an escaped character,
/// a field twice or in another case, another type) is left to them.
#[derive(Debug)]
pub struct Glimpse<'a> {
    /// Host names, perhaps with a path.
    pub uris: Vec<&'a str>,
    /// Address or name of the backend.
    pub host: &'a str,
    /// Port for plaintext.
    pub port: u16,
    /// Port for TLS; takes the place of `port` when it is not 0.
    pub tls_port: u16,
}

impl<'a> Glimpse<'a> {
    /// Looks at a message; nothing when it has to be read properly.
    #[must_use]
    pub fn of(payload: &'a [u8]) -> Option<Self> {
        let Fields {
            uris,
            host,
            port,
            tls_port,
        } = serde_json::from_slice(payload).ok()?;
        Some(Self {
            uris: uris?,
            host: host?,
            port: port.unwrap_or_default(),
            tls_port: tls_port.unwrap_or_default(),
        })
    }
}

/// What has been seen of a message.
#[derive(Default)]
struct Fields<'a> {
    uris: Option<Vec<&'a str>>,
    host: Option<&'a str>,
    port: Option<u16>,
    tls_port: Option<u16>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "uris" => once(&mut map, &mut fields.uris)?,
                "host" => once(&mut map, &mut fields.host)?,
                "port" => once(&mut map, &mut fields.port)?,
                "tls_port" => once(&mut map, &mut fields.tls_port)?,
                key if NAMES.iter().any(|name| means(key, name)) => {
                    return Err(A::Error::custom("spelled unusually"));
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(fields)
    }
}

const NAMES: [&str; 4] = ["uris", "host", "port", "tls_port"];

fn once<'de, A, T>(map: &mut A, field: &mut Option<T>) -> Result<(), A::Error>
where
    A: MapAccess<'de>,
    T: Deserialize<'de>,
{
    match field.replace(map.next_value()?) {
        None => Ok(()),
        Some(_) => Err(A::Error::custom("said twice")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_seen_and_what_is_not_is_left_to_others() {
        let message =
            br#"{"uris":["a.test","b.test/x"],"host":"10.0.0.1","port":80,"tags":{"a":"b"},
            "options":{"hash_balance":"1.5"},"private_instance_id":"\u0061"}"#;
        let glimpse = Glimpse::of(message).unwrap();
        assert_eq!(glimpse.uris, ["a.test", "b.test/x"]);
        assert_eq!(
            (glimpse.host, glimpse.port, glimpse.tls_port),
            ("10.0.0.1", 80, 0)
        );
        for unusual in [
            &br#"{"uris":["\u0061.test"],"host":"10.0.0.1","port":80}"#[..],
            br#"{"uris":["a.test"],"host":"10.0.0.1","port":"80"}"#,
            br#"{"uris":["a.test"],"uris":["b.test"],"host":"10.0.0.1"}"#,
            br#"{"uris":["a.test"],"host":"10.0.0.1","Host":"10.0.0.2"}"#,
            br#"{"uris":["a.test"],"host":"10.0.0.1","por\u0074":81}"#,
            br#"{"uris":null,"host":"10.0.0.1"}"#,
            br#"{"host":"10.0.0.1"}"#,
            b"{",
        ] {
            let text = String::from_utf8_lossy(unusual);
            assert!(Glimpse::of(unusual).is_none(), "{text}");
        }
    }
}
