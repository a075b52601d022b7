//! Tests of `apply`: verdicts, counters and the change feed.

use std::slice;

use super::fixture::{TestStore, at, confirm, create, decided, new, no, reference, transaction};
use crate::contract::{FeedCursor, Lookup, Mutation, Verdict};
use crate::engine::{Engine, EngineError};
use crate::error::StorageError;
use crate::order::{CloseReply, CommandKind, Record, Status};
use crate::rules::UniqueKey;

#[test]
fn applied_mutation_reads_back_unchanged() {
    let store = TestStore::new();
    let mutation = store.decide(no(1), create(new()));
    assert_eq!(store.apply(slice::from_ref(&mutation)), [Verdict::Applied]);
    assert_eq!(store.engine.get(&no(1)).unwrap(), Some(mutation.after));
    assert_eq!(store.engine.history(&no(1)).unwrap(), mutation.events);
    assert_eq!(store.engine.counts().unwrap().of(Status::Pending), 1);
    assert_eq!(store.engine.get(&no(2)).unwrap(), None);
    assert_eq!(store.engine.history(&no(2)).unwrap(), []);
    store.assert_valid();
}

#[test]
fn mismatched_mutation_does_not_affect_others() {
    let store = TestStore::new();
    store.run(no(1), create(new()));
    let stale = store.decide(no(1), confirm("T1"));
    store.run(no(1), CommandKind::BeginClose);
    let standing = store.stored(no(1));
    let again = decided(no(1), create(new()), at(0), None, &[]);
    let (left, right) = (
        store.decide(no(2), create(new())),
        store.decide(no(3), create(new())),
    );
    for refused in [stale, again] {
        let verdicts = store.apply(&[refused]);
        assert_eq!(verdicts, [Verdict::Mismatch]);
    }
    let again = decided(no(1), create(new()), at(0), None, &[]);
    let verdicts = store.apply(&[left, again, right]);
    let expected = [Verdict::Applied, Verdict::Mismatch, Verdict::Applied];
    assert_eq!(verdicts, expected);
    assert_eq!(store.stored(no(1)), standing);
    store.assert_valid();
}

#[test]
fn missing_record_or_wrong_row_number_is_mismatch() {
    let store = TestStore::new();
    store.run(no(1), create(new()));
    let mut elsewhere = store.decide(no(1), confirm("T1"));
    elsewhere.before.as_mut().unwrap().row += 1;
    let mut missing = store.decide(no(1), confirm("T1"));
    missing.no = no(2);
    let verdicts = store.apply(&[elsewhere, missing]);
    assert_eq!(verdicts, [Verdict::Mismatch, Verdict::Mismatch]);
    store.assert_valid();
}

#[test]
fn current_read_mark_does_not_hide_taken_key_or_repeated_order() {
    let store = TestStore::new();
    store.run(no(1), create(new()));
    store.run(no(1), confirm("T1"));
    store.run(no(2), create(new()));
    let first = marked(&store, 3, create(new()));
    let claim = Mutation {
        read_mark: first.read_mark,
        ..decided(no(2), confirm("T1"), at(0), store.stored(no(2)), &[])
    };
    let verdicts = store.apply(&[claim, first.clone(), first]);
    let (key, by) = (transaction("T1"), no(1));
    let expected = [
        Verdict::Taken { key, by },
        Verdict::Applied,
        Verdict::Mismatch,
    ];
    assert_eq!(verdicts, expected);
    store.assert_valid();
}

/// Decides a command. The mutation has the engine's mark from before the load.
fn marked(store: &TestStore, n: usize, kind: CommandKind) -> Mutation {
    let read_mark = store.engine.read_mark();
    Mutation {
        read_mark,
        ..store.decide(no(n), kind)
    }
}

/// Creates order 1. Returns its payment and the creation of order 2, both with the current mark.
fn marked_batch(store: &TestStore) -> [Mutation; 2] {
    store.run(no(1), create(new()));
    [
        marked(store, 1, confirm("T1")),
        marked(store, 2, create(new())),
    ]
}

#[test]
fn mutation_with_current_mark_applies_after_freeze_and_checkpoint() {
    for waits_for_checkpoint in [false, true] {
        let store = TestStore::new();
        let batch = marked_batch(&store);
        let core = &store.engine.core;
        core.freeze(core.writer.lock().as_mut().unwrap()).unwrap();
        if waits_for_checkpoint {
            store.engine.checkpoint().unwrap();
            assert_eq!(store.engine.stats().checkpoints, 1);
        }
        assert_eq!(batch[0].read_mark, store.engine.read_mark());
        assert_eq!(store.apply(&batch), [Verdict::Applied, Verdict::Applied]);
        store.assert_valid();
    }
}

