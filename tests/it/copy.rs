//! Copies from store to store.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use orderstore::engine::{Engine, Verdict};
use orderstore::testing::fixtures::{new, order_no, payment, reference};
use orderstore::testing::{FailingEngine, Fault, Operation, SeededRng};
use orderstore::{
    Annotated, ChannelState, Confirmed, CopyReport, Created, Error, FeedCursor, Metadata, Status,
    Store,
};

use crate::books::{assert_same, busy};
use crate::meddled::{Meddled, in_memory};

const SEED: u64 = 20_261_126;

fn filled(seed: u64) -> Store {
    let store = Store::memory().unwrap();
    busy(&store, &mut SeededRng::new(seed), 3000);
    store
}

fn copied(from: &Store, to: &Store) -> CopyReport {
    let copied = from.copy_to(to).wait().unwrap();
    assert!(copied.verified.is_ok(), "{:?}", copied.verified);
    assert_eq!(copied.records, from.verify().wait().unwrap().records);
    copied
}

fn paid(store: &Store, n: u64) {
    let made = store.create(order_no(n), new(100)).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    let paid = store.confirm(order_no(n), payment(n, 100)).wait().unwrap();
    assert_eq!(paid.outcome, Confirmed::Applied);
}

#[test]
fn a_copy_holds_the_same_orders_histories_and_lists_in_a_directory_and_back() {
    let place = tempfile::tempdir().unwrap();
    for seed in SEED..SEED + 5 {
        let store = filled(seed);
        let dir = Store::init(place.path().join(seed.to_string())).unwrap();
        let there = copied(&store, &dir);
        assert!(there.events > 1000, "{there:?}");
        assert_same(&store, &dir);
        let back = Store::memory().unwrap();
        assert_eq!(copied(&dir, &back).events, there.events);
        assert_same(&store, &back);
    }
}

#[test]
fn a_second_copy_brings_what_happened_since_and_a_third_nothing() {
    let (store, target) = (filled(SEED), Store::memory().unwrap());
    let first = copied(&store, &target);
    busy(&store, &mut SeededRng::new(SEED + 1), 500);
    let second = copied(&store, &target);
    assert!(second.events > 0);
    assert_eq!(second.before.seq, first.events + second.events);
    assert_same(&store, &target);
    assert_eq!(copied(&store, &target).events, 0);
}

#[test]
fn a_copy_that_was_interrupted_goes_on() {
    let store = filled(SEED);
    let memory = in_memory();
    let (engine, faults) = FailingEngine::around(memory.again());
    let target = Store::builder().engine(engine).unwrap();
    let all = store.verify().wait().unwrap().events;
    faults.fail_next(Operation::Apply, Fault::Retry);
    let failed = store.copy_to(&target).wait();
    assert!(matches!(failed, Err(Error::NotApplied(_))), "{failed:?}");
    faults.fail_next(Operation::Apply, Fault::UnknownButDone);
    let failed = store.copy_to(&target).wait();
    assert!(
        matches!(failed, Err(Error::OutcomeUnknown(_))),
        "{failed:?}"
    );
    let some = target.verify().wait().unwrap().events;
    assert!(some > 0 && some < all, "{some} of {all}");
    let target = Store::builder().engine(memory.again()).unwrap();
    let whole = copied(&store, &target);
    assert_eq!(some + whole.events, all);
    assert_same(&store, &target);
}

#[test]
fn a_key_that_changed_hands_between_two_copies_changes_hands_in_the_target() {
    let (store, target) = (Store::memory().unwrap(), Store::memory().unwrap());
    let with_reference = || new(100).reference(reference(1));
    let made = store.create(order_no(1), with_reference()).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    assert_eq!(copied(&store, &target).events, 1);
    // The one that takes the key has an event from before the other let it go.
    let early = store.confirm(order_no(2), payment(2, 100)).wait().unwrap();
    assert_eq!(early.outcome, Confirmed::Unclaimed);
    let _ = store.begin_close(order_no(1)).wait().unwrap();
    let closed = store
        .record_query(order_no(1), ChannelState::Closed)
        .wait()
        .unwrap();
    assert_eq!(closed.order.unwrap().status, Status::Closed);
    let taken = store.create(order_no(2), with_reference()).wait().unwrap();
    assert_eq!(taken.order.unwrap().no, order_no(2));
    assert!(copied(&store, &target).events >= 3);
    assert_same(&store, &target);
}

#[test]
fn orders_that_let_their_references_go_are_written_portion_by_portion_all_the_same() {
    let store = Store::memory().unwrap();
    for n in 0..500 {
        let made = store.create(order_no(n), new(100).reference(reference(n)));
        assert_eq!(made.wait().unwrap().outcome, Created::Created);
        let closed = store.record_query(order_no(n), ChannelState::Closed);
        let closed = closed.wait().unwrap().order.unwrap();
        assert_eq!(closed.status, Status::Closed);
    }
    let batches = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&batches);
    let engine = Meddled::apply(in_memory(), move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        None
    });
    let target = Store::builder().engine(engine).unwrap();
    let events = copied(&store, &target).events;
    assert_same(&store, &target);
    assert_eq!(batches.load(Ordering::Relaxed), events.div_ceil(1000));
}

