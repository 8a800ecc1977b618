//! The agent: the one task that owns all instances and what is promised to them. Whatever takes its time
//! runs as a task of its own and comes back as an [`Event`].

mod instances;
mod orphans;
mod reports;
mod stagings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Delivery};
use component::orders::{Order, Orders, Request};
use component::tasks::{Ended, Ending, Tasks};
use dea_core::input::Input;
use dea_core::instance::{Instance, State};
use dea_core::ledger::{Ledger, Resources};
use dea_core::ports::Ports;
use dea_core::snapshot::Snapshot;
use protocol::bus::dea::{FindInstances, StartInstance, StopInstances, UpdateProcess};
use protocol::bus::staging::{StagingRequest, StopStaging};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use crate::fence::OwnedContainer;
use crate::node::Node;

use self::stagings::Staging;

/// Events that wait for the agent. Whoever has one more waits; messages then wait on the bus.
pub const EVENTS: usize = 1_024;
/// Questions for instances that are answered at a time. One more is not, and is asked again.
const FINDS: usize = 32;
/// How often running instances are looked at for what they use.
const LOOKS: Duration = Duration::from_secs(3);
/// Crashed instances that are remembered. Of one more, the oldest is forgotten.
const CRASHES: usize = 200;
/// How long tasks may take to end with the agent.
const END: Duration = Duration::from_secs(1);
/// How much longer than grace and the routers' pause the last instances of an evacuation may take.
const LAST_STOPS: Duration = Duration::from_secs(10);

/// Something that the agent has to deal with.
#[derive(Debug)]
pub enum Event {
    /// An instance shall run.
    Start(Box<StartInstance>),
    /// Instances shall end.
    Stop(StopInstances),
    /// A process has changed.
    Update(UpdateProcess),
    /// Somebody asks for instances.
    Find(FindInstances, Delivery),
    /// Somebody asks what is left.
    Locate,
    /// Somebody asks how this DEA is.
    Status(Delivery),
    /// Somebody asks for a heartbeat.
    Beat,
    /// The bus is there, for the first time or again.
    BusIsThere,
    /// A build shall be staged; its two answers go to this message.
    Stage(StagingRequest, Delivery),
    /// Builds shall end.
    StopStaging(StopStaging),
    /// A build has ended.
    Staged(String),
    /// Something has happened to an instance.
    Happened {
        /// The instance.
        instance: String,
        /// What.
        input: Input,
    },
    /// These are all containers of this node.
    Containers(Vec<OwnedContainer>),
}

/// Owns all instances.
#[derive(Debug)]
pub struct Agent {
    node: Arc<Node>,
    instances: BTreeMap<String, Attended>,
    stagings: BTreeMap<String, Staging>,
    ledger: Ledger,
    ports: Ports,
    tasks: Tasks,
    events: mpsc::Sender<Event>,
    inbox: mpsc::Receiver<Event>,
    snapshots: watch::Sender<String>,
    /// Answers with what instances use that can be under way.
    finds: Arc<Semaphore>,
    /// One look at what instances use at a time.
    looks: Arc<Semaphore>,
    /// Containers that nobody knew when it was looked for them.
    strangers: BTreeSet<String>,
    /// When an evacuation is over; None: there is none.
    evacuation: Option<Instant>,
    /// Whether there is something new for the next run.
    is_changed: bool,
    starts: u64,
    crashes: u64,
    orphans: u64,
}

/// An instance and those who work for it.
#[derive(Debug)]
struct Attended {
    instance: Instance,
    /// Whoever follows its output is told that there will be no more.
    ended: watch::Sender<bool>,
    /// All of its output was passed on when this is closed.
    drained: Option<oneshot::Receiver<()>>,
}

impl Agent {
    /// An agent for `node` without instances, with its inbox and where it leaves snapshots.
    #[must_use]
    pub fn new(
        node: Arc<Node>,
        capacity: Resources,
        events: mpsc::Sender<Event>,
        inbox: mpsc::Receiver<Event>,
        snapshots: watch::Sender<String>,
    ) -> Self {
        let (range, rest_ms) = port_range(&node);
        Self {
            instances: BTreeMap::new(),
            stagings: BTreeMap::new(),
            ledger: Ledger::new(capacity),
            ports: Ports::new(range, rest_ms),
            tasks: Tasks::new(),
            events,
            inbox,
            snapshots,
            finds: Arc::new(Semaphore::new(FINDS)),
            looks: Arc::new(Semaphore::new(1)),
            strangers: BTreeSet::new(),
            evacuation: None,
            is_changed: false,
            starts: 0,
            crashes: 0,
            orphans: 0,
            node,
        }
    }

