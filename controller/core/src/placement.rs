//! Which DEA runs an instance, and which one stages.

use std::collections::BTreeMap;
use std::time::Duration;

use component_core::tick::Tick;
use protocol::bus::dea::Advertisement;

/// How long a DEA counts on its last advertisement.
pub const ADVERT_LIFETIME: Duration = Duration::from_secs(10);
/// How long a DEA has to be known until it gets instances: by then it has told what it runs, so that
/// nothing is started twice after it was away.
pub const SETTLING: Duration = Duration::from_secs(3);
/// DEAs that are known. At one more, the advertisement is ignored.
const MOST_DEAS: usize = 10_000;
/// Of how many DEAs with the most memory one is chosen for staging.
const STAGERS: usize = 5;
/// The placement zone of whoever names none.
const DEFAULT_ZONE: &str = "default";

/// What a DEA must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need<'a> {
    /// The process that an instance is of; empty for staging.
    pub process: &'a str,
    /// The stack.
    pub stack: &'a str,
    /// MiB of memory.
    pub memory_mib: u64,
    /// MiB of disk.
    pub disk_mib: u64,
}

/// The DEAs that advertise.
#[derive(Clone, Debug, Default)]
pub struct DeaPool {
    adverts: BTreeMap<String, Heard>,
}

#[derive(Clone, Debug)]
struct Heard {
    advert: Advertisement,
    /// Since when it has been heard without a break.
    since: Tick,
    last: Tick,
}

impl DeaPool {
    /// Notes what a DEA has left. Returns whether it is new, or was away.
    pub fn heard(&mut self, advert: Advertisement, now: Tick) -> bool {
        let known = self
            .adverts
            .get(&advert.id)
            .filter(|heard| heard.is_fresh(now));
        let since = known.map(|heard| heard.since);
        if self.adverts.len() >= MOST_DEAS && since.is_none() {
            self.adverts.retain(|_, heard| heard.is_fresh(now));
            if self.adverts.len() >= MOST_DEAS {
                return false;
            }
        }
        let heard = Heard {
            since: since.unwrap_or(now),
            last: now,
            advert,
        };
        self.adverts.insert(heard.advert.id.clone(), heard);
        since.is_none()
    }

    /// Notes that a DEA wants no more instances.
    pub fn left(&mut self, dea: &str) {
        self.adverts.remove(dea);
    }

    /// Returns whether that DEA advertises.
    #[must_use]
    pub fn knows(&self, dea: &str, now: Tick) -> bool {
        self.adverts
            .get(dea)
            .is_some_and(|heard| heard.is_fresh(now))
    }

    /// Returns how many DEAs advertise.
    #[must_use]
    pub fn count(&self, now: Tick) -> usize {
        self.fresh(now).count()
    }

    /// Returns the DEA that shall run an instance, chosen by `chance` among the best, and counts the
    /// instance as its own until it advertises again. Better is: fewer instances of the process in
    /// the availability zone, then on the DEA, then more memory. None if no DEA has what is needed.
    #[must_use]
    pub fn place(&mut self, need: Need<'_>, now: Tick, chance: u64) -> Option<String> {
        let settled = |heard: &&Heard| now.since(heard.since) >= SETTLING;
        let able = self.able(need, now).filter(settled);
        let mut able: Vec<&Advertisement> = able.map(|heard| &heard.advert).collect();
        let mut zones: BTreeMap<&str, u32> = BTreeMap::new();
        for advert in &able {
            *zones.entry(zone(advert)).or_default() += count(advert, need.process);
        }
        let least = zones.values().min().copied()?;
        able.retain(|advert| zones.get(zone(advert)) == Some(&least));
        let least = able
            .iter()
            .map(|advert| count(advert, need.process))
            .min()?;
        able.retain(|advert| count(advert, need.process) == least);
        able.sort_by_key(|advert| std::cmp::Reverse(advert.available_memory));
        able.truncate(able.len().div_ceil(2));
        let chosen = choose(&able, chance)?;
        self.charge(&chosen, need);
        Some(chosen)
    }

