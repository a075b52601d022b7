//! Conformance cases for the lists of an engine: sort order, time range, and moves between lists.

use std::collections::BTreeSet;

use super::Harness;
use super::tools::{Decider, numbers, positions, whole};
use crate::contract::{Direction, IndexQuery, Position};
use crate::order::{ChannelState, CommandKind, Status};
use crate::rules::Index;
use crate::testing::fixtures;
use crate::types::Timestamp;

const BOTH: [Direction; 2] = [Direction::Forward, Direction::Backward];

fn later(millis: u64) -> Timestamp {
    fixtures::now().saturating_add(std::time::Duration::from_millis(millis))
}

/// Creates the orders `0..until`. Order `n` is created `n` milliseconds after the start time.
fn made_one_by_one<'e>(decider: &mut Decider<'e>, until: u64) {
    for n in 0..until {
        decider.now = later(n);
        decider.run(&[fixtures::create(n, fixtures::new(100))]);
    }
}

pub(super) fn list_is_sorted_by_time_in_both_directions(harness: &dyn Harness) {
    let engine = harness.engine();
    let mut decider = Decider::at(&*engine);
    made_one_by_one(&mut decider, 20);
    let forward = decider.rows(&whole(Index::All, Direction::Forward), 3);
    let expected: Vec<_> = (0..20).map(fixtures::order_no).collect();
    assert_eq!(numbers(&forward), expected);
    assert!(forward.windows(2).all(|pair| match pair {
        [first, second] => first.position < second.position,
        _ => false,
    }));
    let mut backward = decider.rows(&whole(Index::All, Direction::Backward), 3);
    backward.reverse();
    assert_eq!(backward, forward);
}

pub(super) fn list_bounds_are_inclusive(harness: &dyn Harness) {
    let engine = harness.engine();
    let mut decider = Decider::at(&*engine);
    made_one_by_one(&mut decider, 20);
    let found = |from, until, direction| {
        let query = IndexQuery {
            from: later(from),
            until: later(until),
            ..whole(Index::All, direction)
        };
        let mut found = numbers(&decider.rows(&query, 4));
        found.sort_unstable();
        found
    };
    let expected = |from, until| (from..until).map(fixtures::order_no).collect::<Vec<_>>();
    for direction in BOTH {
        assert_eq!(found(5, 9, direction), expected(5, 10));
        assert_eq!(found(5, 5, direction), expected(5, 6));
        assert_eq!(found(0, 99, direction), expected(0, 20));
        assert_eq!(found(20, 99, direction), []);
        assert_eq!(found(9, 5, direction), [], "an inverted range is empty");
    }
}

pub(super) fn start_position_outside_time_range_is_clamped(harness: &dyn Harness) {
    let engine = harness.engine();
    let mut decider = Decider::at(&*engine);
    made_one_by_one(&mut decider, 20);
    let count = |after: Timestamp, direction| {
        let (time, row, sub) = (after, 0, 0);
        let query = IndexQuery {
            from: later(5),
            until: later(9),
            after: Some(Position { time, row, sub }),
            ..whole(Index::All, direction)
        };
        decider.rows(&query, 100).len()
    };
    assert_eq!(count(later(0), Direction::Forward), 5);
    assert_eq!(count(later(19), Direction::Forward), 0);
    assert_eq!(count(later(19), Direction::Backward), 5);
    assert_eq!(count(later(0), Direction::Backward), 0);
}

pub(super) fn entries_of_same_millisecond_are_read_once(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    decider.create_many(0, 1000);
    let all: BTreeSet<_> = (0..1000).map(fixtures::order_no).collect();
    for index in [
        Index::All,
        Index::OpenId(fixtures::openid(1)),
        Index::Status(Status::Pending),
        Index::Due,
    ] {
        let [forward, mut backward] =
            BOTH.map(|direction| decider.rows(&whole(index.clone(), direction), 7));
        assert_eq!(forward.len(), 1000);
        assert_eq!(numbers(&forward).into_iter().collect::<BTreeSet<_>>(), all);
        backward.reverse();
        assert_eq!(positions(&forward), positions(&backward));
    }
}

