//! The place where rows are played: a router, and one backend that stands for all of theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tests_kit::{Backend, Conversation, eventually, script};

use super::play::SILENCE;
use super::{Manner, Row, Then};
use crate::corpus::message::Message;

/// One row in one manner: its host and its backend's address, shared with no other.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The four letters that stand for `site` in `site.test`.
    pub letters: String,
    /// Where its backend listens.
    pub backend: SocketAddr,
    /// What is played.
    pub row: Arc<Row>,
    /// In which manner.
    pub manner: Manner,
}

impl Seat {
    /// The host that the router has to know.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}.test", self.letters)
    }
}

/// The backend of every row. It listens once, on all loopback addresses; each seat has an address
/// of its own, by which the script knows what to say.
#[derive(Debug)]
pub struct Stage {
    /// The backend.
    pub backend: Backend,
    /// Every row in every manner.
    pub seats: Vec<Seat>,
    said: Arc<Said>,
}

/// The addresses of seats whose answer has been said to its end.
#[derive(Debug, Default)]
struct Said(Mutex<BTreeSet<IpAddr>>);

impl Said {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<IpAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage {
    /// Seats for every row, whole and byte by byte.
    #[must_use]
    pub fn new(rows: Vec<Row>) -> Self {
        let rows: Vec<Arc<Row>> = rows.into_iter().map(Arc::new).collect();
        let mut cast = Vec::new();
        for (manner, letter, net) in [(Manner::Whole, 'w', 1), (Manner::ByteByByte, 'b', 2)] {
            for (number, row) in (0_u16..).zip(&rows) {
                let [high, low] = number.to_be_bytes();
                let address = IpAddr::V4(Ipv4Addr::new(127, net, high, low));
                cast.push((
                    address,
                    format!("{letter}{number:03x}"),
                    Arc::clone(row),
                    manner,
                ));
            }
        }
        let lines: BTreeMap<IpAddr, (Arc<Row>, Manner)> = cast
            .iter()
            .map(|(at, _, row, manner)| (*at, (Arc::clone(row), *manner)))
            .collect();
        let said = Arc::new(Said::default());
        let saying = Arc::clone(&said);
        let backend = Backend::on(
            "0.0.0.0:0",
            move |conversation: &mut Conversation| match lines.get(&conversation.to().ip()) {
                Some((row, manner)) => perform(row, *manner, conversation, &saying),
                None => Ok(()),
            },
        );
        let port = backend.address().port();
        let seats = cast
            .into_iter()
            .map(|(address, letters, row, manner)| Seat {
                letters,
                backend: SocketAddr::new(address, port),
                row,
                manner,
            })
            .collect();
        Self {
            backend,
            seats,
            said,
        }
    }

    /// Waits until the backend of a seat has said all of an answer, the bytes after it included.
    pub(super) fn wait_until_said(&self, seat: &Seat) -> bool {
        eventually(SILENCE, || self.said.lock().contains(&seat.backend.ip()))
    }
}

/// The target of the request that asks whether a connection is still in step.
pub(super) const PROBE: &str = "/probe";

/// What a probe is answered with: nothing another seat or a row's own answer could be taken for.
pub(super) fn probe_answer(backend: SocketAddr) -> String {
    format!("in step with {}", backend.ip())
}

/// The backend's part of a row: its answer to every request of the row, and to probes theirs.
fn perform(
    row: &Row,
    manner: Manner,
    conversation: &mut Conversation,
    saying: &Said,
) -> io::Result<()> {
    conversation.wire()?.set_patience(SILENCE)?;
    loop {
        let request = conversation.request()?;
        if request.head.target() == PROBE {
            conversation.send(script::ok(&probe_answer(conversation.to())))?;
            continue;
        }
        let said = say(&row.reply, manner, conversation);
        saying.lock().insert(conversation.to().ip());
        said?;
        match row.then {
            Then::Keep if row.reply.bytes().starts_with(b"HTTP/1.1 101") => {
                return conversation.echo();
            }
            Then::Keep => {}
            Then::Close => return conversation.finish(),
            Then::Reset => {
                conversation.reset();
                return Ok(());
            }
        }
    }
}

fn say(reply: &Message, manner: Manner, conversation: &mut Conversation) -> io::Result<()> {
    match manner {
        Manner::Whole => conversation.send(reply.bytes()),
        Manner::ByteByByte => conversation.wire()?.send_byte_by_byte(reply.bytes()),
    }
}
