//! Tests of `verify`: the violations that it must find.

use super::fixture::{self, Changes, TestStore, at, confirm, create, new, no, openid, transaction};
use crate::contract::StoredRecord;
use crate::engine::Engine;
use crate::engine::local::LocalEngine;
use crate::engine::local::read::view::ReadView;
use crate::format::codec::EventLink;
use crate::format::tables::Table;
use crate::format::{codec, keys};
use crate::order::Event;
use crate::rules::{Index, IndexEntry};
use crate::types::Timestamp;
use crate::verify::{Invariant, VerifyReport};

/// Store with three paid orders and an unclaimed payment.
fn sample_store() -> TestStore {
    let store = TestStore::new();
    for n in 1..=3 {
        store.run(no(n), create(new().openid(openid("oAnna-of-ours"))));
        store.run(no(n), confirm(&format!("T{n}")));
    }
    store.run(no(9), confirm("T9"));
    store.assert_valid();
    store
}

/// Report on the sample store after a direct change of its B-tree.
fn after(change: impl FnOnce(&ReadView, &mut Changes)) -> VerifyReport {
    let store = sample_store();
    store.change_btree(change);
    store.engine.verify().unwrap()
}

/// Whether a report has a violation of this invariant.
fn names(report: &VerifyReport, invariant: Invariant) -> bool {
    report.violations.iter().any(|v| v.invariant == invariant)
}

fn openid_entry() -> IndexEntry {
    IndexEntry {
        index: Index::OpenId(openid("oAnna-of-ours")),
        time: at(0),
        sub: 0,
    }
}

#[test]
fn verify_counts_records_events_and_entries() {
    let report = sample_store().engine.verify().unwrap();
    assert_eq!((report.records, report.events), (4, 7));
    assert!(report.entries > 8);
}

#[test]
fn verify_finds_missing_index_entry() {
    let report = after(|view, writes| {
        let (table, key) = view.layout.entry(&openid_entry(), 3).unwrap();
        writes.remove(table, key);
    });
    assert_eq!(report.violation_count, 1);
    let found = &report.violations[0];
    assert_eq!((found.invariant, found.no), (Invariant::I5, Some(no(2))));
    assert_eq!(found.what, "missing in index by_openid");
}

#[test]
fn verify_finds_index_entry_without_record() {
    for row in [2, 3, 77] {
        let report = after(|view, writes| {
            let index = Index::OpenId(openid("oBert-of-ours"));
            let entry = IndexEntry {
                index,
                ..openid_entry()
            };
            let (table, key) = view.layout.entry(&entry, row).unwrap();
            writes.put(table, key, Vec::new());
        });
        assert_eq!(report.violation_count, 1, "{report:?}");
        assert_eq!(report.violations[0].invariant, Invariant::I5);
        assert!(!format!("{report:?}").contains("Bert"));
    }
}

#[test]
fn verify_finds_index_entry_stored_twice() {
    // A write of an entry that exists adds it to a second run.
    let report = after(|view, writes| {
        let (table, key) = view.layout.entry(&openid_entry(), 3).unwrap();
        writes.put(table, key, Vec::new());
    });
    let found = &report.violations[0];
    assert_eq!(found.invariant, Invariant::I5);
    assert!(found.what.contains("two of its runs"), "{found}");
    assert_eq!(report.violation_count, 1);
}

#[test]
fn verify_finds_missing_and_extra_index_entry() {
    let report = after(|view, writes| {
        let (table, key) = view.layout.entry(&openid_entry(), 3).unwrap();
        writes.remove(table, key);
        let (table, key) = view.layout.entry(&openid_entry(), 78).unwrap();
        writes.put(table, key, Vec::new());
    });
    assert_eq!(report.violation_count, 2, "{report:?}");
}

#[test]
fn verify_continues_after_corrupt_record() {
    let report = after(|_, writes| writes.put(Table::Orders, keys::order(&no(2)), vec![1; 40]));
    assert!(names(&report, Invariant::I18));
    assert_eq!(report.records, 3);
}

#[test]
fn verify_finds_missing_event() {
    let report = after(|_, writes| writes.remove(Table::Events, keys::event(3)));
    assert!(names(&report, Invariant::I11));
}

