//! Instances: from orders and events to effects.

use std::sync::Arc;

use component::error_chain::error_chain;
use dea_core::effect::Effect;
use dea_core::filter;
use dea_core::input::Input;
use dea_core::instance::{Ending, Instance, State};
use dea_core::ledger::{Resources, Shortage};
use dea_core::resources;
use protocol::bus::dea::{
    DEA_SHUTDOWN, DROPLET_EXITED, ExitReason, InstanceState, StartInstance, StopInstances,
    UpdateProcess,
};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::{Agent, Attended, CRASHES, Event, LAST_STOPS};
use crate::effects;
use crate::node::{now_ms, random_hex};
use crate::output::{self, Position, Writer};

impl Agent {
    /// Starts an instance. The same order again, while its instance is there, changes nothing.
    pub(super) async fn start(&mut self, mut order: StartInstance) {
        if order.droplet.is_empty() || self.has(&order) {
            tracing::warn!(
                process = order.droplet,
                index = order.index,
                "start-ignored"
            );
            return;
        }
        self.starts += 1;
        self.forget_crashes_of(&order);
        order.limits = resources::with_defaults(order.limits);
        let mut instance = Instance {
            id: random_hex(16),
            private_id: random_hex(32),
            order,
            port: 0,
            state: State::Fetching,
            since_ms: now_ms(),
        };
        let id = instance.id.clone();
        let effects = match self.promise(&instance) {
            Ok(port) => {
                instance.port = port;
                instance.begin()
            }
            Err(reason) => {
                self.forget_oldest_crash();
                instance.refuse(reason)
            }
        };
        let process = &instance.order.droplet;
        tracing::info!(
            instance = id,
            process,
            index = instance.order.index,
            "start"
        );
        self.instances.insert(id.clone(), Attended::new(instance));
        self.apply(&id, effects).await;
    }

    /// Whether the instance of `order` starts or runs here.
    fn has(&self, order: &StartInstance) -> bool {
        self.instances.values().any(|one| {
            let other = &one.instance.order;
            let state = one.instance.public();
            matches!(state, InstanceState::Starting | InstanceState::Running)
                && (&other.droplet, other.index, &other.version)
                    == (&order.droplet, order.index, &order.version)
        })
    }

