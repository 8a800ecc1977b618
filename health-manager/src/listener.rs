//! What is heard on the bus goes to the planner.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bus::{Bus, BusError, Event};
use component::tick::{Tick, millis};
use health_manager_core::Planner;
use health_manager_core::policy::Policy;
use protocol::bus::dea::{
    Ask, DEA_HEARTBEAT, DROPLET_EXITED, DROPLET_UPDATED, HEALTHMANAGER_START,
};

/// Processes whose change has not been looked at yet. At one more, all are asked for again.
const MOST_CHANGED: usize = 10_000;

/// The planner, and what is to be asked for it.
#[derive(Debug)]
pub(crate) struct Watch {
    started: Instant,
    planner: Mutex<Planner>,
    changed: Mutex<BTreeSet<String>>,
}

impl Watch {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            started: Instant::now(),
            planner: Mutex::new(Planner::new(policy)),
            changed: Mutex::default(),
        }
    }

    /// Time as the planner counts it.
    pub(crate) fn now(&self) -> Tick {
        Tick::from_millis(millis(self.started.elapsed()))
    }

    /// The planner. Each of its changes is whole, so a panic elsewhere does not spoil it.
    pub(crate) fn planner(&self) -> MutexGuard<'_, Planner> {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the processes that have changed. None: there were too many, and all are to be asked for.
    pub(crate) fn take_changed(&self) -> Option<BTreeSet<String>> {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = mem::take(&mut *changed);
        (taken.len() < MOST_CHANGED).then_some(taken)
    }

    fn has_changed(&self, process: String) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if changed.len() < MOST_CHANGED {
            changed.insert(process);
        }
    }
}

/// Listens until the bus is closed.
///
/// # Errors
/// The bus is closed.
pub(crate) async fn listen(watch: &Watch, bus: &Bus) -> Result<(), BusError> {
    let mut heartbeats = bus.subscribe(&DEA_HEARTBEAT).await?;
    let mut exits = bus.subscribe(&DROPLET_EXITED).await?;
    let mut updates = bus.subscribe(&DROPLET_UPDATED).await?;
    let mut events = bus.events();
    loop {
        tokio::select! {
            beat = heartbeats.next() => match beat {
                None => return Err(BusError::Closed),
                Some(beat) => if let Ok(beat) = beat.decode() {
                    watch.planner().heard(beat, watch.now());
                },
            },
            Some(exited) = exits.next() => if let Ok(exited) = exited.decode() {
                watch.planner().exited(&exited, watch.now());
            },
            Some(update) = updates.next() => if let Ok(update) = update.decode() {
                watch.has_changed(update.droplet);
            },
            Some(event) = events.next() => happened(watch, bus, event).await,
        }
    }
}

async fn happened(watch: &Watch, bus: &Bus, event: Event) {
    match event {
        Event::Connected { server, again } => {
            tracing::info!(%server, again, "bus-connected");
            watch.planner().bus_back(watch.now());
            if let Err(error) = bus.publish(&HEALTHMANAGER_START, &Ask {}).await {
                tracing::debug!(%error, "deas-not-asked");
            }
        }
        Event::Disconnected { reason } => {
            tracing::warn!(%reason, "bus-lost");
            watch.planner().bus_lost();
        }
        // What was dropped may have been anything: it is heard again with the next beats.
        Event::SlowConsumer { dropped } => {
            tracing::warn!(dropped, "messages-dropped");
            watch.planner().bus_back(watch.now());
        }
        other => tracing::debug!(?other, "bus-event"),
    }
}
