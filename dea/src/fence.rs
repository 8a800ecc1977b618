//! The fence: containers on the engine of this node.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, ResourcesUlimits};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder,
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions, StatsOptionsBuilder, UploadToContainerOptionsBuilder,
    WaitContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker, body_try_stream};
use bytes::Bytes;
use component::yaml::Keys;
use futures_util::{Stream, StreamExt as _};
use protocol::bus::output::Stream as StreamName;
use time::OffsetDateTime;

/// The label of everything that is made here, with its kind.
const OUR_LABEL: &str = "switchyard.kind";

/// How the engine is reached, and what containers may do.
#[derive(Clone, Debug)]
pub struct FenceOptions {
    /// The engine's socket.
    pub socket: PathBuf,
}

/// A handle on one engine. Clones share it.
#[derive(Clone, Debug)]
pub struct Fence {
    engine: Docker,
}

impl Default for FenceOptions {
    fn default() -> Self {
        Self {
            socket: "/run/switchyard/docker.sock".into(),
        }
    }
}

impl FenceOptions {
    pub(crate) fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.title("Containers");
        keys.section("engine", "The container engine.", |keys| {
            keys.key("socket", "Its socket.", &mut self.socket);
        });
    }
}

/// A container's id, as the engine gives it.
pub type ContainerId = String;

/// A container that shall be made.
#[derive(Clone, Debug, Default)]
pub struct ContainerSpec {
    /// Its name, unique on the node.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// What it is labelled with, beside the kind.
    pub labels: BTreeMap<String, String>,
    /// The image that it is made of.
    pub image: String,
    /// Its first process.
    pub command: Vec<String>,
    /// `KEY=value`.
    pub env: Vec<String>,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Disk in MiB.
    pub disk_mib: u64,
    /// Its weight among all that want the CPU.
    pub cpu_shares: u64,
    /// Processes and threads at most.
    pub pids: u64,
    /// Open files of each process at most.
    pub nofile: u64,
}

/// What a container is for; it decides which addresses the container may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// It runs an instance.
    #[default]
    Running,
    /// It stages.
    Staging,
}

/// How the first process of a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its exit status.
    pub status: i64,
    /// Whether it was killed because the container had no memory left.
    pub out_of_memory: bool,
}

/// A signal to the first process of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Term,
    /// SIGKILL.
    Kill,
}

/// A piece of a container's output, as the engine keeps it: a line, or a part of a long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerLine {
    /// When it was written, in nanoseconds since 1970.
    pub at_nanos: i64,
    /// Where to.
    pub stream: StreamName,
    /// Its bytes, with the end of the line if this is where it ends.
    pub bytes: Bytes,
}

/// What a container uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerUsage {
    /// Processor time so far, in nanoseconds.
    pub cpu_nanos: u64,
    /// Memory in bytes.
    pub memory: u64,
    /// Disk in bytes.
    pub disk: u64,
}

/// A container of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedContainer {
    /// Its id.
    pub id: ContainerId,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether its first process runs.
    pub is_running: bool,
}

/// Why the engine did not do it.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// The engine is not there: try again.
    #[error("the container engine does not answer")]
    Unavailable,
    /// There is no such container.
    #[error("there is no such container")]
    Gone,
    /// It cannot be done.
    #[error("{0}")]
    Refused(String),
}

impl Fence {
    /// Connects to the engine.
    pub async fn connect(options: &FenceOptions) -> Result<Self, FenceError> {
        let socket = options.socket.to_string_lossy();
        let engine = Docker::connect_with_unix(&socket, 600, API_DEFAULT_VERSION)?;
        let engine = engine.negotiate_version().await?;
        Ok(Self { engine })
    }

    /// Makes a container.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId, FenceError> {
        let kind = match spec.kind {
            Kind::Running => "running",
            Kind::Staging => "staging",
        };
        let mut labels: HashMap<String, String> = spec.labels.clone().into_iter().collect();
        labels.insert(OUR_LABEL.to_owned(), kind.to_owned());
        let bytes = i64::try_from(spec.memory_mib << 20).unwrap_or(i64::MAX);
        let nofile = i64::try_from(spec.nofile).unwrap_or(i64::MAX);
        let host = HostConfig {
            memory: Some(bytes),
            memory_swap: Some(bytes),
            cpu_shares: i64::try_from(spec.cpu_shares).ok(),
            pids_limit: i64::try_from(spec.pids).ok(),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            ulimits: Some(vec![ResourcesUlimits {
                name: Some("nofile".to_owned()),
                soft: Some(nofile),
                hard: Some(nofile),
            }]),
            ..HostConfig::default()
        };
        let body = ContainerCreateBody {
            image: Some(spec.image.clone()),
            cmd: Some(spec.command.clone()),
            env: Some(spec.env.clone()),
            labels: Some(labels),
            user: Some("2000:2000".to_owned()),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(&spec.name);
        let made = self.engine.create_container(Some(options.build()), body);
        Ok(made.await?.id)
    }

