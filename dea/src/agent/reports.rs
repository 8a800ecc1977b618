//! What the agent says on the bus of its instances and of itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::Delivery;
use component::program::VERSION;
use dea_core::effect::Report;
use dea_core::filter;
use dea_core::instance::Instance;
use protocol::bus::dea::{
    Advertisement, DEA_ADVERTISE, DEA_HEARTBEAT, DEA_START, DeaStatus, ExitReason, Exited,
    FindInstances, FoundInstance, Goodbye, Heartbeat, Hello, InstanceBeat, InstanceState,
    Placement,
};

use super::{Agent, seconds};
use crate::figures::Values;
use crate::node::now_ms;
use crate::usage;

/// States that are in heartbeats.
const BEATING: [InstanceState; 4] = [
    InstanceState::Starting,
    InstanceState::Running,
    InstanceState::Evacuating,
    InstanceState::Crashed,
];

impl Agent {
    /// Says who is here, what is left, and which instances there are.
    pub(super) async fn greet(&self) {
        let hello = Hello {
            id: self.node.id.clone(),
            ip: self.node.config.address.to_string(),
            version: VERSION.to_owned(),
        };
        self.publish(&DEA_START, &hello).await;
        self.advertise().await;
        self.beat().await;
    }

    /// Says what is left, unless the node is being emptied.
    pub(super) async fn advertise(&self) {
        if self.evacuation.is_some() {
            return;
        }
        let config = &self.node.config;
        let left = self.ledger.left();
        let advertisement = Advertisement {
            id: self.node.id.clone(),
            ip: config.address.to_string(),
            stacks: config.stacks.keys().cloned().collect(),
            available_memory: left.memory_mib,
            available_disk: left.disk_mib,
            physical_memory: self.ledger.capacity().memory_mib,
            app_id_to_count: self.counts(),
            placement_properties: Placement {
                zones: config.placement.zones.clone(),
                availability_zone: config.placement.availability_zone.clone(),
            },
        };
        self.publish(&DEA_ADVERTISE, &advertisement).await;
    }

    /// Says which instances there are, if there are any.
    pub(super) async fn beat(&self) {
        let instances = self.instances.values().map(|one| &one.instance);
        let beating = instances.filter(|instance| BEATING.contains(&instance.public()));
        let droplets: Vec<InstanceBeat> = beating.map(beat_of).collect();
        if droplets.is_empty() {
            return;
        }
        let heartbeat = Heartbeat {
            dea: self.node.id.clone(),
            droplets,
        };
        self.publish(&DEA_HEARTBEAT, &heartbeat).await;
    }

    pub(super) async fn status(&self, question: &Delivery) {
        let (capacity, reserved) = (self.ledger.capacity(), self.ledger.reserved());
        let status = DeaStatus {
            id: self.node.id.clone(),
            ip: self.node.config.address.to_string(),
            version: VERSION.to_owned(),
            max_memory: capacity.memory_mib,
            reserved_memory: reserved.memory_mib,
            used_memory: usage::machine_memory_mib(),
        };
        // Whoever asks again gets the next answer.
        self.bus()
            .reply(question, &status)
            .await
            .unwrap_or_default();
    }

    /// Answers for each instance that is asked for, as a task of its own.
    pub(super) fn find(&mut self, find: &FindInstances, question: Delivery) {
        let instances = self.instances.values().map(|one| &one.instance);
        let asked = instances.filter(|instance| filter::is_asked_for(find, instance));
        let answer = |instance: &Instance| {
            let is_running = instance.public() == InstanceState::Running;
            let place = instance
                .place()
                .filter(|_| find.include_stats && is_running);
            FoundInstance {
                dea: self.node.id.clone(),
                stats: place.map(|place| usage::stats(&self.node, instance, place)),
                ..found(instance)
            }
        };
        let answers: Vec<FoundInstance> = asked.map(answer).collect();
        if answers.is_empty() {
            return;
        }
        let Ok(turn) = Arc::clone(&self.finds).try_acquire_owned() else {
            tracing::warn!(process = find.droplet, "find-ignored");
            return;
        };
        let node = Arc::clone(&self.node);
        self.tasks.spawn("find", async move {
            let _turn = turn;
            for found in answers {
                node.bus.reply(&question, &found).await.unwrap_or_default();
            }
        });
    }

    /// Looks at what running instances use, unless the last look has not ended.
    pub(super) fn look_at_usage(&mut self) {
        let Ok(turn) = Arc::clone(&self.looks).try_acquire_owned() else {
            return;
        };
        let instances = self.instances.values().map(|one| &one.instance);
        let running = instances.filter(|one| one.public() == InstanceState::Running);
        let running = running.filter_map(|one| {
            let container = one.place()?.container.clone();
            Some((one.id.clone(), one.since_ms, container))
        });
        let (node, running) = (Arc::clone(&self.node), running.collect());
        self.tasks.spawn("usage", async move {
            let _turn = turn;
            usage::look(&node, running).await;
        });
    }

    pub(super) fn exited(&self, instance: &Instance, report: Report) -> Exited {
        let order = &instance.order;
        let now = i64::try_from(now_ms() / 1_000).unwrap_or(i64::MAX);
        Exited {
            cc_partition: order.cc_partition.clone(),
            droplet: order.droplet.clone(),
            version: order.version.clone(),
            instance: instance.id.clone(),
            index: order.index,
            crash_timestamp: (report.reason == ExitReason::Crashed).then_some(now),
            reason: report.reason,
            exit_status: report.status,
            exit_description: report.description,
        }
    }

    pub(super) fn goodbye(&self) -> Goodbye {
        Goodbye {
            id: self.node.id.clone(),
            ip: self.node.config.address.to_string(),
            version: VERSION.to_owned(),
            app_id_to_count: self.counts(),
        }
    }

    pub(super) fn values(&self) -> Values {
        let mut instances: BTreeMap<&'static str, u64> = BTreeMap::new();
        for one in self.instances.values() {
            let state = match one.instance.public() {
                InstanceState::Starting => "starting",
                InstanceState::Running => "running",
                InstanceState::Stopping => "stopping",
                InstanceState::Stopped => "stopped",
                InstanceState::Crashed => "crashed",
                InstanceState::Evacuating => "evacuating",
            };
            *instances.entry(state).or_default() += 1;
        }
        Values {
            instances: instances.into_iter().collect(),
            staging: self.stagings.len() as u64,
            capacity: self.ledger.capacity(),
            reserved: self.ledger.reserved(),
            starts: self.starts,
            crashes: self.crashes,
            orphans: self.orphans,
        }
    }

    /// How many instances of each process are alive.
    fn counts(&self) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for one in self.instances.values() {
            let state = one.instance.public();
            if matches!(state, InstanceState::Starting | InstanceState::Running) {
                *counts
                    .entry(one.instance.order.droplet.clone())
                    .or_default() += 1;
            }
        }
        counts
    }
}

fn beat_of(instance: &Instance) -> InstanceBeat {
    InstanceBeat {
        cc_partition: instance.order.cc_partition.clone(),
        droplet: instance.order.droplet.clone(),
        version: instance.order.version.clone(),
        instance: instance.id.clone(),
        index: instance.order.index,
        state: instance.public(),
        state_timestamp: seconds(instance.since_ms),
    }
}

fn found(instance: &Instance) -> FoundInstance {
    FoundInstance {
        droplet: instance.order.droplet.clone(),
        version: instance.order.version.clone(),
        instance: instance.id.clone(),
        index: instance.order.index,
        state: instance.public(),
        state_timestamp: seconds(instance.since_ms),
        ..FoundInstance::default()
    }
}
