//! The fence: containers on the engine of this node, each with limits that hold, and a disk of its own.

mod archive;
mod body;
mod disk;
mod egress;
mod lines;
mod options;
mod seccomp;
mod unpack;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use bollard::errors::Error;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder,
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    StatsOptionsBuilder, WaitContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use bytes::Bytes;
use futures_util::StreamExt as _;
use protocol::bus::output::Stream as StreamName;

pub use self::archive::FileStream;
use self::body::Hardening;
use self::disk::Disks;
pub use self::options::FenceOptions;

/// The label of everything that is made here, with its kind.
const OUR_LABEL: &str = "switchyard.kind";
/// The label with the name of a container's disk.
const DISK_LABEL: &str = "switchyard.disk";
/// How long the engine may take for one answer, in seconds.
const PATIENCE: u64 = 600;

/// A handle on one engine. Clones share it.
#[derive(Clone, Debug)]
pub struct Fence {
    engine: Docker,
    options: Arc<FenceOptions>,
    hardening: Arc<Hardening>,
    disks: Disks,
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
    /// Files of the node that it may read.
    pub binds: Vec<(PathBuf, String)>,
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
    /// Connects to the engine, puts the rules for packets in force, and removes disks that no container
    /// has.
    ///
    /// # Errors
    /// The engine is not there, or a part of the fence cannot be had: then no container is made.
    pub async fn connect(options: &FenceOptions) -> Result<Self, FenceError> {
        let socket = options.socket.to_string_lossy();
        let engine = Docker::connect_with_unix(&socket, PATIENCE, API_DEFAULT_VERSION)?;
        let engine = engine.negotiate_version().await?;
        let info = engine.info().await?;
        let hardening = Hardening::open(options, info.docker_root_dir.as_deref())?;
        egress::apply(options).await?;
        let fence = Self {
            engine,
            options: Arc::new(options.clone()),
            hardening: Arc::new(hardening),
            disks: Disks::open(&options.disks, options.files)?,
        };
        fence.forget_disks().await?;
        Ok(fence)
    }

    async fn forget_disks(&self) -> Result<(), FenceError> {
        let owned = self.list().await?;
        let kept: Vec<&str> = owned
            .iter()
            .filter_map(|one| Some(one.labels.get(DISK_LABEL)?.as_str()))
            .collect();
        for name in self.disks.names() {
            if !kept.contains(&name.as_str()) {
                tracing::info!(disk = name, "disk-removed");
                self.disks.remove(&name).await;
            }
        }
        Ok(())
    }

    /// Makes a container and its disk.
    ///
    /// # Errors
    /// As the engine says; nothing is left then.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId, FenceError> {
        let owner = self.hardening.owner();
        let disk = self.disks.make(&spec.name, spec.disk_mib, owner).await;
        let made = match disk {
            Ok(disk) => {
                let body = self.hardening.body(spec, &disk);
                let options = CreateContainerOptionsBuilder::default().name(&spec.name);
                let made = self.engine.create_container(Some(options.build()), body);
                made.await.map_err(FenceError::from)
            }
            Err(error) => Err(error),
        };
        match made {
            Ok(made) => Ok(made.id),
            Err(error) => {
                self.disks.remove(&spec.name).await;
                Err(error)
            }
        }
    }

    /// Starts it, and returns its address; an unspecified one says that it has ended already.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn start(&self, id: &ContainerId) -> Result<IpAddr, FenceError> {
        self.engine
            .start_container(id, None::<StartContainerOptions>)
            .await?;
        let known = self
            .engine
            .inspect_container(id, None::<InspectContainerOptions>)
            .await?;
        let labels = known.config.and_then(|config| config.labels);
        let kind = labels.and_then(|labels| Kind::from_label(labels.get(OUR_LABEL)?));
        let networks = known
            .network_settings
            .and_then(|settings| settings.networks);
        let address = networks
            .into_iter()
            .flatten()
            .find_map(|(_, network)| network.ip_address?.parse().ok());
        let address = address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        egress::admit(&self.options, address, kind.unwrap_or_default()).await?;
        Ok(address)
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

    /// Removes it, running or not, and its disk.
    ///
    /// # Errors
    /// [`FenceError::Gone`] when it was removed before; its disk goes with the next connection.
    pub async fn remove(&self, id: &ContainerId) -> Result<(), FenceError> {
        let disk = self.disk(id).await?;
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true);
        let removed = self
            .engine
            .remove_container(id, Some(options.build()))
            .await;
        if let Some(disk) = disk {
            self.disks.remove(&disk).await;
        }
        Ok(removed?)
    }

    async fn disk(&self, id: &ContainerId) -> Result<Option<String>, FenceError> {
        let known = self
            .engine
            .inspect_container(id, None::<InspectContainerOptions>)
            .await?;
        let labels = known.config.and_then(|config| config.labels);
        Ok(labels.and_then(|mut labels| labels.remove(DISK_LABEL)))
    }

    /// What it uses.
    pub async fn usage(&self, id: &ContainerId) -> Result<ContainerUsage, FenceError> {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true);
        let stats = self.engine.stats(id, Some(options.build()));
        let mut stats = std::pin::pin!(stats);
        let stats = stats.next().await.ok_or(FenceError::Gone)??;
        let cpu = stats.cpu_stats.and_then(|cpu| cpu.cpu_usage?.total_usage);
        let memory = stats.memory_stats.map_or(0, |memory| {
            let inactive = memory.stats.and_then(|stats| {
                // By the names of cgroup 1 and 2.
                let names = ["total_inactive_file", "inactive_file"];
                names.iter().find_map(|name| stats.get(*name).copied())
            });
            let used = memory.usage.unwrap_or(0);
            used.saturating_sub(inactive.unwrap_or(0))
        });
        // A disk is called as its container, whose name the engine begins with a slash.
        let disk = stats
            .name
            .as_deref()
            .and_then(|name| name.strip_prefix('/'));
        Ok(ContainerUsage {
            cpu_nanos: cpu.unwrap_or(0),
            memory,
            disk: disk.map_or(0, |disk| self.disks.used(disk)),
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

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Staging => "staging",
        }
    }

    fn from_label(label: &str) -> Option<Self> {
        [Self::Running, Self::Staging]
            .into_iter()
            .find(|kind| kind.label() == label)
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
