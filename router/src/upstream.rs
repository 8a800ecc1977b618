//! Connections to backends: dialled when needed, kept while they may serve again.

mod dial;
pub mod resolver;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use component::tick::Tick;
use foldhash::fast::FixedState;
use router_core::endpoint::EndpointId;

pub(crate) use dial::{Dialled, dial};

use crate::config::settings::IdleLimits;
use crate::io::socket::{Peeked, Socket};

/// The idle connections of one worker, the last used first out.
#[derive(Debug)]
pub(crate) struct IdleConnections {
    by_endpoint: RefCell<HashMap<EndpointId, Vec<IdleConnection>, FixedState>>,
    count: Cell<usize>,
    limits: IdleLimits,
}

#[derive(Debug)]
struct IdleConnection {
    socket: Socket,
    since: Tick,
}

impl IdleConnections {
    /// An empty pool within `limits`.
    #[must_use]
    pub(crate) fn new(limits: IdleLimits) -> Rc<Self> {
        Rc::new(Self {
            by_endpoint: RefCell::default(),
            count: Cell::new(0),
            limits,
        })
    }

    /// A connection that was quiet when last seen. `certain`: ask the kernel whether it still is.
    #[inline]
    pub(crate) fn take(&self, endpoint: EndpointId, now: Tick, certain: bool) -> Option<Socket> {
        let mut all = self.by_endpoint.borrow_mut();
        let kept = all.get_mut(&endpoint)?;
        while let Some(idle) = kept.pop() {
            self.count.set(self.count.get() - 1);
            let young = now.since(idle.since) < self.limits.time;
            // Bytes that came unasked would be taken for the answer to the next request.
            let quiet = if certain {
                idle.socket.peek() == Peeked::Nothing
            } else {
                idle.socket.seems_quiet()
            };
            if young && quiet {
                return Some(idle.socket);
            }
        }
        None
    }

    /// Keeps a connection for the next request, unless there are enough; then it is closed.
    #[inline]
    pub(crate) fn put(&self, endpoint: EndpointId, socket: Socket, now: Tick) {
        if self.count.get() >= self.limits.all {
            return;
        }
        let mut all = self.by_endpoint.borrow_mut();
        let kept = all.entry(endpoint).or_default();
        if kept.len() < self.limits.per_endpoint {
            self.count.set(self.count.get() + 1);
            kept.push(IdleConnection { socket, since: now });
        }
    }

    /// Closes connections that were idle for too long or that the backend has closed.
    pub(crate) fn sweep(&self, now: Tick) {
        self.close_idle_for(self.limits.time, now);
    }

    /// Closes those that were not used for `longest`, or that the backend has closed.
    pub(crate) fn close_idle_for(&self, longest: Duration, now: Tick) {
        let mut closed = 0;
        self.by_endpoint.borrow_mut().retain(|_, kept| {
            let before = kept.len();
            kept.retain(|idle| {
                now.since(idle.since) < longest && idle.socket.peek() == Peeked::Nothing
            });
            closed += before - kept.len();
            !kept.is_empty()
        });
        self.count.set(self.count.get() - closed);
    }
}
