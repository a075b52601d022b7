//! Tests of repair: its result and its report for each kind of corruption.

use std::fs;

use super::fixture::{
    Changes, TestStore, confirm, copied, create, file_contents, new, no, openid, options,
};
use crate::contract::{FeedCursor, StoredRecord};
use crate::engine::local::LocalEngine;
use crate::engine::local::read::view::ReadView;
use crate::engine::{Engine, RepairFinding, RepairReport};
use crate::format::codec;
use crate::format::codec::EventLink;
use crate::format::keys;
use crate::format::tables::Table;
use crate::order::{Event, Record};
use crate::verify::Invariant;

/// Store with three paid orders, a pending order, and an unclaimed payment.
fn sample_store() -> TestStore {
    let store = TestStore::new();
    for n in 1..=3 {
        store.run(no(n), create(new().openid(openid("oAnna-of-ours"))));
        store.run(no(n), confirm(&format!("T{n}")));
    }
    store.run(no(4), create(new()));
    store.run(no(9), confirm("T9"));
    store
}

/// Repaired store and the report of its repair.
struct Repaired {
    engine: LocalEngine,
    report: RepairReport,
    _place: tempfile::TempDir,
}

impl Repaired {
    /// Closes and repairs a store. Asserts that the repair does not change the old store.
    fn of(old: TestStore) -> Self {
        old.engine.close().unwrap();
        let before = file_contents(&old.dir());
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("new");
        let report = LocalEngine::repair(old.dir(), &dir, &options()).unwrap();
        assert_eq!(
            file_contents(&old.dir()),
            before,
            "the repair changed the corrupt store"
        );
        let engine = LocalEngine::open(&dir, &options()).unwrap();
        Self {
            engine,
            report,
            _place: place,
        }
    }

    /// Repairs the sample store after a direct change of its B-tree.
    fn after(change: impl FnOnce(&ReadView, &mut Changes)) -> Self {
        let store = sample_store();
        store.change_btree(change);
        Self::of(store)
    }

    fn record(&self, n: usize) -> Option<Record> {
        self.engine.get(&no(n)).unwrap()
    }

    fn feed(&self) -> Vec<Event> {
        let feed = self.engine.events(FeedCursor::START, 100).unwrap();
        feed.into_iter().map(|sequenced| sequenced.event).collect()
    }

    fn assert_valid(&self) {
        assert!(self.report.verified.is_ok(), "{:#?}", self.report);
        let report = self.engine.verify().unwrap();
        assert!(report.is_ok(), "{report:#?}");
    }

    #[track_caller]
    fn assert_finds(&self, expected: &[(usize, RepairFinding)]) {
        let expected: Vec<_> = expected.iter().map(|(n, found)| (no(*n), *found)).collect();
        assert_eq!(self.report.findings, expected);
        assert_eq!(self.report.is_whole(), expected.is_empty());
    }
}

/// Records and events of the sample store without corruption.
fn sound() -> (Vec<Option<Record>>, Vec<Event>) {
    let store = sample_store();
    let records = (0..10).map(|n| store.engine.get(&no(n)).unwrap()).collect();
    let feed = store.engine.events(FeedCursor::START, 100).unwrap();
    let feed = feed.into_iter().map(|sequenced| sequenced.event);
    (records, feed.collect())
}

/// Overwrites the record of order `n` with invalid bytes.
fn damage(writes: &mut Changes, n: usize) {
    writes.put(Table::Orders, keys::order(&no(n)), vec![1; 40]);
}

