//! What the health manager asks, and what it wants done. Each of its wishes is looked at again here: it may
//! know less than we do by now.

use bus::{Bus, BusError, Delivery, Subscription};
use component::error_chain::error_chain;
use controller_core::plan::Surplus;
use protocol::bus::dea::{DEA_STOP, StopInstances};
use protocol::bus::health::{
    AskDesired, DesiredPage, HEALTH_DESIRED, HEALTH_START, HEALTH_STOP, StartMissing, StopSurplus,
};

use super::Dispatch;
use super::worker::{DispatchError, start, wanted};
use crate::api::Api;
use crate::storage::ProcessRow;

/// Of several controllers, one of this group hears each wish.
const GROUP: &str = "controllers";
/// Processes of one answer.
const PAGE: u32 = 500;

/// What arrives from the health manager.
pub(super) struct Wishes {
    questions: Subscription<AskDesired>,
    missing: Subscription<StartMissing>,
    surplus: Subscription<StopSurplus>,
}

/// What the health manager wants.
pub(super) enum Wish {
    Know(Delivery<AskDesired>),
    Start(Delivery<StartMissing>),
    Stop(Delivery<StopSurplus>),
}

impl Wishes {
    pub(super) async fn subscribe(bus: &Bus) -> Result<Self, BusError> {
        Ok(Self {
            questions: bus.subscribe_in_group(&HEALTH_DESIRED, GROUP).await?,
            missing: bus.subscribe_in_group(&HEALTH_START, GROUP).await?,
            surplus: bus.subscribe_in_group(&HEALTH_STOP, GROUP).await?,
        })
    }

    /// The next one; none when the bus is closed. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Wish> {
        tokio::select! {
            asked = self.questions.next() => asked.map(Wish::Know),
            asked = self.missing.next() => asked.map(Wish::Start),
            asked = self.surplus.next() => asked.map(Wish::Stop),
        }
    }
}

/// Does what the health manager wants. `is_settled`: what runs is known here. What is not done is wanted
/// again.
pub(super) async fn fulfil(api: &Api, wish: Wish, is_settled: bool) {
    let done = match wish {
        Wish::Know(asked) => tell_desired(api, &asked).await,
        Wish::Start(asked) if is_settled => match asked.decode() {
            Ok(asked) => start_missing(api, asked).await,
            Err(_) => Ok(()),
        },
        Wish::Stop(asked) if is_settled => match asked.decode() {
            Ok(asked) => stop_surplus(api, asked).await,
            Err(_) => Ok(()),
        },
        Wish::Start(_) | Wish::Stop(_) => Ok(()),
    };
    if let Err(error) = done {
        tracing::warn!(error = %error_chain(&error), "repair-failed");
    }
}

/// Answers what shall run.
async fn tell_desired(api: &Api, asked: &Delivery<AskDesired>) -> Result<(), DispatchError> {
    let Ok(AskDesired { after, only }) = asked.decode() else {
        return Ok(());
    };
    let found = api.storage.desired(&after, only.as_deref(), PAGE + 1);
    let mut processes = found.await?;
    let size = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let more = processes.len() > size;
    processes.truncate(size);
    let page = DesiredPage { processes, more };
    Ok(api.dispatch.bus.reply(asked, &page).await?)
}

/// Starts what is missing, if it still is.
async fn start_missing(api: &Api, asked: StartMissing) -> Result<(), DispatchError> {
    let found = api.storage.find(&ProcessRow::LISTING, &asked.droplet);
    let found: Option<ProcessRow> = found.await?;
    let Some(process) = found.filter(|process| process.version == asked.version) else {
        refused(&asked.droplet, "there is no such version");
        return Ok(());
    };
    let Some((app, droplet)) = wanted(api, &process).await? else {
        refused(&asked.droplet, "it is stopped");
        return Ok(());
    };
    let dispatch = &api.dispatch;
    leave_silent(dispatch);
    let missing: Vec<u32> = {
        let now = dispatch.tick();
        let mut known = dispatch.known();
        let is_wanted = |index: &u32| *index < process.wanted();
        let indices = asked.indices.into_iter().filter(is_wanted);
        let reserve = |index: &u32| {
            known
                .observed
                .reserve(&process.guid, &process.version, *index, now)
        };
        indices.filter(reserve).collect()
    };
    if missing.is_empty() {
        refused(&asked.droplet, "nothing is missing");
    }
    let started = start(api, &app, &process, &droplet, &missing).await;
    started.map_err(|(index, error)| {
        let mut known = dispatch.known();
        for index in missing.into_iter().filter(|other| *other >= index) {
            known
                .observed
                .not_placed(&process.guid, &process.version, index);
        }
        error
    })
}

/// Stops what is too much, if it still is.
async fn stop_surplus(api: &Api, asked: StopSurplus) -> Result<(), DispatchError> {
    let found = api.storage.find(&ProcessRow::LISTING, &asked.droplet);
    let process: Option<ProcessRow> = found.await?;
    let goal = match &process {
        Some(process) if wanted(api, process).await?.is_some() => {
            Some((process.version.as_str(), process.wanted()))
        }
        _ => None,
    };
    let dispatch = &api.dispatch;
    let surplus = Surplus {
        process: &asked.droplet,
        goal,
    };
    let instances = {
        let now = dispatch.tick();
        let known = dispatch.known();
        known.observed.surplus(surplus, &asked.instances, now)
    };
    if instances.is_empty() {
        refused(&asked.droplet, "nothing is too much");
        return Ok(());
    }
    tracing::info!(process = asked.droplet, ?instances, "surplus-stopped");
    let stop = StopInstances {
        droplet: asked.droplet,
        instances: Some(instances),
        ..StopInstances::default()
    };
    Ok(dispatch.bus.publish(&DEA_STOP, &stop).await?)
}

/// Places nothing more with DEAs whose heartbeats have stopped.
fn leave_silent(dispatch: &Dispatch) {
    let now = dispatch.tick();
    let mut known = dispatch.known();
    for dea in known.observed.silent(now) {
        known.pool.left(&dea);
    }
}

fn refused(process: &str, reason: &str) {
    tracing::info!(process, reason, "repair-refused");
}
