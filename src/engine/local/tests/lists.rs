//! Tests of index reads in both directions, and of hash collisions.

use super::fixture::{TestStore, at, confirm, create, decided, new, no, openid, transaction};
use crate::contract::{Direction, IndexQuery, IndexRow, Lookup, Position, Verdict};
use crate::engine::Engine;
use crate::order::{CommandKind, Status};
use crate::rules::Index;
use crate::types::Timestamp;

/// Query for all entries of an index in a direction.
fn all_of(index: Index, direction: Direction) -> IndexQuery {
    IndexQuery {
        index,
        from: Timestamp::EPOCH,
        until: Timestamp::MAX,
        direction,
        after: None,
    }
}

fn nos(rows: &[IndexRow]) -> Vec<String> {
    rows.iter().map(|row| row.record.no().to_string()).collect()
}

/// Store with 1,000 orders, `per_ms` of them in each millisecond.
fn full_store(per_ms: i64) -> TestStore {
    let store = TestStore::new();
    let make = |n| {
        let step = at(i64::try_from(n).unwrap() / per_ms);
        decided(
            no(n),
            create(new().openid(openid("oOne-of-ours"))),
            step,
            None,
            &[],
        )
    };
    let batch: Vec<_> = (0..1000).map(make).collect();
    assert!(store.apply(&batch).iter().all(|v| *v == Verdict::Applied));
    store
}

#[test]
fn concatenated_pages_equal_whole_index() {
    for per_ms in [1000, 4] {
        let store = full_store(per_ms);
        for index in [
            Index::All,
            Index::Status(Status::Pending),
            Index::OpenId(openid("oOne-of-ours")),
            Index::Due,
        ] {
            for direction in [Direction::Forward, Direction::Backward] {
                pages_join(&store, &all_of(index.clone(), direction));
            }
        }
    }
}

/// Asserts that successive pages of several sizes together equal one read of the whole index.
fn pages_join(store: &TestStore, query: &IndexQuery) {
    let mut expected: Vec<_> = (0..1000).map(|n| no(n).to_string()).collect();
    if query.direction == Direction::Backward {
        expected.reverse();
    }
    let whole = store.engine.scan(query, 1000).unwrap();
    assert!(!whole.more);
    assert_eq!(nos(&whole.rows), expected);
    for limit in [1000, 333, 250] {
        let (mut query, mut found) = (query.clone(), Vec::new());
        loop {
            let page = store.engine.scan(&query, limit).unwrap();
            query.after = page.rows.last().map(|row| row.position);
            found.extend(page.rows);
            assert_eq!(page.more, found.len() < 1000);
            if !page.more {
                break;
            }
        }
        assert_eq!(found, whole.rows);
    }
}

#[test]
fn scan_includes_time_bounds_and_excludes_cursor() {
    let store = full_store(4);
    let mut query = all_of(Index::All, Direction::Forward);
    (query.from, query.until) = (at(10), at(11));
    let rows = store.engine.scan(&query, 99).unwrap().rows;
    assert_eq!(
        nos(&rows),
        (40..48).map(|n| no(n).to_string()).collect::<Vec<_>>()
    );
    let cases = [
        (Direction::Forward, at(0), 1, 8),
        (Direction::Forward, at(10), 44, 4),
        (Direction::Forward, at(10), u64::MAX, 4),
        (Direction::Forward, at(12), 1, 0),
        (Direction::Backward, at(12), 1, 8),
        (Direction::Backward, at(11), 45, 4),
        (Direction::Backward, at(10), u64::MAX, 4),
        (Direction::Backward, at(9), 99, 0),
    ];
    for (direction, time, row, expected) in cases {
        query.direction = direction;
        query.after = Some(Position { time, row, sub: 0 });
        let found = store.engine.scan(&query, 99).unwrap();
        assert_eq!(found.rows.len(), expected, "{direction:?} {time} {row}");
    }
    (query.from, query.until, query.after) = (at(11), at(10), None);
    assert_eq!(store.engine.scan(&query, 99).unwrap().rows, []);
}

#[test]
fn index_page_reports_more_until_last_entry() {
    let store = full_store(4);
    let query = all_of(Index::All, Direction::Forward);
    for (limit, found, more) in [(0, 0, true), (999, 999, true), (1000, 1000, false)] {
        let page = store.engine.scan(&query, limit).unwrap();
        assert_eq!((page.rows.len(), page.more), (found, more));
    }
    let empty = all_of(Index::Anomalies, Direction::Forward);
    let page = store.engine.scan(&empty, 0).unwrap();
    assert!(!page.more);
}

#[test]
fn paid_order_leaves_pending_and_due_indexes() {
    let store = TestStore::new();
    store.run(no(1), create(new()));
    store.run(no(1), confirm("T1"));
    let of = |status| {
        let query = all_of(Index::Status(status), Direction::Forward);
        store.engine.scan(&query, 9).unwrap().rows.len()
    };
    assert_eq!((of(Status::Pending), of(Status::Success)), (0, 1));
    let due = store
        .engine
        .scan(&all_of(Index::Due, Direction::Forward), 9);
    assert_eq!(due.unwrap().rows, []);
}

#[test]
fn openids_with_equal_hash_are_distinguished() {
    let store = TestStore::colliding();
    for (n, name) in ["oAnna-of-ours", "oBert-of-ours", "oAnna-of-ours"]
        .into_iter()
        .enumerate()
    {
        store.run(no(n), create(new().openid(openid(name))));
    }
    let of = |name| {
        let query = all_of(Index::OpenId(openid(name)), Direction::Backward);
        let page = store.engine.scan(&query, 1).unwrap();
        (nos(&page.rows), page.more)
    };
    assert_eq!(of("oAnna-of-ours"), (vec![no(2).to_string()], true));
    assert_eq!(of("oBert-of-ours"), (vec![no(1).to_string()], false));
    assert_eq!(of("oCara-of-ours"), (vec![], false));
    store.assert_valid();
}

#[test]
fn unique_keys_with_equal_hash_are_distinguished() {
    let store = TestStore::colliding();
    for n in 0..3 {
        store.run(no(n), create(new()));
        store.run(no(n), confirm(&format!("T{n}")));
    }
    for n in 0..3 {
        let owner = store.load(Lookup::Owner(transaction(&format!("T{n}"))));
        assert_eq!(owner.unwrap().record.no(), no(n));
    }
    assert_eq!(store.load(Lookup::Owner(transaction("T9"))), None);
    let claim = decided(no(3), create(new()), at(0), None, &[]);
    store.apply(&[claim]);
    let claim = decided(no(3), confirm("T1"), at(0), store.stored(no(3)), &[]);
    let (key, by) = (transaction("T1"), no(1));
    assert_eq!(store.apply(&[claim]), [Verdict::Taken { key, by }]);
    store.assert_valid();
}

#[test]
fn keys_of_one_record_with_equal_hash_share_entry() {
    let store = TestStore::colliding();
    store.run(no(1), confirm("T1"));
    store.run(no(1), confirm("T2"));
    for id in ["T1", "T2"] {
        let query = all_of(transaction(id).index(), Direction::Forward);
        assert_eq!(store.engine.scan(&query, 9).unwrap().rows.len(), 1);
    }
    store.assert_valid();
    store.run(no(1), create(new()));
    store.assert_valid();
    store.run(no(2), create(new()));
    store.run(no(2), CommandKind::BeginClose);
    store.assert_valid();
}
