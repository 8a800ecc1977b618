//! Bodies on their way from one connection to the other.
//!
//! Bytes go from the buffer they were read into to the socket; what is long and plain goes by
//! [`splice`] and never enters this process. A relay owns a buffer only while bytes are in it.

mod incoming;
mod pending;
pub(crate) mod splice;
mod supply;
pub(crate) mod tunnel;

use std::io::{self, IoSlice};
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use router_core::http1::Refusal;
use router_core::http1::framing::BodyLength;
use router_core::trailer::TrailerRules;

use self::incoming::Incoming;
use self::pending::Pending;
use self::splice::{Pipes, Splice};
use self::supply::Supply;
use crate::io::buffers::{Buffer, Buffers};
use crate::io::socket::Socket;

/// What relays of one worker draw on.
#[derive(Debug)]
pub(crate) struct Tools {
    /// Buffers.
    pub buffers: Rc<Buffers>,
    /// Pipes.
    pub pipes: Pipes,
}

/// Why a relay ended early.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The sender failed, or ended before the body did.
    Source,
    /// The sender's framing is malformed.
    Malformed(Refusal),
    /// The body is longer than it may be.
    TooLong,
    /// The receiver failed.
    Sink,
}

/// A body under way.
#[derive(Debug)]
pub(crate) struct Relay {
    incoming: Incoming,
    /// The receiver gets chunks; else the bytes as they are.
    chunks: bool,
    /// Bytes that were read; those before `at` are dealt with or in `pending`.
    buffer: Option<Buffer>,
    at: usize,
    pending: Pending,
    splice: Option<Splice>,
    supply: Supply,
    ended: bool,
    moved: u64,
    most: u64,
    /// The most that is spliced at once, as long as the body is short.
    piece_bytes: u64,
}

/// A plain body with more than this still to come is spliced.
const SPLICE_FROM_BYTES: u64 = 64 << 10;

/// A body that has moved on so far lets others have their turn: what is ready of short requests and
/// other bodies.
const TURN_BYTES: u64 = 32 << 10;

/// Bytes of a piece. The kernel sends up to 64 KiB with their headers as one segment; a piece just
/// above that would go as a long and a tiny one.
const PIECE_BYTES: u64 = 60 << 10;

/// A body is short as long as no more than this has moved.
const SHORT_BYTES: u64 = 1 << 20;

/// Fewer bytes than this at once are cheaper to copy than to splice.
const SPLICE_LEAST_BYTES: u64 = 8 << 10;

impl Relay {
    /// A body of `length` whose first bytes are `buffer` from `at` on. `chunks`: it goes out
    /// chunked. `most`: bytes of payload it may have.
    #[must_use]
    pub(crate) fn new(
        length: BodyLength,
        chunks: bool,
        buffer: Option<Buffer>,
        at: usize,
        most: u64,
    ) -> Self {
        Self {
            incoming: Incoming::new(length),
            chunks,
            buffer,
            at,
            pending: Pending::default(),
            splice: None,
            supply: Supply::Scarce,
            ended: matches!(length, BodyLength::Empty),
            moved: 0,
            most,
            piece_bytes: u64::MAX,
        }
    }

    /// Splices in small pieces as long as the body is short: a client takes a response in small
    /// reads, and finds it still in the cache then.
    #[must_use]
    pub(crate) const fn in_pieces(mut self) -> Self {
        self.piece_bytes = PIECE_BYTES;
        self
    }

    /// Lets only those trailers through that `rules` pass.
    #[must_use]
    pub(crate) fn with_trailers(mut self, rules: TrailerRules) -> Self {
        self.incoming.filter(rules);
        self
    }

    /// Payload bytes taken from the sender so far.
    #[must_use]
    pub(crate) const fn moved(&self) -> u64 {
        self.moved
    }

    /// Whether the body has come to its end and all of it is written.
    #[must_use]
    pub(crate) fn is_done(&self) -> bool {
        self.ended && self.pending.is_empty() && self.splice.as_ref().is_none_or(Splice::is_empty)
    }

