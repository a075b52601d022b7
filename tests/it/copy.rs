//! `Store::copy_to`: complete, repeated and interrupted copies, and conflicts at the target.

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
fn copy_to_directory_and_back_is_identical() {
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
fn repeated_copy_adds_only_new_events() {
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
fn copy_after_two_failures_adds_only_missing_events() {
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
fn copy_releases_reference_before_its_reuse() {
    let (store, target) = (Store::memory().unwrap(), Store::memory().unwrap());
    let with_reference = || new(100).reference(reference(1));
    let made = store.create(order_no(1), with_reference()).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    assert_eq!(copied(&store, &target).events, 1);
    // The first event of order 2 is older than the close of order 1, which releases the reference.
    // The copy must still apply this close before order 2 takes the reference.
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
fn copy_of_released_references_uses_full_batches() {
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
fn next_copy_contains_writes_during_first_copy() {
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
fn copy_rejects_target_with_different_history() {
    let (store, target) = (Store::memory().unwrap(), Store::memory().unwrap());
    paid(&store, 1);
    let made = target.create(order_no(1), new(200)).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    let before = target.history(order_no(1)).wait().unwrap();
    let result = store.copy_to(&target).wait();
    assert!(matches!(result, Err(Error::Differs { no }) if no == order_no(1)));
    assert_eq!(target.history(order_no(1)).wait().unwrap(), before);
    // In the first round, the target has as many events as the source. In the second, it has more.
    for _ in 0..2 {
        let _ = target.hide(order_no(1)).wait().unwrap();
        let result = store.copy_to(&target).wait();
        assert!(matches!(result, Err(Error::Differs { no }) if no == order_no(1)));
        let _ = target.unhide(order_no(1)).wait().unwrap();
    }
}

#[test]
fn copy_rejects_transaction_already_used_at_target() {
    let (store, target) = (Store::memory().unwrap(), Store::memory().unwrap());
    paid(&store, 1);
    let made = target.create(order_no(2), new(100)).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    let paid = target.confirm(order_no(2), payment(1, 100)).wait().unwrap();
    assert_eq!(paid.outcome, Confirmed::Applied);
    let result = store.copy_to(&target).wait();
    assert!(matches!(result, Err(Error::Differs { no }) if no == order_no(1)));
    assert!(target.verify().wait().unwrap().is_ok());
}

#[test]
fn copy_rejects_feed_with_a_gap() {
    let memory = in_memory();
    let store = Store::builder().engine(memory.again()).unwrap();
    (0..3).for_each(|n| paid(&store, n));
    // Remove the events of an order in the middle of the feed, then those of the last order.
    for lost in [1, 2] {
        let feed = Meddled::feed(memory.again(), move |event| event.no != order_no(lost));
        let source = Store::builder().engine(feed).unwrap();
        let target = Store::memory().unwrap();
        let result = source.copy_to(&target).wait();
        assert!(matches!(result, Err(Error::Unreadable(_))), "{result:?}");
    }
}

#[test]
fn copy_rejects_concurrent_write_to_empty_target() {
    let store = Store::memory().unwrap();
    // The copy needs more than one batch before it reaches order 1, which another writer pays at
    // the target.
    (1000..1600).for_each(|n| paid(&store, n));
    paid(&store, 1);
    let memory = in_memory();
    let other = Store::builder().engine(memory.again()).unwrap();
    let engine = Meddled::apply(memory.again(), move |_, _| {
        let _ = other.confirm(order_no(1), payment(1, 100)).wait().unwrap();
        None
    });
    let target = Store::builder().engine(engine).unwrap();
    let result = store.copy_to(&target).wait();
    assert!(
        matches!(result, Err(Error::Differs { no }) if no == order_no(1)),
        "{result:?}"
    );
    let history = target.history(order_no(1)).wait().unwrap();
    assert_eq!(history.len(), 1, "{history:?}");
    assert!(target.verify().wait().unwrap().is_ok());
}

#[test]
fn copy_rejects_concurrent_write_within_a_batch() {
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
    // Order 1 is closed, so it no longer owns its reference, and order 2 can claim it. The copy must
    // write the events of order 1 that it has collected before the creation of order 2.
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
    let result = store.copy_to(&target).wait();
    assert!(
        matches!(result, Err(Error::Differs { no: of }) if of == no),
        "{result:?}"
    );
    let noted = target.get(no).wait().unwrap().unwrap();
    assert_eq!(noted.metadata, Metadata::new("there").unwrap());
}

#[test]
fn copy_retries_mutations_with_mismatch_verdict() {
    let store = filled(SEED);
    let is_over = AtomicBool::new(false);
    // Imitate a PostgreSQL cluster, which returns `Mismatch` for the rest of a batch if the
    // connection breaks within the batch, even without another writer.
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
fn copy_stops_retrying_a_target_that_always_mismatches() {
    let (store, asked) = (Store::memory().unwrap(), AtomicU64::new(0));
    paid(&store, 1);
    let engine = Meddled::apply(in_memory(), move |_, batch| {
        assert!(asked.fetch_add(1, Ordering::Relaxed) < 100);
        Some(batch.iter().map(|_| Verdict::Mismatch).collect())
    });
    let target = Store::builder().engine(engine).unwrap();
    let result = store.copy_to(&target).wait();
    assert!(matches!(result, Err(Error::NotApplied(_))), "{result:?}");
}

#[test]
fn feed_consumer_continues_at_target_after_copy() {
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
fn pending_copy_call_does_not_keep_store_open() {
    let (store, target) = (Store::memory().unwrap(), Store::memory().unwrap());
    let into_other = store.copy_to(&target);
    drop(target);
    assert!(matches!(into_other.wait(), Err(Error::ShutDown)));
    let into_itself = store.copy_to(&store);
    drop(store);
    assert!(matches!(into_itself.wait(), Err(Error::ShutDown)));
}

#[test]
fn copy_reports_target_shutdown_during_copy() {
    let store = filled(SEED);
    let target_cell: Arc<OnceLock<Store>> = Arc::default();
    let ends = Arc::clone(&target_cell);
    let engine = Meddled::apply(in_memory(), move |_, _| {
        ends.get().unwrap().shutdown().wait().unwrap();
        None
    });
    let target = Store::builder().engine(engine).unwrap();
    target_cell.set(target.clone()).unwrap();
    let result = store.copy_to(&target).wait();
    assert!(matches!(result, Err(Error::ShutDown)), "{result:?}");
}

#[test]
fn copy_rejects_own_store_and_closed_target() {
    let store = filled(SEED);
    let result = store.copy_to(&store).wait();
    assert!(
        matches!(result, Err(Error::Invalid { what: "target", .. })),
        "{result:?}"
    );
    let gone = Store::memory().unwrap();
    gone.shutdown().wait().unwrap();
    assert!(matches!(store.copy_to(&gone).wait(), Err(Error::ShutDown)));
}

#[test]
fn copy_progress_counts_two_steps_per_event() {
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
            .copy_to_with_progress(&target, tell)
            .wait()
            .unwrap()
            .verified
            .is_ok()
    );
    assert_eq!(DONE.load(Ordering::Relaxed), 2 * events);
}