#[test]
fn repair_rebuilds_indexes_and_counts() {
    let repaired = Repaired::after(|view, writes| {
        for table in Table::INDEXES {
            let mut keys = Vec::new();
            let mut take = |key: &[u8], _: &[u8]| {
                keys.extend(keys::KeyBytes::read(key));
                Ok(std::ops::ControlFlow::Continue(()))
            };
            let direction = crate::contract::Direction::Forward;
            view.snapshot
                .walk(table, None, direction, &mut take)
                .unwrap();
            for key in keys.into_iter().step_by(2) {
                writes.remove(table, key);
            }
        }
        let mut state = view.state().unwrap();
        state.counts.unclaimed += 5;
        let (key, mut bytes) = (keys::meta(keys::STATE), Vec::new());
        codec::state(&mut bytes, &key, &state).unwrap();
        writes.put(Table::Meta, key, bytes);
    });
    repaired.assert_valid();
    repaired.assert_finds(&[]);
    let (records, feed) = sound();
    for (n, record) in records.into_iter().enumerate() {
        assert_eq!(repaired.record(n), record);
    }
    assert_eq!(repaired.feed(), feed);
    assert_eq!(repaired.report.records, 5);
    assert_eq!(repaired.report.place.seq, feed.len() as u64);
    let changed = repaired.report.lists.iter();
    let changed = changed.filter(|list| list.before.is_some_and(|before| before < list.after));
    assert!(changed.count() > 4, "{:?}", repaired.report.lists);
}

#[test]
fn repair_rebuilds_lost_record_from_history() {
    let repaired = Repaired::after(|_, writes| {
        damage(writes, 2);
        writes.remove(Table::Orders, keys::order(&no(9)));
    });
    repaired.assert_valid();
    repaired.assert_finds(&[(2, RepairFinding::Rebuilt), (9, RepairFinding::Rebuilt)]);
    let (records, feed) = sound();
    for (n, record) in records.into_iter().enumerate() {
        assert_eq!(repaired.record(n), record);
    }
    assert_eq!(repaired.feed(), feed);
}

#[test]
fn record_with_lost_history_keeps_payment_and_anomalies() {
    // Event 3 is the first event of order 2. Event 8 is the only event of the unclaimed payment.
    for (gone, n) in [(3, 2), (4, 2), (8, 9)] {
        let repaired = Repaired::after(|_, writes| writes.remove(Table::Events, keys::event(gone)));
        repaired.assert_valid();
        repaired.assert_finds(&[(n, RepairFinding::HistoryLost)]);
        assert_eq!(repaired.report.events_lost, 1);
        let (records, feed) = sound();
        let (old, new) = (records[n].clone().unwrap(), repaired.record(n).unwrap());
        let payment = |record: &Record| record.as_order().and_then(|o| o.payment.clone());
        assert_eq!(payment(&old), payment(&new));
        assert_eq!(old.anomalies(), new.anomalies());
        assert_eq!(new.version(), 1);
        assert_eq!(repaired.engine.history(&no(n)).unwrap().len(), 1);
        // The feed is unchanged up to the corrupt event, and has no gap after it.
        let kept = usize::try_from(repaired.report.before.seq).unwrap();
        assert_eq!(repaired.feed()[..kept], feed[..kept]);
        for other in (1..=4).filter(|other| *other != n) {
            assert_eq!(repaired.record(other), records[other]);
        }
    }
}

#[test]
fn lost_record_is_rebuilt_up_to_history_gap() {
    let repaired = Repaired::after(|_, writes| {
        damage(writes, 2);
        writes.remove(Table::Events, keys::event(4));
    });
    repaired.assert_valid();
    repaired.assert_finds(&[(2, RepairFinding::Older { version: 1 })]);
    let order = repaired.record(2).unwrap().into_order().unwrap();
    assert!(order.payment.is_none(), "the repair invented a payment");
}

#[test]
fn repair_reports_record_lost_with_first_event() {
    let repaired = Repaired::after(|_, writes| {
        damage(writes, 2);
        writes.remove(Table::Events, keys::event(3));
    });
    repaired.assert_valid();
    repaired.assert_finds(&[(2, RepairFinding::Lost)]);
    assert_eq!(repaired.record(2), None);
    let report = &repaired.report;
    assert_eq!((report.events_lost, report.events_left_out), (1, 1));
    assert_eq!(report.records, 4);
}

