//! Changes of one index table in a memtable.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::collections::hash_map;
use std::ops::RangeInclusive;

use foldhash::{HashMap, HashMapExt};

use crate::contract::Direction;
use crate::engine::local::background::{COMPARISONS, Steps};
use crate::format::keys;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;

/// Estimated memory of an entry, in bytes: the key, its flag, and 30 bytes for the unused places of
/// a tree or a hash table.
const ENTRY_BYTES: usize = size_of::<KeyBytes>() + 31;

/// Estimated memory of a tree's first node, in bytes.
const NODE_BYTES: usize = 11 * size_of::<(KeyBytes, bool)>();

/// Changes of an index table by key: `true` for an added entry, `false` for a removed one.
pub(super) enum MemIndex {
    /// Table in which new keys are next to each other, because they begin with a time, or with a
    /// status and a time.
    Sorted(BTreeMap<KeyBytes, bool>),
    /// Table whose keys begin with a hash, which groups the entries here. In a sorted tree, each
    /// step to a random key would miss the CPU cache.
    Hashed(HashMap<u64, Bucket>),
}

/// Changes of the keys with one hash.
pub(super) enum Bucket {
    One(KeyBytes, bool),
    /// Changes of a hash that once had two or more.
    Many(BTreeMap<KeyBytes, bool>),
}

impl MemIndex {
    /// Creates an index without changes. `room` is the number of hashes for which a hashed one
    /// reserves memory.
    pub(super) fn new(table: Table, room: usize) -> Self {
        if keys::has_hash(table) {
            Self::Hashed(HashMap::with_capacity(room))
        } else {
            Self::Sorted(BTreeMap::new())
        }
    }

    /// Number of hashes in a hashed index, and 0 for a sorted one.
    pub(super) fn hash_count(&self) -> usize {
        match self {
            Self::Sorted(_) => 0,
            Self::Hashed(buckets) => buckets.len(),
        }
    }

    /// Adds a change. Returns by how many bytes the estimated memory grows or shrinks.
    pub(super) fn set(&mut self, key: KeyBytes, is_there: bool) -> isize {
        let buckets = match self {
            Self::Sorted(entries) => return set_in(entries, key, is_there),
            Self::Hashed(buckets) => buckets,
        };
        match buckets.entry(keys::hash_of(&key)) {
            hash_map::Entry::Vacant(place) => {
                place.insert(Bucket::One(key, is_there));
                ENTRY_BYTES.cast_signed()
            }
            hash_map::Entry::Occupied(mut place) => match place.get_mut() {
                Bucket::Many(entries) => set_in(entries, key, is_there),
                Bucket::One(known, was_there) if *known == key => {
                    if *was_there == is_there {
                        return 0;
                    }
                    place.remove();
                    -ENTRY_BYTES.cast_signed()
                }
                Bucket::One(known, was_there) => {
                    let entries = [(*known, *was_there), (key, is_there)];
                    place.insert(Bucket::Many(BTreeMap::from(entries)));
                    (NODE_BYTES + ENTRY_BYTES).cast_signed()
                }
            },
        }
    }

    /// Changes of the keys in a range, in the given direction.
    pub(super) fn walk(&self, range: RangeInclusive<KeyBytes>, direction: Direction) -> Walk<'_> {
        let (first, last) = (range.start(), range.end());
        match self {
            Self::Sorted(entries) => Walk::tree(entries, range, direction),
            Self::Hashed(buckets) if keys::hash_of(first) == keys::hash_of(last) => {
                match buckets.get(&keys::hash_of(first)) {
                    None => Walk::One(None),
                    Some(Bucket::Many(entries)) => Walk::tree(entries, range, direction),
                    Some(Bucket::One(key, is_there)) => {
                        Walk::One(range.contains(key).then_some((*key, *is_there)))
                    }
                }
            }
            Self::Hashed(buckets) => {
                let all = buckets.values().flat_map(Bucket::entries);
                let mut entries: Vec<_> = all.filter(|(key, _)| range.contains(key)).collect();
                let steps = Steps::every(COMPARISONS);
                entries.sort_unstable_by(|(key, _), (other, _)| {
                    steps.step();
                    key.cmp(other)
                });
                if direction == Direction::Backward {
                    entries.reverse();
                }
                Walk::Copied(entries.into_iter())
            }
        }
    }
}