pub(super) fn page_reports_more_only_before_end(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    decider.create_many(0, 10);
    for direction in BOTH {
        let query = whole(Index::All, direction);
        let more = |limit| engine.scan(&query, limit).unwrap().more;
        assert_eq!([1, 9, 10, 11].map(more), [true, true, false, false]);
    }
    let none = whole(Index::Anomalies, Direction::Forward);
    assert_eq!(
        engine.scan(&none, 10).unwrap(),
        crate::contract::IndexPage::default()
    );
}

pub(super) fn status_change_moves_record_between_lists(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    let lists = || {
        Status::ALL.map(|status| {
            let query = whole(Index::Status(status), Direction::Forward);
            decider.rows(&query, 10).len()
        })
    };
    decider.create_many(1, 2);
    assert_eq!(lists(), [1, 0, 0, 0, 0, 0]);
    decider.run(&[fixtures::command(1, CommandKind::BeginClose)]);
    assert_eq!(lists(), [0, 0, 1, 0, 0, 0]);
    let closed = CommandKind::RecordQuery(Box::new(ChannelState::Closed));
    decider.run(&[fixtures::command(1, closed)]);
    assert_eq!(lists(), [0, 0, 0, 1, 0, 0]);
    decider.run(&[fixtures::confirm(1, fixtures::payment(1, 100))]);
    assert_eq!(lists(), [0, 0, 0, 0, 0, 1]);
    decider.assert_sound();
}

pub(super) fn lists_with_common_key_prefix_stay_separate(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    let parts = [("wxa", "bc"), ("wxab", "c"), ("wx", "abc")];
    for ((channel, id), n) in parts.into_iter().zip(1..) {
        let channel = crate::types::Channel::parse(channel).unwrap();
        let mut payment = fixtures::payment(1, 100);
        payment.channel = channel;
        payment.transaction_id = crate::types::TransactionId::parse(id).unwrap();
        let new = fixtures::new(100)
            .channel(channel)
            .openid(crate::types::OpenId::parse(id).unwrap())
            .reference(crate::types::Reference::parse(id).unwrap());
        let transaction = Index::Transaction(channel, payment.transaction_id.clone());
        decider.run(&[fixtures::create(n, new), fixtures::confirm(n, payment)]);
        let openid = Index::OpenId(crate::types::OpenId::parse(id).unwrap());
        let reference = Index::Reference(crate::types::Reference::parse(id).unwrap());
        for index in [transaction, openid, reference] {
            let rows = decider.rows(&whole(index, Direction::Forward), 10);
            assert_eq!(numbers(&rows), [fixtures::order_no(n)]);
        }
    }
    decider.assert_sound();
}

pub(super) fn counts_equal_full_scan(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    decider.create_many(0, 12);
    let run = |n, kind| decider.run(&[fixtures::command(n, kind)]);
    let query = |state| CommandKind::RecordQuery(Box::new(state));
    (0..3).for_each(|n| decider.run(&[fixtures::confirm(n, fixtures::payment(n, 100))]));
    (3..5).for_each(|n| run(n, CommandKind::BeginClose));
    (5..9).for_each(|n| run(n, query(ChannelState::Closed)));
    run(9, query(ChannelState::Revoked));
    decider.run(&[fixtures::confirm(5, fixtures::payment(50, 100))]);
    decider.run(&[fixtures::confirm(11, fixtures::payment(51, 99))]);
    decider.run(&[fixtures::confirm(90, fixtures::payment(52, 100))]);
    let counts = decider.counts();
    for status in Status::ALL {
        let query = whole(Index::Status(status), Direction::Forward);
        let scanned = u64::try_from(decider.rows(&query, 5).len()).unwrap();
        assert_eq!(counts.of(status), scanned, "{status}");
    }
    assert_eq!(counts.by_status, [2, 3, 2, 3, 1, 1]);
    assert_eq!((counts.unclaimed, counts.open_anomalies), (1, 3));
    decider.assert_sound();
}