#[test]
fn who_writes_at_the_source_goes_on_and_a_later_copy_has_it_all() {
    let (store, target) = (filled(SEED), Store::memory().unwrap());
    let first = thread::scope(|scope| {
        let writing = scope.spawn(|| (1000..3000).for_each(|n| paid(&store, n)));
        let first = store.copy_to(&target).wait().unwrap();
        writing.join().unwrap();
        first
    });
    assert!(first.verified.is_ok());
    let second = copied(&store, &target);
    let feed = store.verify().wait().unwrap().events;
    assert_eq!(first.events + second.events, feed);
    assert_same(&store, &target);
    assert!(target.get(order_no(2999)).wait().unwrap().is_some());
}

#[test]
fn a_target_with_another_history_under_a_number_is_told_and_keeps_it() {
    let (store, target) = (Store::memory().unwrap(), Store::memory().unwrap());
    paid(&store, 1);
    let made = target.create(order_no(1), new(200)).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    let before = target.history(order_no(1)).wait().unwrap();
    let told = store.copy_to(&target).wait();
    assert!(matches!(told, Err(Error::Differs { no }) if no == order_no(1)));
    assert_eq!(target.history(order_no(1)).wait().unwrap(), before);
    // One that is as long, and one that went further.
    for _ in 0..2 {
        let _ = target.hide(order_no(1)).wait().unwrap();
        let told = store.copy_to(&target).wait();
        assert!(matches!(told, Err(Error::Differs { no }) if no == order_no(1)));
        let _ = target.unhide(order_no(1)).wait().unwrap();
    }
}

#[test]
fn a_transaction_that_pays_another_order_of_the_target_is_told() {
    let (store, target) = (Store::memory().unwrap(), Store::memory().unwrap());
    paid(&store, 1);
    let made = target.create(order_no(2), new(100)).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    let paid = target.confirm(order_no(2), payment(1, 100)).wait().unwrap();
    assert_eq!(paid.outcome, Confirmed::Applied);
    let told = store.copy_to(&target).wait();
    assert!(matches!(told, Err(Error::Differs { no }) if no == order_no(1)));
    assert!(target.verify().wait().unwrap().is_ok());
}

#[test]
fn a_feed_with_a_gap_is_told_and_not_taken_for_all_there_is() {
    let memory = in_memory();
    let store = Store::builder().engine(memory.again()).unwrap();
    (0..3).for_each(|n| paid(&store, n));
    // In the middle, and at the end.
    for lost in [1, 2] {
        let feed = Meddled::feed(memory.again(), move |event| event.no != order_no(lost));
        let source = Store::builder().engine(feed).unwrap();
        let target = Store::memory().unwrap();
        let told = source.copy_to(&target).wait();
        assert!(matches!(told, Err(Error::Unreadable(_))), "{told:?}");
    }
}

#[test]
fn what_others_write_into_an_empty_target_meanwhile_is_not_built_upon() {
    let store = Store::memory().unwrap();
    // More than one portion, then the order that somebody pays at the target meanwhile.
    (1000..1600).for_each(|n| paid(&store, n));
    paid(&store, 1);
    let memory = in_memory();
    let other = Store::builder().engine(memory.again()).unwrap();
    let engine = Meddled::apply(memory.again(), move |_, _| {
        let _ = other.confirm(order_no(1), payment(1, 100)).wait().unwrap();
        None
    });
    let target = Store::builder().engine(engine).unwrap();
    let told = store.copy_to(&target).wait();
    assert!(
        matches!(told, Err(Error::Differs { no }) if no == order_no(1)),
        "{told:?}"
    );
    let stands = target.history(order_no(1)).wait().unwrap();
    assert_eq!(stands.len(), 1, "{stands:?}");
    assert!(target.verify().wait().unwrap().is_ok());
}

#[test]
fn what_others_write_amid_a_portion_is_not_built_upon() {
    let (store, no) = (Store::memory().unwrap(), order_no(1));
    let note = move |store: &Store, text: &str| {
        let version = store.get(no).wait().unwrap().unwrap().version;
        let noted = store.annotate(no, version, Metadata::new(text).unwrap());
        assert_eq!(noted.wait().unwrap().outcome, Annotated::Annotated);
    };
    let made = store.create(no, new(100).reference(reference(1)));
    assert_eq!(made.wait().unwrap().outcome, Created::Created);
    let closed = store.record_query(no, ChannelState::Closed).wait().unwrap();
    assert_eq!(closed.order.unwrap().status, Status::Closed);
    // Its reference is taken by another, so that what there is so far is written at once.
    let made = store.create(order_no(2), new(100).reference(reference(1)));
    assert_eq!(made.wait().unwrap().outcome, Created::Created);
    note(&store, "here");
    note(&store, "at last");
    let memory = in_memory();
    let other = Store::builder().engine(memory.again()).unwrap();
    let is_over = AtomicBool::new(false);
    let engine = Meddled::apply(memory.again(), move |engine, batch| {
        if is_over.swap(true, Ordering::Relaxed) {
            return None;
        }
        let verdicts = engine.apply(batch).unwrap();
        note(&other, "there");
        Some(verdicts)
    });
    let target = Store::builder().engine(engine).unwrap();
    let told = store.copy_to(&target).wait();
    assert!(
        matches!(told, Err(Error::Differs { no: of }) if of == no),
        "{told:?}"
    );
    let noted = target.get(no).wait().unwrap().unwrap();
    assert_eq!(noted.metadata, Metadata::new("there").unwrap());
}