    /// Takes over what the last run left.
    pub async fn resume(&mut self, snapshot: Snapshot) {
        let (range, rest_ms) = port_range(&self.node);
        self.ports = snapshot.ports.resumed(range, rest_ms);
        let count = snapshot.instances.len();
        for instance in snapshot.instances {
            self.take_over(instance).await;
        }
        tracing::info!(instances = count, "resumed");
        self.keep();
    }

    /// Works until `orders` end it. Containers go on then, unless the node was emptied.
    pub async fn run(mut self, mut orders: Orders) {
        let times = self.node.config.times;
        let mut heartbeat = ticks(times.heartbeat);
        let mut advertise = ticks(times.advertise);
        let mut orphans = ticks(times.orphans);
        let mut looks = ticks(LOOKS);
        let mut order = Order::Serve;
        loop {
            let evacuation = self.evacuation;
            tokio::select! {
                Some(event) = self.inbox.recv() => self.take(event).await,
                Some(ended) = self.tasks.next() => self.task_ended(ended).await,
                _ = heartbeat.tick() => self.beat().await,
                _ = advertise.tick() => self.advertise().await,
                _ = orphans.tick() => self.look_around(),
                _ = looks.tick() => self.look_at_usage(),
                request = orders.next(order) => match request {
                    Request::Follow(Order::Drain) => {
                        order = Order::Drain;
                        self.evacuate().await;
                    }
                    Request::Follow(_) => break,
                    Request::Reload | Request::ReopenLogs => {}
                },
                () = at(evacuation) => {
                    if self.give_up_evacuation().await {
                        break;
                    }
                }
            }
            self.keep();
            if self.evacuation.is_some() && self.is_empty() {
                tracing::info!("evacuated");
                break;
            }
        }
        self.end().await;
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Start(order) => self.start(*order).await,
            Event::Stop(stop) => self.stop(&stop).await,
            Event::Update(update) => self.update(&update).await,
            Event::Find(find, question) => self.find(&find, question),
            Event::Locate => self.advertise().await,
            Event::Status(question) => self.status(&question).await,
            Event::Beat => self.beat().await,
            Event::BusIsThere => self.greet().await,
            Event::Stage(request, delivery) => self.stage(request, delivery).await,
            Event::StopStaging(stop) => self.stop_staging(&stop),
            Event::Staged(build) => self.staged(&build),
            Event::Happened { instance, input } => self.happened(&instance, input).await,
            Event::Containers(containers) => self.look_at(containers),
        }
    }

    /// Notes what there is, for the next run and for operators.
    fn keep(&mut self) {
        if std::mem::take(&mut self.is_changed) {
            let instances = self.instances.values();
            let instances = instances.map(|one| one.instance.clone()).collect();
            let snapshot = Snapshot::new(self.ports.clone(), instances);
            self.snapshots.send_replace(snapshot.to_text());
        }
        self.node.figures.set(self.values());
    }

    /// What is to be done about a task that has ended: a panic is the end of what it was to do.
    async fn task_ended(&mut self, ended: Ended) {
        let Ending::Panicked(panic) = ended.how else {
            return;
        };
        tracing::error!(task = %ended.name, panic, "task-panicked");
        match ended.name.split_once(' ') {
            Some(("staging", build)) => self.staged(build),
            Some((_, id)) => {
                let input = Input::Failed("internal error".to_owned());
                self.happened(id, input).await;
            }
            None => {}
        }
    }

    async fn end(mut self) {
        let Self {
            node, snapshots, ..
        } = &mut self;
        // Whoever writes snapshots ends after the last one.
        drop(std::mem::replace(
            snapshots,
            watch::channel(String::new()).0,
        ));
        let flushed = node.bus.flush();
        if tokio::time::timeout(END, flushed).await.is_err() {
            tracing::debug!("bus-not-flushed");
        }
        // What is under way is done again after the next start.
    }
}

impl Agent {
    fn is_empty(&self) -> bool {
        let mut instances = self.instances.values();
        self.stagings.is_empty()
            && instances.all(|one| matches!(one.instance.state, State::Ended(_)))
    }

    fn bus(&self) -> &Bus {
        &self.node.bus
    }
}

fn port_range(node: &Node) -> (std::ops::RangeInclusive<u16>, u64) {
    let ports = node.config.ports;
    let rest_ms = u64::try_from(ports.rest.as_millis()).unwrap_or(u64::MAX);
    (ports.first..=ports.last, rest_ms)
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Waits until `moment`, for ever if there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Returns the time in seconds since 1970, as heartbeats have it.
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}
