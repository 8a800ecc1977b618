//! The table as bytes, so that a restarted router serves at once.
//!
//! A file is a header and frames of records, each with its length and checksum, and an empty frame
//! at the end. Frames are decoded one by one: what comes before a damaged one stands.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::{Digest, Endpoint, Facts, Origin};
use crate::registration::Registration;
use crate::route::RouteKey;
use crate::table::RouteTable;
use component_core::tick::millis;

const MAGIC: [u8; 8] = *b"SWYROUTE";
/// Goes up whenever a record, or anything in it, is written differently.
const VERSION: u32 = 2;
const HEADER: usize = MAGIC.len() + 4 + 8 + 8;
/// Before a frame: its length and its checksum.
const FRAME_HEAD: usize = 8 + 8;
/// A frame is written once it has this many bytes.
const FRAME: usize = 64 * 1024;

/// One endpoint of one route: host and path of its key, and its facts.
type Record<'a, F> = (&'a str, &'a str, F);

/// Why a snapshot, or the rest of one, is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadSnapshot {
    /// It is no snapshot at all.
    NotASnapshot,
    /// It was written by another version.
    OtherVersion(u32),
    /// It ends too early.
    Truncated,
    /// Its bytes are not those that were written.
    Damaged,
}

impl fmt::Display for BadSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASnapshot => f.write_str("not a snapshot of routes"),
            Self::OtherVersion(version) => write!(f, "written in version {version} of the format"),
            Self::Truncated => f.write_str("the snapshot is cut short"),
            Self::Damaged => f.write_str("the snapshot is damaged"),
        }
    }
}

impl std::error::Error for BadSnapshot {}

/// Writes all that the bus has said, piece by piece, and returns how many endpoints that was.
///
/// `written_at` is in milliseconds since 1970. The operator's own routes are left out: they are in
/// the operator's files.
///
/// # Errors
/// What `out` returns.
pub fn write<E>(
    table: &RouteTable,
    written_at: u64,
    mut out: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<usize, E> {
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&written_at.to_le_bytes());
    header.extend_from_slice(&checksum(&header).to_le_bytes());
    out(&header)?;

    let mut written = 0;
    let mut frame = Vec::with_capacity(FRAME + FRAME / 8);
    for pool in table.iter() {
        let (host, path) = (pool.key().host(), pool.key().path());
        // Who speaks for the route comes last, and so does when the snapshot is read back.
        let speaker = pool.speaker();
        let speaks = |endpoint: &&Arc<Endpoint>| {
            speaker.is_some_and(|speaker| Arc::ptr_eq(speaker, endpoint))
        };
        let others = pool.endpoints().iter().filter(|other| !speaks(other));
        for endpoint in others.chain(speaker) {
            if endpoint.origin().is_operator() {
                continue;
            }
            let record: Record<'_, &Facts> = (host, path, endpoint.facts());
            // Texts and numbers into memory: there is nothing that could fail.
            written += usize::from(postcard::to_io(&record, &mut frame).is_ok());
        }
        if frame.len() >= FRAME {
            write_frame(&frame, &mut out)?;
            frame.clear();
        }
    }
    if !frame.is_empty() {
        write_frame(&frame, &mut out)?;
    }
    write_frame(&[], &mut out)?;
    Ok(written)
}

fn write_frame<E>(frame: &[u8], out: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut head = [0; FRAME_HEAD];
    head[..8].copy_from_slice(&(frame.len() as u64).to_le_bytes());
    head[8..].copy_from_slice(&checksum(frame).to_le_bytes());
    out(&head)?;
    if frame.is_empty() { Ok(()) } else { out(frame) }
}

/// A snapshot that was read back, not yet decoded.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    written_at: u64,
    frames: &'a [u8],
}