#[test]
fn what_the_target_wants_decided_again_is_brought_again() {
    let store = filled(SEED);
    let is_over = AtomicBool::new(false);
    // As a cluster does that was cut off amid a batch, and nobody else has written anything.
    let engine = Meddled::apply(in_memory(), move |engine, batch| {
        if batch.len() < 2 || is_over.swap(true, Ordering::Relaxed) {
            return None;
        }
        let (first, rest) = batch.split_at(batch.len() / 2);
        let mut verdicts = engine.apply(first).unwrap();
        verdicts.extend(rest.iter().map(|_| Verdict::Mismatch));
        Some(verdicts)
    });
    let target = Store::builder().engine(engine).unwrap();
    let whole = copied(&store, &target);
    assert_eq!(whole.events, store.verify().wait().unwrap().events);
    assert_same(&store, &target);
}

#[test]
fn a_target_that_never_takes_a_change_is_not_asked_for_ever() {
    let (store, asked) = (Store::memory().unwrap(), AtomicU64::new(0));
    paid(&store, 1);
    let engine = Meddled::apply(in_memory(), move |_, batch| {
        assert!(asked.fetch_add(1, Ordering::Relaxed) < 100);
        Some(batch.iter().map(|_| Verdict::Mismatch).collect())
    });
    let target = Store::builder().engine(engine).unwrap();
    let told = store.copy_to(&target).wait();
    assert!(matches!(told, Err(Error::NotApplied(_))), "{told:?}");
}

#[test]
fn a_consumer_that_is_through_with_the_old_feed_goes_on_at_the_end_of_the_new_one() {
    let (store, target) = (filled(SEED), Store::memory().unwrap());
    paid(&target, 1_000_000);
    let copied = store.copy_to(&target).wait().unwrap();
    assert_eq!(store.events(copied.before, 10).wait().unwrap(), []);
    assert_eq!(target.events(copied.place, 10).wait().unwrap(), []);
    paid(&target, 2_000_000);
    let news = target.events(copied.place, 10).wait().unwrap();
    assert_eq!(news.len(), 2);
    assert!(news.iter().all(|it| it.event.no == order_no(2_000_000)));
}

#[test]
fn a_copy_that_waits_keeps_neither_store_open() {
    let (store, target) = (Store::memory().unwrap(), Store::memory().unwrap());
    let into_other = store.copy_to(&target);
    drop(target);
    assert!(matches!(into_other.wait(), Err(Error::ShutDown)));
    let into_itself = store.copy_to(&store);
    drop(store);
    assert!(matches!(into_itself.wait(), Err(Error::ShutDown)));
}

#[test]
fn a_target_that_ends_meanwhile_is_said_to_have_ended() {
    let store = filled(SEED);
    let held: Arc<OnceLock<Store>> = Arc::default();
    let ends = Arc::clone(&held);
    let engine = Meddled::apply(in_memory(), move |_, _| {
        ends.get().unwrap().shutdown().wait().unwrap();
        None
    });
    let target = Store::builder().engine(engine).unwrap();
    held.set(target.clone()).unwrap();
    let told = store.copy_to(&target).wait();
    assert!(matches!(told, Err(Error::ShutDown)), "{told:?}");
}

#[test]
fn a_store_is_not_copied_into_itself_nor_into_one_that_was_shut_down() {
    let store = filled(SEED);
    let told = store.copy_to(&store).wait();
    assert!(
        matches!(told, Err(Error::Invalid { what: "target", .. })),
        "{told:?}"
    );
    let gone = Store::memory().unwrap();
    gone.shutdown().wait().unwrap();
    assert!(matches!(store.copy_to(&gone).wait(), Err(Error::ShutDown)));
}

#[test]
fn an_empty_store_is_copied_and_progress_counts_each_event_twice() {
    let (empty, target) = (Store::memory().unwrap(), Store::memory().unwrap());
    let nothing = copied(&empty, &target);
    assert_eq!(
        (nothing.events, nothing.before.seq),
        (0, FeedCursor::START.seq)
    );

    static DONE: AtomicU64 = AtomicU64::new(0);
    let store = filled(SEED);
    let events = store.verify().wait().unwrap().events;
    let tell = |done, of| {
        assert!(DONE.swap(done, Ordering::Relaxed) < done && done <= of);
    };
    assert!(
        store
            .copy_to_telling(&target, tell)
            .wait()
            .unwrap()
            .verified
            .is_ok()
    );
    assert_eq!(DONE.load(Ordering::Relaxed), 2 * events);
}
