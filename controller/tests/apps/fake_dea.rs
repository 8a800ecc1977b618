//! A DEA that only says that it runs what it is told to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::{Bus, Options, Server};
use component::tasks::Tasks;
use protocol::bus::dea::{
    Advertisement, DEA_ADVERTISE, DEA_FIND_DROPLET, DEA_HEARTBEAT, DEA_ID_START, DEA_STOP,
    DEA_UPDATE, FoundInstance, Heartbeat, InstanceBeat, InstanceState, StartInstance,
    StopInstances, UpdateProcess,
};
use protocol::bus::output::{LOGS, OutputLine};
use protocol::bus::staging::{
    STAGING_ID_START, StagingFailure, StagingFault, StagingReply, StagingRequest, StagingStage,
};

/// How often it says what it runs.
const BEAT: Duration = Duration::from_millis(200);
/// How long a test waits for what should be, and between two looks.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// What a DEA was told, and what it makes of it.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// What runs: the id of each instance and how it was started.
    pub(crate) running: Vec<(String, StartInstance)>,
    /// Every start, also of what runs no more.
    pub(crate) starts: Vec<StartInstance>,
    /// The latest update of routes.
    pub(crate) updates: Vec<UpdateProcess>,
    /// Package that was fetched for the latest staging, in bytes.
    pub(crate) package: usize,
    /// Builds that were begun.
    pub(crate) stagings: usize,
}

/// How it stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Staging {
    Succeeds,
    Fails,
    NeverEnds,
}

/// A DEA on the bus.
#[derive(Clone)]
pub(crate) struct FakeDea {
    pub(crate) id: String,
    pub(crate) told: Arc<Mutex<Told>>,
    bus: Bus,
    staging: Staging,
}

impl FakeDea {
    /// Joins the bus at `port`. It leaves with `tasks`.
    pub(crate) async fn join(tasks: &mut Tasks, id: &str, port: u16, staging: Staging) -> Self {
        let bus = Bus::connect(&Options {
            servers: vec![Server {
                host: "127.0.0.1".to_owned(),
                port,
            }],
            ..Options::default()
        });
        let dea = Self {
            id: id.to_owned(),
            told: Arc::default(),
            bus: bus.unwrap(),
            staging,
        };
        for (name, work) in [("run", 0), ("beat", 1), ("stage", 2), ("find", 3)] {
            let dea = dea.clone();
            tasks.spawn(name, async move {
                match work {
                    0 => dea.run().await,
                    1 => dea.beat().await,
                    2 => dea.stage().await,
                    _ => dea.find().await,
                }
            });
        }
        dea
    }

    /// The indices that run of a process, in order.
    pub(crate) fn indices(&self, process: &str) -> Vec<u32> {
        let told = self.told.lock().unwrap();
        let ours = told.running.iter().map(|(_, start)| start);
        let ours = ours.filter(|start| start.droplet == process);
        let mut indices: Vec<u32> = ours.map(|start| start.index).collect();
        indices.sort_unstable();
        indices
    }

    /// Waits until these indices run of a process, and no others.
    pub(crate) async fn until_runs(&self, process: &str, indices: &[u32]) {
        self.until(|dea| dea.indices(process) == indices).await;
    }

    /// Waits until `is_so`.
    pub(crate) async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(tokio::time::Instant::now() < deadline, "{:?}", self.told);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn run(&self) {
        let family = DEA_ID_START.subject(&self.id).unwrap();
        let mut starts = self.bus.subscribe(&family).await.unwrap();
        let mut stops = self.bus.subscribe(&DEA_STOP).await.unwrap();
        let mut updates = self.bus.subscribe(&DEA_UPDATE).await.unwrap();
        loop {
            tokio::select! {
                Some(start) = starts.next() => {
                    let start = start.decode().unwrap();
                    let mut told = self.told.lock().unwrap();
                    let id = format!("{:032x}", told.starts.len());
                    told.starts.push(start.clone());
                    told.running.push((id, start));
                }
                Some(stop) = stops.next() => self.stop(&stop.decode().unwrap()),
                Some(update) = updates.next() => {
                    self.told.lock().unwrap().updates.push(update.decode().unwrap());
                }
                else => return,
            }
        }
    }

    fn stop(&self, stop: &StopInstances) {
        let is_meant = |start: &StartInstance| {
            start.droplet == stop.droplet
                && stop
                    .version
                    .as_ref()
                    .is_none_or(|version| *version == start.version)
                && stop
                    .indices
                    .as_ref()
                    .is_none_or(|all| all.contains(&start.index))
        };
        let mut told = self.told.lock().unwrap();
        told.running.retain(|(_, start)| !is_meant(start));
    }