    /// Returns the DEA that shall stage, chosen by `chance` among those with the most memory, and
    /// counts it as used until it advertises again. None if no DEA has what is needed.
    #[must_use]
    pub fn stager(&mut self, need: Need<'_>, now: Tick, chance: u64) -> Option<String> {
        let able = self.able(need, now);
        let mut able: Vec<&Advertisement> = able.map(|heard| &heard.advert).collect();
        able.sort_by_key(|advert| std::cmp::Reverse(advert.available_memory));
        able.truncate(STAGERS);
        let chosen = choose(&able, chance)?;
        self.charge(&chosen, need);
        Some(chosen)
    }

    fn able(&self, need: Need<'_>, now: Tick) -> impl Iterator<Item = &Heard> {
        self.fresh(now).filter(move |Heard { advert, .. }| {
            let zones = &advert.placement_properties.zones;
            advert.available_memory >= need.memory_mib
                && advert.available_disk >= need.disk_mib
                && advert.stacks.iter().any(|stack| stack == need.stack)
                && (zones.is_empty() || zones.iter().any(|zone| zone == DEFAULT_ZONE))
        })
    }

    fn fresh(&self, now: Tick) -> impl Iterator<Item = &Heard> {
        let all = self.adverts.values();
        all.filter(move |heard| heard.is_fresh(now))
    }

    fn charge(&mut self, dea: &str, need: Need<'_>) {
        let Some(Heard { advert, .. }) = self.adverts.get_mut(dea) else {
            return;
        };
        advert.available_memory = advert.available_memory.saturating_sub(need.memory_mib);
        advert.available_disk = advert.available_disk.saturating_sub(need.disk_mib);
        if !need.process.is_empty() {
            *advert
                .app_id_to_count
                .entry(need.process.to_owned())
                .or_default() += 1;
        }
    }
}

impl Heard {
    fn is_fresh(&self, now: Tick) -> bool {
        now.since(self.last) < ADVERT_LIFETIME
    }
}

fn zone(advert: &Advertisement) -> &str {
    &advert.placement_properties.availability_zone
}

fn count(advert: &Advertisement, process: &str) -> u32 {
    advert.app_id_to_count.get(process).copied().unwrap_or(0)
}

