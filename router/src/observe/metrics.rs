//! Counters of the data path, one set a worker, merged when somebody asks.
//!
//! Each worker is one thread and the only writer of its set, so that counting is a load and a
//! store without a locked instruction, on cache lines that no other worker touches. Memory is
//! bounded: a component's row is made when its first request comes, and there are at most
//! [`Components::MAX`] components.

mod counter;
mod registry;
mod totals;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use component::histogram::MICROSECONDS;
use router_core::endpoint::{ComponentId, Components};

pub use self::counter::{Counter, Gauge, Histogram};
pub use self::registry::{Action, RegistryMetrics};
pub use self::totals::{ComponentTotals, Totals};

/// Bounds for the time of a lookup in nanoseconds: the ten of gorouter's last histogram, and finer ones
/// below them.
pub const LOOKUP_NANOS: [u64; 18] = [
    50, 100, 150, 200, 300, 500, 1_000, 5_000, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000,
    70_000, 80_000, 90_000, 100_000,
];

/// All sets of counters of this process.
#[derive(Debug)]
pub struct Metrics {
    workers: Vec<Arc<WorkerMetrics>>,
    /// What the one writer of the table counts.
    pub registry: RegistryMetrics,
}

impl Metrics {
    /// Counters for that many workers, all zero.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers: (0..workers.max(1)).map(|_| Arc::default()).collect(),
            registry: RegistryMetrics::default(),
        })
    }

    /// The set of one worker. It must have one writing thread; indexes beyond the number of
    /// workers wrap around.
    pub fn worker(&self, index: usize) -> Arc<WorkerMetrics> {
        Arc::clone(&self.workers[index % self.workers.len()])
    }

    /// The sum over all workers. Counters move on while it is taken: each is exact by itself.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for worker in &self.workers {
            totals.add(worker);
        }
        totals
    }
}

/// What a data-path counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Event {
    /// A request that was refused before an endpoint was chosen.
    Rejected,
    /// A 502 that this router made.
    BadGateway,
    /// A request whose `Content-Length` was there and empty.
    EmptyContentLength,
    /// A backend whose certificate named somebody else.
    BackendInvalidId,
    /// A backend whose certificate was not trusted.
    BackendInvalidTlsCert,
    /// A backend with which no TLS session could be made.
    BackendTlsHandshakeFailed,
    /// A request for which every endpoint was at its connection limit.
    BackendExhausted,
    /// A request that became a WebSocket.
    WebsocketUpgrade,
    /// A WebSocket request that the backend or the way to it refused.
    WebsocketFailure,
    /// An attempt after the first of its request.
    Retry,
    /// An endpoint taken out of the balance after a failure.
    Ejection,
    /// A connection accepted from a client.
    ConnectionOpened,
    /// A client's connection that ended.
    ConnectionClosed,
    /// A connection made to a backend.
    UpstreamConnect,
    /// A request that went out on a connection that had carried one before.
    UpstreamReuse,
    /// A kept connection that turned out to be dead when it was used again.
    UpstreamStale,
    /// A panic inside a connection.
    Panic,
    /// Bytes of heads and bodies read from clients, without what frames chunks.
    BytesIn,
    /// Bytes of heads and bodies written to clients, without what frames chunks.
    BytesOut,
}

impl Event {
    /// How many there are.
    const COUNT: usize = Self::BytesOut as usize + 1;
}

/// The counters of one worker. The methods are for its own thread; reading is for all.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerMetrics {
    events: [Counter; Event::COUNT],
    /// By component, the last row for endpoints without one.
    components: Box<[OnceLock<Box<ComponentMetrics>>]>,
    /// Answers that this router made itself, by group of status.
    own_responses: [Counter; StatusGroup::COUNT],
    gorouter_time: Histogram,
    lookup_time: Histogram,
}

#[derive(Debug)]
struct ComponentMetrics {
    requests: Counter,
    responses: [Counter; StatusGroup::COUNT],
    latency: Histogram,
}

impl Default for ComponentMetrics {
    fn default() -> Self {
        Self {
            requests: Counter::default(),
            responses: Default::default(),
            latency: Histogram::new(&MICROSECONDS),
        }
    }
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self {
            events: Default::default(),
            components: (0..=Components::MAX).map(|_| OnceLock::new()).collect(),
            own_responses: Default::default(),
            gorouter_time: Histogram::new(&MICROSECONDS),
            lookup_time: Histogram::new(&LOOKUP_NANOS),
        }
    }
}

impl WorkerMetrics {
    /// Counts one event.
    #[inline]
    pub fn count(&self, event: Event) {
        self.add(event, 1);
    }

    /// Counts an event `n` times.
    #[inline]
    pub fn add(&self, event: Event, n: u64) {
        self.events[event as usize].add(n);
    }

    /// A request was given to an endpoint of that component.
    #[inline]
    pub fn request(&self, component: Option<ComponentId>) {
        self.component(component).requests.add(1);
    }

    /// A backend's response was delivered: `latency` is the whole exchange, `gorouter_time` the
    /// part that was not spent waiting for the backend or the client.
    pub fn response(
        &self,
        status: u16,
        component: Option<ComponentId>,
        latency: Duration,
        gorouter_time: Duration,
    ) {
        let row = self.component(component);
        row.responses[StatusGroup::of(status) as usize].add(1);
        row.latency.record(micros(latency));
        self.gorouter_time.record(micros(gorouter_time));
    }

    /// An answer was made by this router. It has no place in the backends' latencies.
    #[inline]
    pub fn own_response(&self, status: u16) {
        self.own_responses[StatusGroup::of(status) as usize].add(1);
    }

