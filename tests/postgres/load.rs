//! Callers that create and pay orders, and the check of all acknowledged payments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use orderstore::testing::fixtures;
use orderstore::{
    Call, Confirmed, Created, EventKind, FeedCursor, OrderNo, Status, Store, TransactionId,
};

/// An acknowledged payment: the order and its transaction.
pub(crate) type Sold = (OrderNo, TransactionId);

/// Counter of acknowledged sales.
#[derive(Default)]
pub(crate) struct Till(AtomicU64);

impl Till {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits until the count is at least `count`.
    pub(crate) fn reaches(&self, count: u64) {
        while self.count() < count {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Repeats a call until it succeeds. Panics on any error that is not retryable, so that nothing is
/// done twice.
fn done<T: Send + 'static>(ask: impl Fn() -> Call<T>) -> T {
    loop {
        match ask().wait() {
            Ok(done) => return done,
            Err(error) => assert!(error.is_retryable(), "{error:?}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs `callers` threads that each sell `each` orders. No payment is sent again after a success,
/// so no reply may be a duplicate.
pub(crate) fn sell(store: &Store, tag: &str, callers: u32, each: u32, till: &Till) -> Vec<Sold> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..callers)
            .map(|caller| {
                scope.spawn(move || {
                    let sale = |n| sale(store, &format!("{tag}{caller:03}{n:06}"), till);
                    (0..each).map(sale).collect::<Vec<_>>()
                })
            })
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.flatten().collect()
    })
}

fn sale(store: &Store, id: &str, till: &Till) -> Sold {
    let no = done(|| store.next_order_no());
    let made = done(|| store.create(no, fixtures::new(100)));
    assert_eq!(made.outcome, Created::Created);
    let transaction = TransactionId::parse(&format!("4200{id}")).unwrap();
    let mut payment = fixtures::payment(1, 100);
    payment.transaction_id = transaction.clone();
    let paid = done(|| store.confirm(no, payment.clone()));
    assert_eq!(
        paid.outcome,
        Confirmed::Applied,
        "the first confirmation was not applied"
    );
    till.0.fetch_add(1, Ordering::Relaxed);
    (no, transaction)
}

/// Asserts that every acknowledged payment is in the store exactly once and that the store is
/// sound.
pub(crate) fn check(store: &Store, sold: &[Sold]) {
    for (no, transaction) in sold {
        let order = store
            .get(*no)
            .wait()
            .unwrap()
            .expect("an acknowledged order is missing");
        assert_eq!(order.status, Status::Success);
        assert_eq!(order.transaction_id(), Some(transaction));
    }
    let mut paid = std::collections::HashMap::new();
    let mut place = FeedCursor::START;
    loop {
        let events = store.events(place, 1000).wait().unwrap();
        let Some(last) = events.last() else { break };
        assert_eq!(
            last.cursor.seq,
            place.seq + events.len() as u64,
            "the feed has a gap"
        );
        place = last.cursor;
        for fed in events {
            if matches!(fed.event.what, EventKind::Paid(_)) {
                *paid.entry(fed.event.no).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(paid.len(), sold.len());
    assert!(paid.values().all(|times| *times == 1));
    let report = store.verify().wait().unwrap();
    assert!(report.is_ok(), "{report:?}");
}
