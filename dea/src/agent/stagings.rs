//! Builds: each is staged by a task of its own, within what was reserved for it.

use std::sync::Arc;

use bus::Delivery;
use dea_core::ledger::Resources;
use dea_core::resources;
use protocol::bus::staging::{
    StagingFailure, StagingFault, StagingReply, StagingRequest, StagingStage, StopStaging,
};
use tokio::sync::oneshot;

use super::{Agent, Event};
use crate::node::Node;
use crate::output::Writer;

/// A build that is being staged.
#[derive(Debug)]
pub(crate) struct Staging {
    app: String,
    /// Dropped when the build shall end.
    stop: Option<oneshot::Sender<()>>,
}

impl Agent {
    /// Begins with a build, unless there is no room for it. The same build again changes nothing.
    pub(super) async fn stage(&mut self, request: StagingRequest, delivery: Delivery) {
        let task = request.task_id.clone();
        if task.is_empty() || self.stagings.contains_key(&task) {
            tracing::warn!(build = task, "staging-ignored");
            return;
        }
        let wanted = Resources::from(resources::with_defaults(request.limits));
        let refusal = match self.ledger.reserve(&holder(&task), wanted) {
            _ if self.evacuation.is_some() => Some("The node is being emptied"),
            Err(shortage) => Some(shortage.description()),
            Ok(()) => None,
        };
        if let Some(reason) = refusal {
            self.ledger.release(&holder(&task));
            let reply = failed(&task, StagingFault::InsufficientResources, reason);
            // Whoever waits for it in vain asks another DEA.
            self.bus()
                .reply(&delivery, &reply)
                .await
                .unwrap_or_default();
            return;
        }
        tracing::info!(build = task, app = request.app_id, "staging");
        let (stop, stopped) = oneshot::channel();
        let staging = Staging {
            app: request.app_id.clone(),
            stop: Some(stop),
        };
        self.stagings.insert(task.clone(), staging);
        let (node, events) = (Arc::clone(&self.node), self.events.clone());
        self.tasks.spawn(format!("staging {task}"), async move {
            run(&node, &delivery, request, stopped).await;
            // Nobody listens when the agent has ended.
            events.send(Event::Staged(task)).await.unwrap_or_default();
        });
    }

    /// Ends the builds that `stop` selects.
    pub(super) fn stop_staging(&mut self, stop: &StopStaging) {
        let is_selected = |task: &String, staging: &Staging| {
            staging.app == stop.app_id && stop.task_id.as_ref().is_none_or(|id| id == task)
        };
        for (task, staging) in &mut self.stagings {
            if is_selected(task, staging) {
                tracing::info!(build = task, "staging-stopped");
                // The build itself stays until its task has ended.
                staging.stop = None;
            }
        }
    }

    /// Gives back what a build had.
    pub(super) fn staged(&mut self, task: &str) {
        self.ledger.release(&holder(task));
        self.stagings.remove(task);
    }
}

/// Stages, and answers twice.
async fn run(
    node: &Node,
    delivery: &Delivery,
    request: StagingRequest,
    stopped: oneshot::Receiver<()>,
) {
    let task = request.task_id.clone();
    let set_up = StagingReply {
        task_id: task.clone(),
        stage: StagingStage::SetUp,
        ..StagingReply::default()
    };
    // Who does not hear the first answer learns all from the second.
    node.bus.reply(delivery, &set_up).await.unwrap_or_default();
    let writer = Writer::of_staging(&node.outputs, &request);
    let reply = tokio::select! {
        reply = node.stager.run(&request, &writer) => reply,
        _ = stopped => {
            node.stager.clear(&task).await;
            failed(&task, StagingFault::StagingError, "staging was stopped")
        }
    };
    tracing::info!(build = task, failure = ?reply.error_info, "staged");
    if let Err(error) = node.bus.reply(delivery, &reply).await {
        tracing::warn!(%error, build = task, "staging-not-answered");
    }
}

fn failed(task: &str, kind: StagingFault, message: &str) -> StagingReply {
    StagingReply {
        task_id: task.to_owned(),
        stage: StagingStage::Done,
        error_info: Some(StagingFailure {
            kind,
            message: message.to_owned(),
        }),
        ..StagingReply::default()
    }
}

/// Whose name a build's reservation has in the ledger.
fn holder(task: &str) -> String {
    format!("staging {task}")
}
