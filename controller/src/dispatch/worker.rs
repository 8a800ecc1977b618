//! The one worker that makes what runs into what shall run.

use std::mem;
use std::time::Duration;

use bus::{BusError, Event, Subscription};
use component::tasks::Tasks;
use controller_core::placement::Need;
use controller_core::plan::{Desired, Step};
use protocol::bus::dea::{
    Advertisement, Ask, DEA_ADVERTISE, DEA_HEARTBEAT, DEA_ID_START, DEA_LOCATE, DEA_SHUTDOWN,
    DEA_STOP, DEA_UPDATE, DROPLET_UPDATED, Goodbye, HEALTHMANAGER_START, Heartbeat, UpdateProcess,
    Updated,
};
use thiserror::Error;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use super::health::{self, Wishes};
use super::{Dispatch, staging};
use crate::api::{Api, Shared};
use crate::storage::{AppRow, DropletRow, ProcessRow, StorageError};

/// How long DEAs have after our start to say what they run.
const GRACE: Duration = Duration::from_secs(4);
/// Processes that are looked at before DEAs are listened to again.
const AT_ONCE: usize = 100;
/// How often what found no place is tried again.
const RETRY: Duration = Duration::from_secs(3);

/// Why a process was not made what it shall be. It is tried again.
#[derive(Debug, Error)]
pub(super) enum DispatchError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// What the worker listens to.
struct Heard {
    adverts: Subscription<Advertisement>,
    heartbeats: Subscription<Heartbeat>,
    goodbyes: Subscription<Goodbye>,
    wishes: Wishes,
}

/// Works until it is dropped.
///
/// # Errors
/// The bus is closed.
pub(crate) async fn run(api: Shared) -> Result<(), BusError> {
    let dispatch = &api.dispatch;
    let mut heard = Heard {
        adverts: dispatch.bus.subscribe(&DEA_ADVERTISE).await?,
        heartbeats: dispatch.bus.subscribe(&DEA_HEARTBEAT).await?,
        goodbyes: dispatch.bus.subscribe(&DEA_SHUTDOWN).await?,
        wishes: Wishes::subscribe(&dispatch.bus).await?,
    };
    let mut stagings = Tasks::new();
    let mut retry: Interval = interval(RETRY);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut events = dispatch.bus.events();
    let mut grace = Box::pin(sleep(GRACE));
    let mut is_settled = false;
    loop {
        tokio::select! {
            advert = heard.adverts.next() => match advert {
                Some(advert) => advertised(dispatch, advert.decode().ok()),
                None => return Err(BusError::Closed),
            },
            beat = heard.heartbeats.next() => beaten(dispatch, beat.and_then(|beat| beat.decode().ok())),
            goodbye = heard.goodbyes.next() => left(dispatch, goodbye.and_then(|one| one.decode().ok())),
            Some(wish) = heard.wishes.next() => health::fulfil(&api, wish, is_settled).await,
            Some(event) = events.next() => happened(dispatch, event).await,
            () = dispatch.work.notified() => {}
            _ = retry.tick() => turn(&api).await,
            () = &mut grace, if !is_settled => {
                is_settled = true;
                match api.storage.started_processes().await {
                    Ok(all) => dispatch.known().changed.extend(all),
                    Err(error) => tracing::error!(%error, "processes-not-read"),
                }
            }
            Some(ended) = stagings.next(), if !stagings.is_empty() => {
                tracing::debug!(?ended, "staging-ended");
            }
        }
        for build in new_builds(dispatch) {
            let api = Shared::clone(&api);
            stagings.spawn("staging", async move {
                staging::stage(&api, &build).await;
                api.dispatch.known().staging.remove(&build);
            });
        }
        if is_settled {
            work(&api).await;
        }
    }
}

/// Catches up when the bus is there, for the first time or again.
async fn happened(dispatch: &Dispatch, event: Event) {
    match event {
        Event::Connected { server, again } => {
            tracing::info!(%server, again, "bus-connected");
            ask(dispatch).await;
            let unstaged = mem::take(&mut dispatch.known().unstaged);
            for app in unstaged {
                dispatch.stop_staging(&app).await;
            }
            // What was sent meanwhile, stops too, may be lost.
            let mut known = dispatch.known();
            let runs = known.observed.processes();
            known.later.extend(runs);
        }
        Event::Disconnected { reason } => tracing::warn!(%reason, "bus-lost"),
        other => tracing::debug!(?other, "bus-event"),
    }
}

