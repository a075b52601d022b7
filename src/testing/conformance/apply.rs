//! Conformance cases for `apply`: atomic mutations, mismatches and key owners.

use super::Harness;
use super::tools::{Decider, at_once, numbers, whole};
use crate::contract::{Direction, Lookup, Mutation, Verdict};
use crate::order::{ChannelState, Command, CommandKind, Record, Status};
use crate::rules::{Index, UniqueKey};
use crate::testing::fixtures;
use crate::types::{Channel, Metadata};

/// Decides a command. The mutation has the engine's mark from before the load.
fn marked_draft(decider: &Decider<'_>, command: &Command) -> Option<Mutation> {
    let read_mark = decider.engine.read_mark();
    let draft = decider.draft(command)?;
    Some(Mutation { read_mark, ..draft })
}

fn transaction_key(n: u64) -> UniqueKey {
    UniqueKey::Transaction(Channel::WECHAT, fixtures::transaction(n))
}

pub(super) fn applied_record_is_found_by_number_key_and_list(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    let new = fixtures::new(100).reference(fixtures::reference(1));
    decider.run(&[fixtures::create(1, new)]);
    decider.run(&[fixtures::confirm(1, fixtures::payment(1, 100))]);
    let no = fixtures::order_no(1);
    let record = engine.get(&no).unwrap().unwrap();
    assert_eq!(record.as_order().unwrap().status, Status::Success);
    assert_eq!(decider.stored(no).unwrap().record, record);
    assert_eq!(decider.owner(&transaction_key(1)), Some(no));
    let reference = UniqueKey::Reference(fixtures::reference(1));
    assert_eq!(decider.owner(&reference), Some(no));
    let user = Index::OpenId(fixtures::openid(1));
    for index in [Index::All, user, Index::Status(Status::Success)] {
        let rows = decider.rows(&whole(index, Direction::Forward), 10);
        assert_eq!(numbers(&rows), [no]);
        assert_eq!(rows.first().map(|row| &row.record), Some(&record));
    }
    decider.assert_sound();
}

pub(super) fn lookup_of_missing_record_is_none(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    let no = fixtures::order_no(1);
    assert_eq!(engine.get(&no).unwrap(), None);
    assert_eq!(engine.history(&no).unwrap(), []);
    assert_eq!(decider.stored(no), None);
    assert_eq!(decider.owner(&transaction_key(1)), None);
    assert_eq!(engine.load(&[]).unwrap(), []);
    assert_eq!(engine.apply(&[]).unwrap(), []);
    decider.assert_sound();
}

pub(super) fn stale_mutation_is_mismatch_and_changes_nothing(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    let create = fixtures::create(1, fixtures::new(100));
    let creation = decider.draft(&create).unwrap();
    decider.run(std::slice::from_ref(&create));
    let payment = decider
        .draft(&fixtures::confirm(1, fixtures::payment(1, 100)))
        .unwrap();
    let mut of_nothing = payment.clone();
    of_nothing.no = fixtures::order_no(2);
    decider.run(&[fixtures::command(1, CommandKind::BeginClose)]);
    let before = engine.get(&fixtures::order_no(1)).unwrap();
    for stale in [creation, payment, of_nothing] {
        assert_eq!(engine.apply(&[stale]).unwrap(), [Verdict::Mismatch]);
    }
    assert_eq!(engine.get(&fixtures::order_no(1)).unwrap(), before);
    assert_eq!(engine.get(&fixtures::order_no(2)).unwrap(), None);
    assert_eq!(decider.owner(&transaction_key(1)), None);
    decider.assert_sound();
}

pub(super) fn stale_mutation_with_old_mark_is_mismatch(harness: &dyn Harness) {
    let engine = harness.engine();
    // An engine without marks passes.
    if engine.read_mark().is_none() {
        return;
    }
    let decider = Decider::at(&*engine);
    let create = fixtures::create(1, fixtures::new(100));
    let creation = marked_draft(&decider, &create).unwrap();
    decider.run(&[create]);
    let payment = fixtures::confirm(1, fixtures::payment(1, 100));
    let payment = marked_draft(&decider, &payment).unwrap();
    decider.run(&[fixtures::command(1, CommandKind::BeginClose)]);
    let before = engine.get(&fixtures::order_no(1)).unwrap();
    for stale in [creation, payment] {
        assert_ne!(stale.read_mark, engine.read_mark());
        assert_eq!(engine.apply(&[stale]).unwrap(), [Verdict::Mismatch]);
    }
    assert_eq!(engine.get(&fixtures::order_no(1)).unwrap(), before);
    assert_eq!(decider.owner(&transaction_key(1)), None);
    decider.assert_sound();
}

