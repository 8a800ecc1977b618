//! Routes that are written down: in the configuration, and in a file that is followed.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use router_core::endpoint::{Description, Digest, Facts, Origin, RouteOptions, RoutePolicy};
use router_core::own_listeners::OwnListeners;
use router_core::registration::Registration;
use router_core::route::RouteKey;

use crate::config::{StaticRoute, leads_back, parse_routes};
use crate::routes::registrar::Orders;
use component::host_port;
use component::periodic::{Periodic, Turn};
use component::regular_file;

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a file must have been left alone before it is read: somebody may still be writing it.
const SETTLING: Duration = Duration::from_secs(1);

/// Looks for which a file that is never left alone is waited for.
const PATIENCE: u32 = 10;

/// For how long after a change of the file its modification time may fail to tell the next one.
const GRAIN: Duration = Duration::from_secs(2);

/// What the registry is to be told of `routes`.
///
/// # Errors
/// The first route that cannot be one, in words.
pub fn registrations(routes: &[StaticRoute], origin: Origin) -> Result<Vec<Registration>, String> {
    let mut registrations = Vec::new();
    for route in routes {
        for uri in &route.uris {
            let key = RouteKey::parse(uri).map_err(|bad| format!("{uri:?}: {bad:?}"))?;
            for backend in &route.backends {
                let facts = facts(route, &backend.address, backend.weight)?;
                registrations.push(Registration {
                    key: key.clone(),
                    facts,
                    origin,
                    endpoint_updated_at_ns: 0,
                    digest: Digest::NONE,
                });
            }
        }
    }
    Ok(registrations)
}

fn facts(route: &StaticRoute, address: &str, weight: u16) -> Result<Facts, String> {
    let no_address = || format!("{address:?} is no host and port");
    let (host, port) = host_port::split(address).ok_or_else(no_address)?;
    let description = Description {
        host,
        port,
        weight,
        options: RouteOptions {
            policy: RoutePolicy {
                connect: route.timeouts.connect,
                first_byte: route.timeouts.first_byte,
                idle: route.timeouts.idle,
                max_body: route.limits.max_body.map(|size| size.0),
                max_conns: route.limits.max_conns,
            },
            ..RouteOptions::default()
        },
        ..Description::default()
    };
    Facts::new(&description).map_err(|_| format!("{address:?} is too long"))
}

/// The routes of the configuration, which its routes file may not have.
pub type Taken = Arc<ArcSwap<HashSet<RouteKey>>>;

/// A file of routes that is read again when it changes. What it said last that could be understood
/// stays in force.
#[derive(Debug)]
pub struct RoutesFile {
    file: PathBuf,
    /// Routes that are written elsewhere.
    taken: Taken,
    /// What the file looked like at the last look.
    seen: Option<Stamp>,
    /// Looks since then that found somebody writing.
    waited: u32,
    /// What the file looked like when its text was read.
    stamp: Option<Stamp>,
    text: Option<String>,
    /// What is wrong with that text.
    verdict: Option<String>,
    /// What was written elsewhere when it was judged.
    judged_by: Arc<HashSet<RouteKey>>,
    /// What is wrong with the file, as it was logged.
    fault: Option<String>,
    own: OwnListeners,
}

/// Tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    len: u64,
    modified: Option<SystemTime>,
}

impl RoutesFile {
    /// A file that was not read yet. `taken` are the routes that it may not have.
    pub fn new(file: PathBuf, taken: Taken) -> Self {
        Self {
            file,
            taken,
            seen: None,
            waited: 0,
            stamp: None,
            text: None,
            verdict: None,
            judged_by: Arc::default(),
            fault: None,
            own: OwnListeners::default(),
        }
    }

    /// Takes note of where this router listens: a file with a route that leads there has a fault.
    #[must_use]
    pub fn with_own(mut self, own: OwnListeners) -> Self {
        self.own = own;
        self
    }