impl<'a> Snapshot<'a> {
    /// Looks at the header.
    ///
    /// # Errors
    /// When this is not a snapshot that can be read.
    pub fn open(bytes: &'a [u8]) -> Result<Self, BadSnapshot> {
        let mut rest = bytes;
        if take(&mut rest) != Some(MAGIC) {
            return Err(BadSnapshot::NotASnapshot);
        }
        match take(&mut rest).map(u32::from_le_bytes) {
            Some(VERSION) => {}
            Some(other) => return Err(BadSnapshot::OtherVersion(other)),
            None => return Err(BadSnapshot::Truncated),
        }
        let written_at = take(&mut rest)
            .map(u64::from_le_bytes)
            .ok_or(BadSnapshot::Truncated)?;
        let sum = take(&mut rest)
            .map(u64::from_le_bytes)
            .ok_or(BadSnapshot::Truncated)?;
        if sum != checksum(&bytes[..HEADER - 8]) {
            return Err(BadSnapshot::Damaged);
        }
        Ok(Self {
            written_at,
            frames: rest,
        })
    }

    /// How long ago it was written, when it is `now` milliseconds since 1970; zero when the clock
    /// went back meanwhile.
    pub fn age(&self, now: u64) -> Duration {
        Duration::from_millis(now.saturating_sub(self.written_at))
    }

    /// What to take over from it at `now`, in milliseconds since 1970.
    ///
    /// When it is older than `max_age`, only TLS endpoints, which prove who they are: a plaintext
    /// address may be somebody else's by now.
    pub fn registrations(&self, now: u64, max_age: Duration) -> Registrations<'a> {
        Registrations {
            frames: self.frames,
            frame: &[],
            uri: String::new(),
            tls_only: millis(self.age(now)) > millis(max_age),
            end: None,
        }
    }
}

/// The registrations of a snapshot, decoded as they are asked for.
#[derive(Debug)]
pub struct Registrations<'a> {
    frames: &'a [u8],
    frame: &'a [u8],
    /// Where keys are put together.
    uri: String,
    tls_only: bool,
    end: Option<Result<(), BadSnapshot>>,
}

impl<'a> Registrations<'a> {
    /// What stopped the iteration before the end of the snapshot, once it has stopped.
    pub fn damage(&self) -> Option<BadSnapshot> {
        self.end.and_then(Result::err)
    }

    fn next_registration(&mut self) -> Result<Option<Registration>, BadSnapshot> {
        loop {
            while self.frame.is_empty() {
                self.frame = match self.next_frame()? {
                    [] => return Ok(None),
                    frame => frame,
                };
            }
            let decoded = postcard::take_from_bytes::<Record<'_, Facts>>(self.frame);
            let ((host, path, facts), rest) = decoded.map_err(|_| BadSnapshot::Damaged)?;
            self.frame = rest;
            if !facts.is_sound() {
                return Err(BadSnapshot::Damaged);
            }
            if self.tls_only && !facts.is_tls() {
                continue;
            }
            self.uri.clear();
            // The slash at the end is the one that the key does without.
            self.uri.extend([host, path, "/"]);
            let key = RouteKey::parse(&self.uri).map_err(|_| BadSnapshot::Damaged)?;
            let origin = Origin::Snapshot;
            return Ok(Some(Registration {
                key,
                facts,
                origin,
                endpoint_updated_at_ns: 0,
                digest: Digest::NONE,
            }));
        }
    }

    fn next_frame(&mut self) -> Result<&'a [u8], BadSnapshot> {
        let len = take(&mut self.frames)
            .map(u64::from_le_bytes)
            .ok_or(BadSnapshot::Truncated)?;
        let sum = take(&mut self.frames)
            .map(u64::from_le_bytes)
            .ok_or(BadSnapshot::Truncated)?;
        let len = usize::try_from(len).map_err(|_| BadSnapshot::Damaged)?;
        let (frame, rest) = self
            .frames
            .split_at_checked(len)
            .ok_or(BadSnapshot::Truncated)?;
        if checksum(frame) != sum {
            return Err(BadSnapshot::Damaged);
        }
        self.frames = rest;
        Ok(frame)
    }
}

