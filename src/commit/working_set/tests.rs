//! Tests of groups whose commands share records and unique keys.

use std::cell::RefCell;
use std::time::Duration;

use proptest::prelude::*;

use crate::commit::group::{Answer, GroupMemory, Runner};
use crate::contract::FeedCursor;
use crate::engine::{Engine, MemoryEngine};
use crate::order::{
    Annotated, AnomalyId, ChannelState, Command, CommandKind, Confirmed, Created, Outcome,
    RefundRefusal, RefundRequested, RefundState, Resolution, Resolved, Status,
};
use crate::rules::Policy;
use crate::testing::fuzz::{Bytes, any_command, any_policy};
use crate::testing::{FailingEngine, Faults, fixtures};
use crate::types::{Metadata, OrderNo, Timestamp};

/// Runs groups of commands on an engine in memory, with one policy and one time.
struct Groups {
    engine: FailingEngine,
    /// Counts the writes.
    faults: Faults,
    policy: Policy,
    now: Timestamp,
    memory: RefCell<GroupMemory>,
}

impl Groups {
    fn new(policy: Policy) -> Self {
        let (engine, faults) = FailingEngine::around(MemoryEngine::new().unwrap());
        Self {
            engine,
            faults,
            policy,
            now: fixtures::now(),
            memory: RefCell::default(),
        }
    }

    /// Creates a store with these orders of 100 fen.
    fn with_orders(numbers: &[u64]) -> Self {
        let groups = Self::new(Policy::default());
        let create = |n: &u64| fixtures::create(*n, fixtures::new(100));
        groups.outcomes(&numbers.iter().map(create).collect::<Vec<_>>());
        groups
    }

    fn run(&self, group: &[Command]) -> Vec<Answer> {
        let runner = Runner {
            engine: &self.engine,
            policy: &self.policy,
            now: self.now,
        };
        runner.run(group, &mut self.memory.borrow_mut()).answers
    }

    /// Runs a group, which must need only one write. Returns the outcomes.
    fn outcomes(&self, group: &[Command]) -> Vec<Outcome> {
        let writes = self.faults.applies();
        let answers = self.run(group).into_iter();
        assert!(self.faults.applies() <= writes + 1);
        let outcomes = answers.map(|answer| answer.unwrap().outcome).collect();
        assert!(self.engine.verify().unwrap().is_ok());
        outcomes
    }

    /// Order numbers of the last events, in the order of the feed.
    fn last_events(&self, count: usize) -> Vec<OrderNo> {
        let events = self.engine.events(FeedCursor::START, 1000).unwrap();
        let last = events.iter().rev().take(count).rev();
        last.map(|event| event.event.no).collect()
    }
}

fn close(n: u64) -> Command {
    let closed = CommandKind::RecordQuery(Box::new(ChannelState::Closed));
    fixtures::command(n, closed)
}

fn annotate(n: u64, version: u64) -> Command {
    let metadata = Metadata::new("m").unwrap();
    fixtures::command(n, CommandKind::Annotate { version, metadata })
}

/// Refunds the payment of the order's first anomaly.
fn refund(n: u64, refund: u64) -> Command {
    let refund_no = fixtures::refund_no(refund);
    let resolve = CommandKind::Resolve {
        anomaly: AnomalyId(1).into(),
        how: Resolution::Refund { refund_no },
        note: fixtures::note(),
    };
    fixtures::command(n, resolve)
}

/// Records that refund 1 of transaction 1 has failed.
fn fail_refund(n: u64) -> Command {
    let fact = fixtures::refund_fact(1, 1, 99, RefundState::Closed);
    fixtures::command(n, CommandKind::RecordRefund(Box::new(fact)))
}

/// Requests the second attempt of refund 1 of transaction 1.
fn retry_refund(n: u64) -> Command {
    let again = fixtures::refund_of(1, 1, 99).attempt(2);
    fixtures::command(n, CommandKind::RequestRefund(Box::new(again)))
}

/// Orders of which the first refunds transaction 1, which paid a wrong amount.
fn with_refund(numbers: &[u64]) -> Groups {
    let groups = Groups::with_orders(numbers);
    let wrong = fixtures::confirm(1, fixtures::payment(1, 99));
    groups.outcomes(&[wrong, refund(1, 1)]);
    groups
}

#[test]
fn reference_moves_to_other_order_within_one_group() {
    let cart = |fen| fixtures::new(fen).reference(fixtures::reference(1));
    let groups = Groups::with_orders(&[]);
    groups.outcomes(&[fixtures::create(1, cart(100))]);
    let group = [
        fixtures::create(2, cart(100)),
        close(1),
        fixtures::create(2, cart(100)),
        fixtures::create(3, cart(200)),
        fixtures::create(1, cart(100)),
    ];
    let busy = Created::ReferenceBusy {
        no: fixtures::order_no(2),
        status: Status::Pending,
    };
    let outcomes = groups.outcomes(&group);
    assert_eq!(outcomes[0], Outcome::Create(Created::Exists));
    assert_eq!(outcomes[2], Outcome::Create(Created::Created));
    assert_eq!(outcomes[3], Outcome::Create(busy));
    assert_eq!(outcomes[4], Outcome::Create(Created::Exists));
}

