//! A persistent map from bytes to values: a hash array mapped trie.
//!
//! Branches are 64-way with one bit a slot, their slots behind `Arc`. A clone shares the whole tree; a change
//! copies the branches on the way to it that are shared, and edits those that are not in place.

use std::fmt;
use std::sync::Arc;

/// A value that carries its own key. Clones are made of shared branches, so they must be cheap.
pub(super) trait Keyed: Clone {
    fn key(&self) -> &[u8];

    fn hash(key: &[u8]) -> u64 {
        crate::hash::hash(key)
    }
}

/// See the module.
#[derive(Clone)]
pub(super) struct Trie<V> {
    root: Branch<V>,
}

/// The bitmap lies with the pointer, in the slot above: each level costs one visit to memory.
#[derive(Clone)]
struct Branch<V> {
    /// Bit `i` is set when there is a slot for hash digit `i`.
    bitmap: u64,
    /// The slots, in the order of their digits.
    slots: Arc<[Slot<V>]>,
}

#[derive(Clone, Default)]
enum Slot<V> {
    /// Nothing yet, or nothing any more; only while a change is under way.
    #[default]
    Vacant,
    Branch(Branch<V>),
    Leaf(V),
    /// Values whose hashes agree in every digit.
    Bucket(Arc<Vec<V>>),
}

const DIGIT_BITS: u32 = 6;
/// Digits that a hash has; the bits left over are not worth another level.
const LEVELS: u32 = u64::BITS / DIGIT_BITS;

impl<V: Keyed> Trie<V> {
    pub(super) fn get(&self, key: &[u8]) -> Option<&V> {
        let hash = V::hash(key);
        let mut branch = &self.root;
        for level in 0..LEVELS {
            match branch.slot(bit(hash, level))? {
                Slot::Branch(next) => branch = next,
                Slot::Leaf(value) => return (value.key() == key).then_some(value),
                Slot::Bucket(values) => return values.iter().find(|value| value.key() == key),
                Slot::Vacant => return None,
            }
        }
        None
    }

    /// Applies `change` to the value of `key`, made by `make` if there is none.
    ///
    /// After the change the value must have this key.
    pub(super) fn update<R>(
        &mut self,
        key: &[u8],
        make: impl FnOnce() -> V,
        change: impl FnOnce(&mut V) -> R,
    ) -> R {
        self.root.update(
            Place {
                key,
                hash: V::hash(key),
                level: 0,
            },
            make,
            change,
        )
    }

    /// Takes out the value of `key`.
    pub(super) fn remove(&mut self, key: &[u8]) -> Option<V> {
        // Asked first, so that nothing is copied in vain.
        self.get(key)?;
        self.root.remove(Place {
            key,
            hash: V::hash(key),
            level: 0,
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &V> {
        Iter {
            branches: vec![self.root.slots.iter()],
            bucket: [].iter(),
        }
    }
}

/// A key on its way down: its hash, and the level it has come to.
#[derive(Clone, Copy)]
struct Place<'a> {
    key: &'a [u8],
    hash: u64,
    level: u32,
}

impl Place<'_> {
    fn bit(self) -> u64 {
        bit(self.hash, self.level)
    }

    fn below(self) -> Self {
        Self {
            level: self.level + 1,
            ..self
        }
    }
}

/// The digit of `hash` at `level`, as a bit of a branch's bitmap.
fn bit(hash: u64, level: u32) -> u64 {
    1 << (hash >> (level * DIGIT_BITS) & 0x3f)
}

impl<V: Keyed> Branch<V> {
    fn slot(&self, bit: u64) -> Option<&Slot<V>> {
        (self.bitmap & bit != 0).then(|| &self.slots[self.index(bit)])
    }

    /// Where the slot of `bit` is, or would be.
    fn index(&self, bit: u64) -> usize {
        (self.bitmap & (bit - 1)).count_ones() as usize
    }

    fn update<R>(
        &mut self,
        place: Place<'_>,
        make: impl FnOnce() -> V,
        change: impl FnOnce(&mut V) -> R,
    ) -> R {
        let index = self.index(place.bit());
        if self.bitmap & place.bit() == 0 {
            self.bitmap |= place.bit();
            self.rebuild(|slots| slots.insert(index, Slot::Vacant));
        }
        let slot = &mut Arc::make_mut(&mut self.slots)[index];
        slot.make_room(place.below());
        match slot {
            Slot::Vacant => {
                let (value, result) = changed(make(), change);
                *slot = Slot::Leaf(value);
                result
            }
            Slot::Leaf(value) => change(value),
            Slot::Branch(next) => next.update(place.below(), make, change),
            Slot::Bucket(values) => {
                let values = Arc::make_mut(values);
                match values.iter_mut().find(|value| value.key() == place.key) {
                    Some(value) => change(value),
                    None => {
                        let (value, result) = changed(make(), change);
                        values.push(value);
                        result
                    }
                }
            }
        }
    }

    fn remove(&mut self, place: Place<'_>) -> Option<V> {
        if self.bitmap & place.bit() == 0 {
            return None;
        }
        let index = self.index(place.bit());
        if let Slot::Leaf(value) = &self.slots[index] {
            let value = value.clone();
            self.bitmap &= !place.bit();
            self.rebuild(|slots| drop(slots.remove(index)));
            return Some(value);
        }
        let slot = &mut Arc::make_mut(&mut self.slots)[index];
        let removed = match slot {
            Slot::Branch(next) => next.remove(place.below()),
            Slot::Bucket(values) => {
                let values = Arc::make_mut(values);
                let at = values.iter().position(|value| value.key() == place.key)?;
                Some(values.remove(at))
            }
            Slot::Leaf(_) | Slot::Vacant => None,
        };
        slot.collapse();
        removed
    }

