//! Verdicts, counters and the feed.

use std::slice;

use super::fixture::{Shop, at, confirm, create, decided, new, no, reference, transaction};
use crate::contract::{FeedCursor, Lookup, Verdict};
use crate::engine::{Engine, EngineError};
use crate::error::StorageError;
use crate::order::{CloseReply, CommandKind, Record, Status};
use crate::rules::UniqueKey;

#[test]
fn what_applies_is_read_back_whole() {
    let shop = Shop::new();
    let mutation = shop.decide(no(1), create(new()));
    assert_eq!(shop.apply(slice::from_ref(&mutation)), [Verdict::Applied]);
    assert_eq!(shop.engine.get(&no(1)).unwrap(), Some(mutation.after));
    assert_eq!(shop.engine.history(&no(1)).unwrap(), mutation.events);
    assert_eq!(shop.engine.counts().unwrap().of(Status::Pending), 1);
    assert_eq!(shop.engine.get(&no(2)).unwrap(), None);
    assert_eq!(shop.engine.history(&no(2)).unwrap(), []);
    shop.assert_sound();
}

#[test]
fn a_mismatch_leaves_no_trace_and_does_not_disturb_its_neighbours() {
    let shop = Shop::new();
    shop.run(no(1), create(new()));
    let stale = shop.decide(no(1), confirm("T1"));
    shop.run(no(1), CommandKind::BeginClose);
    let standing = shop.stored(no(1));
    let again = decided(no(1), create(new()), at(0), None, &[]);
    let (left, right) = (
        shop.decide(no(2), create(new())),
        shop.decide(no(3), create(new())),
    );
    for refused in [stale, again] {
        let verdicts = shop.apply(&[refused]);
        assert_eq!(verdicts, [Verdict::Mismatch]);
    }
    let again = decided(no(1), create(new()), at(0), None, &[]);
    let verdicts = shop.apply(&[left, again, right]);
    let expected = [Verdict::Applied, Verdict::Mismatch, Verdict::Applied];
    assert_eq!(verdicts, expected);
    assert_eq!(shop.stored(no(1)), standing);
    shop.assert_sound();
}

#[test]
fn a_record_that_is_not_there_or_has_another_row_is_a_mismatch() {
    let shop = Shop::new();
    shop.run(no(1), create(new()));
    let mut elsewhere = shop.decide(no(1), confirm("T1"));
    elsewhere.before.as_mut().unwrap().row += 1;
    let mut missing = shop.decide(no(1), confirm("T1"));
    missing.no = no(2);
    let verdicts = shop.apply(&[elsewhere, missing]);
    assert_eq!(verdicts, [Verdict::Mismatch, Verdict::Mismatch]);
    shop.assert_sound();
}

#[test]
fn a_number_that_stands_twice_in_a_batch_is_taken_once() {
    let shop = Shop::new();
    let mutation = shop.decide(no(1), create(new()));
    let verdicts = shop.apply(&[mutation.clone(), mutation]);
    assert_eq!(verdicts, [Verdict::Applied, Verdict::Mismatch]);
    shop.assert_sound();
}

#[test]
fn a_key_is_taken_by_the_first_in_the_base_and_in_the_batch() {
    for together in [true, false] {
        let shop = Shop::new();
        let creations = [1, 2].map(|n| shop.decide(no(n), create(new())));
        shop.apply(&creations);
        let claims = [1, 2].map(|n| shop.decide(no(n), confirm("T1")));
        let verdicts = if together {
            shop.apply(&claims)
        } else {
            claims
                .iter()
                .flat_map(|c| shop.apply(slice::from_ref(c)))
                .collect()
        };
        let (key, by) = (transaction("T1"), no(1));
        assert_eq!(verdicts, [Verdict::Applied, Verdict::Taken { key, by }]);
        let owner = shop.load(Lookup::Owner(transaction("T1"))).unwrap();
        assert_eq!(owner.record.no(), no(1));
        let status = shop.engine.counts().unwrap().of(Status::Pending);
        assert_eq!(status, 1);
        shop.assert_sound();
    }
}