pub(super) fn mark_changes_after_applied_batch(harness: &dyn Harness) {
    let engine = harness.engine();
    // An engine without marks passes.
    let Some(first) = engine.read_mark() else {
        return;
    };
    let decider = Decider::at(&*engine);
    let mut marks = vec![first];
    let close = fixtures::command(1, CommandKind::BeginClose);
    for command in [fixtures::create(1, fixtures::new(100)), close] {
        let draft = marked_draft(&decider, &command).unwrap();
        assert_eq!(engine.apply(&[draft]).unwrap(), [Verdict::Applied]);
        marks.extend(engine.read_mark());
    }
    // Another engine has other marks.
    marks.extend(harness.engine().read_mark());
    marks.sort_unstable();
    marks.dedup();
    assert_eq!(marks.len(), 4);
    decider.assert_sound();
}

pub(super) fn refused_mutation_does_not_affect_rest_of_batch(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    decider.create_many(2, 3);
    let stale = decider
        .draft(&fixtures::command(2, CommandKind::BeginClose))
        .unwrap();
    decider.run(&[fixtures::command(2, CommandKind::BeginClose)]);
    let create = |n| fixtures::create(n, fixtures::new(100));
    let mut batch = decider.drafts(&[create(1), create(3)]);
    batch.insert(1, stale);
    let verdicts = engine.apply(&batch).unwrap();
    let expected = [Verdict::Applied, Verdict::Mismatch, Verdict::Applied];
    assert_eq!(verdicts, expected);
    assert_eq!(decider.counts().orders(), 3);
    decider.assert_sound();
}

pub(super) fn second_owner_of_key_in_batch_is_refused(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    decider.create_many(1, 4);
    let pay = |n, transaction| fixtures::confirm(n, fixtures::payment(transaction, 100));
    let batch = decider.drafts(&[pay(1, 7), pay(2, 7), pay(3, 8)]);
    let taken = Verdict::Taken {
        key: transaction_key(7),
        by: fixtures::order_no(1),
    };
    let verdicts = engine.apply(&batch).unwrap();
    assert_eq!(verdicts, [Verdict::Applied, taken, Verdict::Applied]);
    assert_eq!(
        decider.owner(&transaction_key(7)),
        Some(fixtures::order_no(1))
    );
    let second = engine.get(&fixtures::order_no(2)).unwrap().unwrap();
    assert_eq!(second.as_order().unwrap().status, Status::Pending);
    decider.assert_sound();
}

pub(super) fn second_owner_of_key_in_later_batch_is_refused(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    let cart = || fixtures::new(100).reference(fixtures::reference(1));
    let [first, second] = [1, 2].map(|n| decider.draft(&fixtures::create(n, cart())).unwrap());
    assert_eq!(engine.apply(&[first]).unwrap(), [Verdict::Applied]);
    let taken = Verdict::Taken {
        key: UniqueKey::Reference(fixtures::reference(1)),
        by: fixtures::order_no(1),
    };
    assert_eq!(engine.apply(&[second]).unwrap(), [taken]);
    assert_eq!(engine.get(&fixtures::order_no(2)).unwrap(), None);
    decider.assert_sound();
}

pub(super) fn released_key_can_be_owned_again(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    let key = UniqueKey::Reference(fixtures::reference(1));
    let cart = || fixtures::new(100).reference(fixtures::reference(1));
    decider.run(&[fixtures::create(1, cart())]);
    let close = CommandKind::RecordQuery(Box::new(ChannelState::Closed));
    decider.run(&[fixtures::command(1, close)]);
    assert_eq!(decider.owner(&key), None);
    decider.run(&[fixtures::create(2, cart())]);
    assert_eq!(decider.owner(&key), Some(fixtures::order_no(2)));
    let attempts = decider.rows(&whole(key.index(), Direction::Backward), 10);
    let expected = [2, 1].map(fixtures::order_no);
    assert_eq!(numbers(&attempts), expected, "the owner comes first");
    decider.assert_sound();
}

pub(super) fn key_released_earlier_in_batch_can_be_owned(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    let key = UniqueKey::Reference(fixtures::reference(1));
    let cart = || fixtures::new(100).reference(fixtures::reference(1));
    let creation = decider.draft(&fixtures::create(2, cart())).unwrap();
    decider.run(&[fixtures::create(1, cart())]);
    let closed = CommandKind::RecordQuery(Box::new(ChannelState::Closed));
    let close = decider.draft(&fixtures::command(1, closed)).unwrap();
    let verdicts = engine.apply(&[close, creation]).unwrap();
    assert_eq!(verdicts, [Verdict::Applied, Verdict::Applied]);
    assert_eq!(decider.owner(&key), Some(fixtures::order_no(2)));
    decider.assert_sound();
}

