//! What apps write: from the container engine to the bus.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::{Bus, BusError};
use dea_core::instance::Instance;
use dea_core::output::{AppOutput, RateLimit, Splitter};
use dea_core::recent::Recent;
use futures_util::StreamExt as _;
use protocol::bus::Subject;
use protocol::bus::dea::StartInstance;
use protocol::bus::output::{LOGS, OutputLine, Stream};
use protocol::bus::staging::StagingRequest;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::config::OutputConfig;
use crate::fence::{ContainerLine, Fence, FenceError};
use crate::node::now_nanos;

/// Of how many apps the latest lines are kept. Of one more, those of the app that has been silent for
/// longest go.
const MOST_APPS: usize = 1_000;
/// Most bytes of the latest lines of one app: an answer on the bus has to hold them.
const MOST_BYTES: usize = 512 * 1024;
/// Pieces of output that are published before it is noted how far it was read.
const BATCH: usize = 64;
/// How long the engine or the bus is left alone when it does not answer.
const PAUSE: Duration = Duration::from_millis(200);
/// After what silence an app is told that lines were dropped.
const SILENCE: Duration = Duration::from_secs(1);

/// What all apps of this node write.
#[derive(Debug)]
pub struct Outputs {
    bus: Bus,
    /// The node's address.
    node: String,
    config: OutputConfig,
    apps: Mutex<BTreeMap<String, AppOutput>>,
}

/// Where one instance, or one build, has its lines.
#[derive(Clone, Debug)]
pub struct Writer {
    outputs: Arc<Outputs>,
    template: OutputLine,
    subject: Option<Subject<OutputLine>>,
}

impl Outputs {
    /// What is written is published on `bus` as from `node`.
    #[must_use]
    pub fn new(bus: Bus, node: String, config: OutputConfig) -> Self {
        Self {
            bus,
            node,
            config,
            apps: Mutex::default(),
        }
    }

    /// Returns the latest `limit` lines of an app; none when it wrote nothing here.
    pub(crate) fn latest(&self, app: &str, limit: u32) -> Vec<OutputLine> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let apps = self.apps();
        apps.get(app)
            .map_or_else(Vec::new, |output| output.recent().latest(limit))
    }

    /// Does something to what an app writes.
    fn with<T>(&self, app: &str, act: impl FnOnce(&mut AppOutput) -> T) -> T {
        let mut apps = self.apps();
        if apps.len() >= MOST_APPS && !apps.contains_key(app) {
            let silent = apps.iter().min_by_key(|(_, output)| output.last_nanos());
            if let Some(silent) = silent.map(|(app, _)| app.clone()) {
                apps.remove(&silent);
            }
        }
        act(apps.entry(app.to_owned()).or_insert_with(|| {
            let limit = RateLimit {
                per_second: self.config.per_second,
                burst: self.config.burst,
            };
            AppOutput::new(limit, Recent::new(self.config.recent, MOST_BYTES))
        }))
    }

    fn apps(&self) -> MutexGuard<'_, BTreeMap<String, AppOutput>> {
        // A map is whole after every call, so a panic elsewhere does no harm to it.
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// For the lines of an instance.
    #[must_use]
    pub fn of_instance(outputs: &Arc<Outputs>, order: &StartInstance) -> Self {
        let space = order.vcap_application.get("space_name");
        let template = OutputLine {
            source: "app".to_owned(),
            instance_index: i64::from(order.index),
            process_type: order.process_type.clone(),
            app_guid: order.app_id.clone(),
            app_name: order.name.clone(),
            app_space: space
                .and_then(|name| name.as_str())
                .unwrap_or_default()
                .to_owned(),
            ..OutputLine::default()
        };
        Self::new(outputs, template)
    }

    /// For the lines of a build.
    #[must_use]
    pub fn of_staging(outputs: &Arc<Outputs>, request: &StagingRequest) -> Self {
        let template = OutputLine {
            source: "staging".to_owned(),
            instance_index: -1,
            app_guid: request.app_id.clone(),
            app_name: request.app_name.clone(),
            ..OutputLine::default()
        };
        Self::new(outputs, template)
    }

    fn new(outputs: &Arc<Outputs>, mut template: OutputLine) -> Self {
        template.node_id.clone_from(&outputs.node);
        let subject = LOGS.subject(&template.app_guid);
        if subject.is_none() {
            tracing::warn!(app = template.app_guid, "output-of-no-app");
        }
        Self {
            outputs: Arc::clone(outputs),
            template,
            subject,
        }
    }

    /// Publishes a line that was written now. Nobody hears it while the bus is away; it is among the
    /// latest lines all the same.
    pub async fn write(&self, stream: Stream, text: String) {
        for line in self.take(stream, text, now_nanos()) {
            self.publish(&line).await.unwrap_or_default();
        }
    }

    /// Publishes a remark of the platform, as [`write`](Self::write) does.
    pub async fn remark(&self, text: String) {
        let line = OutputLine {
            text,
            source: "dea".to_owned(),
            ..self.template.clone()
        };
        let app = &self.template.app_guid;
        let line = self
            .outputs
            .with(app, |output| output.remark(line, now_nanos()));
        self.publish(&line).await.unwrap_or_default();
    }

    fn take(&self, filename: Stream, text: String, at_nanos: i64) -> Vec<OutputLine> {
        let line = OutputLine {
            text,
            filename,
            ..self.template.clone()
        };
        let app = &self.template.app_guid;
        self.outputs.with(app, |output| output.take(line, at_nanos))
    }

    fn take_dropped(&self) -> Option<OutputLine> {
        let app = &self.template.app_guid;
        let like = &self.template;
        self.outputs
            .with(app, |output| output.take_dropped(like, now_nanos()))
    }

    /// Publishes `line` as soon as the bus is there. What the bus never takes is left out.
    async fn deliver(&self, line: &OutputLine) {
        while let Err(BusError::NotConnected) = self.publish(line).await {
            sleep(PAUSE).await;
        }
    }

    async fn publish(&self, line: &OutputLine) -> Result<(), BusError> {
        match &self.subject {
            Some(subject) => self.outputs.bus.publish(subject, line).await,
            None => Ok(()),
        }
    }
}