    /// What was read beyond the body's end.
    #[must_use]
    pub(crate) fn leftover(&mut self) -> Option<Buffer> {
        let at = self.at;
        let mut buffer = self.buffer.take()?;
        buffer.consume(at);
        (!buffer.filled().is_empty()).then_some(buffer)
    }

    /// Makes the first write ready from what was read along with the head, so that both leave
    /// together.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub(crate) fn prepare(&mut self) -> Result<(), Broken> {
        if self.pending.is_empty() && !self.ended {
            self.decode()?;
        }
        Ok(())
    }

    /// The write that is ready, in order.
    #[must_use]
    pub(crate) fn ready(&self) -> [&[u8]; 3] {
        self.pending.parts(self.bytes())
    }

    /// The bytes that were read, from the start of their buffer.
    #[must_use]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], Buffer::filled)
    }

    /// Whether it waits for the receiver to take bytes, rather than for the sender.
    #[must_use]
    pub(crate) fn waits_for_receiver(&self) -> bool {
        !self.pending.is_empty()
            || self
                .splice
                .as_ref()
                .is_some_and(|splice| !splice.is_empty())
    }

    /// Takes note that `count` bytes of the ready write are gone.
    pub(crate) fn wrote(&mut self, count: usize) {
        self.pending.wrote(count);
    }

    /// Moves the body on as far as it goes now, but for one turn: when that is over, the task wakes
    /// itself and comes after all that are ready.
    ///
    /// # Errors
    /// The side that failed.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &Socket,
        to: &Socket,
        tools: &Tools,
    ) -> Poll<Result<(), Broken>> {
        let turn_ends = self.moved.saturating_add(TURN_BYTES);
        loop {
            ready!(self.poll_flush(cx, to)).map_err(|_| Broken::Sink)?;
            if self.has_unread() && !self.ended && self.decode()? {
                continue;
            }
            if self.ended && self.splice.as_ref().is_none_or(Splice::is_empty) {
                return Poll::Ready(Ok(()));
            }
            if self.moved >= turn_ends && !self.incoming.has_ended() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.may_splice(from, to) && ready!(self.poll_splice(cx, from, to, tools))? {
                continue;
            }
            ready!(self.poll_fill(cx, from, tools))?;
        }
    }

    fn has_unread(&self) -> bool {
        self.buffer
            .as_ref()
            .is_some_and(|buffer| self.at < buffer.filled().len())
    }

    /// Writes out what is pending.
    fn poll_flush(&mut self, cx: &mut Context<'_>, to: &Socket) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let count = self.pending.unwritten(self.bytes(), &mut slices);
            let written = ready!(to.poll_write(cx, &slices[..count]))?;
            self.wrote(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads more. The buffer is given back when nothing is there.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &Socket,
        tools: &Tools,
    ) -> Poll<Result<(), Broken>> {
        let mut buffer = self.take_buffer(tools)?;
        if buffer.is_full() {
            return Poll::Ready(Err(Broken::Malformed(Refusal::HeadTooLarge)));
        }
        let room = buffer.room();
        let most = match self.incoming {
            Incoming::Exact { left } => room.len().min(usize::try_from(left).unwrap_or(usize::MAX)),
            _ => room.len(),
        };
        let read = from.poll_read(cx, &mut room[..most]);
        if read.is_pending() {
            self.supply = Supply::Scarce;
            if !buffer.filled().is_empty() {
                self.buffer = Some(buffer);
            }
            return Poll::Pending;
        }
        let count = ready!(read).map_err(|_| Broken::Source)?;
        if count == 0 {
            self.buffer = Some(buffer);
            return Poll::Ready(self.source_ended());
        }
        self.supply = Supply::of(count == most);
        buffer.add(count);
        self.buffer = Some(buffer);
        Poll::Ready(Ok(()))
    }

    /// Takes the buffer that more is read into, with what is unread in it at its start: the one under
    /// way, a fresh one, or a large one when the sender has much to send.
    fn take_buffer(&mut self, tools: &Tools) -> Result<Buffer, Broken> {
        let at = std::mem::take(&mut self.at);
        match (self.buffer.take(), self.supply) {
            (None, Supply::Scarce) => Ok(tools.buffers.small()),
            (None, Supply::Ample) => Ok(tools.buffers.large()),
            (Some(small), Supply::Ample) if (small.capacity() as u64) < SPLICE_FROM_BYTES => {
                let mut large = tools.buffers.large();
                if !large.append(&small.filled()[at..]) {
                    return Err(Broken::Malformed(Refusal::Chunk));
                }
                Ok(large)
            }
            (Some(mut buffer), _) => {
                buffer.consume(at);
                Ok(buffer)
            }
        }
    }

    fn source_ended(&mut self) -> Result<(), Broken> {
        if !matches!(self.incoming, Incoming::UntilClose) {
            return Err(Broken::Source);
        }
        self.ended = true;
        if self.chunks {
            self.pending = Pending::last_chunk(0..0, &[]);
        }
        Ok(())
    }

    /// Takes the payload out of what was read and makes it the next write. Returns whether that was
    /// of use: the rest may be a line that is not complete, and waits for more bytes.
    fn decode(&mut self) -> Result<bool, Broken> {
        let Some(buffer) = &mut self.buffer else {
            return Ok(false);
        };
        let before = self.at;
        let payload = self
            .incoming
            .take(buffer, &mut self.at)
            .map_err(Broken::Malformed)?;
        self.ended = self.incoming.has_ended();
        self.moved += payload.len() as u64;
        if self.moved > self.most {
            return Err(Broken::TooLong);
        }
        self.queue(payload);
        Ok(self.at > before || self.ended)
    }

    fn queue(&mut self, payload: Range<usize>) {
        self.pending = match (self.chunks, self.ended) {
            (false, _) => Pending::plain(payload),
            (true, false) => Pending::chunk(payload),
            (true, true) => Pending::last_chunk(payload, self.incoming.trailers()),
        };
    }

    /// Whether the rest is long and plain enough for the kernel to move it.
    fn may_splice(&self, from: &Socket, to: &Socket) -> bool {
        if self.chunks || self.ended && self.splice.is_none() || !(from.is_tcp() && to.is_tcp()) {
            return false;
        }
        let long = match self.incoming {
            Incoming::Exact { left } => left >= SPLICE_FROM_BYTES,
            Incoming::UntilClose => self.supply == Supply::Ample && self.most == u64::MAX,
            Incoming::Chunked(_) => false,
        };
        long || self.splice.is_some()
    }

    /// Moves a pipe full. Returns whether that was possible: if not, there are no pipes to be had.
    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        from: &Socket,
        to: &Socket,
        tools: &Tools,
    ) -> Poll<Result<bool, Broken>> {
        if self.splice.is_none() {
            self.splice = Splice::begin(&tools.pipes);
            self.buffer = None;
            self.at = 0;
        }
        let Some(splice) = &mut self.splice else {
            self.supply = Supply::Ample;
            return Poll::Ready(Ok(false));
        };
        ready!(splice.poll_drain(cx, to)).map_err(|_| Broken::Sink)?;
        let left = match self.incoming {
            Incoming::Exact { left } => left,
            _ if self.supply == Supply::Ample => u64::MAX,
            _ => 0,
        };
        if left == 0 {
            // All of the body has moved, or the rest of it comes in drops that are read instead.
            self.ended = matches!(self.incoming, Incoming::Exact { .. });
            self.splice = None;
            return Poll::Ready(Ok(true));
        }
        let piece = if self.moved < SHORT_BYTES {
            self.piece_bytes
        } else {
            u64::MAX
        };
        let Poll::Ready(filled) = splice.poll_fill(cx, from, left.min(piece)) else {
            // Whoever waits does so without a pipe.
            self.splice = None;
            return Poll::Pending;
        };
        let count = filled.map_err(|_| Broken::Source)?;
        self.supply = Supply::of(count >= SPLICE_LEAST_BYTES);
        if count == 0 {
            self.splice = None;
            return Poll::Ready(self.source_ended().map(|()| true));
        }
        self.moved += count;
        if self.moved > self.most {
            return Poll::Ready(Err(Broken::TooLong));
        }
        if let Incoming::Exact { left } = &mut self.incoming {
            *left -= count;
        }
        ready!(splice.poll_drain(cx, to)).map_err(|_| Broken::Sink)?;
        Poll::Ready(Ok(true))
    }
}