#[test]
fn mutation_applies_after_reservation_changed_read_mark() {
    let store = TestStore::new();
    let batch = marked_batch(&store);
    store.engine.reserve(1).unwrap();
    assert_ne!(batch[0].read_mark, store.engine.read_mark());
    assert_eq!(store.apply(&batch), [Verdict::Applied, Verdict::Applied]);
    store.assert_valid();
}

#[test]
fn order_mutated_twice_in_batch_changes_once() {
    let store = TestStore::new();
    let mutation = store.decide(no(1), create(new()));
    let verdicts = store.apply(&[mutation.clone(), mutation]);
    assert_eq!(verdicts, [Verdict::Applied, Verdict::Mismatch]);
    store.assert_valid();
}

#[test]
fn second_claim_of_unique_key_is_rejected_as_taken() {
    for together in [true, false] {
        let store = TestStore::new();
        let creations = [1, 2].map(|n| store.decide(no(n), create(new())));
        store.apply(&creations);
        let claims = [1, 2].map(|n| store.decide(no(n), confirm("T1")));
        let verdicts = if together {
            store.apply(&claims)
        } else {
            claims
                .iter()
                .flat_map(|c| store.apply(slice::from_ref(c)))
                .collect()
        };
        let (key, by) = (transaction("T1"), no(1));
        assert_eq!(verdicts, [Verdict::Applied, Verdict::Taken { key, by }]);
        let owner = store.load(Lookup::Owner(transaction("T1"))).unwrap();
        assert_eq!(owner.record.no(), no(1));
        let status = store.engine.counts().unwrap().of(Status::Pending);
        assert_eq!(status, 1);
        store.assert_valid();
    }
}

#[test]
fn key_released_earlier_in_batch_is_free() {
    let with_reference = || create(new().reference(reference("R1")));
    for in_time in [true, false] {
        let store = TestStore::new();
        store.run(no(1), with_reference());
        let close = store.decide(no(1), CommandKind::RecordClose(CloseReply::Closed));
        let claim = decided(no(2), with_reference(), at(0), None, &[]);
        let verdicts = if in_time {
            store.apply(&[close, claim])
        } else {
            store.apply(&[claim, close])
        };
        let (key, by) = (UniqueKey::Reference(reference("R1")), no(1));
        let taken = Verdict::Taken {
            key: key.clone(),
            by,
        };
        let expected = if in_time {
            [Verdict::Applied, Verdict::Applied]
        } else {
            [taken, Verdict::Applied]
        };
        assert_eq!(verdicts, expected);
        let owner = store
            .load(Lookup::Owner(key))
            .map(|owner| owner.record.no());
        assert_eq!(owner, in_time.then_some(no(2)));
        store.assert_valid();
    }
}

#[test]
fn mismatched_mutation_releases_no_key() {
    let store = TestStore::new();
    store.run(no(1), create(new().reference(reference("R1"))));
    let mut close = store.decide(no(1), CommandKind::RecordClose(CloseReply::Closed));
    close.before.as_mut().unwrap().row += 1;
    let new = create(new().reference(reference("R1")));
    let claim = decided(no(2), new, at(0), None, &[]);
    let verdicts = store.apply(&[close, claim]);
    assert!(matches!(
        verdicts[..],
        [Verdict::Mismatch, Verdict::Taken { .. }]
    ));
    assert_eq!(store.stored(no(2)), None);
    store.assert_valid();
}

#[test]
fn mutation_without_its_events_is_rejected() {
    let store = TestStore::new();
    let mut mutation = store.decide(no(1), create(new()));
    mutation.events.clear();
    let error = store.engine.apply(&[mutation]).unwrap_err();
    assert!(matches!(error, EngineError::Retry(_)));
    assert_eq!(store.stored(no(1)), None);
    store.assert_valid();
}

#[test]
fn unclaimed_payments_and_anomalies_are_counted() {
    let store = TestStore::new();
    store.run(no(1), confirm("T1"));
    assert!(matches!(
        store.engine.get(&no(1)),
        Ok(Some(Record::Waiting(_)))
    ));
    assert_eq!(store.engine.counts().unwrap().unclaimed, 1);
    store.run(no(1), create(new()));
    store.run(no(1), confirm("T2"));
    let counts = store.engine.counts().unwrap();
    assert_eq!((counts.unclaimed, counts.open_anomalies), (0, 1));
    store.assert_valid();
}

