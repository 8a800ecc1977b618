//! One staging, from the package to the end of the container.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use component::error_chain::error_chain;
use futures_util::{StreamExt as _, pin_mut};
use protocol::bus::dea::Limits;
use protocol::bus::output::Stream as StreamName;
use protocol::bus::staging::{StagingFailure, StagingFault, StagingRequest};
use tokio::time::sleep;

use super::droplet_info::DropletInfo;
use super::package::{self, Package};
use super::transfer::{Fetched, fetch, readable};
use super::{HOME, PAUSE, Stager, TASK_LABEL, container_name, failure, refused, unfit};
use crate::fence::{ContainerId, ContainerSpec, Exit, FenceError, Kind};
use crate::output::Writer;
use crate::pieces::Pieces;

/// The script that stages, which runs in the container.
const SCRIPT: &str = include_str!("stage.sh");
/// The directories there.
const DIRECTORIES: [&str; 8] = [
    "app",
    "buildpacks",
    "cache",
    "deps",
    "logs",
    "result",
    "scratch",
    "tmp",
];

/// One staging.
pub(super) struct Job<'a> {
    pub(super) stager: &'a Stager,
    pub(super) request: &'a StagingRequest,
    pub(super) limits: Limits,
    pub(super) writer: &'a Writer,
}

