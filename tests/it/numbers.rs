//! Order numbers through the public API: the store never issues a number twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use orderstore::engine::{Engine as _, EngineError};
use orderstore::{
    Confirmed, Created, Error, OrderNo, OrderQuery, StorageErrorKind, Store, Timestamp,
};

use crate::flow::rig::{Rig, cause, new, no, payment, unknown, within_a_minute};
use crate::meddled::{Meddled, in_memory};

/// Number of order numbers in a reserved block.
const BLOCK: u64 = 65_536;

/// Returns the last 16 digits: the encrypted counter, which alone makes the order number unique.
fn counter(no: &OrderNo) -> u64 {
    no.as_str()[16..].parse().unwrap()
}

/// Requests `count` order numbers from each of `threads` threads and returns their counters.
fn draw_from(store: &Store, threads: usize, count: usize) -> Vec<u64> {
    thread::scope(|scope| {
        let draw = || -> Vec<u64> {
            let number = |_| counter(&store.next_order_no().wait().unwrap());
            (0..count).map(number).collect()
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(draw)).collect();
        let drawn = threads.into_iter().map(|thread| thread.join().unwrap());
        drawn.flatten().collect()
    })
}

#[test]
fn ten_million_order_numbers_from_16_threads_are_distinct() {
    within_a_minute(|| {
        let store = Store::memory().unwrap();
        let mut counters = draw_from(&store, 16, 625_000);
        counters.sort_unstable();
        assert_eq!(counters.len(), 10_000_000);
        assert!(counters.windows(2).all(|pair| pair[0] < pair[1]));
    });
}

#[test]
fn threads_sharing_small_blocks_get_distinct_order_numbers() {
    within_a_minute(|| {
        let engine = Meddled::reserve(in_memory(), |engine, _| engine.reserve(2).unwrap());
        let store = Store::builder().engine(engine).unwrap();
        let counters: HashSet<u64> = draw_from(&store, 20, 100).into_iter().collect();
        assert_eq!(counters.len(), 2_000);
    });
}

#[test]
fn number_block_beyond_counter_range_is_refused() {
    within_a_minute(|| {
        const COUNTERS: u64 = 10_000_000_000_000_000;
        for start in [COUNTERS - 1, COUNTERS, 1 << 57, u64::MAX - 2] {
            let engine = Meddled::reserve(in_memory(), move |_, _| start..start + 2);
            let store = Store::builder().engine(engine).unwrap();
            let result = store.next_order_no().wait();
            assert!(matches!(result, Err(Error::NotApplied(_))), "{result:?}");
        }
    });
}

#[test]
fn consecutive_order_numbers_do_not_reveal_counter() {
    within_a_minute(|| {
        let store = Store::memory().unwrap();
        let counters = draw_from(&store, 1, 10_000);
        let steps = counters
            .windows(2)
            .map(|pair| pair[1].wrapping_sub(pair[0]));
        assert_eq!(steps.collect::<HashSet<_>>().len(), 9_999);
        let rising = counters.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!(
            (4_500..5_500).contains(&rising),
            "{rising} of 9,999 counters rise"
        );
    });
}

#[test]
fn two_stores_encrypt_counters_differently() {
    within_a_minute(|| {
        let first = || counter(&Store::memory().unwrap().next_order_no().wait().unwrap());
        assert_ne!(first(), first());
    });
}

#[test]
fn order_number_has_time_node_and_counter_digits() {
    within_a_minute(|| {
        let clock = || Timestamp::from_millis(1_647_839_289_398).unwrap();
        let builder = Store::builder().node(42).clock(clock);
        let no = builder.memory().unwrap().next_order_no().wait().unwrap();
        assert_eq!(&no.as_str()[..16], "1647839289398042");
        assert_eq!(no.as_str().len(), 32);
        assert!(no.as_str().bytes().all(|digit| digit.is_ascii_digit()));
    });
}

#[test]
fn node_above_999_is_rejected() {
    let refused = Store::builder().node(1000).memory();
    assert!(matches!(
        refused,
        Err(orderstore::OpenError::Invalid { what: "node", .. })
    ));
    assert!(Store::builder().node(999).memory().is_ok());
}

#[test]
fn order_number_time_never_goes_backwards() {
    within_a_minute(|| {
        let now = Arc::new(AtomicI64::new(1_700_000_003_600));
        let clock = {
            let now = Arc::clone(&now);
            move || Timestamp::from_millis(now.load(Ordering::Relaxed)).unwrap()
        };
        let store = Store::builder().clock(clock).memory().unwrap();
        let draw = || store.next_order_no().wait().unwrap();
        let first = draw();
        now.fetch_sub(3_600, Ordering::Relaxed);
        let rest = [draw(), draw()];
        assert!(
            rest.iter()
                .all(|no| no.as_str()[..13] == first.as_str()[..13])
        );
        assert_eq!(store.stats().clock_set_back, 2);
        now.fetch_add(7_200, Ordering::Relaxed);
        assert!(draw() > first);
        assert_eq!(store.stats().clock_set_back, 2);
    });
}