#[test]
fn verify_finds_event_after_last_sequence_number() {
    let report = after(|view, writes| {
        let (key, event) = (keys::event(8), view.event(7).unwrap());
        writes.put(Table::Events, key, event_bytes(8, &event));
    });
    assert!(names(&report, Invariant::I11));
}

/// Encodes an event as the first event of its record.
fn event_bytes(seq: u64, event: &Event) -> Vec<u8> {
    let mut bytes = Vec::new();
    let origin = EventLink::First(event.no);
    codec::event(&mut bytes, &keys::event(seq), origin, event).unwrap();
    bytes
}

#[test]
fn verify_finds_first_event_of_another_record() {
    let report = after(|view, writes| {
        let mut event = view.event(3).unwrap();
        event.no = no(1);
        writes.put(Table::Events, keys::event(3), event_bytes(3, &event));
    });
    assert!(names(&report, Invariant::I3));
}

#[test]
fn verify_finds_event_linked_to_wrong_record() {
    let report = after(|view, writes| {
        let event = view.event(4).unwrap();
        for row in [1, 4, 77] {
            let (previous, mut bytes) = (3, Vec::new());
            let origin = EventLink::Later { row, previous };
            codec::event(&mut bytes, &keys::event(4), origin, &event).unwrap();
            writes.put(Table::Events, keys::event(4), bytes);
        }
    });
    assert!(names(&report, Invariant::I11));
}

#[test]
fn verify_finds_wrong_counters() {
    let report = after(|view, writes| {
        let mut state = view.state().unwrap();
        state.counts.unclaimed += 1;
        let (key, mut bytes) = (keys::meta(keys::STATE), Vec::new());
        codec::state(&mut bytes, &key, &state).unwrap();
        writes.put(Table::Meta, key, bytes);
    });
    assert!(names(&report, Invariant::I12));
    assert_eq!(report.violation_count, 1);
}

#[test]
fn verify_finds_unique_key_with_two_owners() {
    let report = after(|view, writes| {
        let held = view.held(&no(1)).unwrap().unwrap();
        let crate::order::Record::Order(order) = held.record else {
            panic!("the record must be an order");
        };
        let mut twin = (*order).clone();
        twin.no = no(5);
        let key = keys::order(&no(5));
        let record = crate::order::Record::Order(twin.into());
        let (row, last_seq) = (50, 50);
        let stored = StoredRecord {
            record,
            row,
            last_seq,
        };
        let mut value = Vec::new();
        codec::record(&mut value, &key, &stored).unwrap();
        writes.put(Table::Orders, key, value);
        let mut event = view.event(1).unwrap();
        event.no = no(5);
        writes.put(Table::Events, keys::event(50), event_bytes(50, &event));
        let index = transaction("T1").index();
        let (time, sub) = (Timestamp::MAX, 0);
        let entry = IndexEntry { index, time, sub };
        let (table, key) = view.layout.entry(&entry, 50).unwrap();
        writes.put(table, key, Vec::new());
    });
    assert!(names(&report, Invariant::I6));
}

#[test]
fn open_verified_rejects_corrupt_record() {
    let open = |store: &TestStore| {
        store.engine.close().unwrap();
        LocalEngine::open_verified(store.dir(), &fixture::options())
    };
    let sound = sample_store();
    assert!(open(&sound).is_ok());
    let damaged = sample_store();
    damaged.change_btree(|_, writes| writes.put(Table::Orders, keys::order(&no(2)), vec![1; 40]));
    let error = open(&damaged).unwrap_err();
    assert!(
        matches!(error, crate::OpenError::Unopened { .. }),
        "{error:?}"
    );
    assert!(LocalEngine::open(damaged.dir(), &fixture::options()).is_ok());
}

#[test]
fn open_verified_rejects_corrupt_page() {
    let store = sample_store();
    store.engine.close().unwrap();
    let path = store.dir().join("base.redb");
    let bytes = std::fs::read(&path).unwrap();
    let at = bytes
        .windows(13)
        .position(|part| part == b"oAnna-of-ours")
        .unwrap();
    let mut damaged = bytes.clone();
    damaged[at] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    LocalEngine::open_verified(store.dir(), &fixture::options()).unwrap_err();
}