impl Iterator for Registrations<'_> {
    type Item = Registration;

    fn next(&mut self) -> Option<Registration> {
        if self.end.is_some() {
            return None;
        }
        match self.next_registration() {
            Ok(Some(registration)) => Some(registration),
            Ok(None) => {
                self.end = Some(Ok(()));
                None
            }
            Err(bad) => {
                self.end = Some(Err(bad));
                None
            }
        }
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

/// Tells damage from the bytes that were written (CRC-32). No defence against malice.
fn checksum(bytes: &[u8]) -> u64 {
    crc32fast::hash(bytes).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::endpoint::{Description, RouteOptions};
    use crate::registry::{Command, Registry, RegistryConfig};
    use component_core::tick::Tick;

    const HOUR: Duration = Duration::from_secs(3600);

    fn claim(uri: &str, given: &Description<'_>) -> Registration {
        Registration {
            key: RouteKey::parse(uri).unwrap(),
            facts: Facts::new(given).unwrap(),
            origin: Origin::Bus,
            endpoint_updated_at_ns: 0,
            digest: Digest::NONE,
        }
    }

    fn registry(routes: usize) -> Registry {
        let mut registry = Registry::new(RegistryConfig::default());
        let tags = [("app_name", "shop"), ("color", "blue")]
            .into_iter()
            .collect();
        for number in 0..routes {
            let host = format!("10.0.0.{}", number % 250);
            let options = RouteOptions {
                route_service_url: if number % 7 == 0 {
                    "https://rs.test".into()
                } else {
                    "".into()
                },
                ..RouteOptions::default()
            };
            let given = Description {
                host: &host,
                port: 80,
                tls: number % 2 == 0,
                app: "app",
                tags: Some(&tags),
                threshold: Duration::from_secs(120),
                options,
                ..Description::default()
            };
            let uri = format!(
                "r{}.test{}",
                number / 2,
                ["", "/", "//", "/a/B"][number % 4]
            );
            registry.apply(Command::Register(claim(&uri, &given)), Tick::default());
        }
        registry
    }

    fn bytes(registry: &Registry) -> Vec<u8> {
        let mut bytes = Vec::new();
        let out = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok::<_, ()>(())
        };
        let written = write(&registry.table(), 1_000_000, out);
        let bus = |endpoint: &&Arc<Endpoint>| !endpoint.origin().is_operator();
        let table = registry.table();
        let expected = table
            .iter()
            .flat_map(|pool| pool.endpoints())
            .filter(bus)
            .count();
        assert_eq!(written, Ok(expected));
        bytes
    }

    fn contents(registry: &Registry) -> Vec<(String, Facts)> {
        let mut contents = Vec::new();
        for pool in registry.table().iter() {
            for endpoint in pool.endpoints() {
                contents.push((pool.key().to_string(), endpoint.facts().clone()));
            }
        }
        contents.sort_by_key(|(key, facts)| (key.clone(), facts.address().to_owned()));
        contents
    }

    fn restored(bytes: &[u8], now: u64) -> Registry {
        let snapshot = Snapshot::open(bytes).unwrap();
        let mut registrations = snapshot.registrations(now, HOUR);
        let mut registry = Registry::new(RegistryConfig::default());
        registry.restore(registrations.by_ref(), Tick::default());
        assert_eq!(registrations.damage(), None);
        registry.check_invariants();
        registry
    }

    #[test]
    fn who_spoke_for_a_route_speaks_for_it_again() {
        let wishing = |host, hash_header: &str| {
            let options = RouteOptions {
                hash_header: hash_header.to_owned(),
                ..RouteOptions::default()
            };
            let given = Description {
                host,
                port: 80,
                options,
                ..Description::default()
            };
            Command::Register(claim("a.test", &given))
        };
        let spoken = |registry: &Registry| {
            let table = registry.table();
            let pool = table.get(&RouteKey::parse("a.test").unwrap()).unwrap();
            pool.options().unwrap().hash_header.clone()
        };
        let mut before = Registry::new(RegistryConfig::default());
        for (host, hash_header) in [("x", "a"), ("y", "b"), ("z", "c"), ("y", "d")] {
            before.apply(wishing(host, hash_header), Tick::default());
        }
        let mut bytes = Vec::new();
        let out = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok::<(), ()>(())
        };
        assert_eq!(write(&before.table(), 0, out), Ok(3));
        let mut after = Registry::new(RegistryConfig::default());
        let snapshot = Snapshot::open(&bytes).unwrap();
        after.restore(snapshot.registrations(0, HOUR), Tick::default());
        assert_eq!((spoken(&before), spoken(&after)), ("d".into(), "d".into()));
    }

    #[test]
    fn reads_back_what_was_written() {
        for routes in [0, 1, 5_000] {
            let registry = registry(routes);
            let restored = restored(&bytes(&registry), 1_000_000);
            assert_eq!(contents(&restored), contents(&registry));
            let table = restored.table();
            let mut endpoints = table.iter().flat_map(|pool| pool.endpoints());
            assert!(endpoints.all(|endpoint| endpoint.origin() == Origin::Snapshot));
        }
    }

    #[test]
    fn an_old_one_is_good_for_tls_only() {
        let bytes = bytes(&registry(100));
        let hour = 1_000_000 + 3_600_000;
        assert_eq!(restored(&bytes, hour).table().endpoints(), 100);
        assert_eq!(restored(&bytes, hour + 1).table().endpoints(), 50);
        assert_eq!(
            restored(&bytes, 0).table().endpoints(),
            100,
            "the clock went back"
        );
    }

    #[test]
    fn the_operators_routes_are_not_in_it() {
        let mut registry = registry(1);
        let given = Description {
            host: "x",
            port: 1,
            ..Description::default()
        };
        let registrations = vec![claim("static.test", &given)];
        registry.apply(
            Command::ReplaceStatic {
                origin: Origin::Static,
                registrations,
            },
            Tick::default(),
        );
        assert_eq!(restored(&bytes(&registry), 0).table().endpoints(), 1);
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        let good = bytes(&registry(1));
        assert_eq!(Snapshot::open(b"").unwrap_err(), BadSnapshot::NotASnapshot);
        assert_eq!(
            Snapshot::open(b"{\"routes\":[]}").unwrap_err(),
            BadSnapshot::NotASnapshot
        );
        assert_eq!(
            Snapshot::open(&good[..20]).unwrap_err(),
            BadSnapshot::Truncated
        );
        let mut other = good.clone();
        other[8] = 9;
        assert_eq!(
            Snapshot::open(&other).unwrap_err(),
            BadSnapshot::OtherVersion(9)
        );
        let mut damaged = good;
        damaged[13] ^= 1;
        assert_eq!(Snapshot::open(&damaged).unwrap_err(), BadSnapshot::Damaged);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn damage_is_found_and_what_is_before_it_stands(
            at in any::<prop::sample::Index>(),
            flip in 1u8..,
            cut in any::<bool>(),
        ) {
            let registry = registry(2_000);
            let mut bytes = bytes(&registry);
            let at = HEADER + at.index(bytes.len() - HEADER);
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] ^= flip;
            }
            let snapshot = Snapshot::open(&bytes).unwrap();
            let mut registrations = snapshot.registrations(0, HOUR);
            for registration in registrations.by_ref() {
                let table = registry.table();
                let pool = table.get(&registration.key);
                let known = pool.and_then(|pool| pool.find(registration.facts.address()));
                prop_assert!(known.is_some_and(|(_, known)| *known.facts() == registration.facts));
            }
            prop_assert!(registrations.damage().is_some());
        }
    }
}
