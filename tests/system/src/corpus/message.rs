//! Bytes as a row writes them.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use tests_kit::bytes;

/// The host that stands for a row's own in its bytes.
const HOST: &[u8] = b"site.test";

/// The bytes of a message, with `HOST` for the host of whichever row is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message(Vec<u8>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Pieces(Vec<Piece>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Piece {
    Text(String),
    Run { repeat: String, times: usize },
}

impl Message {
    /// What a row's client sends unless it says otherwise.
    #[must_use]
    pub fn default_send() -> Self {
        Self(b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n".to_vec())
    }

    /// What a row's backend answers unless the row says otherwise.
    #[must_use]
    pub fn default_reply() -> Self {
        Self(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec())
    }

    /// The bytes as written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes with the four letters `site` of the host, in any case, replaced. The length
    /// stays, so that no row has to know what its host is.
    #[must_use]
    pub fn with_host(&self, letters: &str) -> Vec<u8> {
        swap(&self.0, HOST, letters.as_bytes())
    }

    /// The first word, which is the method of a request.
    #[must_use]
    pub fn method(&self) -> String {
        let start = self
            .0
            .iter()
            .position(|byte| !b"\r\n".contains(byte))
            .unwrap_or(0);
        bytes::text(
            self.0[start..]
                .split(|byte| *byte == b' ')
                .next()
                .unwrap_or_default(),
        )
    }
}

/// Undoes [`Message::with_host`] in what was seen.
#[must_use]
pub(super) fn without_host(seen: &[u8], letters: &str) -> Vec<u8> {
    swap(seen, format!("{letters}.test").as_bytes(), &HOST[..4])
}

fn swap(text: &[u8], host: &[u8], letters: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    let mut from = 0;
    while let Some(at) = bytes::find_ignoring_case(&text[from..], host) {
        from += at;
        text[from..from + letters.len()].copy_from_slice(letters);
        from += host.len();
    }
    text
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pieces = match Written::deserialize(deserializer)? {
            Written::Text(text) => vec![Piece::Text(text)],
            Written::Pieces(pieces) => pieces,
        };
        let mut message = Vec::new();
        for piece in pieces {
            let (text, times) = match piece {
                Piece::Text(text) => (text, 1),
                Piece::Run { repeat, times } => (repeat, times),
            };
            let bytes = bytes::from_text(&text)
                .ok_or_else(|| D::Error::custom("a character above U+00FF is no byte"))?;
            message.extend(bytes.repeat(times));
        }
        Ok(Self(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Message {
        #[derive(Deserialize)]
        struct File {
            send: Message,
        }
        toml::from_str::<File>(text).unwrap().send
    }

    #[test]
    fn a_character_is_a_byte_and_runs_are_repeated() {
        assert_eq!(
            parse(r#"send = "a\r\n\u0000\u00ff""#).bytes(),
            b"a\r\n\0\xff"
        );
        let pieces = r#"send = ["a", { repeat = "bc", times = 3 }, "d"]"#;
        assert_eq!(parse(pieces).bytes(), b"abcbcbcd");
    }

    #[test]
    fn the_host_is_swapped_in_any_case_and_back() {
        let message = Message(b"Host: site.test, SITE.Test, sitetest".to_vec());
        assert_eq!(
            message.with_host("w017"),
            b"Host: w017.test, w017.Test, sitetest"
        );
        assert_eq!(without_host(b"a w017.test", "w017"), b"a site.test");
    }

    #[test]
    fn the_method_is_the_first_word() {
        assert_eq!(Message(b"\r\nHEAD / HTTP/1.1".to_vec()).method(), "HEAD");
    }
}
