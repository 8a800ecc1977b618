//! A look at a registration without taking it apart.

use serde::Deserialize;

/// What a [`Register`](super::Register) message claims, and nothing else it says. Its texts lie in
/// the message: nothing is copied.
///
/// For readers that know the message already. Whatever is unusual about one (an escaped character,
/// a field twice, another type) is an error here, and no error of the message.
#[derive(Debug, Deserialize)]
pub struct Glimpse<'a> {
    /// Host names, perhaps with a path.
    #[serde(borrow)]
    pub uris: Vec<&'a str>,
    /// Address or name of the backend.
    pub host: &'a str,
    /// Port for plaintext.
    #[serde(default)]
    pub port: u16,
    /// Port for TLS; takes the place of `port` when it is not 0.
    #[serde(default)]
    pub tls_port: u16,
}

impl<'a> Glimpse<'a> {
    /// Looks at a message; nothing when it has to be read properly.
    #[must_use]
    pub fn of(payload: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
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
            br#"{"uris":null,"host":"10.0.0.1"}"#,
            br#"{"host":"10.0.0.1"}"#,
            b"{",
        ] {
            let text = String::from_utf8_lossy(unusual);
            assert!(Glimpse::of(unusual).is_none(), "{text}");
        }
    }
}