#[test]
fn repair_corrects_record_that_differs_from_history() {
    let repaired = Repaired::after(|view, writes| {
        let held = view.held(&no(4)).unwrap().unwrap();
        let mut order = held.record.as_order().unwrap().as_ref().clone();
        order.checks = 77;
        let record = Record::Order(order.into());
        let (key, mut bytes) = (keys::order(&no(4)), Vec::new());
        codec::record(&mut bytes, &key, &StoredRecord { record, ..held }).unwrap();
        writes.put(Table::Orders, key, bytes);
    });
    repaired.assert_valid();
    repaired.assert_finds(&[(4, RepairFinding::Corrected)]);
    assert_eq!(repaired.record(4), sound().0[4]);
}

#[test]
fn repair_reports_unique_key_with_two_owners() {
    let repaired = Repaired::after(|view, writes| {
        let paid = view.event(2).unwrap();
        let held = view.held(&no(4)).unwrap().unwrap();
        let event = Event {
            no: no(4),
            version: 2,
            ..paid
        };
        let record = crate::rules::evolve(Some(held.record), &event);
        let (row, last_seq) = (held.row, 9);
        let (key, mut bytes) = (keys::event(last_seq), Vec::new());
        let origin = EventLink::Later { row, previous: 7 };
        codec::event(&mut bytes, &key, origin, &event).unwrap();
        writes.put(Table::Events, key, bytes);
        let stored = StoredRecord {
            record,
            row,
            last_seq,
        };
        let (key, mut bytes) = (keys::order(&no(4)), Vec::new());
        codec::record(&mut bytes, &key, &stored).unwrap();
        writes.put(Table::Orders, key, bytes);
    });
    repaired.assert_finds(&[]);
    let violations = &repaired.report.verified.violations;
    assert!(!violations.is_empty());
    assert!(
        violations.iter().all(|v| v.invariant == Invariant::I6),
        "{violations:?}"
    );
    let named: Vec<_> = violations.iter().filter_map(|v| v.no).collect();
    assert_eq!(named, [no(1), no(4)]);
}

#[test]
fn repair_restarts_lost_counter_in_unused_range() {
    let store = sample_store();
    let mut drawn = vec![store.engine.reserve(10).unwrap()];
    store.change_btree(|_, writes| writes.remove(Table::Meta, keys::meta(keys::STATE)));
    let repaired = Repaired::of(store);
    repaired.assert_valid();
    assert!(!repaired.report.is_state_read && !repaired.report.is_whole());
    assert!(repaired.report.findings.is_empty());
    drawn.push(repaired.engine.reserve(10).unwrap());
    assert!(drawn[0].end < drawn[1].start);
    assert_eq!(repaired.feed(), sound().1);
}

#[test]
fn repair_reads_journal_and_reports_lost_frame() {
    let store = sample_store();
    let place = copied(&store.dir());
    let target = place.path().join("whole");
    let report = LocalEngine::repair(place.path(), &target, &options()).unwrap();
    assert!(report.is_whole() && report.verified.is_ok(), "{report:#?}");
    assert_eq!((report.journal.frames, report.records), (8, 5));
    let place = copied(&store.dir());
    let segment = place.path().join("journal/00000000000000000001.log");
    let mut bytes = fs::read(&segment).unwrap();
    // Corrupt the payload of the frame that creates order 2.
    let name = no(2).as_str().as_bytes().to_vec();
    let found = bytes.windows(name.len()).position(|part| part == name);
    bytes[found.unwrap()] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let error = LocalEngine::open(place.path(), &options()).unwrap_err();
    assert!(matches!(error, crate::OpenError::Unopened { .. }));
    let target = place.path().join("new");
    let report = LocalEngine::repair(place.path(), &target, &options()).unwrap();
    assert_eq!(
        (report.journal.frames_lost, report.journal.segments),
        (1, 0)
    );
    assert_eq!(report.findings, [(no(2), RepairFinding::HistoryLost)]);
    assert!(report.verified.is_ok(), "{:?}", report.verified);
    let engine = LocalEngine::open(&target, &options()).unwrap();
    let old = store
        .engine
        .get(&no(2))
        .unwrap()
        .unwrap()
        .into_order()
        .unwrap();
    let new = engine.get(&no(2)).unwrap().unwrap().into_order().unwrap();
    assert_eq!(old.payment, new.payment);
}

