//! What a repair makes of each kind of damage, and what it says of it.

use std::fs;

use super::fixture::{Changes, Shop, confirm, copied, create, new, no, openid, options, picture};
use crate::contract::{FeedCursor, StoredRecord};
use crate::engine::local::LocalEngine;
use crate::engine::local::read::view::ReadView;
use crate::engine::{Engine, RepairFinding, RepairReport};
use crate::format::codec;
use crate::format::codec::{Held, Origin};
use crate::format::keys;
use crate::format::tables::Table;
use crate::order::{Event, Record};
use crate::verify::Invariant;

/// Three paid orders, an open one, and a payment that waits.
fn shop() -> Shop {
    let shop = Shop::new();
    for n in 1..=3 {
        shop.run(no(n), create(new().openid(openid("oAnna-of-ours"))));
        shop.run(no(n), confirm(&format!("T{n}")));
    }
    shop.run(no(4), create(new()));
    shop.run(no(9), confirm("T9"));
    shop
}

/// A repaired store, what was said of it, and the one that it was made of.
struct Mended {
    engine: LocalEngine,
    report: RepairReport,
    _place: tempfile::TempDir,
}

impl Mended {
    fn of(old: Shop) -> Self {
        old.engine.close().unwrap();
        let before = picture(&old.dir());
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("new");
        let report = LocalEngine::repair(old.dir(), &dir, &options()).unwrap();
        assert_eq!(picture(&old.dir()), before, "the damaged store was changed");
        let engine = LocalEngine::open(&dir, &options()).unwrap();
        Self {
            engine,
            report,
            _place: place,
        }
    }

    /// A shop of which somebody changed this.
    fn after(change: impl FnOnce(&ReadView, &mut Changes)) -> Self {
        let shop = shop();
        shop.tamper(change);
        Self::of(shop)
    }

    fn record(&self, n: usize) -> Option<Record> {
        self.engine.get(&no(n)).unwrap()
    }

    fn feed(&self) -> Vec<Event> {
        let feed = self.engine.events(FeedCursor::START, 100).unwrap();
        feed.into_iter().map(|sequenced| sequenced.event).collect()
    }