/// Asks all DEAs to say what they have and what they run.
async fn ask(dispatch: &Dispatch) {
    for subject in [&DEA_LOCATE, &HEALTHMANAGER_START] {
        if let Err(error) = dispatch.bus.publish(subject, &Ask {}).await {
            tracing::debug!(%error, subject = subject.name(), "deas-not-asked");
        }
    }
}

fn advertised(dispatch: &Dispatch, advert: Option<Advertisement>) {
    let Some(advert) = advert else { return };
    let now = dispatch.tick();
    let mut known = dispatch.known();
    let dea = advert.id.clone();
    if known.pool.heard(advert, now) {
        tracing::info!(dea, "dea-found");
    }
}

fn beaten(dispatch: &Dispatch, heartbeat: Option<Heartbeat>) {
    let Some(heartbeat) = heartbeat else { return };
    let now = dispatch.tick();
    let mut known = dispatch.known();
    if known.observed.heard(&heartbeat, now) {
        // It may run what was stopped while it was away.
        let runs = known.observed.of_dea(&heartbeat.dea);
        known.changed.extend(runs);
    }
    drop(known);
    dispatch.news.notify_waiters();
}

fn left(dispatch: &Dispatch, goodbye: Option<Goodbye>) {
    let Some(goodbye) = goodbye else { return };
    tracing::info!(dea = goodbye.id, "dea-left");
    let mut known = dispatch.known();
    known.pool.left(&goodbye.id);
    known.observed.left(&goodbye.id);
}

/// Takes the builds that nobody stages yet. They count as being staged from now on.
fn new_builds(dispatch: &Dispatch) -> Vec<String> {
    let mut known = dispatch.known();
    let builds = mem::take(&mut known.builds).into_iter();
    builds
        .filter(|build| known.staging.insert(build.clone()))
        .collect()
}

/// Catches up with what requests wrote that were given up before they told it.
async fn turn(api: &Api) {
    retry_short(&api.dispatch);
    match api.storage.staging_builds(None).await {
        Ok(builds) => {
            let guids = builds.into_iter().map(|build| build.guid);
            api.dispatch.known().builds.extend(guids);
        }
        Err(error) => tracing::error!(%error, "builds-not-read"),
    }
}

/// Has what found no place, or did not arrive, looked at again.
fn retry_short(dispatch: &Dispatch) {
    let now = dispatch.tick();
    let mut known = dispatch.known();
    let overdue = known.observed.overdue(now);
    let short: Vec<String> = known.short.keys().cloned().collect();
    let later = mem::take(&mut known.later);
    known
        .changed
        .extend(short.into_iter().chain(later).chain(overdue));
}

async fn work(api: &Api) {
    let dispatch = &api.dispatch;
    let (changed, rerouted) = {
        let mut known = dispatch.known();
        let mut changed = mem::take(&mut known.changed);
        if let Some(next) = changed.iter().nth(AT_ONCE).cloned() {
            known.changed = changed.split_off(&next);
            dispatch.work.notify_one();
        }
        (changed, mem::take(&mut known.rerouted))
    };
    for process in changed {
        let updated = Updated {
            droplet: process.clone(),
        };
        if let Err(error) = dispatch.bus.publish(&DROPLET_UPDATED, &updated).await {
            tracing::debug!(%error, process, "update-not-told");
        }
        if let Err(error) = converge(api, &process).await {
            tracing::warn!(%error, process, "process-not-dispatched");
            let mut known = dispatch.known();
            // The next turn of the clock brings it back.
            known
                .short
                .entry(process)
                .or_insert_with(|| error.to_string());
        }
    }
    for app in rerouted {
        if let Err(error) = reroute(api, &app).await {
            tracing::warn!(%error, app, "routes-not-told");
            dispatch.known().rerouted.insert(app);
        }
    }
}

