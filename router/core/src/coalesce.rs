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

/// What became of an offered [`Notice`].
#[derive(Debug, PartialEq)]
pub enum Offered {
    /// It waits for its turn.
    Queued,
    /// It took the place of an earlier one about the same claim.
    Replaced,
    /// The queue is full. It was a registration: the next heartbeat says the same again, so it was
    /// dropped and counted.
    Dropped,
    /// The queue and its reserve are full, and this is a withdrawal, which must not be lost. The
    /// caller holds it, and reads no further, until the queue has been emptied.
    Full(Notice),
}

/// A bounded queue, keyed by route and endpoint; the last word about each counts.
///
/// Memory is bounded by the number of claims, never by the number of messages. Registrations have
/// `capacity` places, withdrawals a reserve of as many again. A withdrawal is never lost: a
/// registration that follows it takes its place, which leaves the claim as both in their order
/// would, and one that finds the queue full changes nothing that waits.
///
/// Claims come out in the order in which they were last spoken of, because the last registration of
/// a route decides how its endpoints are chosen.
#[derive(Debug)]
pub struct Queue {
    waiting: IndexSet<Waiting, FixedState>,
    capacity: usize,
    offered: u64,
    replaced: u64,
    dropped: u64,
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
    /// An empty queue for `capacity` registrations and as many withdrawals besides.
    pub fn new(capacity: usize) -> Self {
        Self {
            waiting: IndexSet::default(),
            capacity,
            offered: 0,
            replaced: 0,
            dropped: 0,
        }
    }

    /// Takes in what the bus says.
    pub fn offer(&mut self, notice: Notice) -> Offered {
        let waiting = Waiting {
            notice,
            turn: self.offered,
        };
        if !self.waiting.contains(&waiting) {
            let is_register = matches!(waiting.notice, Notice::Register(_));
            if is_register && self.waiting.len() >= self.capacity {
                self.dropped += 1;
                return Offered::Dropped;
            }
            if self.waiting.len() >= self.capacity.saturating_mul(2) {
                return Offered::Full(waiting.notice);
            }
        }
        self.offered += 1;
        match self.waiting.replace(waiting) {
            None => Offered::Queued,
            Some(_) => {
                self.replaced += 1;
                Offered::Replaced
            }
        }
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

    /// Registrations dropped so far because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Messages so far that were overtaken by a later one about the same claim.
    pub fn replaced(&self) -> u64 {
        self.replaced
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
    use crate::tick::Tick;

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
        let mut queue = Queue::new(10);
        assert_eq!(queue.offer(on(1, "a")), Offered::Queued);
        assert_eq!(queue.offer(on(2, "a")), Offered::Queued);
        assert_eq!(queue.offer(off(3)), Offered::Queued);
        assert_eq!(queue.offer(on(1, "b")), Offered::Replaced);
        assert_eq!(queue.offer(off(2)), Offered::Replaced);
        assert_eq!(taken(&mut queue), [off(3), on(1, "b"), off(2)]);
        assert!(queue.is_empty());
        assert_eq!((queue.replaced(), queue.dropped()), (2, 0));
    }

    #[test]
    fn a_full_queue_drops_registrations_and_holds_withdrawals() {
        let mut queue = Queue::new(2);
        for claim in 0..2 {
            queue.offer(on(claim, ""));
        }
        assert_eq!(queue.offer(on(2, "")), Offered::Dropped);
        assert_eq!(
            queue.offer(on(1, "newer")),
            Offered::Replaced,
            "it has its place already"
        );
        assert_eq!(queue.offer(off(3)), Offered::Queued);
        assert_eq!(queue.offer(off(4)), Offered::Queued);
        assert_eq!(queue.offer(off(5)), Offered::Full(off(5)));
        assert_eq!((queue.len(), queue.dropped()), (4, 1));
        assert_eq!(
            taken(&mut queue),
            [on(0, ""), on(1, "newer"), off(3), off(4)]
        );
        assert_eq!(queue.offer(off(5)), Offered::Queued);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Whatever is dropped, no claim that was given up last is left standing; and when nothing
        /// is dropped, the table is the one that all messages in their order would have made.
        #[test]
        fn no_withdrawal_is_lost(
            messages in proptest::collection::vec((0u8..24, any::<bool>(), 0u8..3), 0..120),
            capacity in 1usize..40,
            take_every in 1usize..40,
        ) {
            let mut queue = Queue::new(capacity);
            let (mut ours, mut theirs) =
                (Registry::new(RegistryConfig::default()), Registry::new(RegistryConfig::default()));
            let mut last = BTreeMap::new();
            for (number, (claim, register, version)) in messages.into_iter().enumerate() {
                let notice =
                    if register { on(claim, &version.to_string()) } else { off(claim) };
                last.insert(claim, register);
                theirs.apply(notice.clone().into(), Tick::default());
                if let Offered::Full(notice) = queue.offer(notice) {
                    apply(&mut ours, &mut queue);
                    prop_assert_eq!(queue.offer(notice), Offered::Queued);
                }
                if number % take_every == 0 {
                    apply(&mut ours, &mut queue);
                }
                prop_assert!(queue.len() <= 2 * capacity);
            }
            apply(&mut ours, &mut queue);
            for (claim, register) in last {
                let notice = off(claim);
                let table = ours.table();
                let stands = table
                    .get(notice.key())
                    .is_some_and(|pool| pool.find(notice.address()).is_some());
                prop_assert!(register || !stands, "claim {} was given up", claim);
            }
            if queue.dropped() == 0 {
                prop_assert_eq!(contents(&ours), contents(&theirs));
            }
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
