//! Round by round: what shall run is asked for, and controllers are told what to repair.

use std::time::Duration;

use bus::{Bus, BusError};
use component::error_chain::error_chain;
use component::tick::Tick;
use health_manager_core::{Repair, Wait};
use protocol::bus::health::{
    AskDesired, DesiredPage, HEALTH_DESIRED, HEALTH_START, HEALTH_STOP, StartMissing, StopSurplus,
};
use tokio::time::{MissedTickBehavior, interval};

use crate::figures::Figures;
use crate::listener::Watch;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// How long a controller has for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Repairs until it is dropped.
pub(crate) async fn repair(watch: &Watch, bus: &Bus, figures: &Figures, refresh: Duration) {
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut read: Option<Tick> = None;
    let mut waits: Option<Wait> = None;
    loop {
        rounds.tick().await;
        let is_due = read.is_none_or(|read| watch.now().since(read) >= refresh);
        let asked = ask(watch, bus, is_due).await;
        match asked {
            Ok(true) => read = Some(watch.now()),
            Ok(false) => {}
            Err(error) => tracing::info!(error = %error_chain(&error), "desired-not-told"),
        }
        let planned = watch.planner().plan(watch.now());
        match planned {
            Ok(repairs) => {
                waits = None;
                figures.planned(&repairs);
                for repair in repairs {
                    tell(bus, repair).await;
                }
            }
            Err(wait) => {
                if waits.replace(wait) != Some(wait) {
                    tracing::info!(reason = %wait, "nothing-repaired");
                }
            }
        }
    }
}

/// Asks for what has changed, or for everything. Returns whether it was everything.
async fn ask(watch: &Watch, bus: &Bus, everything: bool) -> Result<bool, BusError> {
    let changed = watch.take_changed();
    let Some(changed) = changed.filter(|_| !everything) else {
        ask_all(watch, bus).await?;
        return Ok(true);
    };
    for process in changed {
        let page = desired(
            bus,
            AskDesired {
                only: Some(process.clone()),
                ..AskDesired::default()
            },
        );
        let goal = page.await?.processes.pop();
        watch.planner().desired_one(&process, goal, watch.now());
    }
    Ok(false)
}

async fn ask_all(watch: &Watch, bus: &Bus) -> Result<(), BusError> {
    let began = watch.now();
    watch.planner().begin_desired();
    let mut after = String::new();
    loop {
        let page = desired(bus, AskDesired { after, only: None }).await?;
        after = page
            .processes
            .last()
            .map_or_else(String::new, |last| last.droplet.clone());
        watch.planner().desired_part(page.processes);
        if !page.more || after.is_empty() {
            watch.planner().end_desired(began, watch.now());
            return Ok(());
        }
    }
}

async fn desired(bus: &Bus, asked: AskDesired) -> Result<DesiredPage, BusError> {
    bus.request(&HEALTH_DESIRED, &asked, ANSWER).await
}

async fn tell(bus: &Bus, repair: Repair) {
    let told = match repair {
        Repair::Start {
            process,
            version,
            index,
        } => {
            tracing::info!(process, version, index, "instance-missing");
            let start = StartMissing {
                droplet: process,
                version,
                indices: vec![index],
            };
            bus.publish(&HEALTH_START, &start).await
        }
        Repair::Stop { process, instances } => {
            tracing::info!(process, ?instances, "instances-surplus");
            let stop = StopSurplus {
                droplet: process,
                instances,
            };
            bus.publish(&HEALTH_STOP, &stop).await
        }
    };
    // It is planned again when it has not come about.
    if let Err(error) = told {
        tracing::warn!(error = %error_chain(&error), "repair-not-told");
    }
}
