//! Between the bus and the registry: a queue that keeps the last word about each claim.

use std::hash::{Hash, Hasher};

use foldhash::fast::FixedState;
use indexmap::IndexSet;

use crate::registration::{Registration, Withdrawal};
use crate::registry::Command;
use crate::route::RouteKey;

/// What the bus says about one endpoint of one route.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// The claim is made or renewed.
    Register(Registration),
    /// The claim is given up.
    Unregister(Withdrawal),
}

impl Notice {
    /// The route.
    pub fn key(&self) -> &RouteKey {
        match self {
            Self::Register(registration) => &registration.key,
            Self::Unregister(withdrawal) => &withdrawal.key,
        }
    }

    /// The endpoint's address.
    pub fn address(&self) -> &str {
        match self {
            Self::Register(registration) => registration.facts.address(),
            Self::Unregister(withdrawal) => &withdrawal.address,
        }
    }
}

impl From<Notice> for Command {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Register(registration) => Self::Register(registration),
            Notice::Unregister(withdrawal) => Self::Unregister(withdrawal),
        }
    }
}

/// What waits, keyed by route and endpoint; the last word about each counts.
///
/// Memory is bounded by the number of claims, never by the number of messages; who fills it bounds
/// that number by [`len`](Self::len). A registration that follows a withdrawal takes its place, which
/// leaves the claim as both in their order would.
///
/// Claims come out in the order in which they were last spoken of, because the last registration of
/// a route decides how its endpoints are chosen.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: IndexSet<Waiting, FixedState>,
    turn: u64,
}

/// Equal to another when it is about the same claim.
#[derive(Debug)]
struct Waiting {
    notice: Notice,
    turn: u64,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.notice.key() == other.notice.key() && self.notice.address() == other.notice.address()
    }
}

impl Eq for Waiting {}

impl Hash for Waiting {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.notice.key().hash(state);
        self.notice.address().hash(state);
    }
}

impl Queue {
    /// Takes in what the bus says, in place of what it said before about the same claim.
    pub fn put(&mut self, notice: Notice) {
        let turn = self.turn;
        self.turn += 1;
        self.waiting.replace(Waiting { notice, turn });
    }

    /// Takes out all that waits, as a batch for the registry. Costs nothing itself; the order is
    /// restored when the batch is read, outside of any lock that guards the queue.
    pub fn take(&mut self) -> Batch {
        Batch {
            waiting: std::mem::take(&mut self.waiting),
        }
    }

    /// How many claims wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// What waited, to be read in order.
#[derive(Debug)]
pub struct Batch {
    waiting: IndexSet<Waiting, FixedState>,
}

impl Batch {
    /// The notices, in the order in which their claims were last spoken of.
    pub fn in_order(mut self) -> impl ExactSizeIterator<Item = Notice> {
        self.waiting.sort_unstable_by_key(|waiting| waiting.turn);
        self.waiting.into_iter().map(|waiting| waiting.notice)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::endpoint::{Description, Digest, Facts, Origin};
    use crate::registry::{Registry, RegistryConfig};
    use component_core::tick::Tick;

    /// A registration of endpoint `claim % 4` for route `claim / 4`, in some version.
    fn on(claim: u8, version: &str) -> Notice {
        let (uri, host) = (format!("r{}.test", claim / 4), format!("e{}", claim % 4));
        let given = Description {
            host: &host,
            port: 1,
            app: version,
            ..Description::default()
        };
        Notice::Register(Registration {
            key: RouteKey::parse(&uri).unwrap(),
            facts: Facts::new(&given).unwrap(),
            origin: Origin::Bus,
            endpoint_updated_at_ns: 0,
            digest: Digest::NONE,
        })
    }

    fn off(claim: u8) -> Notice {
        let notice = on(claim, "");
        let (key, address) = (notice.key().clone(), notice.address().into());
        Notice::Unregister(Withdrawal { key, address })
    }

    fn taken(queue: &mut Queue) -> Vec<Notice> {
        queue.take().in_order().collect()
    }

    #[test]
    fn the_last_word_counts_and_comes_last() {
        let mut queue = Queue::default();
        for notice in [on(1, "a"), on(2, "a"), off(3), on(1, "b"), off(2)] {
            queue.put(notice);
        }
        assert_eq!(queue.len(), 3);
        assert_eq!(taken(&mut queue), [off(3), on(1, "b"), off(2)]);
        assert!(queue.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// However often the queue is emptied, the table is the one that all messages in their order
        /// would have made, and a claim that was given up last does not stand.
        #[test]
        fn the_table_is_that_of_all_messages_in_order(
            messages in proptest::collection::vec((0u8..24, any::<bool>(), 0u8..3), 0..120),
            take_every in 1usize..40,
        ) {
            let mut queue = Queue::default();
            let (mut ours, mut theirs) =
                (Registry::new(RegistryConfig::default()), Registry::new(RegistryConfig::default()));
            let mut last = BTreeMap::new();
            for (number, (claim, register, version)) in messages.into_iter().enumerate() {
                let notice =
                    if register { on(claim, &version.to_string()) } else { off(claim) };
                last.insert(claim, register);
                theirs.apply(notice.clone().into(), Tick::default());
                queue.put(notice);
                if number % take_every == 0 {
                    apply(&mut ours, &mut queue);
                }
                prop_assert!(queue.len() <= 24);
            }
            apply(&mut ours, &mut queue);
            for (claim, register) in last {
                let notice = off(claim);
                let table = ours.table();
                let stands = table
                    .get(notice.key())
                    .is_some_and(|pool| pool.find(notice.address()).is_some());
                prop_assert_eq!(stands, register, "claim {}", claim);
            }
            prop_assert_eq!(contents(&ours), contents(&theirs));
        }
    }

    fn apply(registry: &mut Registry, queue: &mut Queue) {
        for notice in taken(queue) {
            registry.apply(notice.into(), Tick::default());
        }
    }

    fn contents(registry: &Registry) -> Vec<String> {
        let table = registry.table();
        let mut contents: Vec<_> = table
            .iter()
            .flat_map(|pool| pool.endpoints())
            .zip(
                table
                    .iter()
                    .flat_map(|pool| pool.endpoints().iter().map(|_| pool.key())),
            )
            .map(|(endpoint, key)| {
                format!("{key} {} {}", endpoint.address(), endpoint.facts().app())
            })
            .collect();
        contents.sort();
        contents
    }
}
