//! How the programs of a Cloud Foundry find each other: each announces itself, and answers who asks.

use serde::{Deserialize, Serialize};

use super::subject::{Subject, json_message};

/// Where a program says that it has started.
pub static COMPONENT_ANNOUNCE: Subject<Announcement> = Subject::new("vcap.component.announce");

/// Where somebody asks who is there; each program answers with its [`Announcement`].
pub static COMPONENT_DISCOVER: Subject<Discover> = Subject::new("vcap.component.discover");

/// Who a program is and where it can be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Announcement {
    /// The kind of program: `Router`, `DEA`, `CloudController`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which of its kind.
    pub index: u32,
    /// Its index and a random id.
    pub uuid: String,
    /// Its admin listener, `address:port`.
    pub host: String,
    /// The user and the password there; empty when there are none.
    pub credentials: Vec<String>,
    /// When it started: `2026-01-31 23:59:59 +0000`.
    pub start: String,
    /// How long ago that was: `0d:0h:1m:2s`.
    pub uptime: String,
}

/// A question without content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discover;

json_message!(derived Announcement);

impl super::Message for Discover {
    fn decode(_payload: &[u8]) -> Result<Self, super::DecodeError> {
        Ok(Self)
    }

    fn encode(&self) -> Vec<u8> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Message as _;

    #[test]
    fn an_announcement_has_the_names_of_the_wire() {
        let ours = Announcement {
            kind: "Router".to_owned(),
            index: 1,
            uuid: "1-ab".to_owned(),
            host: "10.0.0.1:8082".to_owned(),
            credentials: vec!["u".to_owned(), "p".to_owned()],
            start: "2026-01-31 23:59:59 +0000".to_owned(),
            uptime: "0d:0h:1m:2s".to_owned(),
        };
        let text = "{\"type\":\"Router\",\"index\":1,\"uuid\":\"1-ab\",\"host\":\"10.0.0.1:8082\",\
                    \"credentials\":[\"u\",\"p\"],\"start\":\"2026-01-31 23:59:59 +0000\",\
                    \"uptime\":\"0d:0h:1m:2s\"}";
        assert_eq!(String::from_utf8(ours.encode()).unwrap(), text);
        assert_eq!(Announcement::decode(text.as_bytes()).unwrap(), ours);
        assert_eq!(
            Announcement::decode(b"{}").unwrap(),
            Announcement::default()
        );
        assert_eq!(Discover::decode(b"whatever"), Ok(Discover));
    }
}
