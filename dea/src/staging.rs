//! Staging: a droplet is made of a package, in a container.

mod droplet_info;
mod job;
mod options;
mod package;
mod result;
mod transfer;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use component::error_chain::error_chain;
use dea_core::resources;
use protocol::bus::output::Stream as StreamName;
use protocol::bus::staging::{
    StagingFailure, StagingFault, StagingReply, StagingRequest, StagingStage,
};
use tokio::time::{sleep, timeout};

use crate::fence::{Fence, FenceError};
use crate::output::Writer;
use job::Job;
pub use options::StagingOptions;

/// The label of a container that stages, with the id of its build.
pub const TASK_LABEL: &str = "switchyard.build";

/// Where everything is, in the container.
const HOME: &str = "/home/vcap";
/// How long the engine is left alone when it does not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// How often it is tried to remove a container. One that stays is found as an orphan.
const REMOVALS: u32 = 5;

/// Makes droplets.
#[derive(Debug)]
pub struct Stager {
    fence: Fence,
    http: reqwest::Client,
    stacks: BTreeMap<String, String>,
    options: StagingOptions,
    directory: PathBuf,
}

impl Stager {
    /// A stager on the engine of `fence`, with the images of `stacks`, which keeps packages in
    /// `directory` while it works on them.
    #[must_use]
    pub fn new(
        fence: Fence,
        http: reqwest::Client,
        stacks: BTreeMap<String, String>,
        options: StagingOptions,
        directory: PathBuf,
    ) -> Self {
        Self {
            fence,
            http,
            stacks,
            options,
            directory,
        }
    }

    /// Stages, and returns the last answer. What is said meanwhile goes to `writer`. Whoever drops this
    /// before its end calls [`Self::clear`].
    pub async fn run(&self, request: &StagingRequest, writer: &Writer) -> StagingReply {
        let job = Job {
            stager: self,
            request,
            limits: resources::with_defaults(request.limits),
            writer,
        };
        let limit = self.limit(request);
        let outcome = timeout(limit, Box::pin(job.stage())).await;
        let outcome = outcome.unwrap_or_else(|_| {
            let text = format!("Staging took more than {} seconds", limit.as_secs());
            Err(failure(StagingFault::StagingTimeExpired, text))
        });
        self.clear(&request.task_id).await;
        let mut reply = StagingReply {
            task_id: request.task_id.clone(),
            stage: StagingStage::Done,
            ..StagingReply::default()
        };
        match outcome {
            Ok((info, sha256)) => {
                reply.buildpack_key = Some(info.buildpack);
                reply.detected_buildpack = Some(info.detected);
                reply.process_types = info.process_types;
                reply.droplet_sha256 = Some(sha256);
            }
            Err(failure) => {
                writer
                    .write(StreamName::Stderr, failure.message.clone())
                    .await;
                reply.error_info = Some(failure);
            }
        }
        reply
    }

    /// Removes the container of the build `task`, if there is one.
    pub async fn clear(&self, task: &str) {
        let container = container_name(task);
        for _ in 0..REMOVALS {
            match self.fence.remove(&container).await {
                Ok(()) | Err(FenceError::Gone) => return,
                Err(error) => {
                    let error = error_chain(&error);
                    tracing::warn!(%error, container, "container-not-removed");
                }
            }
            sleep(PAUSE).await;
        }
    }

    fn limit(&self, request: &StagingRequest) -> Duration {
        match request.timeout {
            0 => self.options.timeout,
            seconds => Duration::from_secs(seconds),
        }
    }
}

fn container_name(task: &str) -> String {
    format!("switchyard-staging-{task}")
}

fn failure(kind: StagingFault, message: String) -> StagingFailure {
    StagingFailure { kind, message }
}

/// What the engine said, for the developer.
#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn refused(error: FenceError) -> StagingFailure {
    unfit("The container of the build", &error)
}

fn unfit(what: &str, error: &(dyn Error + 'static)) -> StagingFailure {
    let text = format!("{what}: {}", error_chain(error));
    failure(StagingFault::StagingError, text)
}
