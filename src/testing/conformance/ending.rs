//! Conformance cases for reserved counters, the engine's identity, and closing and opening an
//! engine.

use std::collections::BTreeSet;

use super::Harness;
use super::tools::{Decider, at_once, whole};
use crate::contract::{Direction, FeedCursor, Lookup};
use crate::engine::EngineError;
use crate::rules::Index;
use crate::testing::fixtures;

pub(super) fn reserved_counters_are_never_repeated(harness: &dyn Harness) {
    let engine = harness.engine();
    let blocks = at_once(8, |place| {
        let count = u64::try_from(place).unwrap() + 1;
        let reserve = |_| {
            let block = engine.reserve(count).unwrap();
            assert_eq!(block.end - block.start, count);
            block
        };
        (0..50).map(reserve).collect::<Vec<_>>()
    });
    let values: Vec<u64> = blocks.into_iter().flatten().flatten().collect();
    let distinct: BTreeSet<u64> = values.iter().copied().collect();
    assert_eq!(distinct.len(), values.len());
    assert_eq!(values.len(), 50 * (1..=8).sum::<usize>());
}

pub(super) fn engine_identity_is_unique_and_stable(harness: &dyn Harness) {
    let engine = harness.engine();
    let other = harness.engine();
    let identity = engine.identity();
    assert_ne!(identity.incarnation, 0);
    assert_ne!(identity.store_id, other.identity().store_id);
    assert_ne!(identity.number_key, other.identity().number_key);
    Decider::at(&*engine).create_many(0, 3);
    assert!(engine.identity() == identity);
    assert!(engine.limits().batch > 0);
}

pub(super) fn closed_engine_fails_every_call(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    decider.create_many(1, 2);
    let draft = decider
        .draft(&fixtures::create(2, fixtures::new(100)))
        .unwrap();
    engine.close().unwrap();
    let no = fixtures::order_no(1);
    let all = whole(Index::All, Direction::Forward);
    let failures = [
        engine.get(&no).err(),
        engine.load(&[Lookup::No(no)]).err(),
        engine.apply(&[draft]).err(),
        engine.scan(&all, 1).err(),
        engine.history(&no).err(),
        engine.events(FeedCursor::START, 1).err(),
        engine.counts().err(),
        engine.verify().err(),
        engine.reserve(1).err(),
    ];
    for failure in failures {
        assert!(
            matches!(failure, Some(EngineError::Fatal(_))),
            "{failure:?}"
        );
    }
}

pub(super) fn reopened_engine_has_same_data(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    decider.create_many(0, 100);
    decider.run(&[fixtures::confirm(7, fixtures::payment(7, 100))]);
    let all = whole(Index::All, Direction::Forward);
    let rows = decider.rows(&all, 50);
    let (counts, identity) = (decider.counts(), engine.identity());
    let feed = engine.events(FeedCursor::START, 1000).unwrap();
    let reserved = engine.reserve(10).unwrap();
    let Some(engine) = harness.reopen_engine(engine) else {
        return;
    };
    let decider = Decider::at(&*engine);
    assert_eq!(decider.rows(&all, 50), rows);
    assert_eq!(decider.counts(), counts);
    assert!(engine.identity() == identity);
    assert_eq!(engine.events(FeedCursor::START, 1000).unwrap(), feed);
    assert!(engine.reserve(10).unwrap().start >= reserved.end);
    decider.create_many(100, 110);
    decider.assert_sound();
}
