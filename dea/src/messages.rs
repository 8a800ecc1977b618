//! The messages that a DEA hears.

use std::sync::Arc;

use bus::{BusError, Delivery};
use protocol::bus::Message;
use protocol::bus::dea::{
    DEA_FIND_DROPLET, DEA_ID_START, DEA_LOCATE, DEA_STATUS, DEA_STOP, DEA_UPDATE,
    HEALTHMANAGER_START,
};
use protocol::bus::output::{DEA_FIND_LOGS, FindLines, RecentLines};
use tokio::sync::mpsc;

use crate::agent::Event;
use crate::node::Node;

/// Hears what is said to this DEA, and tells the agent of it. Waits while the agent has much to do.
///
/// # Errors
/// The client of the bus has ended, or the DEA's id is no word.
pub(crate) async fn listen(node: Arc<Node>, events: mpsc::Sender<Event>) -> Result<(), BusError> {
    let bus = &node.bus;
    let start = DEA_ID_START.subject(&node.id).ok_or(BusError::Closed)?;
    let mut starts = bus.subscribe(&start).await?;
    let mut stops = bus.subscribe(&DEA_STOP).await?;
    let mut updates = bus.subscribe(&DEA_UPDATE).await?;
    let mut finds = bus.subscribe(&DEA_FIND_DROPLET).await?;
    let mut locates = bus.subscribe(&DEA_LOCATE).await?;
    let mut statuses = bus.subscribe(&DEA_STATUS).await?;
    let mut managers = bus.subscribe(&HEALTHMANAGER_START).await?;
    let mut lines = bus.subscribe(&DEA_FIND_LOGS).await?;
    let mut connection = bus.events();
    loop {
        let event = tokio::select! {
            delivery = starts.next() => {
                decoded(delivery)?.map(|order| Event::Start(Box::new(order)))
            }
            delivery = stops.next() => decoded(delivery)?.map(Event::Stop),
            delivery = updates.next() => decoded(delivery)?.map(Event::Update),
            delivery = finds.next() => Some(Event::Find(delivery.ok_or(BusError::Closed)?)),
            delivery = locates.next() => delivery.map(|_| Event::Locate),
            delivery = statuses.next() => delivery.map(Event::Status),
            delivery = managers.next() => delivery.map(|_| Event::Beat),
            delivery = lines.next() => {
                answer(&node, &delivery.ok_or(BusError::Closed)?).await;
                None
            }
            event = connection.next() => match event {
                Some(bus::Event::Connected { server, .. }) => {
                    tracing::info!(%server, "bus-connected");
                    Some(Event::BusIsThere)
                }
                Some(event) => {
                    tracing::warn!(?event, "bus");
                    None
                }
                None => return Err(BusError::Closed),
            }
        };
        if let Some(event) = event {
            // Nobody listens when the agent has ended, and this task ends with it.
            events.send(event).await.unwrap_or_default();
        }
    }
}

/// Returns what a message says; None when it says nothing, which is in the log then.
fn decoded<M: Message>(delivery: Option<Delivery<M>>) -> Result<Option<M>, BusError> {
    let delivery = delivery.ok_or(BusError::Closed)?;
    match delivery.decode() {
        Ok(message) => Ok(Some(message)),
        Err(error) => {
            tracing::warn!(%error, subject = delivery.subject(), "message-malformed");
            Ok(None)
        }
    }
}

/// Answers with the latest lines of an app, if it wrote any here.
async fn answer(node: &Node, question: &Delivery<FindLines>) {
    let Ok(Some(find)) = decoded(Some(question.clone())) else {
        return;
    };
    let lines = node.outputs.latest(&find.app_guid, find.limit);
    if !lines.is_empty() {
        let answer = RecentLines { lines };
        // Whoever asks again gets the next answer.
        node.bus.reply(question, &answer).await.unwrap_or_default();
    }
}