    /// Gives the registrar the routes of the file whenever it changes.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn follow(mut self, orders: Orders) -> io::Result<Periodic> {
        Periodic::start("routes-file", INTERVAL, move |turn| {
            if turn == Turn::Next
                && let Some(routes) = self.changed()
            {
                orders.replace(Origin::RoutesFile, routes);
            }
        })
    }

    /// Its routes, when they are not those that were returned last. A file that cannot be read or
    /// understood is logged, once for each fault.
    pub fn changed(&mut self) -> Option<Vec<Registration>> {
        let outcome = self.read();
        let fault = outcome.as_ref().err().cloned();
        if fault != self.fault {
            match &fault {
                Some(fault) => {
                    for line in fault.lines() {
                        tracing::warn!(reason = line, "routes-file-not-used");
                    }
                }
                None => tracing::info!(path = %self.file.display(), "routes-file-usable-again"),
            }
            self.fault = fault;
        }
        let routes = outcome.ok().flatten()?;
        let path = self.file.display();
        tracing::info!(%path, endpoints = routes.len(), "routes-file-loaded");
        Some(routes)
    }

    /// The routes if the file says something new, the fault as long as it has one.
    fn read(&mut self) -> Result<Option<Vec<Registration>>, String> {
        let path = self.file.display().to_string();
        let unreadable = |error: io::Error| format!("{path}: {error}");
        let unchanged = |file: &Self| file.verdict.clone().map_or(Ok(None), Err);
        let metadata = fs::metadata(&self.file).map_err(unreadable)?;
        regular_file::check(&metadata).map_err(unreadable)?;
        let stamp = Stamp::of(&metadata);
        let taken = self.taken.load_full();
        if *taken != *self.judged_by {
            // What it said may be right now, or wrong.
            (self.stamp, self.text) = (None, None);
            self.judged_by = taken;
        }
        if self.stamp == Some(stamp) {
            return unchanged(self);
        }
        if !self.is_left_alone(stamp) {
            return unchanged(self);
        }
        let (file, metadata) = regular_file::open(&self.file).map_err(unreadable)?;
        let stamp = Stamp::of(&metadata);
        let text = regular_file::text(file).map_err(unreadable)?;
        self.stamp = stamp.is_settled().then_some(stamp);
        if self.text.as_ref() == Some(&text) {
            return unchanged(self);
        }
        let routes = self.parse(&text);
        self.verdict = routes.as_ref().err().cloned();
        self.text = Some(text);
        routes.map(Some)
    }

    /// Whether nobody seems to be writing the file. The first time there is no better list to keep,
    /// and a file that is written to all the time is read all the same.
    fn is_left_alone(&mut self, stamp: Stamp) -> bool {
        let same = self.seen.replace(stamp) == Some(stamp);
        let settled = match stamp.age() {
            Some(age) => age >= SETTLING,
            // By its own time it is not written yet: two looks tell.
            None => same,
        };
        let read = settled || self.text.is_none() || self.waited >= PATIENCE;
        self.waited = if read { 0 } else { self.waited + 1 };
        read
    }

    fn parse(&self, text: &str) -> Result<Vec<Registration>, String> {
        let file = self.file.display();
        let in_file = |fault: &component::yaml::Fault| format!("{file}:{fault}");
        let routes = parse_routes(text, &self.judged_by).map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(in_file).collect();
            lines.join("\n")
        })?;
        if let Some(back) = leads_back(&routes, &self.own) {
            return Err(format!("{file}: {back}"));
        }
        registrations(&routes, Origin::RoutesFile).map_err(|fault| format!("{file}: {fault}"))
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            len: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }

    /// How long ago the file was written; nothing when that is to come.
    fn age(self) -> Option<Duration> {
        self.modified.and_then(|time| time.elapsed().ok())
    }

    /// Whether a later change is sure to change the stamp.
    fn is_settled(self) -> bool {
        self.age().is_some_and(|age| age > GRAIN)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::sync::mpsc;

    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use tests_kit::TempDir;

    use super::*;

    const ROUTES: &str = "
- uris: [a.test, '*.b.test/path']
  backends: [{address: '10.0.0.1:80', weight: 3}, {address: '[fd00::1]:81'}, 'app.internal:82']
  timeouts: {connect: 2s}
  limits: {max_body: 1KiB, max_conns: 7}
";

    /// A file that nobody has written to for a while; each time it is another while.
    fn old(path: PathBuf) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let age = Duration::from_secs(10_000 - COUNT.fetch_add(1, Relaxed));
        dated(&path, SystemTime::now() - age);
        path
    }

    fn dated(path: &Path, time: SystemTime) {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(time).unwrap();
    }

    fn follower(path: PathBuf) -> RoutesFile {
        RoutesFile::new(path, Taken::default())
    }

    fn uris(routes: Option<Vec<Registration>>) -> Vec<String> {
        let mut uris: Vec<String> = routes
            .expect("a change")
            .iter()
            .map(|route| format!("{}={}", route.key, route.facts.address()))
            .collect();
        uris.sort();
        uris
    }

    #[test]
    fn routes_are_read_with_all_they_say() {
        let directory = TempDir::new();
        let mut file = RoutesFile::new(directory.file("routes.yml", ROUTES), Taken::default());
        let routes = file.changed().unwrap();
        assert_eq!(
            uris(Some(routes.clone())),
            [
                "*.b.test/path=10.0.0.1:80",
                "*.b.test/path=[fd00::1]:81",
                "*.b.test/path=app.internal:82",
                "a.test=10.0.0.1:80",
                "a.test=[fd00::1]:81",
                "a.test=app.internal:82",
            ]
        );
        let facts = &routes[0].facts;
        assert_eq!(facts.weight(), 3);
        let policy = &facts.options().expect("a policy").policy;
        assert_eq!(policy.connect, Some(Duration::from_secs(2)));
        assert_eq!((policy.max_body, policy.max_conns), (Some(1024), Some(7)));
        assert_eq!(routes[0].origin, Origin::RoutesFile);
    }

    #[test]
    fn a_file_is_judged_anew_when_the_configuration_has_other_routes() {
        let directory = TempDir::new();
        let path = old(directory.file("routes.yml", "- {uris: [a.test], backends: ['x:1']}"));
        let taken = Taken::default();
        let mut file = RoutesFile::new(path, Arc::clone(&taken));
        let ours: HashSet<RouteKey> = HashSet::from([RouteKey::parse("a.test").unwrap()]);
        taken.store(Arc::new(ours));
        for _ in 0..2 {
            assert!(file.changed().is_none());
            assert!(file.fault.as_deref().unwrap().contains("a.test"));
        }
        taken.store(Arc::default());
        assert_eq!(uris(file.changed()), ["a.test=x:1"]);
        assert!(file.changed().is_none());
    }

    #[test]
    fn a_change_is_seen_and_a_bad_file_leaves_the_last_good_one() {
        let directory = TempDir::new();
        let write = |text: &str| old(directory.file("routes.yml", text));
        let mut file = follower(write("- {uris: [a.test], backends: ['x:1']}"));
        assert_eq!(uris(file.changed()), ["a.test=x:1"]);
        assert!(file.changed().is_none());

        write("- {uris: [b.test], backends: ['x:1']}");
        assert_eq!(uris(file.changed()), ["b.test=x:1"]);

        write("- {uris: [b.test],\n   backends: ['x']}");
        for _ in 0..2 {
            assert!(file.changed().is_none());
            let fault = file.fault.as_deref().unwrap();
            assert!(fault.contains("routes.yml:2: "), "{fault}");
        }
        fs::remove_file(directory.path().join("routes.yml")).unwrap();
        assert!(file.changed().is_none());
        assert!(!file.fault.as_deref().unwrap().contains("yml:2: "));

        write("- {uris: [c.test], backends: ['x:1']}");
        assert_eq!(uris(file.changed()), ["c.test=x:1"]);
        assert!(file.fault.is_none());

        let path = directory.path().join("routes.yml");
        let aside = directory.path().join("aside");
        fs::rename(&path, &aside).unwrap();
        assert!(file.changed().is_none() && file.fault.is_some());
        fs::rename(&aside, &path).unwrap();
        assert!(
            file.changed().is_none() && file.fault.is_none(),
            "back as it was"
        );
    }

    #[test]
    fn a_file_with_a_route_that_leads_back_leaves_the_last_good_one() {
        let directory = TempDir::new();
        let write = |text: &str| old(directory.file("routes.yml", text));
        let own = OwnListeners::new(["[::]:81".parse().unwrap()], |_| false);
        let good = "- {uris: [a.test], backends: ['127.0.0.1:82']}";
        let mut file = RoutesFile::new(write(good), Taken::default()).with_own(own);
        assert_eq!(uris(file.changed()), ["a.test=127.0.0.1:82"]);
        write("- {uris: [b.test], backends: ['10.0.0.1:80', '127.0.0.1:81']}");
        assert!(file.changed().is_none());
        let fault = file.fault.as_deref().unwrap();
        let expected = "b.test leads back to this router, which listens at 127.0.0.1:81";
        assert!(fault.ends_with(expected), "{fault}");
    }

    #[test]
    fn a_file_that_is_replaced_by_an_equal_one_is_no_change() {
        let directory = TempDir::new();
        let text = "- {uris: [a.test], backends: ['x:1']}";
        let mut file = follower(old(directory.file("routes.yml", text)));
        assert!(file.changed().is_some());
        let other = old(directory.file("other.yml", text));
        fs::rename(other, directory.path().join("routes.yml")).unwrap();
        assert!(file.changed().is_none());
    }

    #[test]
    fn an_emptied_file_leaves_the_last_good_one() {
        let directory = TempDir::new();
        let write = |text: &str| old(directory.file("routes.yml", text));
        let mut file = follower(write("- {uris: [a.test], backends: ['x:1']}"));
        assert_eq!(uris(file.changed()), ["a.test=x:1"]);
        for text in ["", "# none\n", "---\n", "null", "{}", "routes:\n"] {
            write(text);
            assert!(file.changed().is_none(), "{text:?}");
            let fault = file.fault.as_deref().unwrap_or_default();
            assert!(fault.contains("names no routes"), "{text:?}: {fault}");
        }
        write("[]");
        assert_eq!(uris(file.changed()), [""; 0]);
        assert!(file.fault.is_none());
    }

    #[test]
    fn a_file_that_is_being_written_waits_for_the_next_look() {
        let directory = TempDir::new();
        let path = directory.file("routes.yml", "- {uris: [a.test], backends: ['x:1']}");
        // The first time there is nothing better.
        let mut file = follower(path.clone());
        assert_eq!(uris(file.changed()), ["a.test=x:1"]);

        _ = directory.file("routes.yml", "- {uris: [b.test], backends: ['x:1']}");
        // It is always now: as if the test were as fast as it should be.
        dated(&path, SystemTime::now() + SETTLING / 2);
        assert!(file.changed().is_none() && file.fault.is_none());
        old(path.clone());
        assert_eq!(uris(file.changed()), ["b.test=x:1"]);

        // A time to come tells nothing: the file must look the same twice.
        _ = directory.file("routes.yml", "- {uris: [c.test], backends: ['x:1']}");
        dated(&path, SystemTime::now() + Duration::from_secs(3600));
        assert!(file.changed().is_none());
        assert_eq!(uris(file.changed()), ["c.test=x:1"]);

        // One that is written to all the time is not waited for without an end.
        _ = directory.file("routes.yml", "- {uris: [d.test], backends: ['x:1']}");
        let looks = (0..).find(|look| {
            dated(&path, SystemTime::now() + Duration::from_secs(3600 + look));
            file.changed().is_some()
        });
        assert_eq!(looks, Some(u64::from(PATIENCE)));
    }

    #[test]
    fn a_pipe_in_its_place_holds_nobody_up() {
        let directory = TempDir::new();
        let path = old(directory.file("routes.yml", "- {uris: [a.test], backends: ['x:1']}"));
        let mut file = follower(path.clone());
        assert!(file.changed().is_some());
        fs::remove_file(&path).unwrap();
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let (said, says) = mpsc::channel();
        std::thread::spawn(move || {
            // The second look finds it as it was at the first.
            let changed = file.changed().is_some() || file.changed().is_some();
            said.send((changed, file.fault))
        });
        let (changed, fault) = says.recv_timeout(tests_kit::PATIENCE).expect("in time");
        assert!(!changed);
        assert!(fault.unwrap().ends_with("is a pipe, not a file"));
    }
}
