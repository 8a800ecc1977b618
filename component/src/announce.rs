//! A program makes itself known on the bus, and answers who asks which programs are there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bus::{Bus, BusError};
use protocol::bus::{Announcement, COMPONENT_ANNOUNCE, COMPONENT_DISCOVER};
use time::OffsetDateTime;

use crate::admin::Credentials;
use crate::calendar::calendar;

/// Who a program is.
#[derive(Clone, Debug)]
pub struct Identity {
    kind: String,
    index: u32,
    uuid: String,
    host: String,
    credentials: Vec<String>,
    start: String,
    since: Instant,
}

impl Identity {
    /// The program of `kind` and `index` that starts now and whose admin listener is `host`. `id` is
    /// random.
    #[must_use]
    pub fn new(
        kind: &str,
        index: u32,
        id: u128,
        host: SocketAddr,
        credentials: Option<&Credentials>,
    ) -> Self {
        let both = |known: &Credentials| {
            let password = known.password.reveal().to_owned();
            vec![known.user.clone(), password]
        };
        Self {
            kind: kind.to_owned(),
            index,
            uuid: format!("{index}-{id:032x}"),
            host: host.to_string(),
            credentials: credentials.map(both).unwrap_or_default(),
            start: calendar(OffsetDateTime::now_utc().unix_timestamp(), ' ', " +0000"),
            since: Instant::now(),
        }
    }

    /// Returns what the program says of itself now.
    #[must_use]
    pub fn announcement(&self) -> Announcement {
        Announcement {
            kind: self.kind.clone(),
            index: self.index,
            uuid: self.uuid.clone(),
            host: self.host.clone(),
            credentials: self.credentials.clone(),
            start: self.start.clone(),
            uptime: uptime(self.since.elapsed()),
        }
    }
}

/// Announces the program whenever the bus is there anew, and answers every question, until it is
/// dropped or the client of the bus ends.
///
/// # Errors
/// The client of the bus has ended.
pub async fn announce(bus: &Bus, identity: &Identity) -> Result<(), BusError> {
    let mut questions = bus.subscribe(&COMPONENT_DISCOVER).await?;
    let mut events = bus.events();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(bus::Event::Connected { .. }) => {
                    let announcement = identity.announcement();
                    if let Err(error) = bus.publish(&COMPONENT_ANNOUNCE, &announcement).await {
                        tracing::warn!(%error, "not-announced");
                    }
                }
                Some(_) => {}
                None => return Err(BusError::Closed),
            },
            question = questions.next() => match question {
                Some(question) => {
                    if let Err(error) = bus.reply(&question, &identity.announcement()).await {
                        tracing::debug!(%error, "discovery-not-answered");
                    }
                }
                None => return Err(BusError::Closed),
            },
        }
    }
}

fn uptime(since: Duration) -> String {
    let seconds = since.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    format!(
        "{days}d:{}h:{}m:{}s",
        hours % 24,
        minutes % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use bus::Hub;
    use protocol::bus::Discover;

    use super::*;
    use crate::secret::Secret;

    #[test]
    fn times_are_written_as_on_the_wire() {
        let start = calendar(1_769_903_999, ' ', " +0000");
        assert_eq!(start, "2026-01-31 23:59:59 +0000");
        for (seconds, text) in [
            (0, "0d:0h:0m:0s"),
            (62, "0d:0h:1m:2s"),
            (200_000, "2d:7h:33m:20s"),
        ] {
            assert_eq!(uptime(Duration::from_secs(seconds)), text);
        }
    }

    #[tokio::test]
    async fn a_program_announces_itself_and_answers_who_asks() {
        let hub = Hub::default();
        let (ours, theirs) = (Bus::in_memory(&hub, 8), Bus::in_memory(&hub, 8));
        let mut heard = theirs.subscribe(&COMPONENT_ANNOUNCE).await.unwrap();
        let user = Credentials {
            user: "u".to_owned(),
            password: Secret::new("p"),
        };
        let host = "10.0.0.1:80".parse().unwrap();
        let identity = Identity::new("Test", 2, 0xab, host, Some(&user));
        let asked = async {
            let said = heard.next().await.unwrap();
            let wait = Duration::from_secs(10);
            let answer = theirs.request(&COMPONENT_DISCOVER, &Discover, wait).await;
            let answer: Announcement = answer.unwrap();
            (said.decode().unwrap(), answer)
        };
        let (said, answer) = tokio::select! {
            both = asked => both,
            ended = announce(&ours, &identity) => panic!("{ended:?}"),
        };
        assert_eq!((said.kind.as_str(), said.index), ("Test", 2));
        assert_eq!(said.uuid, "2-000000000000000000000000000000ab");
        assert_eq!(
            (answer.host, answer.credentials),
            (said.host, said.credentials)
        );
        assert_eq!(answer.start, said.start);
    }
}
