//! Clocks that the user supplies and that panic inside the store's threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use orderstore::{Error, Health, Store, Timestamp};

use super::rig::{Rig, new, no, within_a_minute};

/// Opens a store whose clock panics while the returned flag is set.
fn with_a_clock_that_panics() -> (Arc<Rig>, Store, Arc<AtomicBool>) {
    let broken = Arc::new(AtomicBool::new(false));
    let same = Arc::clone(&broken);
    let clock = move || {
        assert!(!same.load(Ordering::Relaxed), "the clock panics on purpose");
        Timestamp::EPOCH
    };
    let (rig, store) = Rig::default().open_with(Store::builder().clock(clock));
    (rig, store, broken)
}

#[test]
fn clock_panic_during_reservation_answers_all_waiters() {
    within_a_minute(|| {
        let (rig, store, broken) = with_a_clock_that_panics();
        rig.reserve_gate.hold();
        let waiting: Vec<_> = (0..10)
            .map(|_| store.next_order_no().submit().unwrap())
            .collect();
        rig.reserve_gate.wait_until_somebody_is_held();
        broken.store(true, Ordering::Relaxed);
        rig.reserve_gate.release();
        for ticket in waiting {
            assert!(ticket.wait().is_err());
        }
        broken.store(false, Ordering::Relaxed);
        assert!(store.next_order_no().wait().is_ok());
        assert!(store.create(no(1), new()).submit().unwrap().wait().is_ok());
    });
}

#[test]
fn clock_panic_fails_group_but_does_not_poison_store() {
    within_a_minute(|| {
        let (rig, store, broken) = with_a_clock_that_panics();
        broken.store(true, Ordering::Relaxed);
        let submitted = store.create(no(1), new()).submit().unwrap().wait();
        let waited = store.create(no(2), new()).wait();
        for answer in [submitted, waited] {
            assert!(matches!(answer, Err(Error::NotApplied(_))), "{answer:?}");
        }
        assert!(matches!(store.health(), Health::Ok));
        assert!(rig.writes.lock().is_empty());
        broken.store(false, Ordering::Relaxed);
        assert!(store.create(no(1), new()).wait().is_ok());
        assert!(store.create(no(2), new()).submit().unwrap().wait().is_ok());
        store.shutdown().wait().unwrap();
    });
}