impl Bucket {
    fn entries(&self) -> Walk<'_> {
        match self {
            Self::One(key, is_there) => Walk::One(Some((*key, *is_there))),
            Self::Many(entries) => Walk::tree(
                entries,
                KeyBytes::default()..=KeyBytes::MAX,
                Direction::Forward,
            ),
        }
    }
}

/// Iterator over a range of a [`MemIndex`].
pub(super) enum Walk<'a> {
    One(Option<(KeyBytes, bool)>),
    Forward(btree_map::Range<'a, KeyBytes, bool>),
    Backward(std::iter::Rev<btree_map::Range<'a, KeyBytes, bool>>),
    Copied(std::vec::IntoIter<(KeyBytes, bool)>),
}

impl<'a> Walk<'a> {
    fn tree(
        entries: &'a BTreeMap<KeyBytes, bool>,
        range: RangeInclusive<KeyBytes>,
        direction: Direction,
    ) -> Self {
        match direction {
            Direction::Forward => Self::Forward(entries.range(range)),
            Direction::Backward => Self::Backward(entries.range(range).rev()),
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = (KeyBytes, bool);

    fn next(&mut self) -> Option<Self::Item> {
        let copied = |(key, is_there): (&KeyBytes, &bool)| (*key, *is_there);
        match self {
            Self::One(entry) => entry.take(),
            Self::Forward(entries) => entries.next().map(copied),
            Self::Backward(entries) => entries.next().map(copied),
            Self::Copied(entries) => entries.next(),
        }
    }
}

/// Adds a change to a tree. Returns by how many bytes its estimated memory grows or shrinks.
fn set_in(entries: &mut BTreeMap<KeyBytes, bool>, key: KeyBytes, is_there: bool) -> isize {
    match entries.entry(key) {
        btree_map::Entry::Vacant(place) => {
            place.insert(is_there);
            ENTRY_BYTES.cast_signed()
        }
        // The opposite change cancels the earlier one, so the memtable needs no entry. Many orders
        // enter and leave an index between two checkpoints; most of their entries never reach the
        // B-tree.
        btree_map::Entry::Occupied(place) if *place.get() != is_there => {
            place.remove();
            -ENTRY_BYTES.cast_signed()
        }
        btree_map::Entry::Occupied(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::local::disk::SeededRng;

    /// Key of [`Table::OpenId`] with one of four hashes.
    fn key(random: u64) -> KeyBytes {
        let mut bytes = [0; 20];
        bytes[7] = u8::try_from(random % 4).unwrap();
        bytes[19] = u8::try_from(random / 4 % 8).unwrap();
        KeyBytes::read(&bytes).unwrap()
    }

    #[test]
    fn hashed_index_equals_sorted_index() {
        let mut rng = SeededRng::new(1);
        let mut hashed = MemIndex::new(Table::OpenId, 0);
        let mut sorted = MemIndex::Sorted(BTreeMap::new());
        for _ in 0..2_000 {
            let (added, is_there) = (key(rng.next()), rng.next().is_multiple_of(2));
            hashed.set(added, is_there);
            sorted.set(added, is_there);
            let (first, last) = (key(rng.next()), key(rng.next()));
            if first > last {
                continue;
            }
            for direction in [Direction::Forward, Direction::Backward] {
                let found: Vec<_> = hashed.walk(first..=last, direction).collect();
                let expected: Vec<_> = sorted.walk(first..=last, direction).collect();
                assert!(found == expected);
            }
        }
    }
}
