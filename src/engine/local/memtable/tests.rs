//! Tests of the entries and the memory bound of a memtable.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::engine::local::disk::SeededRng;

const HASHED: Table = Table::OpenId;

/// Random key of [`HASHED`] with one of 16 hashes. `same` is the number of keys with each hash.
fn key(same: u64, rng: &mut SeededRng) -> KeyBytes {
    let mut bytes = [0; 20];
    bytes[7] = u8::try_from(rng.next() % 16).unwrap();
    bytes[19] = u8::try_from(rng.next() % same).unwrap();
    KeyBytes::read(&bytes).unwrap()
}

/// Adds absent entries and removes present ones, at random.
fn change_at_random(same: u64, rng: &mut SeededRng) {
    // Entries of the layer below the memtable.
    let below: BTreeSet<_> = (0..same * 10).map(|_| key(same, rng)).collect();
    let (mut memtable, mut frames) = (Memtable::default(), 0);
    let mut model = BTreeMap::new();
    for _ in 0..500 {
        let mut writes = WriteBatch::default();
        let changed: BTreeSet<_> = (0..rng.next() % 4).map(|_| key(same, rng)).collect();
        for key in changed {
            let was_there = model.get(&key).copied();
            let is_there = !was_there.unwrap_or(below.contains(&key));
            writes.set_entry(HASHED, key, is_there);
            if was_there.is_some() {
                model.remove(&key);
            } else {
                model.insert(key, is_there);
            }
        }
        frames += writes.frame.capacity();
        memtable.add(writes);
        let found = memtable.sorted(HASHED);
        let found: Vec<_> = found.map(|(key, value)| (key, value.is_some())).collect();
        let expected: Vec<_> = model.iter().map(|(key, is)| (*key, *is)).collect();
        assert!(found == expected);
        assert!(memtable.bytes() >= frames + found.len() * size_of::<KeyBytes>());
    }
}

#[test]
fn hashed_entries_are_sorted_and_counted_in_bytes() {
    let mut rng = SeededRng::new(1);
    for same in [1, 1, 2, 4, 4] {
        change_at_random(same, &mut rng);
    }
}
