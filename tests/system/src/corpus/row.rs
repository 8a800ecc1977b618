//! One row of the corpus.

use serde::Deserialize;

use super::Message;

/// How binding the rule of a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// The RFC leaves no choice.
    Must,
    /// The RFC advises it.
    Should,
    /// The RFC leaves it open; this is what is safest.
    Best,
    /// A proper message: it has to pass.
    Control,
}

/// What has to come of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The router answers, closes, and no byte reaches the backend.
    Reject,
    /// The router answers by itself, and no byte reaches the backend; the message was in order, so
    /// that the connection may stay, in step.
    Answer,
    /// As [`Self::Reject`], but the fault is in the body: the backend may have seen its beginning, and never
    /// a whole request.
    Break,
    /// The backend gets the request and the client the answer, whole; both connections stay in
    /// step.
    Forward,
    /// Either [`Self::Forward`] or [`Self::Break`], by the status.
    Either,
    /// The client gets the answer whole, and the connection to the backend is not used again.
    Deliver,
    /// The client gets a 502, and the connection to the backend is not used again.
    BadGateway,
    /// The client sees that the answer was cut (or gets a 502), and the connection to the backend
    /// is not used again.
    Abort,
    /// The two sides are connected, byte for byte.
    Tunnel,
}

/// What the backend does after its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// It keeps the connection.
    #[default]
    Keep,
    /// It closes.
    Close,
    /// It resets.
    Reset,
}

/// One message, and what may come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name, unique in the corpus.
    pub name: String,
    /// The rule at stake: a section of an RFC, or `house:` and a word for what is our own choice.
    pub rule: String,
    /// How binding the rule is.
    pub level: Level,
    /// What the client sends.
    #[serde(default = "Message::default_send")]
    pub send: Message,
    /// Whether the client closes its sending side then.
    #[serde(default)]
    pub finish: bool,
    /// What the backend answers to each request.
    #[serde(default = "Message::default_reply")]
    pub reply: Message,
    /// What the backend does then.
    #[serde(default)]
    pub then: Then,
    /// What has to come of it.
    pub verdict: Verdict,
    /// The status the client may get, one of these.
    #[serde(default)]
    pub status: Vec<u16>,
    /// How many requests are in `send`.
    #[serde(default = "one")]
    pub requests: usize,
    /// How many of them are answered before the one that is refused.
    #[serde(default)]
    pub after: usize,
    /// Whether the client's connection ends after the answer.
    #[serde(default)]
    pub closes: bool,
    /// The first lines of the requests that the backend gets.
    #[serde(default)]
    pub backend_lines: Vec<String>,
    /// Fields that the first of them has exactly once, `Name: value`; or a `Name` that it has.
    #[serde(default)]
    pub backend_has: Vec<String>,
    /// What is nowhere in the bytes that the backend gets, letter case aside.
    #[serde(default)]
    pub backend_lacks: Vec<String>,
    /// The content of the first request, without framing.
    pub backend_body: Option<Message>,
    /// The trailers of the first request, all of them.
    pub backend_trailers: Option<Vec<String>>,
    /// Fields that the answer has exactly once, `Name: value`; or a `Name` that it has.
    #[serde(default)]
    pub client_has: Vec<String>,
    /// What is nowhere in the bytes that the client gets, letter case aside.
    #[serde(default)]
    pub client_lacks: Vec<String>,
    /// The content of the answer, without framing.
    pub client_body: Option<Message>,
    /// The trailers of the answer, all of them.
    pub client_trailers: Option<Vec<String>>,
    /// The status of each interim response before the answer.
    pub interim: Option<Vec<u16>>,
    /// Fields of the first interim response.
    #[serde(default)]
    pub client_has_interim: Vec<String>,
}

const fn one() -> usize {
    1
}

impl Row {
    /// The status the client may get.
    #[must_use]
    pub fn statuses(&self) -> &[u16] {
        match self.verdict {
            _ if !self.status.is_empty() => &self.status,
            Verdict::BadGateway => &[502],
            Verdict::Abort => &[200, 502],
            _ => &[200],
        }
    }

    /// What is wrong with the row itself.
    #[must_use]
    pub fn nonsense(&self) -> Option<&'static str> {
        let says_no = matches!(
            self.verdict,
            Verdict::Reject | Verdict::Break | Verdict::Either
        );
        let answers = matches!(self.verdict, Verdict::Forward | Verdict::Deliver);
        if !self.rule.starts_with("RFC ") && !self.rule.starts_with("house: ") {
            Some("no rule")
        } else if says_no && self.status.is_empty() {
            Some("no status to refuse with")
        } else if self.level == Level::Control && !answers && self.verdict != Verdict::Tunnel {
            Some("a control that does not pass")
        } else if self.verdict == Verdict::Reject && !self.backend_lines.is_empty() {
            Some("a refused request that reaches the backend")
        } else {
            None
        }
    }
}