#[test]
fn repair_reports_missing_journal_segment() {
    let repaired_of = |name: &str| {
        let store = sample_store();
        store.engine.close().unwrap();
        fs::remove_file(store.dir().join("journal").join(name)).unwrap();
        let place = tempfile::tempdir().unwrap();
        LocalEngine::repair(store.dir(), place.path(), &options()).unwrap()
    };
    let report = repaired_of("00000000000000000001.log");
    assert!(!report.journal.is_whole() && !report.is_whole());
    assert_eq!(report.records, 0);
}

#[test]
fn repair_rejects_invalid_identity_or_btree_file() {
    for name in ["identity", "base.redb"] {
        let store = sample_store();
        store.engine.close().unwrap();
        fs::write(store.dir().join(name), vec![7; 20_000]).unwrap();
        let place = tempfile::tempdir().unwrap();
        let error = LocalEngine::repair(store.dir(), place.path(), &options()).unwrap_err();
        assert!(
            matches!(error, crate::OpenError::Unopened { .. }),
            "{error:?}"
        );
        LocalEngine::open(place.path(), &options()).unwrap_err();
    }
}

/// A record without a finding must be equal to the old record. A record with a finding must have
/// the old payment or no payment.
#[test]
fn repair_of_overwritten_page_invents_no_payment() {
    let store = TestStore::new();
    for n in 0..150 {
        store.run(no(n), create(new()));
        if n % 3 != 0 {
            store.run(no(n), confirm(&format!("T{n}")));
        }
    }
    store.engine.checkpoint().unwrap();
    store.engine.close().unwrap();
    let records = {
        let engine = LocalEngine::open(store.dir(), &options()).unwrap();
        (0..150)
            .map(|n| engine.get(&no(n)).unwrap().unwrap())
            .collect::<Vec<_>>()
    };
    let base = fs::read(store.dir().join("base.redb")).unwrap();
    let (mut repaired, mut kept, mut reported) = (0, 0, 0);
    for page in (1..base.len() / 4096).step_by(2) {
        let place = copied(&store.dir());
        let mut damaged = base.clone();
        damaged[page * 4096..][..4096].fill(0xa5);
        fs::write(place.path().join("base.redb"), damaged).unwrap();
        let target = place.path().join("new");
        let Ok(report) = LocalEngine::repair(place.path(), &target, &options()) else {
            continue;
        };
        repaired += 1;
        assert!(report.verified.is_ok(), "page {page}: {report:#?}");
        let engine = LocalEngine::open(&target, &options()).unwrap();
        for (n, old) in records.iter().enumerate() {
            let found = report.findings.iter().find(|(of, _)| *of == no(n));
            match (engine.get(&no(n)).unwrap(), found) {
                (Some(new), None | Some((_, RepairFinding::Rebuilt))) => {
                    assert_eq!(new, *old, "page {page}");
                    kept += 1;
                }
                (Some(new), Some(_)) => {
                    let payment = |record: &Record| record.as_order().unwrap().payment.clone();
                    assert!(payment(&new).is_none() || payment(&new) == payment(old));
                    reported += 1;
                }
                (None, Some((_, RepairFinding::Lost))) => reported += 1,
                (None, found) => {
                    assert_eq!(found, None, "page {page}");
                    assert!(
                        !report.is_every_record_read,
                        "page {page}: {n} is lost without a finding"
                    );
                    reported += 1;
                }
            }
        }
    }
    // The test proves nothing if no page matters, or if no record survives.
    assert!(
        repaired > 5 && reported > 20 && kept > 300,
        "{repaired} {reported} {kept}"
    );
}