    async fn beat(&self) {
        loop {
            let droplets = {
                let told = self.told.lock().unwrap();
                let beat = |(id, start): &(String, StartInstance)| InstanceBeat {
                    droplet: start.droplet.clone(),
                    version: start.version.clone(),
                    instance: id.clone(),
                    index: start.index,
                    state: InstanceState::Running,
                    ..InstanceBeat::default()
                };
                told.running.iter().map(beat).collect()
            };
            let advert = Advertisement {
                id: self.id.clone(),
                stacks: vec!["bookworm".to_owned()],
                available_memory: 4_096,
                available_disk: 100_000,
                ..Advertisement::default()
            };
            let heartbeat = Heartbeat {
                dea: self.id.clone(),
                droplets,
            };
            // While nobody is there, nobody hears it.
            let told = self.bus.publish(&DEA_HEARTBEAT, &heartbeat).await;
            drop(told.and(self.bus.publish(&DEA_ADVERTISE, &advert).await));
            tokio::time::sleep(BEAT).await;
        }
    }

    async fn find(&self) {
        let mut questions = self.bus.subscribe(&DEA_FIND_DROPLET).await.unwrap();
        while let Some(question) = questions.next().await {
            let asked = question.decode().unwrap();
            let found: Vec<FoundInstance> = {
                let told = self.told.lock().unwrap();
                let ours = told.running.iter();
                let ours = ours.filter(|(_, start)| start.droplet == asked.droplet);
                let found = ours.map(|(id, start)| FoundInstance {
                    dea: self.id.clone(),
                    droplet: start.droplet.clone(),
                    version: start.version.clone(),
                    instance: id.clone(),
                    index: start.index,
                    state: InstanceState::Running,
                    ..FoundInstance::default()
                });
                found.collect()
            };
            for instance in found {
                self.bus.reply(&question, &instance).await.unwrap();
            }
        }
    }

    async fn stage(&self) {
        let subject = STAGING_ID_START.subject(&self.id).unwrap();
        let mut requests = self.bus.subscribe(&subject).await.unwrap();
        while let Some(delivery) = requests.next().await {
            let request = delivery.decode().unwrap();
            self.told.lock().unwrap().stagings += 1;
            let reply = StagingReply {
                task_id: request.task_id.clone(),
                ..StagingReply::default()
            };
            self.bus.reply(&delivery, &reply).await.unwrap();
            if self.staging == Staging::NeverEnds {
                continue;
            }
            let done = self.make_droplet(&request, reply).await;
            self.bus.reply(&delivery, &done).await.unwrap();
        }
    }

    async fn make_droplet(&self, request: &StagingRequest, reply: StagingReply) -> StagingReply {
        let subject = LOGS.subject(&request.app_id).unwrap();
        let line = OutputLine {
            text: "-----> Staging".to_owned(),
            unix_nanos: nanos(),
            source: "staging".to_owned(),
            app_guid: request.app_id.clone(),
            ..OutputLine::default()
        };
        self.bus.publish(&subject, &line).await.unwrap();
        let done = StagingReply {
            stage: StagingStage::Done,
            ..reply
        };
        if self.staging == Staging::Fails {
            return StagingReply {
                error_info: Some(StagingFailure {
                    kind: StagingFault::NoAppDetectedError,
                    message: "no buildpack knows the app".to_owned(),
                }),
                ..done
            };
        }
        if let Err(error) = self.move_blobs(request).await {
            return StagingReply {
                error_info: Some(StagingFailure {
                    kind: StagingFault::StagingError,
                    message: error.to_string(),
                }),
                ..done
            };
        }
        let types = [("web", "./run"), ("worker", "./work")];
        let types = types.map(|(kind, command)| (kind.to_owned(), command.to_owned()));
        StagingReply {
            buildpack_key: Some("binary_buildpack".to_owned()),
            process_types: types.into_iter().collect(),
            droplet_sha256: Some("ab".repeat(32)),
            ..done
        }
    }

    /// Fetches what staging needs, and brings what it makes.
    async fn move_blobs(&self, request: &StagingRequest) -> reqwest::Result<()> {
        let package = reqwest::get(&request.download_uri)
            .await?
            .error_for_status()?;
        self.told.lock().unwrap().package = package.bytes().await?.len();
        let cache = reqwest::get(&request.buildpack_cache_download_uri).await?;
        assert!([200, 404].contains(&cache.status().as_u16()));
        let client = reqwest::Client::new();
        for uri in [&request.upload_uri, &request.buildpack_cache_upload_uri] {
            let sent = client.post(uri).body("a droplet").send().await?;
            assert_eq!(sent.error_for_status()?.status(), 201);
        }
        Ok(())
    }
}

fn nanos() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_nanos()).unwrap()
}
