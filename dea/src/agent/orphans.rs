//! Containers that nobody knows, and crashes that are too long ago.

use std::collections::BTreeSet;
use std::sync::Arc;

use dea_core::instance::{Ending, State};

use super::{Agent, Event};
use crate::effects::{self, INSTANCE_LABEL};
use crate::fence::OwnedContainer;
use crate::node::now_ms;
use crate::staging::TASK_LABEL;

impl Agent {
    /// Asks for all containers, and forgets crashes that are too long ago.
    pub(super) fn look_around(&mut self) {
        let lifetime = self.node.config.times.crash.as_millis();
        let now = now_ms();
        self.forget(|instance| {
            instance.state == State::Ended(Ending::Crashed)
                && u128::from(now.saturating_sub(instance.since_ms)) > lifetime
        });
        let node = Arc::clone(&self.node);
        node.readings.retain(|id| self.instances.contains_key(id));
        let events = self.events.clone();
        self.tasks.spawn("containers", async move {
            match node.fence.list().await {
                // Nobody listens when the agent has ended.
                Ok(all) => events
                    .send(Event::Containers(all))
                    .await
                    .unwrap_or_default(),
                Err(error) => tracing::warn!(%error, "containers-not-known"),
            }
        });
    }

    /// Removes containers of which nobody knew the last time either: one that is being made may be in
    /// the list before it is known.
    pub(super) fn look_at(&mut self, containers: Vec<OwnedContainer>) {
        let mut strangers = BTreeSet::new();
        for container in containers {
            if self.knows(&container) {
                continue;
            }
            if self.strangers.contains(&container.id) {
                self.orphans += 1;
                tracing::warn!(container = container.id, labels = ?container.labels, "orphan");
                let node = Arc::clone(&self.node);
                self.tasks.spawn("orphan", async move {
                    effects::remove_container(&node, &container.id).await;
                });
            } else {
                strangers.insert(container.id);
            }
        }
        self.strangers = strangers;
    }

    fn knows(&self, container: &OwnedContainer) -> bool {
        let build = container.labels.get(TASK_LABEL);
        if build.is_some_and(|build| self.stagings.contains_key(build)) {
            return true;
        }
        let instance = container.labels.get(INSTANCE_LABEL);
        let Some(one) = instance.and_then(|id| self.instances.get(id)) else {
            return false;
        };
        match one.instance.container() {
            Some(own) => own == container.id,
            // Its container is being made.
            None => !matches!(one.instance.state, State::Ended(_)),
        }
    }
}