    /// One lookup took that long. Callers sample.
    #[inline]
    pub fn lookup_time(&self, nanos: u64) {
        self.lookup_time.record(nanos);
    }

    /// A request was refused before an endpoint was chosen.
    #[inline]
    pub fn rejected(&self) {
        self.count(Event::Rejected);
    }

    /// A 502 was made.
    #[inline]
    pub fn bad_gateway(&self) {
        self.count(Event::BadGateway);
    }

    /// A request had an empty `Content-Length`.
    #[inline]
    pub fn empty_content_length(&self) {
        self.count(Event::EmptyContentLength);
    }

    /// Every endpoint was at its connection limit.
    #[inline]
    pub fn exhausted(&self) {
        self.count(Event::BackendExhausted);
    }

    /// A request became a WebSocket.
    #[inline]
    pub fn websocket_upgrade(&self) {
        self.count(Event::WebsocketUpgrade);
    }

    /// A WebSocket request was refused.
    #[inline]
    pub fn websocket_failure(&self) {
        self.count(Event::WebsocketFailure);
    }

    /// A request was sent to another endpoint, or again.
    #[inline]
    pub fn retry(&self) {
        self.count(Event::Retry);
    }

    /// An endpoint was taken out of the balance.
    #[inline]
    pub fn ejection(&self) {
        self.count(Event::Ejection);
    }

    /// A client's connection was accepted.
    #[inline]
    pub fn connection_opened(&self) {
        self.count(Event::ConnectionOpened);
    }

    /// A client's connection ended.
    #[inline]
    pub fn connection_closed(&self) {
        self.count(Event::ConnectionClosed);
    }

    /// A connection to a backend was made.
    #[inline]
    pub fn upstream_connect(&self) {
        self.count(Event::UpstreamConnect);
    }

    /// A kept connection to a backend was used again.
    #[inline]
    pub fn upstream_reuse(&self) {
        self.count(Event::UpstreamReuse);
    }

    /// A kept connection to a backend was dead.
    #[inline]
    pub fn upstream_stale(&self) {
        self.count(Event::UpstreamStale);
    }

    /// A connection's task panicked.
    #[inline]
    pub fn panic(&self) {
        self.count(Event::Panic);
    }

    /// Bytes were read from a client.
    #[inline]
    pub fn bytes_in(&self, n: u64) {
        self.add(Event::BytesIn, n);
    }

    /// Bytes were written to a client.
    #[inline]
    pub fn bytes_out(&self, n: u64) {
        self.add(Event::BytesOut, n);
    }

    /// The client's connections this worker holds now.
    pub fn connections(&self) -> u64 {
        let closed = self.events[Event::ConnectionClosed as usize].get();
        self.events[Event::ConnectionOpened as usize]
            .get()
            .saturating_sub(closed)
    }

    #[inline]
    fn component(&self, component: Option<ComponentId>) -> &ComponentMetrics {
        let row = component.map_or(Components::MAX, ComponentId::index);
        self.components[row.min(Components::MAX)].get_or_init(Box::default)
    }
}

/// The first digit of a status, as the `status_group` label has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusGroup {
    /// 200 to 299.
    Success,
    /// 300 to 399.
    Redirection,
    /// 400 to 499.
    ClientError,
    /// 500 to 599.
    ServerError,
    /// Everything else, 101 included.
    Other,
}

impl StatusGroup {
    const COUNT: usize = 5;

    /// The groups in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Success,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
        Self::Other,
    ];

    /// The group of a status.
    pub const fn of(status: u16) -> Self {
        match status / 100 {
            2 => Self::Success,
            3 => Self::Redirection,
            4 => Self::ClientError,
            5 => Self::ServerError,
            _ => Self::Other,
        }
    }

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::Other => "xxx",
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(index: usize) -> Option<ComponentId> {
        let mut components = Components::default();
        for n in 0..index {
            components.add(&format!("c{n}"));
        }
        components.add("this")
    }

    #[test]
    fn workers_are_added_up() {
        let metrics = Metrics::new(2);
        let (first, second) = (metrics.worker(0), metrics.worker(1));
        let ms = Duration::from_millis;
        first.request(component(3));
        first.response(200, component(3), ms(10), ms(1));
        second.request(component(3));
        second.response(503, component(3), ms(30), ms(1));
        second.request(None);
        second.response(301, None, ms(20), ms(1));
        second.own_response(404);
        second.bytes_out(700);
        first.bytes_out(77);
        let totals = metrics.totals();
        assert_eq!((totals.requests(), totals.event(Event::BytesOut)), (3, 777));
        let responses = StatusGroup::ALL.map(|group| totals.responses(group));
        assert_eq!(responses, [1, 1, 1, 1, 0]);
        assert_eq!(
            totals.components.keys().copied().collect::<Vec<_>>(),
            [3, Components::MAX]
        );
        let row = &totals.components[&3];
        assert_eq!(
            (row.requests, row.latency.count(), row.latency.sum()),
            (2, 2, 40_000)
        );
        assert_eq!(totals.latency().count(), 3);
        assert_eq!(totals.gorouter_time.count(), 3);
    }

    #[test]
    fn connections_are_those_that_have_not_ended() {
        let metrics = Metrics::new(1);
        let worker = metrics.worker(0);
        worker.connection_opened();
        worker.connection_opened();
        worker.connection_closed();
        assert_eq!(
            (worker.connections(), metrics.totals().connections),
            (1, vec![1])
        );
    }

    #[test]
    fn groups_of_statuses() {
        for (status, name) in [
            (101, "xxx"),
            (200, "2xx"),
            (304, "3xx"),
            (499, "4xx"),
            (599, "5xx"),
            (999, "xxx"),
        ] {
            assert_eq!(StatusGroup::of(status).name(), name);
        }
    }
}
