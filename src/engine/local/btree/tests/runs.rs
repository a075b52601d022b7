//! Tests of indexes that are stored as sorted runs.

use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, TableHandle};

use super::*;
use crate::engine::local::btree::errors::{translate, translate_cursor};
use crate::engine::local::btree::runs::{
    FilterTable, LARGE_RUN, RunTable, run_ids, run_name, runs_to_merge,
};
use crate::engine::local::disk::SeededRng;
use crate::format::keys::has_hash;

const TABLE: Table = Table::OpenId;

/// Key with one of 64 hashes, spread over all numbers of 64 bits.
fn key(random: u64) -> KeyBytes {
    let mut bytes = [0; 20];
    let hash = (random % 64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bytes[..8].copy_from_slice(&hash.to_be_bytes());
    bytes[19] = u8::try_from(random / 64 % 16).unwrap();
    KeyBytes::read(&bytes).unwrap()
}

struct Opened {
    place: TempDir,
    base: BTree,
}

impl Opened {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("base.redb");
        drop(RealDisk.create(&path).unwrap());
        let base = BTree::create(&RealDisk, &path, CACHE, Vec::new()).unwrap();
        Self { place, base }
    }

    fn reopen(self) -> Self {
        self.reopen_with(CACHE)
    }

    fn reopen_with(self, cache: usize) -> Self {
        let Self { place, base } = self;
        base.close().unwrap();
        let path = place.path().join("base.redb");
        let base = BTree::open(&RealDisk, &path, cache, false).unwrap();
        Self { place, base }
    }

    fn write(&self, table: Table, changes: &BTreeMap<KeyBytes, bool>) {
        let entry = |(key, is_there): (&KeyBytes, &bool)| (*key, is_there.then_some(&[][..]));
        let changes: Sorted<'_> = (table, Box::new(changes.iter().map(entry)));
        self.base.write(vec![changes]).unwrap();
    }

    /// Names of all tables in the file.
    fn names(&self) -> Vec<String> {
        let tables = self.base.db.begin_read().unwrap();
        let tables = tables.list_tables().unwrap();
        tables.map(|table| table.name().to_owned()).collect()
    }

    fn ids(&self, table: Table) -> Vec<u64> {
        run_ids(table, &self.names())
    }
}

/// Compares every kind of read with the expected keys.
fn check(base: &BTree, expected: &BTreeSet<KeyBytes>, rng: &mut SeededRng) {
    let snapshot = base.snapshot().unwrap();
    assert_eq!(
        snapshot.len(TABLE).unwrap(),
        u64::try_from(expected.len()).unwrap()
    );
    for n in 0..64 * 16 {
        let held = snapshot.contains(TABLE, key(n).as_slice()).unwrap();
        assert_eq!(held, expected.contains(&key(n)), "{n}");
    }
    let some = || Some((key(rng.next()), key(rng.next())));
    let mut ranges: Vec<_> = std::iter::repeat_with(some).take(30).collect();
    // All keys of one hash.
    ranges.extend((0..64).map(|n| Some((key(n), key(n + 64 * 15)))));
    ranges.push(None);
    for range in ranges {
        let (first, last) = range.unwrap_or((KeyBytes::default(), KeyBytes::MAX));
        let within: Vec<_> = match first <= last {
            true => expected.range(first..=last).copied().collect(),
            false => Vec::new(),
        };
        if first <= last && range.is_some() {
            let is_empty = snapshot.is_empty(TABLE, &(first, last)).unwrap();
            assert_eq!(is_empty, within.is_empty());
        }
        for direction in [Direction::Forward, Direction::Backward] {
            let mut found = Vec::new();
            let mut take = |key: &[u8], _: &[u8]| {
                found.push(KeyBytes::read(key).unwrap());
                Ok(Continue(()))
            };
            snapshot
                .walk(TABLE, range.as_ref(), direction, &mut take)
                .unwrap();
            if direction == Direction::Backward {
                found.reverse();
            }
            assert!(found == within, "{} and {}", found.len(), within.len());
        }
    }
}

/// Changes that a memtable could hold: it adds only absent keys and removes only present ones.
fn changes(expected: &mut BTreeSet<KeyBytes>, rng: &mut SeededRng) -> BTreeMap<KeyBytes, bool> {
    let mut changes = BTreeMap::new();
    for _ in 0..rng.next() % 60 {
        let key = key(rng.next());
        changes.entry(key).or_insert_with(|| {
            let is_there = expected.remove(&key);
            if !is_there {
                expected.insert(key);
            }
            !is_there
        });
    }
    changes
}

#[test]
fn runs_read_like_one_table() {
    for seed in 0..4 {
        let mut rng = SeededRng::new(seed);
        let (mut opened, mut expected) = (Opened::new(), BTreeSet::new());
        for n in 0..40 {
            opened.write(TABLE, &changes(&mut expected, &mut rng));
            if n % 7 == 3 {
                // The smaller cache has memory for 5 filters of one block.
                opened = opened.reopen_with(if n % 2 == 0 { 1 << 10 } else { CACHE });
            }
            check(&opened.base, &expected, &mut rng);
        }
    }
}