#[test]
fn later_command_does_not_get_freed_key_that_other_order_claimed() {
    let groups = with_refund(&[1, 2]);
    let pay = fixtures::confirm(2, fixtures::payment(1, 100));
    let outcomes = groups.outcomes(&[fail_refund(1), pay, retry_refund(1)]);
    assert_eq!(outcomes[1], Outcome::Confirm(Confirmed::Applied));
    let not_paid = Outcome::RequestRefund(RefundRequested::NotPaid);
    assert_eq!(outcomes[2], not_paid);
    assert_eq!(groups.last_events(1), [fixtures::order_no(2)]);
}

#[test]
fn only_record_that_keeps_key_free_is_written_first() {
    for claims_again in [false, true] {
        let groups = with_refund(&[1, 2]);
        let mut group = vec![annotate(2, 1), fail_refund(1)];
        if claims_again {
            group.push(retry_refund(1));
        }
        group.push(fixtures::confirm(2, fixtures::payment(1, 100)));
        let outcomes = groups.outcomes(&group);
        let by = fixtures::order_no(1);
        let expected = if claims_again {
            Confirmed::GivenBack { by }
        } else {
            Confirmed::Applied
        };
        assert_eq!(outcomes.last(), Some(&Outcome::Confirm(expected)));
        let last = if claims_again { 1 } else { 2 };
        assert_eq!(groups.last_events(1), [fixtures::order_no(last)]);
    }
}

#[test]
fn keys_of_unchanged_owners_stay_taken() {
    let groups = with_refund(&[1, 2, 3]);
    groups.outcomes(&[fixtures::confirm(3, fixtures::payment(3, 100))]);
    let version = |n| {
        let record = groups.engine.get(&fixtures::order_no(n)).unwrap();
        record.unwrap().version()
    };
    let group = [
        annotate(1, version(1)),
        annotate(3, version(3)),
        fixtures::confirm(2, fixtures::payment(2, 99)),
        // The anomaly of the previous command names the keys that this one needs, so they are
        // looked up only now.
        refund(2, 1),
        fixtures::confirm(2, fixtures::payment(3, 100)),
    ];
    let outcomes = groups.outcomes(&group);
    let annotated = Outcome::Annotate(Annotated::Annotated);
    assert_eq!(outcomes[..2], [annotated.clone(), annotated]);
    let by = fixtures::order_no(1);
    let taken = Resolved::Refused(RefundRefusal::RefundNoTaken { by });
    assert_eq!(outcomes[3], Outcome::Resolve(taken));
    let by = fixtures::order_no(3);
    let taken = Confirmed::TransactionTaken { by };
    assert_eq!(outcomes[4], Outcome::Confirm(taken));
}

#[test]
fn records_that_swap_keys_within_one_group_both_change() {
    let groups = Groups::with_orders(&[1, 2]);
    let wrong = |n| fixtures::confirm(n, fixtures::payment(n, 99));
    groups.outcomes(&[wrong(1), wrong(2), refund(1, 1), refund(2, 2)]);
    let fact = fixtures::refund_fact(2, 2, 99, RefundState::Closed);
    let fail_second = fixtures::command(2, CommandKind::RecordRefund(Box::new(fact)));
    let group = [
        fail_refund(1),
        fail_second,
        fixtures::confirm(1, fixtures::payment(2, 100)),
        fixtures::confirm(2, fixtures::payment(1, 100)),
    ];
    let answers = groups.run(&group).into_iter();
    let outcomes: Vec<_> = answers.map(|answer| answer.unwrap().outcome).collect();
    let applied = Outcome::Confirm(Confirmed::Applied);
    assert_eq!(outcomes[2..], [applied.clone(), applied]);
    assert!(groups.engine.verify().unwrap().is_ok());
}

/// Runs random commands in groups and one by one. Compares all replies, records and events.
fn compare(mut bytes: Bytes<'_>) {
    let policy = any_policy(&mut bytes);
    let (mut grouped, mut single) = (Groups::new(policy.clone()), Groups::new(policy));
    while !bytes.is_empty() {
        let size = 1 + bytes.below(24);
        let group: Vec<Command> = (0..size).map(|_| any_command(&mut bytes)).collect();
        let expected = group.chunks(1).flat_map(|alone| single.run(alone));
        let expected: Vec<_> = expected.map(Result::unwrap).collect();
        let found: Vec<_> = grouped
            .run(&group)
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(found, expected);
        let seconds = bytes.pick(&[0, 1, 300, 7 * 24 * 3600]);
        grouped.now = grouped.now.saturating_add(Duration::from_secs(seconds));
        single.now = grouped.now;
    }
    let (grouped, single) = (&grouped.engine, &single.engine);
    for no in (0..8).map(fixtures::order_no) {
        assert_eq!(grouped.get(&no).unwrap(), single.get(&no).unwrap());
        assert_eq!(grouped.history(&no).unwrap(), single.history(&no).unwrap());
    }
    assert_eq!(grouped.counts().unwrap(), single.counts().unwrap());
    assert!(grouped.verify().unwrap().is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn group_gives_same_result_as_single_commands(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        compare(Bytes::new(&bytes));
    }
}
