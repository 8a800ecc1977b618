//! What comes of a staging: the droplet, what it is, and what the next staging can use.

use std::io;

use bytes::Bytes;
use component::error_chain::error_chain;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use protocol::bus::staging::{StagingFailure, StagingFault};

use super::droplet_info::DropletInfo;
use super::job::Job;
use super::transfer::{bring, readable};
use super::{HOME, failure, refused, unfit};
use crate::fence::{ContainerId, FenceError, FileStream};

/// The longest file that is read to know what a droplet is, in bytes.
const LONGEST_TEXT: u64 = 64 * 1024;

impl Job<'_> {
    /// Reads what the buildpack and the app say of the droplet.
    pub(super) async fn info(
        &self,
        container: &ContainerId,
    ) -> Result<DropletInfo, StagingFailure> {
        let buildpack = self.text(container, "result/buildpack").await?;
        let detected = self.text(container, "result/detected").await?;
        let release = self.text(container, "result/release.yml").await?;
        let procfile = self.text(container, "app/Procfile").await?;
        let info = DropletInfo::new(buildpack, detected, &release, &procfile);
        let info = info.map_err(|reason| failure(StagingFault::BuildpackReleaseFailed, reason))?;
        if info.process_types.is_empty() {
            let text = "No start command specified by buildpack or via Procfile. The app will not \
                        start unless a command is provided at runtime.";
            self.say(text.to_owned()).await;
        }
        Ok(info)
    }

    /// Reads a short file; one that is not there is empty.
    async fn text(&self, container: &ContainerId, path: &str) -> Result<String, StagingFailure> {
        let Some(file) = self.file(container, path).await.map_err(refused)? else {
            return Ok(String::new());
        };
        if file.size > LONGEST_TEXT {
            let text = format!("{path} is longer than {LONGEST_TEXT} bytes");
            return Err(failure(StagingFault::BuildpackReleaseFailed, text));
        }
        let pieces: Result<Vec<Bytes>, io::Error> = file.try_collect().await;
        let pieces = pieces.map_err(|error| unfit("The result cannot be read", &error))?;
        Ok(String::from_utf8_lossy(&pieces.concat()).into_owned())
    }

    /// Brings the droplet, and returns its digest.
    pub(super) async fn bring_droplet(
        &self,
        container: &ContainerId,
        info: &DropletInfo,
    ) -> Result<String, StagingFailure> {
        let failed = "The droplet cannot be uploaded";
        let head = info.member().map_err(|error| unfit(failed, &error))?;
        let file = self.file(container, "droplet.tgz").await.map_err(refused)?;
        let Some(file) = file else {
            let text = format!("{failed}: there is none");
            return Err(failure(StagingFault::StagingError, text));
        };
        let size = file.size + head.len() as u64;
        let text = format!("-----> Uploading droplet ({})", readable(size));
        self.say(text).await;
        let bytes = after(head, file);
        let uri = &self.request.upload_uri;
        let brought = bring(&self.stager.http, uri, size, bytes).await;
        brought.map_err(|error| unfit(failed, &error))
    }

    /// Brings what the next staging can use. The droplet is good without.
    pub(super) async fn bring_cache(&self, container: &ContainerId) {
        let uri = &self.request.buildpack_cache_upload_uri;
        if uri.is_empty() {
            return;
        }
        let brought = match self.file(container, "cache.tgz").await {
            Ok(Some(file)) => bring(&self.stager.http, uri, file.size, file).await,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(error = %error_chain(&error), app = self.request.app_id, "cache-not-read");
                return;
            }
        };
        if let Err(error) = brought {
            tracing::warn!(error = %error_chain(&error), app = self.request.app_id, "cache-not-brought");
        }
    }

    /// Returns a file of the container; None: there is none.
    async fn file(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> Result<Option<FileStream>, FenceError> {
        let path = format!("{HOME}/{path}");
        match self.stager.fence.get(container, &path).await {
            Ok(file) => Ok(Some(file)),
            Err(FenceError::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns `head` and what follows.
fn after(
    head: Vec<u8>,
    rest: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let head = std::future::ready(Ok(Bytes::from(head)));
    futures_util::stream::once(head).chain(rest)
}