    /// Reserves what `instance` may use, and returns its port; or why it cannot start.
    fn promise(&mut self, instance: &Instance) -> Result<u16, &'static str> {
        if self.evacuation.is_some() {
            return Err("The node is being emptied");
        }
        let wanted = Resources::from(instance.order.limits);
        let reserved = self.ledger.reserve(&instance.id, wanted);
        reserved.map_err(Shortage::description)?;
        self.ports.take(now_ms()).ok_or_else(|| {
            self.ledger.release(&instance.id);
            "Not enough ports available"
        })
    }

    /// Goes on with an instance of the last run.
    pub(super) async fn take_over(&mut self, mut instance: Instance) {
        let effects = instance.resume();
        let id = instance.id.clone();
        if !matches!(instance.state, State::Ended(Ending::Crashed)) {
            let held = Resources::from(instance.order.limits);
            self.ledger.take_over(&id, held);
        }
        self.instances.insert(id.clone(), Attended::new(instance));
        self.apply(&id, effects).await;
    }

    pub(super) async fn stop(&mut self, stop: &StopInstances) {
        let selected = self.ids(|instance| filter::is_to_stop(stop, instance));
        for id in selected {
            self.happened(&id, Input::Stop).await;
        }
    }

    /// Takes over the URIs and the version of a process, and tells routers and heartbeats of them. The
    /// instances keep their ids.
    pub(super) async fn update(&mut self, update: &UpdateProcess) {
        let selected = self.ids(|instance| instance.order.droplet == update.droplet);
        for id in &selected {
            let Some(attended) = self.instances.get_mut(id) else {
                continue;
            };
            let instance = &mut attended.instance;
            instance.order.uris.clone_from(&update.uris);
            instance.order.version.clone_from(&update.version);
            if let Some(place) = instance.place().filter(|_| instance.is_registered()) {
                let claim = effects::claim(&self.node, instance, place.address);
                self.node.claims.add(id, claim).await;
            }
        }
        if !selected.is_empty() {
            self.is_changed = true;
            self.beat().await;
        }
    }

    /// Takes note of what has happened to an instance, unless that is gone already.
    pub(super) async fn happened(&mut self, id: &str, input: Input) {
        let Some(attended) = self.instances.get_mut(id) else {
            return;
        };
        tracing::debug!(instance = id, ?input, "instance-input");
        if let Input::Exited(_) = input {
            attended.ended.send_replace(true);
        }
        let effects = attended.instance.step(input, now_ms());
        self.apply(id, effects).await;
    }

    /// Empties the node: instances that serve go on until somebody stops them, the others end.
    pub(super) async fn evacuate(&mut self) {
        tracing::info!("evacuating");
        self.evacuation = Some(Instant::now() + self.node.config.times.evacuation);
        let goodbye = self.goodbye();
        self.publish(&DEA_SHUTDOWN, &goodbye).await;
        for id in self.ids(|_| true) {
            self.happened(&id, Input::Evacuate).await;
        }
        self.forget(|instance| instance.state == State::Ended(Ending::Crashed));
    }

    /// Stops what is left when an evacuation has taken too long. Returns whether that took too long, too.
    pub(super) async fn give_up_evacuation(&mut self) -> bool {
        let left = self.ids(|instance| instance.place().is_some());
        if left.is_empty() {
            tracing::error!(instances = self.instances.len(), "evacuation-given-up");
            return true;
        }
        tracing::warn!(instances = left.len(), "evacuation-late");
        let times = self.node.config.times;
        self.evacuation = Some(Instant::now() + times.routers + times.grace + LAST_STOPS);
        for id in left {
            self.happened(&id, Input::Stop).await;
        }
        false
    }

    /// Forgets instances of which nothing is left.
    pub(super) fn forget(&mut self, is_over: impl Fn(&Instance) -> bool) {
        let before = self.instances.len();
        self.instances.retain(|_, one| !is_over(&one.instance));
        self.is_changed |= self.instances.len() < before;
    }

    /// A crash counts until the same instance is started again.
    fn forget_crashes_of(&mut self, order: &StartInstance) {
        self.forget(|instance| {
            instance.state == State::Ended(Ending::Crashed)
                && (&instance.order.droplet, instance.order.index) == (&order.droplet, order.index)
        });
    }

    fn forget_oldest_crash(&mut self) {
        let crashed = self.instances.values().map(|one| &one.instance);
        let crashed = crashed.filter(|one| one.state == State::Ended(Ending::Crashed));
        let oldest = crashed.clone().min_by_key(|one| one.since_ms);
        if let Some(oldest) = oldest.filter(|_| crashed.count() >= CRASHES) {
            let id = oldest.id.clone();
            self.forget(|instance| instance.id == id);
        }
    }

    fn ids(&self, is_selected: impl Fn(&Instance) -> bool) -> Vec<String> {
        let selected = self
            .instances
            .values()
            .filter(|one| is_selected(&one.instance));
        selected.map(|one| one.instance.id.clone()).collect()
    }

    async fn apply(&mut self, id: &str, effects: Vec<Effect>) {
        self.is_changed = true;
        for effect in effects {
            let Some(attended) = self.instances.get(id) else {
                return;
            };
            let instance = &attended.instance;
            match effect {
                Effect::Register(address) => {
                    let claim = effects::claim(&self.node, instance, address);
                    self.node.claims.add(id, claim).await;
                }
                Effect::Unregister => self.node.claims.remove(id).await,
                Effect::Report(report) => {
                    if report.reason == ExitReason::Crashed {
                        self.crashes += 1;
                    }
                    let exited = self.exited(&self.instances[id].instance, report);
                    tracing::info!(instance = id, exit = ?exited, "exited");
                    self.publish(&DROPLET_EXITED, &exited).await;
                }
                Effect::Remark(text) => {
                    let writer = Writer::of_instance(&self.node.outputs, &instance.order);
                    writer.remark(text).await;
                }
                Effect::Beat => self.beat().await,
                Effect::Release => {
                    self.ports.give_back(instance.port, now_ms());
                    self.ledger.release(id);
                }
                Effect::Follow(container) => self.follow(id, container),
                effect => self.run_task(id, effect),
            }
        }
        self.forget(|instance| instance.state == State::Ended(Ending::Stopped));
    }

    /// Does what takes its time as a task of its own.
    fn run_task(&mut self, id: &str, effect: Effect) {
        let Some(attended) = self.instances.get_mut(id) else {
            return;
        };
        let node = Arc::clone(&self.node);
        let instance = attended.instance.clone();
        let id = id.to_owned();
        match effect {
            Effect::Fetch => self.task("fetch", id, effects::fetch(node, instance)),
            Effect::Launch { start_command } => {
                let launch = effects::launch(node, instance, start_command);
                self.task("launch", id, launch);
            }
            Effect::Watch(container) => self.task("watch", id, effects::watch(node, container)),
            Effect::CheckHealth(address) => {
                let check = effects::check_health(node, instance, address);
                self.task("health", id, check);
            }
            Effect::AwaitRouters => self.task("routers", id, effects::await_routers(node)),
            Effect::Terminate(container) => {
                self.task("terminate", id, effects::terminate(node, container));
            }
            Effect::Kill(container) => {
                self.tasks
                    .spawn(format!("kill {id}"), effects::kill(node, container));
            }
            Effect::Remove(container) => {
                attended.ended.send_replace(true);
                let drained = attended.drained.take();
                let remove = effects::remove(node, id.clone(), container, drained);
                self.task("remove", id, remove);
            }
            Effect::Register(_)
            | Effect::Unregister
            | Effect::Follow(_)
            | Effect::Report(_)
            | Effect::Remark(_)
            | Effect::Beat
            | Effect::Release => {}
        }
    }

    /// Runs `work`, whose result is what has happened to the instance.
    fn task(&mut self, what: &str, id: String, work: impl Future<Output = Input> + Send + 'static) {
        let events = self.events.clone();
        self.tasks.spawn(format!("{what} {id}"), async move {
            let input = work.await;
            let happened = Event::Happened {
                instance: id,
                input,
            };
            // Nobody listens when the agent has ended.
            events.send(happened).await.unwrap_or_default();
        });
    }

    fn follow(&mut self, id: &str, container: String) {
        let Some(attended) = self.instances.get_mut(id) else {
            return;
        };
        let (done, drained) = oneshot::channel();
        attended.drained = Some(drained);
        let ended = attended.ended.subscribe();
        let instance = attended.instance.clone();
        let node = &self.node;
        let writer = Writer::of_instance(&node.outputs, &instance.order);
        let position = Position::open(&node.config.base_dir, id);
        let fence = node.fence.clone();
        self.tasks.spawn(format!("output {id}"), async move {
            output::follow(fence, writer, position, instance, container, ended).await;
            drop(done);
        });
    }

    /// Publishes what is worth nothing later: when the bus is away, it is left out.
    pub(super) async fn publish<M: protocol::bus::Message>(
        &self,
        subject: &protocol::bus::Subject<M>,
        message: &M,
    ) {
        if let Err(error) = self.bus().publish(subject, message).await {
            let subject = subject.name();
            tracing::debug!(error = %error_chain(&error), subject, "not-published");
        }
    }
}

impl Attended {
    fn new(instance: Instance) -> Self {
        Self {
            instance,
            ended: watch::Sender::new(false),
            drained: None,
        }
    }
}