pub(super) fn anomaly_does_not_own_its_transaction(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    decider.create_many(1, 2);
    decider.run(&[fixtures::confirm(1, fixtures::payment(1, 99))]);
    decider.run(&[fixtures::confirm(2, fixtures::payment(1, 100))]);
    assert_eq!(decider.owner(&transaction_key(1)), None);
    let waiting = engine.get(&fixtures::order_no(2)).unwrap();
    assert!(matches!(waiting, Some(Record::Waiting(_))));
    let index = transaction_key(1).index();
    let rows = decider.rows(&whole(index, Direction::Forward), 10);
    assert_eq!(numbers(&rows), [1, 2].map(fixtures::order_no));
    decider.assert_sound();
}

pub(super) fn lookups_return_records_in_request_order(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    decider.create_many(1, 4);
    decider.run(&[fixtures::confirm(2, fixtures::payment(5, 100))]);
    let no = |n| Lookup::No(fixtures::order_no(n));
    let asked = [
        no(3),
        no(9),
        Lookup::Owner(transaction_key(5)),
        Lookup::Owner(transaction_key(6)),
        no(1),
        no(3),
    ];
    let found = engine.load(&asked).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|stored| stored.as_ref().map(|stored| stored.record.no()))
        .collect();
    let some = |n| Some(fixtures::order_no(n));
    assert_eq!(found, [some(3), None, some(2), None, some(1), some(3)]);
}

pub(super) fn batch_of_maximum_size_is_applied(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    let size = u64::try_from(engine.limits().batch).unwrap();
    decider.create_many(0, size);
    assert_eq!(decider.counts().of(Status::Pending), size);
    decider.assert_sound();
}

pub(super) fn largest_values_round_trip(harness: &dyn Harness) {
    let engine = harness.engine();
    let decider = Decider::at(&*engine);
    let metadata = Metadata::new(vec![0xff; Metadata::MAX_LEN]).unwrap();
    let description = crate::types::Description::parse(&"单".repeat(127)).unwrap();
    let attach = crate::types::Attach::parse(&"a".repeat(128)).unwrap();
    let largest = crate::types::Fen::new(u64::MAX / 2).unwrap();
    let new = crate::order::NewOrder::new(fixtures::appid(1), largest).unwrap();
    let new = new
        .metadata(metadata)
        .description(description)
        .attach(attach)
        .expires_at(crate::types::Timestamp::MAX);
    let draft = decider.draft(&fixtures::create(1, new)).unwrap();
    let expected = draft.after.clone();
    assert_eq!(engine.apply(&[draft]).unwrap(), [Verdict::Applied]);
    assert_eq!(engine.get(&fixtures::order_no(1)).unwrap(), Some(expected));
    decider.assert_sound();
}

pub(super) fn concurrent_writers_lose_no_update(harness: &dyn Harness) {
    annotate_at_once(harness, |decider, command| decider.draft(command));
}

pub(super) fn concurrent_writers_with_marks_lose_no_update(harness: &dyn Harness) {
    annotate_at_once(harness, marked_draft);
}

/// Annotates one order from several threads, and checks that no update is lost. Each writer decides
/// with `draft` until the engine applies its mutation.
fn annotate_at_once(harness: &dyn Harness, draft: fn(&Decider<'_>, &Command) -> Option<Mutation>) {
    const WRITERS: usize = 8;
    const TURNS: u64 = 25;
    let engine = harness.engine();
    Decider::at(&*engine).create_many(1, 2);
    let annotate = |metadata| {
        let metadata = Metadata::new(metadata).unwrap();
        loop {
            let decider = Decider::at(&*engine);
            let stored = decider.stored(fixtures::order_no(1)).unwrap();
            let version = stored.record.version();
            let metadata = metadata.clone();
            let ask = CommandKind::Annotate { version, metadata };
            let draft = draft(&decider, &fixtures::command(1, ask));
            let written = draft.is_some_and(|draft| {
                let verdicts = engine.apply(&[draft]).unwrap();
                verdicts == [Verdict::Applied]
            });
            if written {
                return;
            }
        }
    };
    at_once(WRITERS, |writer| {
        for turn in 0..TURNS {
            annotate(format!("{writer} {turn}"));
        }
    });
    let record = engine.get(&fixtures::order_no(1)).unwrap().unwrap();
    assert_eq!(record.version(), 1 + 8 * TURNS);
    Decider::at(&*engine).assert_sound();
}