impl Job<'_> {
    /// Stages, and returns what the droplet is and its digest.
    pub(super) async fn stage(&self) -> Result<(DropletInfo, String), StagingFailure> {
        let (image, buildpacks) = (self.image()?, self.buildpacks()?);
        let directory = &self.stager.directory;
        fs::create_dir_all(directory).map_err(|error| unfit("No package can be kept", &error))?;
        let package = self.package().await?;
        let cache = self.cache().await;
        let spec = self.spec(image, &buildpacks);
        let container = self.stager.fence.create(&spec).await.map_err(refused)?;
        self.fill(&container, buildpacks, package, cache).await?;
        let started = self.stager.fence.start(&container).await;
        started.map_err(refused)?;
        let exit = self.follow(&container).await.map_err(refused)?;
        self.judge(exit)?;
        let info = self.info(&container).await?;
        let sha256 = self.bring_droplet(&container, &info).await?;
        self.bring_cache(&container).await;
        Ok((info, sha256))
    }

    fn image(&self) -> Result<&str, StagingFailure> {
        let stack = &self.request.stack;
        let image = self.stager.stacks.get(stack).map(String::as_str);
        image.ok_or_else(|| {
            let text = format!("There is no stack {stack:?}");
            failure(StagingFault::StagingError, text)
        })
    }

    /// Returns the buildpacks to try, or to use.
    fn buildpacks(&self) -> Result<Vec<String>, StagingFailure> {
        let options = &self.stager.options;
        let names = match self.request.buildpacks.as_slice() {
            [] => &options.buildpacks,
            named => named,
        };
        let is_there = |name: &String| {
            let is_name = protocol::bus::is_word(name) && !name.contains('/');
            is_name && options.directory.join(name).join("bin").is_dir()
        };
        match names.iter().find(|name| !is_there(name)) {
            None => Ok(names.to_vec()),
            Some(unknown) => {
                let text = format!("There is no buildpack {unknown:?}");
                Err(failure(StagingFault::StagingError, text))
            }
        }
    }

    async fn package(&self) -> Result<Package, StagingFailure> {
        let most_mib = self.limits.disk;
        let uri = &self.request.download_uri;
        let (http, directory) = (&self.stager.http, &self.stager.directory);
        let fetched = fetch(http, uri, directory, most_mib.saturating_mul(1 << 20)).await;
        let fetched = match fetched {
            Ok(Some(fetched)) => fetched,
            Ok(None) => {
                let text = "The package is not there".to_owned();
                return Err(failure(StagingFault::StagingError, text));
            }
            Err(error) => return Err(unfit("The package cannot be downloaded", &error)),
        };
        let size = readable(fetched.size);
        self.say(format!("-----> Downloaded app package ({size})"))
            .await;
        let open = move || Package::open(fetched.file, most_mib);
        match tokio::task::spawn_blocking(open).await {
            Ok(Ok(package)) => Ok(package),
            Ok(Err(error)) => Err(failure(StagingFault::StagingError, error.to_string())),
            Err(error) => Err(unfit("The package cannot be read", &error)),
        }
    }

    /// Fetches what the last staging left. Staging works without.
    async fn cache(&self) -> Option<Fetched> {
        let uri = &self.request.buildpack_cache_download_uri;
        if uri.is_empty() {
            return None;
        }
        let most = self.limits.disk.saturating_mul(1 << 20);
        match fetch(&self.stager.http, uri, &self.stager.directory, most).await {
            Ok(None) => None,
            Ok(Some(cache)) => {
                let size = readable(cache.size);
                self.say(format!("-----> Downloaded app buildpack cache ({size})"))
                    .await;
                Some(cache)
            }
            Err(error) => {
                tracing::warn!(error = %error_chain(&error), app = self.request.app_id, "cache-not-fetched");
                None
            }
        }
    }

    fn spec(&self, image: &str, buildpacks: &[String]) -> ContainerSpec {
        let (request, options) = (self.request, &self.stager.options);
        let mode = match request.buildpacks.as_slice() {
            [] => "detect",
            _ => "named",
        };
        let script = format!("{HOME}/stage.sh");
        let command = ["/bin/bash".to_owned(), script, mode.to_owned()];
        let mut env = vec![
            format!("HOME={HOME}"),
            format!("TMPDIR={HOME}/scratch"),
            "LANG=C.UTF-8".to_owned(),
            format!("CF_STACK={}", request.stack),
            format!("BUILDPACK_CACHE={HOME}/cache"),
            format!("MEMORY_LIMIT={}m", self.limits.mem),
            format!("STAGING_TIMEOUT={}", self.stager.limit(request).as_secs()),
        ];
        env.extend_from_slice(&options.environment);
        env.extend_from_slice(&request.environment);
        let bind = |(container, host): (&String, &String)| (PathBuf::from(host), container.clone());
        ContainerSpec {
            name: container_name(&request.task_id),
            kind: Kind::Staging,
            labels: BTreeMap::from([(TASK_LABEL.to_owned(), request.task_id.clone())]),
            image: image.to_owned(),
            command: command
                .into_iter()
                .chain(buildpacks.iter().cloned())
                .collect(),
            env,
            memory_mib: self.limits.mem,
            disk_mib: self.limits.disk,
            cpu_shares: options.cpu_shares,
            pids: options.processes,
            nofile: self.limits.fds,
            binds: options.files.iter().map(bind).collect(),
        }
    }

    /// Puts everything into the container that staging needs.
    async fn fill(
        &self,
        container: &ContainerId,
        buildpacks: Vec<String>,
        package: Package,
        cache: Option<Fetched>,
    ) -> Result<(), StagingFailure> {
        let fence = &self.stager.fence;
        let directory = self.stager.options.directory.clone();
        let furnish = move |out: &mut Pieces| furnish(out, &directory, &buildpacks);
        let put = fence.put_written(container, HOME, furnish).await;
        put.map_err(refused)?;
        let app = format!("{HOME}/app");
        let write = |out: &mut Pieces| package.write_tar(out);
        let put = fence.put_written(container, &app, write).await;
        put.map_err(|error| unfit("The package cannot be unpacked", &error))?;
        if let Some(cache) = cache {
            let kept = format!("{HOME}/cache");
            if let Err(error) = fence.unpack(container, &kept, cache.file).await {
                tracing::warn!(error = %error_chain(&error), app = self.request.app_id, "cache-not-used");
            }
        }
        Ok(())
    }

    /// Passes on what the container writes, until it has ended.
    async fn follow(&self, container: &ContainerId) -> Result<Exit, FenceError> {
        let mut since = None;
        loop {
            let lines = self.stager.fence.lines(container, since);
            pin_mut!(lines);
            while let Some(Ok(line)) = lines.next().await {
                // Those of the last instant come again after an interruption.
                if since.is_some_and(|since| line.at_nanos <= since) {
                    continue;
                }
                since = Some(line.at_nanos);
                let text = String::from_utf8_lossy(&line.bytes);
                let text = text.trim_end_matches(['\n', '\r']).to_owned();
                self.writer.write(line.stream, text).await;
            }
            match self.stager.fence.wait(container).await {
                Err(FenceError::Unavailable) => sleep(PAUSE).await,
                ended => return ended,
            }
        }
    }

    /// Says what an end means, in the words that clients know.
    fn judge(&self, exit: Exit) -> Result<(), StagingFailure> {
        let (kind, text) = match exit.status {
            _ if exit.out_of_memory => {
                let text = format!("Staging needs more than {} MiB of memory", self.limits.mem);
                return Err(failure(StagingFault::StagingError, text));
            }
            0 => return Ok(()),
            222 => (
                StagingFault::NoAppDetectedError,
                "An app was not successfully detected by any available buildpack",
            ),
            223 => (
                StagingFault::BuildpackCompileFailed,
                "App staging failed in the buildpack compile phase",
            ),
            224 => (
                StagingFault::BuildpackReleaseFailed,
                "App staging failed in the buildpack release phase",
            ),
            status => {
                let text = format!("Staging ended with status {status}");
                return Err(failure(StagingFault::StagingError, text));
            }
        };
        Err(failure(kind, text.to_owned()))
    }

    pub(super) async fn say(&self, text: String) {
        self.writer.write(StreamName::Stdout, text).await;
    }
}

/// Writes an archive of the directories, the script and the buildpacks that staging needs.
fn furnish(out: &mut Pieces, directory: &Path, buildpacks: &[String]) -> io::Result<()> {
    let mut tar = tar::Builder::new(out);
    for name in DIRECTORIES {
        package::append_directory(&mut tar, name)?;
    }
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(SCRIPT.len() as u64);
    tar.append_data(&mut header, "stage.sh", SCRIPT.as_bytes())?;
    for name in buildpacks {
        tar.append_dir_all(Path::new("buildpacks").join(name), directory.join(name))?;
    }
    tar.finish()
}