#[test]
fn callers_waiting_for_one_block_get_distinct_numbers() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.reserve_gate.hold();
        let tickets: Vec<_> = (0..1000)
            .map(|_| store.next_order_no().submit().unwrap())
            .collect();
        rig.reserve_gate.wait_until_somebody_is_held();
        rig.reserve_gate.release();
        let numbers = tickets.into_iter().map(|ticket| ticket.wait().unwrap());
        assert_eq!(numbers.collect::<HashSet<_>>().len(), 1000);
    });
}

#[test]
fn callers_beyond_one_block_all_get_numbers() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.reserve_gate.hold();
        let waiting = 2 * BLOCK + 100;
        let tickets: Vec<_> = (0..waiting)
            .map(|_| store.next_order_no().submit().unwrap())
            .collect();
        rig.reserve_gate.release();
        let numbers = tickets.into_iter().map(|ticket| ticket.wait().unwrap());
        let numbers: HashSet<OrderNo> = numbers.collect();
        assert_eq!(numbers.len() as u64, waiting);
    });
}

#[test]
fn failed_reservation_is_reported_and_next_succeeds() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        let full = EngineError::Retry(cause(StorageErrorKind::DiskFull));
        rig.reservations.lock().push_back(full);
        let refused = store.next_order_no().wait();
        assert!(matches!(refused, Err(Error::DiskFull)), "{refused:?}");
        assert!(store.next_order_no().wait().is_ok());
    });
}

#[test]
fn unknown_reservation_outcome_poisons_the_store() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.reservations.lock().push_back(unknown());
        assert!(store.next_order_no().wait().is_err());
        assert!(store.create(no(1), new()).wait().is_err());
        assert!(matches!(
            store.next_order_no().wait(),
            Err(Error::Poisoned(_))
        ));
        store.shutdown().wait().unwrap();
    });
}

#[test]
fn full_queue_does_not_block_order_numbers() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open_with(Store::builder().queue(1, 1 << 16));
        rig.gate.hold();
        drop(store.create(no(1), new()).submit().unwrap());
        rig.gate.wait_until_somebody_is_held();
        drop(store.hide(no(1)).submit().unwrap());
        assert!(matches!(store.hide(no(1)).wait(), Err(Error::Overloaded)));
        let waiting = [(); 100].map(|()| store.next_order_no().submit().unwrap());
        rig.gate.release();
        for ticket in waiting {
            assert!(ticket.wait().is_ok());
        }
    });
}

/// `clock_set_back` counts only a clock that is set back, not two threads that read it
/// concurrently.
#[test]
fn concurrent_clock_reads_do_not_count_as_set_back() {
    within_a_minute(|| {
        let millis = AtomicI64::new(1_700_000_000_000);
        let clock = move || {
            let now = millis.fetch_add(1, Ordering::Relaxed);
            Timestamp::from_millis(now).unwrap()
        };
        let store = Store::builder().clock(clock).memory().unwrap();
        draw_from(&store, 16, 100_000);
        assert_eq!(store.stats().clock_set_back, 0);
    });
}

/// The store reserves the next block when half of the current one is used. If that fails, the store
/// still uses the rest of the block and rarely retries.
#[test]
fn number_block_is_used_up_when_reservation_fails() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        assert!(store.next_order_no().wait().is_ok());
        let full = || EngineError::Retry(cause(StorageErrorKind::DiskFull));
        rig.reservations.lock().extend((0..BLOCK).map(|_| full()));
        for _ in 1..BLOCK {
            assert!(store.next_order_no().wait().is_ok());
        }
        assert!(matches!(store.next_order_no().wait(), Err(Error::DiskFull)));
        let asked = rig.reserved.load(Ordering::Relaxed);
        assert!(asked < 200, "{asked} reservations for one block");
        rig.reservations.lock().clear();
        assert!(store.next_order_no().wait().is_ok());
    });
}

#[test]
fn order_numbers_of_any_length_coexist_on_disk() {
    within_a_minute(|| {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("store");
        let numbers = ["7", "77", "7-", "77777777777777777777777777777777"];
        let numbers = numbers.map(|number| OrderNo::parse(number).unwrap());
        let store = Store::init(&place).unwrap();
        for (at, no) in numbers.iter().enumerate() {
            let created = store.create(*no, new()).wait().unwrap();
            assert_eq!(created.outcome, Created::Created);
            let confirmed = store.confirm(*no, payment(at as u64)).wait().unwrap();
            assert_eq!(confirmed.outcome, Confirmed::Applied);
        }
        store.shutdown().wait().unwrap();
        let store = Store::open_verified(&place).unwrap();
        for (at, no) in numbers.iter().enumerate() {
            let order = store.get(*no).wait().unwrap().unwrap();
            let paid = payment(at as u64).transaction_id;
            assert_eq!((order.no, order.transaction_id()), (*no, Some(&paid)));
            assert_eq!(store.history(*no).wait().unwrap().len(), 2);
            let page = store
                .list(OrderQuery::by_transaction(&paid))
                .wait()
                .unwrap();
            assert_eq!(
                page.rows.iter().map(|order| order.no).collect::<Vec<_>>(),
                [*no]
            );
        }
    });
}
