//! The routes on disk, for the next start.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use component::atomic_file;
use component::periodic::{Periodic, Turn};
use component::regular_file;
use component::tick::Tick;
use router_core::own_listeners::OwnListeners;
use router_core::registry::Registry;
use router_core::snapshot::{self, Snapshot};
use router_core::table::RouteTable;

use crate::observe::metrics::Metrics;
use crate::routes::Routes;
use crate::routes::registrar::Outlets;

/// What came of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Endpoints that were taken over.
    pub endpoints: u64,
    /// Whether that was all that the last run knew: the file was neither damaged nor too old.
    pub whole: bool,
}

/// Puts the routes that `file` holds into `registry`.
///
/// A missing file is fine. One that cannot be read to its end is logged, and what could be read serves.
/// From a file older than `max_age` only TLS endpoints are taken. No listener of this router is taken.
pub fn restore(
    file: &Path,
    max_age: Duration,
    own: &OwnListeners,
    registry: &mut Registry,
    now: Tick,
) -> Restored {
    let path = file.display();
    let bytes = match read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Restored::default(),
        Err(error) => {
            tracing::warn!(%path, %error, "snapshot-not-loaded");
            return Restored::default();
        }
    };
    let snapshot = match Snapshot::open(&bytes) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            tracing::warn!(%path, %error, "snapshot-not-loaded");
            return Restored::default();
        }
    };
    let calendar = unix_millis();
    let mut registrations = snapshot.registrations(calendar, max_age);
    let others = registrations
        .by_ref()
        .filter(|route| !own.have(route.facts.address()));
    let endpoints = registry.restore(others, now);
    let age = snapshot.age(calendar);
    if let Some(error) = registrations.damage() {
        tracing::warn!(%path, %error, endpoints, "snapshot-partly-loaded");
    } else {
        tracing::info!(%path, endpoints, age = age.as_secs(), "snapshot-loaded");
    }
    Restored {
        endpoints,
        whole: registrations.damage().is_none() && age <= max_age,
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let (mut file, _) = regular_file::open(file)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes the table in use to a file while it changes.
#[derive(Debug)]
pub struct SnapshotFile {
    file: PathBuf,
    max_age: Duration,
    routes: Routes,
    metrics: Arc<Metrics>,
    /// What the file holds.
    generation: u64,
    /// When registrars were last heard before the file was written, and when that was.
    heard: u64,
    written: Instant,
}

impl SnapshotFile {
    /// Keeps the table in `file`, which holds that of generation `held` already. That one is not
    /// written again: the file would look younger than what it holds.
    pub fn new(file: PathBuf, max_age: Duration, held: u64, outlets: &Outlets) -> Self {
        Self {
            file,
            max_age,
            routes: Arc::clone(&outlets.routes),
            metrics: Arc::clone(&outlets.metrics),
            generation: held,
            heard: outlets.metrics.registry.updated_at.get(),
            written: Instant::now(),
        }
    }

    /// Looks every `interval`, and when the router stops, whether there is something to write.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn keep(mut self, interval: Duration) -> io::Result<Periodic> {
        Periodic::start("snapshot", interval, move |turn| self.turn(turn))
    }

    fn turn(&mut self, turn: Turn) {
        let heard = self.metrics.registry.updated_at.get();
        let changed = self.routes.load().generation() != self.generation;
        // The same routes, but confirmed since: the file says how old that is.
        let aged = self.written.elapsed() >= self.max_age / 4 || turn == Turn::Last;
        if changed || (aged && heard != self.heard) {
            self.write(heard);
        }
    }

    fn write(&mut self, heard: u64) {
        let metrics = &self.metrics.registry;
        // The registrar drops it: it keeps what it replaced as long as somebody else does.
        let table = self.routes.load_full();
        match replace(&self.file, &table) {
            Ok(endpoints) => {
                self.generation = table.generation();
                self.heard = heard;
                self.written = Instant::now();
                metrics.snapshot_written_unix.set(unix_millis() / 1000);
                tracing::debug!(path = %self.file.display(), endpoints, "snapshot-written");
            }
            Err(error) => {
                metrics.snapshot_failures.add(1);
                tracing::warn!(path = %self.file.display(), %error, "snapshot-not-written");
            }
        }
    }
}

fn replace(file: &Path, table: &RouteTable) -> io::Result<usize> {
    atomic_file::replace(file, |out| {
        snapshot::write(table, unix_millis(), |piece| out.write_all(piece))
    })
}

fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use arc_swap::ArcSwap;
    use router_core::endpoint::{Description, Digest, Facts, Origin};
    use router_core::registration::Registration;
    use router_core::registry::{Command, RegistryConfig};
    use router_core::route::RouteKey;
    use tests_kit::TempDir;

    use super::*;
    use crate::observe::health::Health;

    const HOUR: Duration = Duration::from_secs(3600);

    fn restore_all(file: &Path, max_age: Duration) -> Restored {
        let own = OwnListeners::default();
        restore(file, max_age, &own, &mut empty(), Tick::default())
    }

    #[test]
    fn an_endpoint_that_is_a_listener_of_this_router_is_left_out() {
        let mut registry = empty();
        register(&mut registry, "a.test", Origin::Bus);
        let directory = TempDir::new();
        let file = directory.path().join("routes.snapshot");
        replace(&file, &registry.table()).unwrap();
        assert_eq!(restore_all(&file, HOUR).endpoints, 1);
        let own = OwnListeners::new(["10.0.0.1:80".parse().unwrap()], |_| false);
        let mut registry = empty();
        assert_eq!(
            restore(&file, HOUR, &own, &mut registry, Tick::default()).endpoints,
            0
        );
        assert!(registry.table().lookup("a.test", "/").is_none());
    }

    fn empty() -> Registry {
        Registry::new(RegistryConfig::default())
    }

    fn register(registry: &mut Registry, uri: &str, origin: Origin) {
        let description = Description {
            host: "10.0.0.1",
            port: 80,
            threshold: Duration::from_secs(120),
            ..Description::default()
        };
        let registration = Registration {
            key: RouteKey::parse(uri).unwrap(),
            facts: Facts::new(&description).unwrap(),
            origin,
            endpoint_updated_at_ns: 0,
            digest: Digest::NONE,
        };
        registry.apply(Command::Register(registration), Tick::default());
    }

    /// A registry whose table is in use, and the file that follows it.
    struct Fixture {
        directory: TempDir,
        registry: Registry,
        snapshot: SnapshotFile,
    }

    fn fixture() -> Fixture {
        let directory = TempDir::new();
        let outlets = Outlets {
            routes: Arc::new(ArcSwap::default()),
            metrics: Metrics::new(1),
            health: Arc::new(Health::new(true)),
            changes: Arc::default(),
        };
        let file = directory.path().join("state/routes.snapshot");
        let snapshot = SnapshotFile::new(file, HOUR, 0, &outlets);
        Fixture {
            directory,
            registry: empty(),
            snapshot,
        }
    }

    impl Fixture {
        fn register(&mut self, uri: &str, origin: Origin) {
            register(&mut self.registry, uri, origin);
            self.snapshot.routes.store(Arc::new(self.registry.table()));
        }

        fn written(&self) -> u64 {
            self.snapshot.metrics.registry.snapshot_written_unix.get()
        }

        fn restored(&self) -> u64 {
            self.restored_within(HOUR).endpoints
        }

        fn restored_within(&self, max_age: Duration) -> Restored {
            restore_all(&self.snapshot.file, max_age)
        }
    }

    #[test]
    fn what_changed_is_written_and_read_back() {
        let mut fixture = fixture();
        fixture.snapshot.turn(Turn::Next);
        fixture.snapshot.turn(Turn::Last);
        assert_eq!(
            (fixture.written(), fixture.restored()),
            (0, 0),
            "nothing to write"
        );
        fixture.register("a.test", Origin::Bus);
        fixture.register("b.test/path", Origin::Bus);
        fixture.register("c.test", Origin::Static);
        fixture.snapshot.turn(Turn::Next);
        assert!(fixture.written() > 0);
        let whole = |endpoints| Restored {
            endpoints,
            whole: true,
        };
        assert_eq!(fixture.restored_within(HOUR), whole(2));
        let mut old = fixture.restored_within(Duration::ZERO);
        while old.whole {
            // Until a millisecond has passed.
            old = fixture.restored_within(Duration::ZERO);
        }
        assert_eq!(old, Restored::default(), "plain endpoints of an old file");
        let left = fs::read_dir(fixture.directory.path().join("state")).unwrap();
        assert_eq!(left.count(), 1, "no temporary file is left");
    }

    #[test]
    fn what_did_not_change_is_written_when_it_was_confirmed_and_is_old() {
        let mut fixture = fixture();
        fixture.register("a.test", Origin::Bus);
        fixture.snapshot.turn(Turn::Next);
        let written = fixture.snapshot.written;
        fixture.snapshot.turn(Turn::Last);
        assert_eq!(fixture.snapshot.written, written, "nothing was heard");
        fixture.snapshot.metrics.registry.updated_at.set(5);
        fixture.snapshot.turn(Turn::Next);
        assert_eq!(fixture.snapshot.written, written, "it is young");
        fixture.snapshot.turn(Turn::Last);
        assert!(fixture.snapshot.written > written);
    }

    #[test]
    fn a_damaged_file_is_no_more_than_a_warning() {
        let mut fixture = fixture();
        fixture.register("a.test", Origin::Bus);
        fixture.snapshot.turn(Turn::Next);
        let good = fs::read(&fixture.snapshot.file).unwrap();
        for len in 0..good.len() {
            fs::write(&fixture.snapshot.file, &good[..len]).unwrap();
            let restored = fixture.restored_within(HOUR);
            assert!(restored.endpoints <= 1 && !restored.whole);
        }
        fs::write(&fixture.snapshot.file, b"something else").unwrap();
        assert_eq!(fixture.restored(), 0);
        fixture.register("b.test", Origin::Bus);
        fixture.snapshot.turn(Turn::Next);
        assert_eq!(fixture.restored(), 2, "and is replaced");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_counted_and_tried_again() {
        let mut fixture = fixture();
        fs::write(fixture.directory.path().join("state"), "in the way").unwrap();
        fixture.register("a.test", Origin::Bus);
        for failures in 1..3 {
            fixture.snapshot.turn(Turn::Next);
            let metrics = &fixture.snapshot.metrics.registry;
            assert_eq!(metrics.snapshot_failures.get(), failures);
        }
        fs::remove_file(fixture.directory.path().join("state")).unwrap();
        fixture.snapshot.turn(Turn::Next);
        assert_eq!(fixture.restored(), 1);
    }

    #[test]
    fn it_is_written_when_the_router_stops() {
        let mut fixture = fixture();
        fixture.register("a.test", Origin::Bus);
        let file = fixture.snapshot.file.clone();
        drop(fixture.snapshot.keep(HOUR).unwrap());
        assert_eq!(restore_all(&file, HOUR).endpoints, 1);
    }
}
