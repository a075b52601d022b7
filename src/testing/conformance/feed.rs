//! Conformance cases for events: the history of an order, and the change feed.

use super::Harness;
use super::tools::Decider;
use crate::contract::{FeedCursor, FeedEvent};
use crate::engine::{Engine, EngineError};
use crate::order::{CommandKind, Event};
use crate::rules::evolve;
use crate::testing::fixtures;

/// Writes three orders with seven events in total. Some mutations have two events.
fn seven_events(engine: &dyn Engine) {
    let decider = Decider::at(engine);
    decider.run(&[fixtures::confirm(3, fixtures::payment(3, 100))]);
    decider.create_many(1, 3);
    decider.run(&[
        fixtures::create(3, fixtures::new(100)),
        fixtures::command(1, CommandKind::BeginClose),
        fixtures::confirm(1, fixtures::payment(1, 100)),
    ]);
}

fn all(engine: &dyn Engine) -> Vec<FeedEvent> {
    engine.events(FeedCursor::START, 100).unwrap()
}

pub(super) fn history_is_complete_and_folds_into_record(harness: &dyn Harness) {
    let engine = harness.engine();
    seven_events(&*engine);
    for (n, length) in [(1, 3), (2, 1), (3, 3)] {
        let no = fixtures::order_no(n);
        let history = engine.history(&no).unwrap();
        assert_eq!(history.len(), length);
        let versions: Vec<u64> = history.iter().map(|event| event.version).collect();
        assert_eq!(versions, (1..).take(length).collect::<Vec<_>>());
        let fold = |record: Option<_>, event: &Event| Some(evolve(record, event));
        let folded = history.iter().fold(None, fold);
        assert_eq!(folded, engine.get(&no).unwrap());
    }
}

pub(super) fn feed_contains_every_event_without_gaps(harness: &dyn Harness) {
    let engine = harness.engine();
    seven_events(&*engine);
    let feed = all(&*engine);
    let incarnation = engine.identity().incarnation;
    let places: Vec<_> = feed.iter().map(|sequenced| sequenced.cursor).collect();
    let expected: Vec<_> = (1..=7).map(|seq| FeedCursor { incarnation, seq }).collect();
    assert_eq!(places, expected);
    for n in 1..=3 {
        let no = fixtures::order_no(n);
        let of_it: Vec<Event> = feed
            .iter()
            .map(|sequenced| sequenced.event.clone())
            .filter(|event| event.no == no)
            .collect();
        assert_eq!(of_it, engine.history(&no).unwrap());
    }
}

pub(super) fn feed_read_continues_after_any_event(harness: &dyn Harness) {
    let engine = harness.engine();
    seven_events(&*engine);
    let feed = all(&*engine);
    for (sequenced, seen) in feed.iter().zip(1..) {
        let rest = engine.events(sequenced.cursor, 100).unwrap();
        assert!(rest.iter().eq(feed.iter().skip(seen)));
    }
    for limit in 1..=8 {
        let mut place = FeedCursor::START;
        let mut read = Vec::new();
        loop {
            let part = engine.events(place, limit).unwrap();
            assert!(part.len() <= limit);
            let Some(last) = part.last() else { break };
            place = last.cursor;
            read.extend(part);
        }
        assert_eq!(read, feed);
    }
}

pub(super) fn new_events_are_read_from_end_cursor(harness: &dyn Harness) {
    let engine = harness.engine();
    assert_eq!(engine.feed_end().unwrap().seq, 0);
    seven_events(&*engine);
    let end = engine.feed_end().unwrap();
    assert_eq!(end, all(&*engine).pop().unwrap().cursor);
    assert_eq!(engine.events(end, 10).unwrap(), []);
    Decider::at(&*engine).create_many(8, 9);
    assert_eq!(engine.feed_end().unwrap().seq, 8);
    let grown = engine.events(end, 10).unwrap();
    let numbers: Vec<_> = grown.iter().map(|sequenced| sequenced.event.no).collect();
    assert_eq!(numbers, [fixtures::order_no(8)]);
}

pub(super) fn foreign_or_future_cursor_is_refused(harness: &dyn Harness) {
    let engine = harness.engine();
    seven_events(&*engine);
    let end = all(&*engine).pop().unwrap().cursor;
    let refused = |place| matches!(engine.events(place, 10), Err(EngineError::Cursor(_)));
    let incarnation = end.incarnation;
    for seq in [8, 9, u64::MAX] {
        assert!(refused(FeedCursor { incarnation, seq }), "{seq}");
    }
    let incarnation = incarnation.wrapping_add(1);
    for seq in [0, 1, 7] {
        assert!(refused(FeedCursor { incarnation, seq }), "another feed");
    }
    let incarnation = 0;
    assert!(refused(FeedCursor {
        incarnation,
        seq: 1
    }));
    let beginning = FeedCursor { seq: 0, ..end };
    assert_eq!(engine.events(beginning, 100).unwrap().len(), 7);
}

pub(super) fn refused_mutation_writes_no_event(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    let create = fixtures::create(1, fixtures::new(100));
    let again = decider.draft(&create).unwrap();
    decider.run(&[create]);
    drop(engine.apply(&[again]).unwrap());
    assert_eq!(all(&*engine).len(), 1);
    decider.create_many(2, 3);
    assert_eq!(all(&*engine).len(), 2);
    decider.assert_sound();
}
