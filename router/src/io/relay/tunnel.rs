//! Two connections joined byte for byte, after a backend has switched protocols.

use std::task::{Context, Poll};

use router_core::http1::framing::BodyLength;

use super::{Broken, Relay, Tools};
use crate::io::buffers::Buffer;
use crate::io::socket::Socket;

/// Both directions of an upgraded connection. The end of one is passed on and leaves the other open.
#[derive(Debug)]
pub(crate) struct Tunnel {
    upward: Direction,
    downward: Direction,
}

/// Whose connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client's.
    Client,
    /// The backend's.
    Backend,
}

#[derive(Debug)]
struct Direction {
    relay: Relay,
    finished: bool,
}

impl Tunnel {
    /// Joins them. `upward` and `downward` are bytes that came behind the heads.
    #[must_use]
    pub(crate) fn new(upward: Option<Buffer>, downward: Option<Buffer>) -> Self {
        Self {
            upward: Direction::new(upward),
            downward: Direction::new(downward),
        }
    }

    /// Bytes from the client, and to it.
    #[must_use]
    pub(crate) const fn moved(&self) -> (u64, u64) {
        (self.upward.relay.moved(), self.downward.relay.moved())
    }

    /// Whether one direction has ended and the other has not.
    #[must_use]
    pub(crate) const fn is_half_closed(&self) -> bool {
        self.upward.finished != self.downward.finished
    }

    /// Moves bytes both ways until both have ended.
    ///
    /// # Errors
    /// The first side that fails ends both.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &Socket,
        backend: &Socket,
        tools: &Tools,
    ) -> Poll<Result<(), Side>> {
        let up = self.upward.poll(cx, client, backend, tools);
        let up = up.map_err(|broken| broke(&broken, Side::Client, Side::Backend))?;
        let down = self.downward.poll(cx, backend, client, tools);
        let down = down.map_err(|broken| broke(&broken, Side::Backend, Side::Client))?;
        if up.is_ready() && down.is_ready() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}

/// Whose connection broke, when bytes go from `from` to `to`.
const fn broke(broken: &Broken, from: Side, to: Side) -> Side {
    match broken {
        Broken::Sink => to,
        Broken::Source | Broken::Malformed(_) | Broken::TooLong => from,
    }
}

impl Direction {
    fn new(first: Option<Buffer>) -> Self {
        Self {
            relay: Relay::new(BodyLength::UntilClose, false, first, 0, u64::MAX),
            finished: false,
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &Socket,
        to: &Socket,
        tools: &Tools,
    ) -> Poll<Result<(), Broken>> {
        if self.finished {
            return Poll::Ready(Ok(()));
        }
        let ended = self.relay.poll(cx, from, to, tools);
        if let Poll::Ready(Ok(())) = ended {
            self.finished = true;
            to.finish();
        }
        ended
    }
}
