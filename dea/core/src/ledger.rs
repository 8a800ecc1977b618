//! What of a node is promised to whom.

use std::collections::BTreeMap;

use protocol::bus::dea::Limits;

/// An amount of memory and of disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Disk in MiB.
    pub disk_mib: u64,
}

/// What of a node is promised to whom. The sum is never above what the node has to give.
#[derive(Clone, Debug)]
pub struct Ledger {
    capacity: Resources,
    reserved: BTreeMap<String, Resources>,
}

/// Of what there is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Memory.
    Memory,
    /// Disk.
    Disk,
}

impl Ledger {
    /// A ledger in which nothing is reserved.
    #[must_use]
    pub fn new(capacity: Resources) -> Self {
        Self {
            capacity,
            reserved: BTreeMap::new(),
        }
    }

    /// Reserves `wanted` for `holder`, in place of what it had.
    ///
    /// # Errors
    /// There is not enough; then what `holder` had stays.
    pub fn reserve(&mut self, holder: &str, wanted: Resources) -> Result<(), Shortage> {
        let held = self.reserved.get(holder).copied().unwrap_or_default();
        let left = self.left();
        if wanted.memory_mib > left.memory_mib.saturating_add(held.memory_mib) {
            return Err(Shortage::Memory);
        }
        if wanted.disk_mib > left.disk_mib.saturating_add(held.disk_mib) {
            return Err(Shortage::Disk);
        }
        self.reserved.insert(holder.to_owned(), wanted);
        Ok(())
    }

    /// Takes over what `holder` has already, after a restart. This alone may go beyond the capacity,
    /// when that has become smaller.
    pub fn take_over(&mut self, holder: &str, held: Resources) {
        self.reserved.insert(holder.to_owned(), held);
    }

    /// Gives back what `holder` has.
    pub fn release(&mut self, holder: &str) {
        self.reserved.remove(holder);
    }

    /// Returns what may be reserved in all.
    #[must_use]
    pub fn capacity(&self) -> Resources {
        self.capacity
    }

    /// Returns what is reserved.
    #[must_use]
    pub fn reserved(&self) -> Resources {
        let add = |sum: Resources, one: &Resources| Resources {
            memory_mib: sum.memory_mib.saturating_add(one.memory_mib),
            disk_mib: sum.disk_mib.saturating_add(one.disk_mib),
        };
        self.reserved.values().fold(Resources::default(), add)
    }

    /// Returns what is left.
    #[must_use]
    pub fn left(&self) -> Resources {
        let reserved = self.reserved();
        Resources {
            memory_mib: self.capacity.memory_mib.saturating_sub(reserved.memory_mib),
            disk_mib: self.capacity.disk_mib.saturating_sub(reserved.disk_mib),
        }
    }
}

impl Shortage {
    /// Returns what is said of an instance that cannot start for it.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Memory => "Not enough memory resource available",
            Self::Disk => "Not enough disk resource available",
        }
    }
}

impl From<Limits> for Resources {
    fn from(limits: Limits) -> Self {
        Self {
            memory_mib: limits.mem,
            disk_mib: limits.disk,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAPACITY: Resources = Resources {
        memory_mib: 1_000,
        disk_mib: 2_000,
    };

    #[test]
    fn what_is_short_is_named() {
        let mut ledger = Ledger::new(CAPACITY);
        let mut check = |holder: &str, memory_mib, disk_mib, expected| {
            let wanted = Resources {
                memory_mib,
                disk_mib,
            };
            assert_eq!(ledger.reserve(holder, wanted), expected, "{holder}");
        };
        check("a", 600, 600, Ok(()));
        check("b", 401, 1, Err(Shortage::Memory));
        check("b", 400, 1_401, Err(Shortage::Disk));
        check("b", 400, 1_400, Ok(()));
        check("b", 401, 1_400, Err(Shortage::Memory));
        check("b", u64::MAX, u64::MAX, Err(Shortage::Memory));
        check("b", 1, 1, Ok(()));
        assert_eq!(ledger.left().memory_mib, 399);
        ledger.release("a");
        ledger.release("a");
        assert_eq!(ledger.left().memory_mib, 999);
    }

    #[derive(Clone, Debug)]
    enum Change {
        Reserve(u8, u64, u64),
        Release(u8),
    }

    fn change() -> impl Strategy<Value = Change> {
        let amount = || prop_oneof![0..1_500_u64, Just(u64::MAX)];
        prop_oneof![
            (0..8_u8, amount(), amount()).prop_map(|(who, m, d)| Change::Reserve(who, m, d)),
            (0..8_u8).prop_map(Change::Release),
        ]
    }

    proptest! {
        #[test]
        fn it_never_promises_more_than_there_is(changes in prop::collection::vec(change(), 0..60)) {
            let mut ledger = Ledger::new(CAPACITY);
            for change in changes {
                let before = ledger.reserved();
                match change {
                    Change::Reserve(who, memory_mib, disk_mib) => {
                        let wanted = Resources { memory_mib, disk_mib };
                        if ledger.reserve(&who.to_string(), wanted).is_err() {
                            prop_assert_eq!(ledger.reserved(), before);
                        }
                    }
                    Change::Release(who) => ledger.release(&who.to_string()),
                }
                let reserved = ledger.reserved();
                prop_assert!(reserved.memory_mib <= CAPACITY.memory_mib);
                prop_assert!(reserved.disk_mib <= CAPACITY.disk_mib);
                prop_assert_eq!(ledger.left().memory_mib, CAPACITY.memory_mib - reserved.memory_mib);
            }
        }
    }
}