#[test]
fn runs_are_merged_under_new_numbers() {
    let opened = Opened::new();
    let hashed = Table::ALL.into_iter().filter(|table| has_hash(*table));
    let mut last = 0;
    for n in 0..100_u64 {
        // All four indexes get a run in each write. A write merges only one index, so an index can
        // wait for three writes, and have 11 runs before its merge.
        let added = BTreeMap::from([(key(n), true)]);
        let change = |table| -> Sorted<'_> {
            let keys = added.keys().map(|key| (*key, Some(&[][..])));
            (table, Box::new(keys))
        };
        opened
            .base
            .write(hashed.clone().map(change).collect())
            .unwrap();
        let ids = opened.ids(TABLE);
        assert_eq!(ids[0], 0);
        // The first run, up to 10 runs of one key, 7 of eight to ten keys, and one of 64 or more.
        assert!(ids.len() <= 19, "{ids:?}");
        let newest = *ids.last().unwrap();
        assert!(newest > last, "a number is used again: {ids:?}");
        last = newest;
    }
    // Only existing runs have filters, and each of them but the first has one.
    let names = opened.names();
    let filters = names.iter().filter(|name| name.ends_with(".filter"));
    let runs = hashed.flat_map(|table| {
        let ids = opened.ids(table).into_iter().skip(1);
        ids.map(move |id| format!("{}.filter", run_name(table, id)))
    });
    let filters: BTreeSet<String> = filters.cloned().collect();
    assert_eq!(filters, runs.collect());
}

#[test]
fn emptied_runs_are_merged() {
    let opened = Opened::new();
    for n in 0..40 {
        opened.write(TABLE, &BTreeMap::from([(key(n), true)]));
        opened.write(TABLE, &BTreeMap::from([(key(n), false)]));
        assert!(opened.ids(TABLE).len() <= 9, "{:?}", opened.ids(TABLE));
    }
    assert_eq!(opened.base.snapshot().unwrap().len(TABLE).unwrap(), 0);
}

#[test]
fn large_runs_and_runs_of_different_length_are_not_merged() {
    let runs = |lens: &[u64]| (1..).zip(lens.iter().copied()).collect::<Vec<_>>();
    assert!(runs_to_merge(&runs(&[LARGE_RUN; 9])).is_empty());
    assert!(runs_to_merge(&runs(&[8; 7])).is_empty());
    let mixed = [8, 63, 64, 8, 9, 7, 10, 11, 12, 13, 0, 500];
    assert_eq!(runs_to_merge(&runs(&mixed)), [1, 2, 4, 5, 7, 8, 9, 10]);
    assert!(runs_to_merge(&[(0, 0); 9]).is_empty());
}

#[test]
fn filter_saves_the_search_of_a_run() {
    let made = SampleFile::new();
    // A search for a key beyond all others reads the last leaf, which is corrupt.
    let is_leaf = |page: &UsedPage| page.of == "by_openid.1" && !page.is_branch;
    let last = made.pages().into_iter().rfind(is_leaf);
    let last = last.unwrap().offset;
    let path = made.corrupted(|bytes| bytes[last..][..4096].fill(0));
    let base = BTree::open(&RealDisk, &path, CACHE, false).unwrap();
    let beyond = KeyBytes::read(&[9; 20]).unwrap();
    let read = || {
        let snapshot = base.snapshot().unwrap();
        snapshot.is_empty(TABLE, &(beyond, beyond))
    };
    assert!(read().unwrap());
    base.change(|transaction| {
        let filter = FilterTable::new("by_openid.1.filter");
        transaction
            .delete_table(filter)
            .map(drop)
            .map_err(translate)
    })
    .unwrap();
    // The filter is still in memory.
    assert!(read().unwrap());
    base.abandon();
    let base = BTree::open(&RealDisk, &path, CACHE, false).unwrap();
    let snapshot = base.snapshot().unwrap();
    assert!(is_damage(&snapshot.is_empty(TABLE, &(beyond, beyond))));
}

#[test]
fn missing_or_incomplete_filter_means_maybe() {
    let mut rng = SeededRng::new(9);
    let (mut opened, mut expected) = (Opened::new(), BTreeSet::new());
    for n in 0..6 {
        opened.write(TABLE, &changes(&mut expected, &mut rng));
        let id = *opened.ids(TABLE).last().unwrap();
        let name = format!("{}.filter", run_name(TABLE, id));
        let transaction = opened.base.db.begin_write().unwrap();
        if n % 2 == 0 {
            transaction.delete_table(FilterTable::new(&name)).unwrap();
        } else {
            let mut parts = transaction.open_table(FilterTable::new(&name)).unwrap();
            let part = parts.get(0).unwrap().unwrap().value().to_vec();
            parts.insert(0, &part[..part.len() - 64]).unwrap();
        }
        transaction.commit().unwrap();
        opened = opened.reopen();
        check(&opened.base, &expected, &mut rng);
    }
}