/// Starts and stops until a process is what it shall be.
async fn converge(api: &Api, guid: &str) -> Result<(), DispatchError> {
    let dispatch = &api.dispatch;
    let process: Option<ProcessRow> = api.storage.find(&ProcessRow::LISTING, guid).await?;
    let wanted = match &process {
        Some(process) => wanted(api, process).await?,
        None => None,
    };
    let desired = Desired {
        process: guid.to_owned(),
        version: process
            .as_ref()
            .map_or_else(String::new, |one| one.version.clone()),
        instances: match (&process, &wanted) {
            (Some(process), Some(_)) => process.wanted(),
            _ => 0,
        },
    };
    let steps = {
        let now = dispatch.tick();
        let mut known = dispatch.known();
        known.short.remove(guid);
        known.observed.plan(&desired, now)
    };
    let mut starts = Vec::new();
    for step in steps {
        match step {
            Step::Stop(stop) => dispatch.bus.publish(&DEA_STOP, &stop).await?,
            Step::Start { index, .. } => starts.push(index),
        }
    }
    let (Some(process), Some((app, droplet))) = (process, wanted) else {
        return Ok(());
    };
    let started = start(api, &app, &process, &droplet, &starts).await;
    if let Err((index, error)) = started {
        // This one and those after it were not asked for.
        let mut known = dispatch.known();
        for index in starts.into_iter().filter(|other| *other >= index) {
            known.observed.not_placed(guid, &process.version, index);
        }
        return Err(error);
    }
    Ok(())
}

/// What a process runs for, if it shall run.
pub(super) async fn wanted(
    api: &Api,
    process: &ProcessRow,
) -> Result<Option<(AppRow, DropletRow)>, StorageError> {
    let app: Option<AppRow> = api
        .storage
        .find(&AppRow::LISTING, &process.app_guid)
        .await?;
    let Some(app) = app.filter(AppRow::is_started) else {
        return Ok(None);
    };
    let Some(droplet) = &app.droplet_guid else {
        return Ok(None);
    };
    let droplet = api.storage.find(&DropletRow::LISTING, droplet).await?;
    Ok(droplet.map(|droplet| (app, droplet)))
}

pub(super) async fn start(
    api: &Api,
    app: &AppRow,
    process: &ProcessRow,
    droplet: &DropletRow,
    indices: &[u32],
) -> Result<(), (u32, DispatchError)> {
    let Some(first) = indices.first() else {
        return Ok(());
    };
    let message = api.start_message(app, process, droplet).await;
    let mut message = message.map_err(|error| (*first, error.into()))?;
    let dispatch = &api.dispatch;
    let need = Need {
        process: &process.guid,
        stack: &message.stack.clone(),
        memory_mib: message.limits.mem,
        disk_mib: message.limits.disk,
    };
    for index in indices {
        let now = dispatch.tick();
        let place = dispatch.known().pool.place(need, now, fastrand::u64(..));
        let Some(dea) = place else {
            no_place(dispatch, app, process, *index).await;
            continue;
        };
        message.index = *index;
        let Some(subject) = DEA_ID_START.subject(&dea) else {
            continue;
        };
        tracing::info!(process = process.guid, index, dea, "instance-sent");
        let sent = dispatch.bus.publish(&subject, &message).await;
        sent.map_err(|error| (*index, error.into()))?;
    }
    Ok(())
}

/// Notes that an instance has no place, and tells it once.
async fn no_place(dispatch: &Dispatch, app: &AppRow, process: &ProcessRow, index: u32) {
    let reason = format!(
        "insufficient resources: no DEA has {} MiB of memory and {} MiB of disk left",
        process.memory_in_mb, process.disk_in_mb
    );
    let is_new = {
        let mut known = dispatch.known();
        known
            .observed
            .not_placed(&process.guid, &process.version, index);
        let before = known.short.insert(process.guid.clone(), reason.clone());
        before.is_none()
    };
    if is_new {
        tracing::warn!(process = process.guid, index, "instance-without-place");
        let said = format!("Instance {index} of {} waits: {reason}", process.kind);
        dispatch.say(app, &said).await;
    }
}

/// Tells those who run an app which routes lead to it.
async fn reroute(api: &Api, app: &str) -> Result<(), DispatchError> {
    let found: Option<AppRow> = api.storage.find(&AppRow::LISTING, app).await?;
    let Some(app) = found.filter(AppRow::is_started) else {
        return Ok(());
    };
    for process in api.storage.processes_of(&app.guid).await? {
        let message = UpdateProcess {
            droplet: process.guid.clone(),
            uris: api.uris(&app, &process).await?,
            version: process.version.clone(),
        };
        api.dispatch.bus.publish(&DEA_UPDATE, &message).await?;
    }
    Ok(())
}
