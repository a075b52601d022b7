//! Copies from store to store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use orderstore::engine::MemoryEngine;
use orderstore::testing::fixtures::{new, order_no, payment, reference};
use orderstore::testing::{Dice, FailingEngine, Fault, Operation, SharedEngine};
use orderstore::{ChannelState, Confirmed, Copied, Created, Error, FeedCursor, Status, Store};

use crate::books::{assert_same, busy};

const SEED: u64 = 20_261_126;

fn filled(seed: u64) -> Store {
    let store = Store::memory().unwrap();
    busy(&store, &mut Dice::new(seed), 3000);
    store
}

fn copied(from: &Store, to: &Store) -> Copied {
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
    busy(&store, &mut Dice::new(SEED + 1), 500);
    let second = copied(&store, &target);
    assert!(second.events > 0);
    assert_eq!(second.before.seq, first.events + second.events);
    assert_same(&store, &target);
    assert_eq!(copied(&store, &target).events, 0);
}

#[test]
fn a_copy_that_was_interrupted_goes_on() {
    let store = filled(SEED);
    let memory = SharedEngine::new(Box::new(MemoryEngine::new().unwrap()));
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
