//! Tests of reads of key ranges.

use std::ops::ControlFlow::Break;

use super::*;

const TABLE: Table = Table::Reference;

/// Key with this number in its last bytes.
fn key(n: u32) -> KeyBytes {
    let mut bytes = [7; 20];
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    KeyBytes::read(&bytes).unwrap()
}

/// Number of the `n`th entry.
fn number(n: u32) -> u32 {
    10 + 3 * n
}

/// Checks whether a range is empty, and compares the result with a walk.
fn check(snapshot: &Snapshot, first: u32, last: u32, expected: bool) {
    let range = (key(first), key(last));
    let mut is_empty = true;
    let mut take = |_: &[u8], _: &[u8]| {
        is_empty = false;
        Ok(Break(()))
    };
    let walk = snapshot.walk(TABLE, Some(&range), Direction::Forward, &mut take);
    walk.unwrap();
    assert_eq!(is_empty, expected, "{first} to {last}");
    let found = snapshot.is_empty(TABLE, &range).unwrap();
    assert_eq!(found, expected, "{first} to {last}");
}

#[test]
fn range_is_empty_if_it_has_no_entry() {
    for count in [0, 1, 5000] {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("base.redb");
        drop(RealDisk.create(&path).unwrap());
        let base = BTree::create(&RealDisk, &path, CACHE, Vec::new()).unwrap();
        let entries: Entries = (0..count).map(|n| (key(number(n)), Vec::new())).collect();
        base.write(vec![sorted(TABLE, &entries)]).unwrap();
        let snapshot = base.snapshot().unwrap();
        check(&snapshot, 0, number(0) - 1, true);
        check(&snapshot, 0, u32::MAX, count == 0);
        check(&snapshot, number(count), u32::MAX, true);
        for at in (0..count).map(number) {
            // The next entry is the end of the range, or just after it.
            check(&snapshot, at - 2, at, false);
            check(&snapshot, at - 2, at - 1, true);
            check(&snapshot, at, at, false);
            check(&snapshot, at + 1, at + 2, true);
        }
    }
}