/// How far the output of an instance was passed on: a file, so that it is known after a `kill -9`.
#[derive(Debug)]
pub(crate) struct Position {
    file: Option<fs::File>,
    nanos: i64,
}

impl Position {
    /// Opens the position of the instance `id`, with its beginning if it has none.
    pub(crate) fn open(base_dir: &Path, id: &str) -> Self {
        let opened = Self::file(base_dir, id);
        let read = opened.and_then(|file| {
            let mut text = [0; 20];
            let length = file.read_at(&mut text, 0)?;
            let text = text.get(..length).unwrap_or_default();
            Ok((
                file,
                String::from_utf8_lossy(text).trim().parse().unwrap_or(0),
            ))
        });
        match read {
            Ok((file, nanos)) => Self {
                file: Some(file),
                nanos,
            },
            Err(error) => {
                tracing::error!(%error, instance = id, "position-not-kept");
                Self {
                    file: None,
                    nanos: 0,
                }
            }
        }
    }

    fn file(base_dir: &Path, id: &str) -> io::Result<fs::File> {
        let path = Self::path(base_dir, id);
        fs::create_dir_all(path.parent().unwrap_or(base_dir))?;
        fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
    }

    /// Forgets the position of the instance `id`.
    pub(crate) fn remove(base_dir: &Path, id: &str) {
        let removed = fs::remove_file(Self::path(base_dir, id));
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, instance = id, "position-not-removed");
        }
    }

    fn path(base_dir: &Path, id: &str) -> PathBuf {
        base_dir.join("output").join(id)
    }

    /// Notes that everything up to `nanos` was passed on. One short write at one place of an open file:
    /// it is there as a whole or not at all, also when this process is killed.
    fn note(&mut self, nanos: i64) {
        self.nanos = nanos;
        let Some(file) = &self.file else {
            return;
        };
        if let Err(error) = file.write_all_at(format!("{nanos:020}").as_bytes(), 0) {
            tracing::error!(%error, "position-not-kept");
            self.file = None;
        }
    }
}

/// Passes on what the container of `instance` writes, from where it was left, until all of it has been
/// after `ended` has become true.
pub(crate) async fn follow(
    fence: Fence,
    writer: Writer,
    mut position: Position,
    instance: Instance,
    container: String,
    ended: watch::Receiver<bool>,
) {
    let longest = writer.outputs.config.longest.as_usize();
    loop {
        // What was written before the end is read by whoever begins to read after it.
        let is_last = *ended.borrow();
        let mut splitter = Splitter::new(longest);
        let read = pass_on(&fence, &writer, &mut position, &container, &mut splitter).await;
        let is_gone = match read {
            Ok(()) => false,
            Err(FenceError::Gone) => true,
            Err(error) => {
                tracing::warn!(%error, instance = instance.id, "output-interrupted");
                sleep(PAUSE).await;
                continue;
            }
        };
        if is_last || is_gone {
            for stream in [Stream::Stdout, Stream::Stderr] {
                if let Some(text) = splitter.rest(stream) {
                    for line in writer.take(stream, text, now_nanos()) {
                        writer.deliver(&line).await;
                    }
                }
            }
            break;
        }
        sleep(PAUSE).await;
    }
    if let Some(remark) = writer.take_dropped() {
        writer.deliver(&remark).await;
    }
}