    /// Unpacks an archive, plain or gzipped, into a directory of the container.
    pub async fn put(
        &self,
        id: &ContainerId,
        directory: &str,
        archive: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), FenceError> {
        let options = UploadToContainerOptionsBuilder::default().path(directory);
        let put =
            self.engine
                .upload_to_container(id, Some(options.build()), body_try_stream(archive));
        Ok(put.await?)
    }

    /// Starts it, and returns its address; an unspecified one says that it has ended already.
    pub async fn start(&self, id: &ContainerId) -> Result<IpAddr, FenceError> {
        self.engine
            .start_container(id, None::<StartContainerOptions>)
            .await?;
        let known = self
            .engine
            .inspect_container(id, None::<InspectContainerOptions>)
            .await?;
        let networks = known
            .network_settings
            .and_then(|settings| settings.networks);
        let address = networks
            .into_iter()
            .flatten()
            .find_map(|(_, network)| network.ip_address?.parse().ok());
        Ok(address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()))
    }

    /// Waits for its end.
    pub async fn wait(&self, id: &ContainerId) -> Result<Exit, FenceError> {
        let waits = self.engine.wait_container(id, None::<WaitContainerOptions>);
        let mut waits = std::pin::pin!(waits);
        match waits.next().await {
            Some(Ok(_) | Err(Error::DockerContainerWaitError { .. })) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err(FenceError::Unavailable),
        }
        let known = self
            .engine
            .inspect_container(id, None::<InspectContainerOptions>)
            .await?;
        let state = known.state.unwrap_or_default();
        let status = state.exit_code.unwrap_or(-1);
        Ok(Exit {
            status,
            out_of_memory: status == 137 && state.oom_killed == Some(true),
        })
    }

    /// Sends it a signal.
    pub async fn signal(&self, id: &ContainerId, signal: Signal) -> Result<(), FenceError> {
        let name = match signal {
            Signal::Term => "SIGTERM",
            Signal::Kill => "SIGKILL",
        };
        let options = KillContainerOptionsBuilder::default().signal(name);
        Ok(self
            .engine
            .kill_container(id, Some(options.build()))
            .await?)
    }

    /// Removes it.
    pub async fn remove(&self, id: &ContainerId) -> Result<(), FenceError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true);
        Ok(self
            .engine
            .remove_container(id, Some(options.build()))
            .await?)
    }

    /// Its output after `since_nanos`.
    pub fn lines(
        &self,
        id: &ContainerId,
        since_nanos: Option<i64>,
    ) -> impl Stream<Item = Result<ContainerLine, FenceError>> + Send + 'static {
        let mut options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .follow(true)
            .timestamps(true);
        if let Some(since) = since_nanos {
            options = options.since(i32::try_from(since / 1_000_000_000).unwrap_or(i32::MAX));
        }
        let (engine, id) = (self.engine.clone(), id.clone());
        let lines = engine.logs(&id, Some(options.build()));
        let lines: std::pin::Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>> =
            Box::pin(lines);
        lines.map(|line| Ok(read(line?)))
    }

    /// What it uses.
    pub async fn usage(&self, id: &ContainerId) -> Result<ContainerUsage, FenceError> {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true);
        let stats = self.engine.stats(id, Some(options.build()));
        let mut stats = std::pin::pin!(stats);
        let stats = stats.next().await.ok_or(FenceError::Gone)??;
        let cpu = stats.cpu_stats.and_then(|cpu| cpu.cpu_usage?.total_usage);
        let memory = stats.memory_stats.and_then(|memory| memory.usage);
        Ok(ContainerUsage {
            cpu_nanos: cpu.unwrap_or(0),
            memory: memory.unwrap_or(0),
            disk: 0,
        })
    }

    /// All containers of ours.
    pub async fn list(&self) -> Result<Vec<OwnedContainer>, FenceError> {
        let filters = HashMap::from([("label", vec![OUR_LABEL])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters);
        let all = self.engine.list_containers(Some(options.build())).await?;
        let owned = all.into_iter().filter_map(|one| {
            Some(OwnedContainer {
                id: one.id?,
                labels: one.labels.unwrap_or_default().into_iter().collect(),
                is_running: one
                    .state
                    .is_some_and(|state| state.to_string() == "running"),
            })
        });
        Ok(owned.collect())
    }
}

fn read(line: LogOutput) -> ContainerLine {
    let stream = match line {
        LogOutput::StdErr { .. } => StreamName::Stderr,
        _ => StreamName::Stdout,
    };
    let bytes = line.into_bytes();
    let stamp = bytes.iter().position(|byte| *byte == b' ').unwrap_or(0);
    let text = String::from_utf8_lossy(&bytes[..stamp]).into_owned();
    let at = OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339);
    let at_nanos = at.map_or(0, |at| {
        i64::try_from(at.unix_timestamp_nanos()).unwrap_or(0)
    });
    ContainerLine {
        at_nanos,
        stream,
        bytes: bytes.slice((stamp + 1).min(bytes.len())..),
    }
}

impl From<Error> for FenceError {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError {
                status_code: 404, ..
            } => Self::Gone,
            Error::DockerResponseServerError { message, .. } => Self::Refused(message),
            _ => Self::Unavailable,
        }
    }
}