#[test]
fn feed_follows_commit_order_and_rejects_bad_cursors() {
    let store = TestStore::new();
    let batch = [3, 1, 2].map(|n| store.decide(no(n), create(new())));
    store.apply(&batch);
    store.run(no(1), confirm("T1"));
    let all = store.engine.events(FeedCursor::START, 99).unwrap();
    let nos: Vec<_> = all.iter().map(|e| e.event.no).collect();
    assert_eq!(nos, [no(3), no(1), no(2), no(1)]);
    let seqs: Vec<_> = all.iter().map(|e| e.cursor.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    let page = store.engine.events(all[1].cursor, 1).unwrap();
    assert_eq!(page, [all[2].clone()]);
    assert_eq!(store.engine.events(all[3].cursor, 9).unwrap(), []);
    let incarnation = store.engine.identity().incarnation;
    for (incarnation, seq) in [(incarnation, 5), (incarnation ^ 1, 1), (0, 1)] {
        let cursor = FeedCursor { incarnation, seq };
        let refused = store.engine.events(cursor, 9);
        assert!(matches!(refused, Err(EngineError::Cursor(_))), "{cursor}");
    }
}

#[test]
fn reserved_range_is_never_reserved_again() {
    let store = TestStore::new();
    assert_eq!(store.engine.reserve(100).unwrap(), 0..100);
    assert_eq!(store.engine.reserve(1).unwrap(), 100..101);
    let store = store.reopened();
    assert_eq!(store.engine.reserve(9).unwrap(), 101..110);
    let refused = store.engine.reserve(u64::MAX);
    assert!(matches!(refused, Err(EngineError::Retry(_))));
    assert_eq!(store.engine.reserve(1).unwrap(), 110..111);
}

#[test]
fn reopened_store_returns_all_writes() {
    let store = TestStore::new();
    let batch: Vec<_> = (0..50)
        .map(|n| store.decide(no(n), create(new())))
        .collect();
    store.apply(&batch);
    store.run(no(7), confirm("T7"));
    let (stored, counts) = (store.stored(no(7)), store.engine.counts().unwrap());
    let feed = store.engine.events(FeedCursor::START, 99).unwrap();
    let store = store.reopened();
    assert_eq!(store.stored(no(7)), stored);
    assert_eq!(store.engine.counts().unwrap(), counts);
    assert_eq!(store.engine.events(FeedCursor::START, 99).unwrap(), feed);
    store.run(no(99), create(new()));
    // The row number of an order is the sequence number of its first event. The events of fifty
    // creations and one payment come before it.
    assert_eq!(store.stored(no(99)).unwrap().row, 52);
    store.assert_valid();
}

#[test]
fn poisoned_store_rejects_writes_and_serves_reads() {
    let store = TestStore::new();
    store.run(no(1), create(new()));
    let mutation = store.decide(no(2), create(new()));
    let failed = StorageError::corrupted("an injected failure");
    store
        .engine
        .core
        .writer
        .lock()
        .as_mut()
        .unwrap()
        .poisoned_by = Some(failed);
    let refused = store.engine.apply(&[mutation]);
    assert!(matches!(refused, Err(EngineError::Fatal(_))));
    let refused = store.engine.reserve(1);
    assert!(matches!(refused, Err(EngineError::Fatal(_))));
    assert!(store.stored(no(1)).is_some());
    let store = store.reopened();
    store.run(no(2), create(new()));
}

#[test]
fn closed_engine_rejects_all_calls_except_close() {
    let store = TestStore::new();
    let mutation = store.decide(no(1), create(new()));
    store.engine.close().unwrap();
    store.engine.close().unwrap();
    let errors = [
        store.engine.get(&no(1)).map(drop),
        store.engine.apply(&[mutation]).map(drop),
        store.engine.reserve(1).map(drop),
        store.engine.verify().map(drop),
    ];
    for error in errors {
        let Err(EngineError::Fatal(error)) = error else {
            panic!("a closed engine answered");
        };
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "the store is closed");
    }
}

#[test]
fn concurrent_reads_and_writes_keep_store_valid() {
    let store = TestStore::new();
    store.run(no(0), create(new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    assert!(store.stored(no(0)).is_some());
                }
            });
        }
        for n in 1..50 {
            store.run(no(n), create(new()));
        }
    });
    store.assert_valid();
}

#[test]
fn engine_debug_output_hides_keys_and_store_id() {
    let store = TestStore::new();
    let shown = format!("{:?}", store.engine);
    assert!(
        !shown.contains("key") && !shown.contains("store_id"),
        "{shown}"
    );
}