    /// Makes new slots of the old ones, as `edit` changes them. Slots that nobody else sees are
    /// moved, not cloned, so that nothing below them is touched.
    fn rebuild(&mut self, edit: impl FnOnce(&mut Vec<Slot<V>>)) {
        let mut slots = Vec::with_capacity(self.slots.len() + 1);
        match Arc::get_mut(&mut self.slots) {
            Some(ours) => slots.extend(ours.iter_mut().map(std::mem::take)),
            None => slots.extend_from_slice(&self.slots),
        }
        edit(&mut slots);
        self.slots = slots.into();
    }
}

impl<V: Keyed> Slot<V> {
    /// Makes a leaf with another key into what can hold both: a branch at `place`, or a bucket when
    /// the hash has no more digits.
    fn make_room(&mut self, place: Place<'_>) {
        if let Self::Leaf(value) = self
            && value.key() != place.key
        {
            let value = value.clone();
            *self = if place.level < LEVELS {
                let bitmap = bit(V::hash(value.key()), place.level);
                Self::Branch(Branch {
                    bitmap,
                    slots: Arc::new([Self::Leaf(value)]),
                })
            } else {
                Self::Bucket(Arc::new(vec![value]))
            };
        }
    }

    /// Makes a branch or a bucket with a single leaf into that leaf.
    fn collapse(&mut self) {
        let last = match self {
            Self::Branch(branch) => match &branch.slots[..] {
                [Self::Leaf(last)] => Some(last),
                _ => None,
            },
            Self::Bucket(values) => match &values[..] {
                [last] => Some(last),
                _ => None,
            },
            Self::Leaf(_) | Self::Vacant => None,
        };
        if let Some(last) = last.cloned() {
            *self = Self::Leaf(last);
        }
    }
}

fn changed<V, R>(mut value: V, change: impl FnOnce(&mut V) -> R) -> (V, R) {
    let result = change(&mut value);
    (value, result)
}

struct Iter<'a, V> {
    /// The branches on the way to where the iteration stands, outermost first.
    branches: Vec<std::slice::Iter<'a, Slot<V>>>,
    bucket: std::slice::Iter<'a, V>,
}

impl<'a, V> Iterator for Iter<'a, V> {
    type Item = &'a V;

    fn next(&mut self) -> Option<&'a V> {
        loop {
            if let Some(value) = self.bucket.next() {
                return Some(value);
            }
            match self.branches.last_mut()?.next() {
                Some(Slot::Leaf(value)) => return Some(value),
                Some(Slot::Bucket(values)) => self.bucket = values.iter(),
                Some(Slot::Branch(branch)) => self.branches.push(branch.slots.iter()),
                Some(Slot::Vacant) => {}
                None => {
                    self.branches.pop();
                }
            }
        }
    }
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self {
            root: Branch {
                bitmap: 0,
                slots: Arc::new([]),
            },
        }
    }
}

impl<V> fmt::Debug for Trie<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trie").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A value whose key hashes so badly that every level and the buckets are met.
    #[derive(Clone, Debug, PartialEq)]
    struct Entry(Vec<u8>, u32);

    impl Keyed for Entry {
        fn key(&self) -> &[u8] {
            &self.0
        }

        fn hash(key: &[u8]) -> u64 {
            match key.first() {
                Some(0..=3) => 7,
                Some(4..=7) => 7 | 1 << 59,
                _ => crate::hash::hash(key) & 0xff,
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Op {
        Put(Vec<u8>, u32),
        Remove(Vec<u8>),
        Keep,
    }

    fn op() -> impl Strategy<Value = Op> {
        let key = proptest::collection::vec(0u8..12, 0..3);
        prop_oneof![
            4 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Op::Put(key, value)),
            3 => key.prop_map(Op::Remove),
            1 => Just(Op::Keep),
        ]
    }

    fn contents(trie: &Trie<Entry>) -> BTreeMap<Vec<u8>, u32> {
        trie.iter()
            .map(|Entry(key, value)| (key.clone(), *value))
            .collect()
    }

    proptest! {
        #[test]
        fn behaves_as_a_map_and_clones_never_change(
            ops in proptest::collection::vec(op(), 0..200)
        ) {
            let mut trie = Trie::default();
            let mut model = BTreeMap::new();
            let mut kept = Vec::new();
            for op in ops {
                match op {
                    Op::Put(key, value) => {
                        let mut new = false;
                        let make = || {
                            new = true;
                            Entry(key.clone(), 0)
                        };
                        trie.update(&key, make, |entry| entry.1 = value);
                        prop_assert_eq!(model.insert(key, value).is_none(), new);
                    }
                    Op::Remove(key) => {
                        let removed = trie.remove(&key).map(|Entry(_, value)| value);
                        prop_assert_eq!(removed, model.remove(&key));
                    }
                    Op::Keep => kept.push((trie.clone(), model.clone())),
                }
                prop_assert_eq!(trie.iter().count(), model.len());
            }
            kept.push((trie, model));
            for (trie, model) in kept {
                prop_assert_eq!(contents(&trie), model.clone());
                for (key, value) in model {
                    prop_assert_eq!(trie.get(&key), Some(&Entry(key, value)));
                }
            }
        }
    }
}