fn choose(able: &[&Advertisement], chance: u64) -> Option<String> {
    let count = u64::try_from(able.len()).ok().filter(|count| *count > 0)?;
    let index = usize::try_from(chance % count).ok()?;
    able.get(index).map(|advert| advert.id.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::bus::dea::Placement;

    use super::*;

    /// When those of [`pool`] have settled.
    const NOW: Tick = Tick::from_millis(3_000);

    const NEED: Need<'static> = Need {
        process: "p",
        stack: "bookworm",
        memory_mib: 256,
        disk_mib: 1_024,
    };

    fn advert(id: &str, memory: u64, zone: &str, instances: u32) -> Advertisement {
        Advertisement {
            id: id.to_owned(),
            stacks: vec!["bookworm".to_owned()],
            available_memory: memory,
            available_disk: 100_000,
            app_id_to_count: BTreeMap::from([("p".to_owned(), instances)]),
            placement_properties: Placement {
                zones: Vec::new(),
                availability_zone: zone.to_owned(),
            },
            ..Advertisement::default()
        }
    }

    fn pool(adverts: Vec<Advertisement>) -> DeaPool {
        let mut pool = DeaPool::default();
        for advert in adverts {
            assert!(pool.heard(advert, Tick::default()));
        }
        pool
    }

    fn placed(adverts: Vec<Advertisement>) -> Vec<String> {
        let pool = pool(adverts);
        let chosen = |chance| pool.clone().place(NEED, NOW, chance);
        let mut all: Vec<String> = (0..12).filter_map(chosen).collect();
        all.sort();
        all.dedup();
        all
    }

    #[test]
    fn the_best_are_chosen_by_chance() {
        let check = |adverts: Vec<Advertisement>, expected: &[&str]| {
            assert_eq!(placed(adverts), expected);
        };
        check(vec![], &[]);
        check(vec![advert("a", 255, "", 0)], &[]);
        check(
            vec![advert("a", 256, "", 0), advert("b", 256, "", 1)],
            &["a"],
        );
        // The upper half by memory.
        let by_memory = [("a", 900), ("b", 800), ("c", 700), ("d", 600)];
        let adverts = by_memory.map(|(id, memory)| advert(id, memory, "", 0));
        check(adverts.to_vec(), &["a", "b"]);
        // The zone with fewest comes before the DEA with fewest.
        let zones = vec![
            advert("a", 900, "1", 0),
            advert("b", 900, "1", 3),
            advert("c", 500, "2", 2),
        ];
        check(zones, &["c"]);
        let mut elsewhere = advert("a", 900, "", 0);
        elsewhere.placement_properties.zones = vec!["gpu".to_owned()];
        let mut other = advert("b", 900, "", 0);
        other.stacks = vec!["windows".to_owned()];
        check(vec![elsewhere, other], &[]);
    }

    #[test]
    fn a_dea_that_is_silent_or_leaves_gets_nothing() {
        let mut pool = pool(vec![advert("a", 1_000, "", 0), advert("b", 2_000, "", 0)]);
        let late = Tick::default().plus(ADVERT_LIFETIME);
        assert_eq!((pool.count(Tick::default()), pool.count(late)), (2, 0));
        assert_eq!(pool.place(NEED, late, 0), None);
        pool.left("b");
        assert_eq!(pool.place(NEED, NOW, 1), Some("a".to_owned()));
        pool.left("a");
        assert!(!pool.knows("a", NOW));
    }

    #[test]
    fn what_is_given_is_charged_until_the_next_advertisement() {
        let mut pool = pool(vec![advert("a", 600, "", 0)]);
        let mut place = || pool.place(NEED, NOW, 0).is_some();
        assert_eq!([place(), place(), place()], [true, true, false]);
        assert!(!pool.heard(advert("a", 600, "", 0), NOW));
        assert!(pool.place(NEED, NOW, 0).is_some());
    }

    #[test]
    fn a_dea_that_was_away_has_to_settle_again() {
        let mut pool = pool(vec![advert("a", 1_000, "", 0)]);
        let early = Tick::from_millis(2_999);
        assert_eq!(pool.place(NEED, early, 0), None);
        assert!(pool.place(NEED, NOW, 0).is_some());
        let later = NOW.plus(ADVERT_LIFETIME);
        assert!(pool.heard(advert("a", 2_000, "", 0), later));
        assert_eq!(pool.place(NEED, later, 0), None);
        assert!(pool.stager(NEED, later, 0).is_some());
        assert!(pool.place(NEED, later.plus(SETTLING), 0).is_some());
    }

    #[test]
    fn stagers_have_the_most_memory() {
        let adverts = (0..8).map(|n| advert(&n.to_string(), 255 + n, "", 0));
        let pool = pool(adverts.collect());
        let mut chosen: Vec<String> = (0..20)
            .filter_map(|chance| pool.clone().stager(NEED, NOW, chance))
            .collect();
        chosen.sort();
        chosen.dedup();
        assert_eq!(chosen, ["3", "4", "5", "6", "7"]);
    }

    proptest! {
        #[test]
        fn no_dea_is_given_more_than_it_has(
            memories in prop::collection::vec(0_u64..2_000, 0..6),
            chances in prop::collection::vec(any::<u64>(), 0..40),
        ) {
            let adverts = memories.iter().enumerate();
            let adverts = adverts.map(|(n, memory)| advert(&n.to_string(), *memory, "", 0));
            let mut pool = pool(adverts.collect());
            let mut given: BTreeMap<String, u64> = BTreeMap::new();
            let mut total = 0;
            for chance in chances.iter().copied() {
                if let Some(dea) = pool.place(NEED, NOW, chance) {
                    *given.entry(dea).or_default() += NEED.memory_mib;
                    total += 1;
                }
            }
            for (dea, memory) in given {
                prop_assert!(memory <= memories[dea.parse::<usize>().unwrap()]);
            }
            let fit: u64 = memories.iter().map(|memory| memory / NEED.memory_mib).sum();
            prop_assert_eq!(total, fit.min(u64::try_from(chances.len()).unwrap()));
        }
    }
}
