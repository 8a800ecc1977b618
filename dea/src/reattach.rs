//! What is done before the instances of the last run go on.

use std::time::Duration;

use dea_core::instance::State;
use dea_core::snapshot::Snapshot;

use crate::effects::{self, INSTANCE_LABEL};
use crate::fence::OwnedContainer;
use crate::node::Node;

/// How long the engine is left alone when it does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Removes containers that were being launched when the last run ended: they are launched anew. Waits
/// for the engine.
pub(crate) async fn clear_launches(node: &Node, snapshot: &Snapshot) {
    let is_left = |container: &OwnedContainer| {
        let id = container.labels.get(INSTANCE_LABEL);
        let mut instances = snapshot.instances.iter();
        let instance = instances.find(|instance| Some(&instance.id) == id);
        instance.is_some_and(|one| matches!(one.state, State::Fetching | State::Launching))
    };
    for container in all(node).await.iter().filter(|one| is_left(one)) {
        effects::remove_container(node, &container.id).await;
    }
}

async fn all(node: &Node) -> Vec<OwnedContainer> {
    loop {
        match node.fence.list().await {
            Ok(all) => return all,
            Err(error) => tracing::warn!(%error, "engine-awaited"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
