//! The messages that a DEA hears.

use std::sync::Arc;

use bus::{BusError, Delivery};
use protocol::bus::Message;
use protocol::bus::dea::{
    DEA_FIND_DROPLET, DEA_ID_START, DEA_LOCATE, DEA_STATUS, DEA_STOP, DEA_UPDATE,
    HEALTHMANAGER_START,
};
use protocol::bus::output::{DEA_FIND_LOGS, FindLines, RecentLines};
use protocol::bus::staging::{STAGING_ID_START, STAGING_STOP};
use tokio::sync::mpsc;

use crate::agent::Event;
use crate::node::Node;

/// All that is said between controllers and DEAs. One subscription keeps what is said in its order: an
/// order to start that overtook the stop before it would be stopped. What other DEAs say comes along.
const DEAS: &str = "dea.>";

/// The same for builds.
const STAGINGS: &str = "staging.>";

/// Hears what is said to this DEA, and tells the agent of it. Waits while the agent has much to do.
///
/// # Errors
/// The client of the bus has ended, or the DEA's id is no word.
pub(crate) async fn listen(node: Arc<Node>, events: mpsc::Sender<Event>) -> Result<(), BusError> {
    let bus = &node.bus;
    let start = DEA_ID_START.subject(&node.id).ok_or(BusError::Closed)?;
    let mut orders = bus.subscribe_pattern(DEAS).await?;
    let stage = STAGING_ID_START.subject(&node.id).ok_or(BusError::Closed)?;
    let mut stagings = bus.subscribe_pattern(STAGINGS).await?;
    let mut managers = bus.subscribe(&HEALTHMANAGER_START).await?;
    let mut connection = bus.events();
    loop {
        let event = tokio::select! {
            order = orders.next() => {
                let order = order.ok_or(BusError::Closed)?;
                if order.subject() == DEA_FIND_LOGS.name() {
                    answer(&node, &order).await;
                }
                event(start.name(), order)
            }
            staging = stagings.next() => {
                staging_event(stage.name(), staging.ok_or(BusError::Closed)?)
            }
            manager = managers.next() => manager.map(|_| Event::Beat),
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

/// Returns what a message is about, where `start` is the subject of orders to start. None when it is
/// not for us or says nothing, which is in the log then.
fn event(start: &str, message: Delivery) -> Option<Event> {
    let subject = message.subject();
    if subject == start {
        decoded(&message).map(|order| Event::Start(Box::new(order)))
    } else if subject == DEA_STOP.name() {
        decoded(&message).map(Event::Stop)
    } else if subject == DEA_UPDATE.name() {
        decoded(&message).map(Event::Update)
    } else if subject == DEA_FIND_DROPLET.name() {
        decoded(&message).map(|find| Event::Find(find, message))
    } else if subject == DEA_LOCATE.name() {
        Some(Event::Locate)
    } else if subject == DEA_STATUS.name() {
        Some(Event::Status(message))
    } else {
        None
    }
}

/// The same of a message about builds, where `start` is the subject of those that shall be staged.
fn staging_event(start: &str, message: Delivery) -> Option<Event> {
    let subject = message.subject();
    if subject == start {
        decoded(&message).map(|request| Event::Stage(request, message))
    } else if subject == STAGING_STOP.name() {
        decoded(&message).map(Event::StopStaging)
    } else {
        None
    }
}

/// Returns what a message says; None when it says nothing, which is in the log then.
fn decoded<M: Message>(message: &Delivery) -> Option<M> {
    let decoded = M::decode(message.payload());
    if let Err(error) = &decoded {
        tracing::warn!(%error, subject = message.subject(), "message-malformed");
    }
    decoded.ok()
}

/// Answers with the latest lines of an app, if it wrote any here.
async fn answer(node: &Node, question: &Delivery) {
    let Some(find) = decoded::<FindLines>(question) else {
        return;
    };
    let lines = node.outputs.latest(&find.app_guid, find.limit);
    if !lines.is_empty() {
        let answer = RecentLines { lines };
        // Whoever asks again gets the next answer.
        node.bus.reply(question, &answer).await.unwrap_or_default();
    }
}