    fn assert_sound(&self) {
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

/// What a sound store says.
fn sound() -> (Vec<Option<Record>>, Vec<Event>) {
    let shop = shop();
    let records = (0..10).map(|n| shop.engine.get(&no(n)).unwrap()).collect();
    let feed = shop.engine.events(FeedCursor::START, 100).unwrap();
    let feed = feed.into_iter().map(|sequenced| sequenced.event);
    (records, feed.collect())
}

fn damage(writes: &mut Changes, n: usize) {
    writes.put(Table::Orders, keys::order(&no(n)), vec![1; 40]);
}

#[test]
fn lists_and_counters_that_were_damaged_are_made_anew_and_nothing_else_changes() {
    let mended = Mended::after(|view, writes| {
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
    mended.assert_sound();
    mended.assert_finds(&[]);
    let (records, feed) = sound();
    for (n, record) in records.into_iter().enumerate() {
        assert_eq!(mended.record(n), record);
    }
    assert_eq!(mended.feed(), feed);
    assert_eq!(mended.report.records, 5);
    assert_eq!(mended.report.place.seq, feed.len() as u64);
    let changed = mended.report.lists.iter();
    let changed = changed.filter(|list| list.before.is_some_and(|before| before < list.after));
    assert!(changed.count() > 4, "{:?}", mended.report.lists);
}

#[test]
fn a_lost_record_is_made_of_its_history() {
    let mended = Mended::after(|_, writes| {
        damage(writes, 2);
        writes.remove(Table::Orders, keys::order(&no(9)));
    });
    mended.assert_sound();
    mended.assert_finds(&[(2, RepairFinding::Rebuilt), (9, RepairFinding::Rebuilt)]);
    let (records, feed) = sound();
    for (n, record) in records.into_iter().enumerate() {
        assert_eq!(mended.record(n), record);
    }
    assert_eq!(mended.feed(), feed);
}

#[test]
fn a_record_whose_history_is_lost_begins_anew_with_every_fact_it_had() {
    // Event 3 is the first of order 2, event 8 the only one of the payment that waits.
    for (gone, n) in [(3, 2), (4, 2), (8, 9)] {
        let mended = Mended::after(|_, writes| writes.remove(Table::Events, keys::event(gone)));
        mended.assert_sound();
        mended.assert_finds(&[(n, RepairFinding::HistoryLost)]);
        assert_eq!(mended.report.events_lost, 1);
        let (records, feed) = sound();
        let (old, new) = (records[n].clone().unwrap(), mended.record(n).unwrap());
        let payment = |record: &Record| record.as_order().and_then(|o| o.payment.clone());
        assert_eq!(payment(&old), payment(&new));
        assert_eq!(old.anomalies(), new.anomalies());
        assert_eq!(new.version(), 1);
        assert_eq!(mended.engine.history(&no(n)).unwrap().len(), 1);
        // The feed is the old one up to the damage, and has no gap behind it.
        let kept = usize::try_from(mended.report.before.seq).unwrap();
        assert_eq!(mended.feed()[..kept], feed[..kept]);
        for other in (1..=4).filter(|other| *other != n) {
            assert_eq!(mended.record(other), records[other]);
        }
    }
}

#[test]
fn a_record_that_is_lost_with_a_part_of_its_history_is_old_and_called_so() {
    let mended = Mended::after(|_, writes| {
        damage(writes, 2);
        writes.remove(Table::Events, keys::event(4));
    });
    mended.assert_sound();
    mended.assert_finds(&[(2, RepairFinding::Older { version: 1 })]);
    let order = mended.record(2).unwrap().into_order().unwrap();
    assert!(order.payment.is_none(), "a payment was made of nothing");
}

#[test]
fn a_record_that_is_lost_with_the_beginning_of_its_history_is_told() {
    let mended = Mended::after(|_, writes| {
        damage(writes, 2);
        writes.remove(Table::Events, keys::event(3));
    });
    mended.assert_sound();
    mended.assert_finds(&[(2, RepairFinding::Lost)]);
    assert_eq!(mended.record(2), None);
    let report = &mended.report;
    assert_eq!((report.events_lost, report.events_left_out), (1, 1));
    assert_eq!(report.records, 4);
}

#[test]
fn a_record_that_is_not_the_fold_of_its_history_becomes_it() {
    let mended = Mended::after(|view, writes| {
        let held = view.held(&no(4)).unwrap().unwrap();
        let mut order = held.stored.record.as_order().unwrap().as_ref().clone();
        order.checks = 77;
        let record = Record::Order(order.into());
        let stored = StoredRecord {
            record,
            ..held.stored
        };
        let (key, mut bytes) = (keys::order(&no(4)), Vec::new());
        codec::record(&mut bytes, &key, &Held { stored, ..held }).unwrap();
        writes.put(Table::Orders, key, bytes);
    });
    mended.assert_sound();
    mended.assert_finds(&[(4, RepairFinding::Refolded)]);
    assert_eq!(mended.record(4), sound().0[4]);
}

#[test]
fn a_key_with_two_owners_is_left_to_a_person() {
    let mended = Mended::after(|view, writes| {
        let paid = view.event(2).unwrap();
        let held = view.held(&no(4)).unwrap().unwrap();
        let event = Event {
            no: no(4),
            version: 2,
            ..paid
        };
        let record = crate::rules::evolve(Some(&held.stored.record), &event);
        let (row, last_seq) = (held.stored.row, 9);
        let (key, mut bytes) = (keys::event(last_seq), Vec::new());
        let origin = Origin::Later { row, previous: 7 };
        codec::event(&mut bytes, &key, origin, &event).unwrap();
        writes.put(Table::Events, key, bytes);
        let stored = StoredRecord { record, row };
        let (key, mut bytes) = (keys::order(&no(4)), Vec::new());
        codec::record(&mut bytes, &key, &Held { stored, last_seq }).unwrap();
        writes.put(Table::Orders, key, bytes);
    });
    mended.assert_finds(&[]);
    let violations = &mended.report.verified.violations;
    assert!(!violations.is_empty());
    assert!(
        violations.iter().all(|v| v.invariant == Invariant::I6),
        "{violations:?}"
    );
    let named: Vec<_> = violations.iter().filter_map(|v| v.no).collect();
    assert_eq!(named, [no(1), no(4)]);
}

#[test]
fn counters_that_are_lost_begin_in_a_region_of_their_own() {
    let shop = shop();
    let mut drawn = vec![shop.engine.reserve(10).unwrap()];
    shop.tamper(|_, writes| writes.remove(Table::Meta, keys::meta(keys::STATE)));
    let mended = Mended::of(shop);
    mended.assert_sound();
    assert!(!mended.report.is_state_read && !mended.report.is_whole());
    assert!(mended.report.findings.is_empty());
    drawn.push(mended.engine.reserve(10).unwrap());
    assert!(drawn[0].end < drawn[1].start);
    assert_eq!(mended.feed(), sound().1);
}

#[test]
fn what_only_the_journal_holds_is_kept_and_what_it_lost_is_told() {
    let shop = shop();
    let place = copied(&shop.dir());
    let target = place.path().join("whole");
    let report = LocalEngine::repair(place.path(), &target, &options()).unwrap();
    assert!(report.is_whole() && report.verified.is_ok(), "{report:#?}");
    assert_eq!((report.journal.frames, report.records), (8, 5));
    let place = copied(&shop.dir());
    let segment = place.path().join("journal/00000000000000000001.log");
    let mut bytes = fs::read(&segment).unwrap();
    // In the middle of the payload of a frame, that of order 2's creation.
    let name = no(2).as_str().as_bytes().to_vec();
    let found = bytes.windows(name.len()).position(|part| part == name);
    bytes[found.unwrap()] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let error = LocalEngine::open(place.path(), &options()).unwrap_err();
    assert!(matches!(error, crate::Error::Unopened { .. }));
    let target = place.path().join("new");
    let report = LocalEngine::repair(place.path(), &target, &options()).unwrap();
    assert_eq!(
        (report.journal.frames_lost, report.journal.segments),
        (1, 0)
    );
    assert_eq!(report.findings, [(no(2), RepairFinding::HistoryLost)]);
    assert!(report.verified.is_ok(), "{:?}", report.verified);
    let engine = LocalEngine::open(&target, &options()).unwrap();
    let old = shop
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
fn a_journal_without_its_segments_is_told() {
    let mended_of = |name: &str| {
        let shop = shop();
        shop.engine.close().unwrap();
        fs::remove_file(shop.dir().join("journal").join(name)).unwrap();
        let place = tempfile::tempdir().unwrap();
        LocalEngine::repair(shop.dir(), place.path(), &options()).unwrap()
    };
    let report = mended_of("00000000000000000001.log");
    assert!(!report.journal.is_whole() && !report.is_whole());
    assert_eq!(report.records, 0);
}

#[test]
fn a_store_without_its_identity_or_with_a_base_that_is_none_is_not_repaired() {
    for name in ["identity", "base.redb"] {
        let shop = shop();
        shop.engine.close().unwrap();
        fs::write(shop.dir().join(name), vec![7; 20_000]).unwrap();
        let place = tempfile::tempdir().unwrap();
        let error = LocalEngine::repair(shop.dir(), place.path(), &options()).unwrap_err();
        assert!(matches!(error, crate::Error::Unopened { .. }), "{error:?}");
        LocalEngine::open(place.path(), &options()).unwrap_err();
    }
}

/// What cannot be told from what was there before does not count: the money must be that of
/// the old store, to the record.
#[test]
fn pages_that_hold_garbage_cost_what_was_on_them_and_no_money_is_made_of_them() {
    let shop = Shop::new();
    for n in 0..150 {
        shop.run(no(n), create(new()));
        if n % 3 != 0 {
            shop.run(no(n), confirm(&format!("T{n}")));
        }
    }
    shop.engine.flush().unwrap();
    shop.engine.close().unwrap();
    let records = {
        let engine = LocalEngine::open(shop.dir(), &options()).unwrap();
        (0..150)
            .map(|n| engine.get(&no(n)).unwrap().unwrap())
            .collect::<Vec<_>>()
    };
    let base = fs::read(shop.dir().join("base.redb")).unwrap();
    let (mut mended, mut kept, mut told) = (0, 0, 0);
    for page in (1..base.len() / 4096).step_by(2) {
        let place = copied(&shop.dir());
        let mut damaged = base.clone();
        damaged[page * 4096..][..4096].fill(0xa5);
        fs::write(place.path().join("base.redb"), damaged).unwrap();
        let target = place.path().join("new");
        let Ok(report) = LocalEngine::repair(place.path(), &target, &options()) else {
            continue;
        };
        mended += 1;
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
                    told += 1;
                }
                (None, Some((_, RepairFinding::Lost))) => told += 1,
                (None, found) => {
                    assert_eq!(found, None, "page {page}");
                    assert!(
                        !report.is_every_record_read,
                        "page {page}: {n} is lost in silence"
                    );
                    told += 1;
                }
            }
        }
    }
    // It would be blind if there were no damage, or nothing to keep.
    assert!(
        mended > 5 && told > 20 && kept > 300,
        "{mended} {told} {kept}"
    );
}