#[test]
fn a_key_let_go_of_earlier_in_the_batch_is_free_and_later_it_is_not() {
    let with_reference = || create(new().reference(reference("R1")));
    for in_time in [true, false] {
        let shop = Shop::new();
        shop.run(no(1), with_reference());
        let close = shop.decide(no(1), CommandKind::RecordClose(CloseReply::Closed));
        let claim = decided(no(2), with_reference(), at(0), None, &[]);
        let verdicts = if in_time {
            shop.apply(&[close, claim])
        } else {
            shop.apply(&[claim, close])
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
        let owner = shop.load(Lookup::Owner(key)).map(|owner| owner.record.no());
        assert_eq!(owner, in_time.then_some(no(2)));
        shop.assert_sound();
    }
}

#[test]
fn a_refused_claim_does_not_let_go_of_what_it_would_have() {
    let shop = Shop::new();
    shop.run(no(1), create(new().reference(reference("R1"))));
    let mut close = shop.decide(no(1), CommandKind::RecordClose(CloseReply::Closed));
    close.before.as_mut().unwrap().row += 1;
    let new = create(new().reference(reference("R1")));
    let claim = decided(no(2), new, at(0), None, &[]);
    let verdicts = shop.apply(&[close, claim]);
    assert!(matches!(
        verdicts[..],
        [Verdict::Mismatch, Verdict::Taken { .. }]
    ));
    assert_eq!(shop.stored(no(2)), None);
    shop.assert_sound();
}

#[test]
fn events_that_do_not_lead_to_the_record_are_refused_with_their_batch() {
    let shop = Shop::new();
    let mut mutation = shop.decide(no(1), create(new()));
    mutation.events.clear();
    let error = shop.engine.apply(&[mutation]).unwrap_err();
    assert!(matches!(error, EngineError::Retry(_)));
    assert_eq!(shop.stored(no(1)), None);
    shop.assert_sound();
}

#[test]
fn waiting_payments_and_anomalies_are_kept_and_counted() {
    let shop = Shop::new();
    shop.run(no(1), confirm("T1"));
    assert!(matches!(
        shop.engine.get(&no(1)),
        Ok(Some(Record::Waiting(_)))
    ));
    assert_eq!(shop.engine.counts().unwrap().unclaimed, 1);
    shop.run(no(1), create(new()));
    shop.run(no(1), confirm("T2"));
    let counts = shop.engine.counts().unwrap();
    assert_eq!((counts.unclaimed, counts.open_anomalies), (0, 1));
    shop.assert_sound();
}

#[test]
fn the_feed_is_in_the_order_of_commits_and_its_cursors_are_checked() {
    let shop = Shop::new();
    let batch = [3, 1, 2].map(|n| shop.decide(no(n), create(new())));
    shop.apply(&batch);
    shop.run(no(1), confirm("T1"));
    let all = shop.engine.events(FeedCursor::START, 99).unwrap();
    let nos: Vec<_> = all.iter().map(|e| e.event.no).collect();
    assert_eq!(nos, [no(3), no(1), no(2), no(1)]);
    let seqs: Vec<_> = all.iter().map(|e| e.cursor.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    let page = shop.engine.events(all[1].cursor, 1).unwrap();
    assert_eq!(page, [all[2].clone()]);
    assert_eq!(shop.engine.events(all[3].cursor, 9).unwrap(), []);
    let incarnation = shop.engine.identity().incarnation;
    for (incarnation, seq) in [(incarnation, 5), (incarnation ^ 1, 1), (0, 1)] {
        let cursor = FeedCursor { incarnation, seq };
        let refused = shop.engine.events(cursor, 9);
        assert!(matches!(refused, Err(EngineError::Cursor(_))), "{cursor}");
    }
}

#[test]
fn a_reserved_value_is_never_given_out_again() {
    let shop = Shop::new();
    assert_eq!(shop.engine.reserve(100).unwrap(), 0..100);
    assert_eq!(shop.engine.reserve(1).unwrap(), 100..101);
    let shop = shop.reopened();
    assert_eq!(shop.engine.reserve(9).unwrap(), 101..110);
    let refused = shop.engine.reserve(u64::MAX);
    assert!(matches!(refused, Err(EngineError::Retry(_))));
    assert_eq!(shop.engine.reserve(1).unwrap(), 110..111);
}

#[test]
fn a_reopened_store_holds_everything() {
    let shop = Shop::new();
    let batch: Vec<_> = (0..50).map(|n| shop.decide(no(n), create(new()))).collect();
    shop.apply(&batch);
    shop.run(no(7), confirm("T7"));
    let (stored, counts) = (shop.stored(no(7)), shop.engine.counts().unwrap());
    let feed = shop.engine.events(FeedCursor::START, 99).unwrap();
    let shop = shop.reopened();
    assert_eq!(shop.stored(no(7)), stored);
    assert_eq!(shop.engine.counts().unwrap(), counts);
    assert_eq!(shop.engine.events(FeedCursor::START, 99).unwrap(), feed);
    shop.run(no(99), create(new()));
    // Its row is its first event, behind fifty creations and a payment.
    assert_eq!(shop.stored(no(99)).unwrap().row, 52);
    shop.assert_sound();
}

#[test]
fn once_a_write_failed_midway_only_reads_go_on() {
    let shop = Shop::new();
    shop.run(no(1), create(new()));
    let mutation = shop.decide(no(2), create(new()));
    let failed = StorageError::corrupted("as if");
    shop.engine.core.writer.lock().as_mut().unwrap().stopped = Some(failed);
    let refused = shop.engine.apply(&[mutation]);
    assert!(matches!(refused, Err(EngineError::Fatal(_))));
    let refused = shop.engine.reserve(1);
    assert!(matches!(refused, Err(EngineError::Fatal(_))));
    assert!(shop.stored(no(1)).is_some());
    let shop = shop.reopened();
    shop.run(no(2), create(new()));
}

#[test]
fn a_closed_engine_answers_nothing_and_closes_again() {
    let shop = Shop::new();
    let mutation = shop.decide(no(1), create(new()));
    shop.engine.close().unwrap();
    shop.engine.close().unwrap();
    let errors = [
        shop.engine.get(&no(1)).map(drop),
        shop.engine.apply(&[mutation]).map(drop),
        shop.engine.reserve(1).map(drop),
        shop.engine.verify().map(drop),
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
fn readers_and_a_writer_do_not_wait_for_each_other() {
    let shop = Shop::new();
    shop.run(no(0), create(new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    assert!(shop.stored(no(0)).is_some());
                }
            });
        }
        for n in 1..50 {
            shop.run(no(n), create(new()));
        }
    });
    shop.assert_sound();
}

#[test]
fn debug_shows_no_key() {
    let shop = Shop::new();
    let shown = format!("{:?}", shop.engine);
    assert!(
        !shown.contains("key") && !shown.contains("store_id"),
        "{shown}"
    );
}
