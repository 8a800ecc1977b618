//! Joining a client and a backend that have agreed on another protocol.

use std::future::poll_fn;
use std::task::Poll;

use component::shutdown::Phase;
use router_core::failure::{EndpointFault, Failure};
use router_core::headers::response::Connection;
use router_core::http1::framing::BodyLength;

use super::forward::Passage;
use super::response::{Begun, Response};
use super::send::{NO_BODY, send};
use super::upload::Upload;
use super::{Exchange, record::End};
use crate::io::buffers::Buffer;
use crate::io::relay::tunnel::{Side, Tunnel};
use crate::worker::client::After;

/// Why a tunnel ends.
enum Ended {
    /// Both sides have ended it.
    Whole,
    /// One side broke it.
    Broken(Side),
    /// Nothing moved for too long.
    Silent,
    /// The router is about to end.
    Closing,
}

impl Exchange {
    /// Joins client and backend after a 101 that the client asked for.
    pub(super) async fn switch(
        &mut self,
        response: &mut Response<Begun>,
    ) -> Result<After, Failure> {
        let asked = self.request.head().upgrade && matches!(response.upload, Upload::Done);
        if !asked {
            return Err(self.refused(response, EndpointFault::Unsolicited));
        }
        let mut received = response.received.take();
        let passage = Passage {
            body: BodyLength::Empty,
            connection: Connection::Upgrades,
        };
        let bytes = received.as_ref().map_or(&[][..], Buffer::filled);
        let now_unix = self.responded(response, bytes);
        let mut draft = self.prepare_response(response, bytes, passage, now_unix);
        self.client.answered.set(true);
        self.record.sends_head(draft.len());
        let (socket, deadline) = (&self.client.socket, &self.client.deadline);
        deadline.set(self.limits.write_deadline(self.worker.recent()));
        let sent = send(socket, deadline, &mut draft, NO_BODY).await;
        if sent.is_err() {
            self.record.end = End::ClientGone;
            return Ok(After::Close);
        }
        self.worker.keep_draft(draft);
        let head_end = response.head().end;
        received = received.map(|mut buffer| {
            buffer.consume(head_end);
            buffer
        });
        self.client.seat.tunnel();
        if self.request.is_websocket() {
            self.worker.metrics.websocket_upgrade();
        }
        let first = self.worker.tools.buffers.holding(self.request.rest());
        let mut tunnel = Tunnel::new(Some(first), received);
        self.request.input.settle();
        let ended = self.join(&mut tunnel, response).await;
        (self.record.request_bytes, self.record.response_bytes) = tunnel.moved();
        Ok(match ended {
            Ended::Whole => After::Close,
            Ended::Broken(side) => {
                self.record.end = match side {
                    Side::Client => End::ClientGone,
                    Side::Backend => End::Truncated,
                };
                After::Cut
            }
            Ended::Silent => {
                self.record.end = End::Late;
                After::Close
            }
            Ended::Closing => {
                response.socket.finish();
                After::Linger
            }
        })
    }

    /// Moves bytes both ways until the tunnel ends.
    async fn join(&self, tunnel: &mut Tunnel, response: &Response<Begun>) -> Ended {
        let (client, worker) = (&self.client, &self.worker);
        let times = self.settings.client.connection.tunnel;
        client.deadline.clear();
        let mut stage = None;
        let joined = poll_fn(|cx| {
            match tunnel.poll(cx, &client.socket, &response.socket, &worker.tools) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ended::Whole),
                Poll::Ready(Err(side)) => return Poll::Ready(Ended::Broken(side)),
                Poll::Pending => {}
            }
            if worker.phase.get() >= Phase::Closing {
                return Poll::Ready(Ended::Closing);
            }
            let half = tunnel.is_half_closed();
            let limit = if half {
                Some(times.half_closed)
            } else {
                times.idle
            };
            if let Some(limit) = limit {
                let now_at = (tunnel.moved(), half);
                if stage.replace(now_at) != Some(now_at) {
                    client.deadline.set(worker.clock.now().plus(limit));
                }
            }
            // Asked also without a limit: whoever changes the phase wakes those who wait here.
            if client.deadline.poll_expired(cx) {
                return Poll::Ready(Ended::Silent);
            }
            Poll::Pending
        });
        self.waiting(joined).await
    }
}