/// Passes on what the engine has, until it has no more.
async fn pass_on(
    fence: &Fence,
    writer: &Writer,
    position: &mut Position,
    container: &String,
    splitter: &mut Splitter,
) -> Result<(), FenceError> {
    let from = position.nanos;
    let since = (from > 0).then_some(from);
    let pieces = fence.lines(container, since).ready_chunks(BATCH);
    let mut pieces = std::pin::pin!(pieces);
    loop {
        let Ok(batch) = timeout(SILENCE, pieces.next()).await else {
            if let Some(remark) = writer.take_dropped() {
                writer.deliver(&remark).await;
            }
            continue;
        };
        let Some(batch) = batch else {
            return Ok(());
        };
        let mut last_nanos = 0;
        for piece in batch {
            let ContainerLine {
                at_nanos,
                stream,
                bytes,
            } = piece?;
            if at_nanos <= from {
                continue;
            }
            for text in splitter.push(stream, &bytes) {
                for line in writer.take(stream, text, at_nanos) {
                    writer.deliver(&line).await;
                }
            }
            last_nanos = at_nanos;
        }
        // A line that is not whole yet is read again from its beginning.
        if last_nanos > 0 && splitter.is_between_lines() {
            // What a server of the bus has not got yet when this process is killed is lost otherwise.
            while let Err(BusError::NotConnected) = writer.outputs.bus.flush().await {
                sleep(PAUSE).await;
            }
            position.note(last_nanos);
        }
    }
}

#[cfg(test)]
mod tests {
    use bus::Hub;
    use tests_kit::TempDir;

    use super::*;
    use crate::config::Config;

    #[test]
    fn a_position_outlives_its_process() {
        let directory = TempDir::new();
        let base = directory.path();
        let mut position = Position::open(base, "i");
        assert_eq!(position.nanos, 0);
        position.note(1_793_607_330_123_456_789);
        position.note(1_793_607_330_123_456_790);
        assert_eq!(Position::open(base, "i").nanos, 1_793_607_330_123_456_790);
        Position::remove(base, "i");
        Position::remove(base, "i");
        assert_eq!(Position::open(base, "i").nanos, 0);
    }

    #[tokio::test]
    async fn lines_are_published_and_kept_under_their_app() {
        let hub = Hub::default();
        let subject = LOGS.subject("a").unwrap();
        let theirs = Bus::in_memory(&hub, 16);
        let mut heard = theirs.subscribe(&subject).await.unwrap();
        let bus = Bus::in_memory(&hub, 16);
        let outputs = Outputs::new(bus, "10.0.0.1".to_owned(), Config::default().output);
        let outputs = Arc::new(outputs);
        let order = StartInstance {
            app_id: "a".to_owned(),
            process_type: "web".to_owned(),
            index: 2,
            ..StartInstance::default()
        };
        let writer = Writer::of_instance(&outputs, &order);
        writer.write(Stream::Stderr, "one".to_owned()).await;
        writer.remark("two".to_owned()).await;
        let request = StagingRequest {
            app_id: "a".to_owned(),
            ..StagingRequest::default()
        };
        let staging = Writer::of_staging(&outputs, &request);
        staging.write(Stream::Stdout, "three".to_owned()).await;
        let mut lines = Vec::new();
        for _ in 0..3 {
            lines.push(heard.next().await.unwrap().decode().unwrap());
        }
        let told = |line: &OutputLine| {
            let OutputLine {
                text,
                source,
                instance_index,
                process_type,
                ..
            } = line;
            format!("{text} {source} {instance_index} {process_type}")
        };
        let all: Vec<String> = lines.iter().map(told).collect();
        assert_eq!(all, ["one app 2 web", "two dea 2 web", "three staging -1 "]);
        assert!(lines.is_sorted_by(|a, b| a.unix_nanos < b.unix_nanos));
        assert_eq!(outputs.latest("a", 2), lines[1..]);
        assert!(outputs.latest("b", 2).is_empty());
    }
}