#[test]
fn replaced_index_reads_like_its_new_entries() {
    let mut rng = SeededRng::new(5);
    let (mut opened, mut expected) = (Opened::new(), BTreeSet::new());
    for _ in 0..3 {
        opened.write(TABLE, &changes(&mut expected, &mut rng));
        opened.base.snapshot().unwrap();
    }
    let before = opened.ids(TABLE);
    opened.base.start_new(TABLE).unwrap();
    expected = (0..500).map(|_| key(rng.next())).collect();
    let entries: Entries = expected.iter().map(|key| (*key, Vec::new())).collect();
    opened.base.write_new(sorted(TABLE, &entries)).unwrap();
    opened.base.replace(&[TABLE]).unwrap();
    check(&opened.base, &expected, &mut rng);
    // A number of an old run, whose filter may be in memory, is not used again.
    let ids = opened.ids(TABLE);
    assert!(
        ids[1..].iter().all(|id| !before.contains(id)),
        "{before:?} {ids:?}"
    );
    for _ in 0..10 {
        opened.write(TABLE, &changes(&mut expected, &mut rng));
        check(&opened.base, &expected, &mut rng);
    }
    opened = opened.reopen();
    check(&opened.base, &expected, &mut rng);
}

#[test]
fn keys_in_the_first_run_are_found_and_merged() {
    let opened = Opened::new();
    let mut rng = SeededRng::new(6);
    let transaction = opened.base.db.begin_write().unwrap();
    let name = run_name(TABLE, 0);
    let mut run = transaction.open_table(RunTable::new(&name)).unwrap();
    // About as many keys as the other runs get, so that the first run is in the same tier.
    let mut expected: BTreeSet<KeyBytes> = (0..30).map(key).collect();
    for key in &expected {
        run.insert(<&[u8; 20]>::try_from(key.as_slice()).unwrap(), ())
            .unwrap();
    }
    drop(run);
    transaction.commit().unwrap();
    for _ in 0..20 {
        check(&opened.base, &expected, &mut rng);
        opened.write(TABLE, &changes(&mut expected, &mut rng));
    }
    let tables = opened.base.db.begin_read().unwrap();
    let first = tables.open_table(RunTable::new(&name)).unwrap();
    assert!(first.is_empty().unwrap(), "the first run is not merged");
}

#[test]
fn survey_finds_corrupt_pages_of_runs_and_filters() {
    let made = SampleFile::new();
    let of_index = |page: &UsedPage| page.of.starts_with("by_openid.1");
    let pages: Vec<UsedPage> = made.pages().into_iter().filter(of_index).collect();
    assert!(pages.iter().any(|page| page.of.ends_with(".filter")));
    for page in pages {
        let path = made.corrupted(|bytes| bytes[page.offset + 8..][..40].fill(0xa5));
        // The cache of 0 bytes has no memory for a filter.
        for cache in [CACHE, 0] {
            let survey = Salvage::open(&RealDisk, &path, cache, ReadMode::Survey).unwrap();
            let found = survey.corrupt_pages(TABLE, &|| Ok(())).unwrap();
            let at = u64::try_from(page.offset).unwrap();
            assert_eq!(found, [(at, 4096)], "{page:?}");
            let others = survey.corrupt_pages(Table::Transaction, &|| Ok(()));
            assert!(others.unwrap().is_empty());
        }
    }
}

#[test]
fn filters_of_unique_keys_have_priority_over_those_of_openids() {
    let opened = Opened::new();
    for table in [TABLE, Table::Transaction, Table::Reference] {
        opened.write(table, &BTreeMap::from([(key(1), true)]));
    }
    // Memory for two filters of one block.
    let opened = opened.reopen_with(3 * 128);
    opened.base.snapshot().unwrap();
    let known = opened.base.filters.known.lock();
    let known: BTreeSet<_> = known.keys().copied().collect();
    let expected = [(Table::Transaction, 1), (Table::Reference, 1)];
    assert_eq!(known, BTreeSet::from(expected));
}

#[test]
fn long_filter_leaves_memory_for_shorter_ones() {
    let opened = Opened::new();
    let entry = |n: u64| {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        (KeyBytes::read(&bytes).unwrap(), true)
    };
    opened.write(Table::Reference, &BTreeMap::from([entry(1)]));
    opened.write(Table::Transaction, &(0..20_000).map(entry).collect());
    // The long filter has 26 KiB.
    let opened = opened.reopen_with(3 * 8192);
    opened.base.snapshot().unwrap();
    let known = opened.base.filters.known.lock();
    assert_eq!(known.keys().collect::<Vec<_>>(), [&(Table::Reference, 1)]);
}

#[test]
fn full_disk_at_a_cursor_is_no_internal_error() {
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let error = translate_cursor(redb::CursorError::Storage(redb::StorageError::Io(full)));
    assert_eq!(error.kind(), StorageErrorKind::DiskFull);
}
