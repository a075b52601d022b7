//! Schedule tests of calls, tickets, order numbers and shutdown.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::fixture::{LARGE, Stub, TestStore};
use crate::commit::Bounds;
use crate::error::Error;
use crate::order::{Confirmed, Created, Outcome, Reply};
use crate::sync::faults::{Fault, inject};
use crate::sync::{run_schedules, thread};
use crate::testing::fixtures::{confirm, create, new, order_no, payment};

/// Runs `call` on `count` threads at the same time and returns their results.
fn on_threads<T: Send + 'static>(
    store: &Arc<TestStore>,
    count: u64,
    call: impl Fn(&TestStore, u64) -> T + Clone + Send + 'static,
) -> Vec<T> {
    let start = |n| {
        let (store, call) = (Arc::clone(store), call.clone());
        thread::spawn(move || call(&store, n))
    };
    let threads: Vec<_> = (1..=count).map(start).collect();
    let joined = threads.into_iter().map(|thread| thread.join().unwrap());
    joined.collect()
}

fn count(answers: &[Reply<Outcome>], outcome: &Outcome) -> usize {
    let same = answers.iter().filter(|answer| answer.outcome == *outcome);
    same.count()
}

/// Test body: three callers create and pay the same order. The store must apply one creation and
/// one payment.
fn three_callers_pay_one_order() {
    let store = TestStore::new();
    let answers = on_threads(&store, 3, |store, n| {
        let made = store.run(create(1, new(100))).wait().unwrap();
        store.assert_durable(&made);
        let paid = store.run(confirm(1, payment(n, 100))).wait().unwrap();
        store.assert_durable(&paid);
        [made, paid]
    });
    let answers = answers.concat();
    assert_eq!(count(&answers, &Outcome::Create(Created::Created)), 1);
    assert_eq!(count(&answers, &Outcome::Create(Created::Exists)), 2);
    assert_eq!(count(&answers, &Outcome::Confirm(Confirmed::Applied)), 1);
    let second = Outcome::Confirm(Confirmed::DoublePayment);
    assert_eq!(count(&answers, &second), 2);
    assert_eq!(store.versions(order_no(1)), [1, 2, 3, 4]);
    store.end();
}

#[test]
fn concurrent_callers_get_durable_replies() {
    run_schedules(three_callers_pay_one_order);
}

#[test]
fn tickets_complete_in_any_order_even_if_dropped() {
    run_schedules(|| {
        let store = TestStore::new();
        on_threads(&store, 2, |store, n| {
            let first = store.run(create(n, new(100))).submit().unwrap();
            let dropped = store.run(confirm(n, payment(n, 100))).submit().unwrap();
            let last = store.run(confirm(n, payment(n, 100))).submit().unwrap();
            drop(dropped);
            let last = last.wait().unwrap();
            assert_eq!(last.outcome, Outcome::Confirm(Confirmed::Duplicate));
            store.assert_durable(&last);
            let first = first.wait().unwrap();
            assert_eq!(first.outcome, Outcome::Create(Created::Created));
        });
        assert_eq!(store.versions(order_no(1)), [1, 2]);
        assert_eq!(store.versions(order_no(2)), [1, 2]);
        store.end();
    });
}

#[test]
fn tasks_and_threads_both_get_replies() {
    run_schedules(|| {
        let store = TestStore::new();
        on_threads(&store, 3, |store, n| {
            let call = store.run(create(n, new(100)));
            let made = match n {
                1 => call.wait(),
                _ => shuttle::future::block_on(call.into_future()),
            };
            store.assert_durable(&made.unwrap());
        });
        store.end();
    });
}

#[test]
fn concurrent_shutdown_completes_every_call() {
    run_schedules(|| {
        let store = TestStore::new();
        let ended = on_threads(&store, 3, |store, n| {
            if n == 1 {
                return store.shutdown().wait().is_ok();
            }
            let ticket = store.run(create(n, new(100))).submit();
            let made = store.run(create(10 + n, new(100))).wait();
            for (no, made) in [
                (n, ticket.map_err(Error::from).and_then(|t| t.wait())),
                (10 + n, made),
            ] {
                match made {
                    Ok(_) => assert!(store.stub.has_begun(order_no(no))),
                    Err(Error::ShutDown) => assert!(!store.stub.has_begun(order_no(no))),
                    Err(error) => panic!("{error:?}"),
                }
            }
            true
        });
        assert!(ended.into_iter().all(|ended| ended));
        let late = store.run(create(9, new(100))).wait();
        assert!(matches!(late, Err(Error::ShutDown)));
        store.end();
    });
}

#[test]
fn failed_write_stops_later_writes() {
    run_schedules(|| {
        let stub = Stub {
            fails_at: Some(2),
            ..Stub::default()
        };
        let store = TestStore::open(stub, LARGE);
        on_threads(&store, 3, |store, n| {
            for no in [n, 10 + n] {
                let made = store.run(create(no, new(100))).wait();
                match &made {
                    Ok(made) => store.assert_durable(made),
                    Err(Error::OutcomeUnknown(_)) => {
                        assert!(store.stub.writes.lock()[1].contains(&order_no(no)));
                    }
                    Err(Error::Poisoned(_)) => assert!(!store.stub.has_begun(order_no(no))),
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
        assert!(store.stub.writes.lock().len() <= 2);
        store.end();
    });
}

#[test]
fn concurrent_callers_get_distinct_order_numbers() {
    run_schedules(|| {
        let stub = Stub {
            block: 2,
            ..Stub::default()
        };
        let store = TestStore::open(stub, LARGE);
        let numbers = on_threads(&store, 3, |store, n| {
            let first = store.number().wait().unwrap();
            store.assert_durable(&store.run(create(n, new(100))).wait().unwrap());
            [first, store.number().wait().unwrap()]
        });
        let different: BTreeSet<_> = numbers.concat().into_iter().collect();
        assert_eq!(different.len(), 6);
        store.end();
    });
}

#[test]
fn full_queue_returns_refused_call() {
    run_schedules(|| {
        let bounds = Bounds {
            commands: 1,
            ..LARGE
        };
        let store = TestStore::open(Stub::default(), bounds);
        on_threads(&store, 3, |store, n| {
            let mut call = store.run(create(n, new(100)));
            let ticket = loop {
                match call.submit() {
                    Ok(ticket) => break ticket,
                    Err(refused) => {
                        assert!(matches!(refused.reason, Error::Overloaded));
                        call = refused.call;
                        thread::yield_now();
                    }
                }
            };
            store.assert_durable(&ticket.wait().unwrap());
        });
        store.end();
    });
}

/// Runs a test with an injected fault and returns the message of the test's panic.
fn panic_message(fault: Fault, test: fn()) -> String {
    inject(fault);
    let panicked = catch_unwind(AssertUnwindSafe(|| run_schedules(test)));
    let cause = panicked.expect_err("the test did not detect the fault");
    let words = cause.downcast_ref::<String>().cloned();
    words.unwrap_or_else(|| (*cause.downcast_ref::<&str>().unwrap()).to_owned())
}

#[test]
fn injected_lost_wakeup_is_detected() {
    let words = panic_message(Fault::LostSignal, three_callers_pay_one_order);
    assert!(words.contains("deadlock"), "{words}");
}

#[test]
fn injected_early_success_is_detected() {
    let words = panic_message(Fault::AnswerEarly, three_callers_pay_one_order);
    let expected = "an acknowledged version is not durable";
    assert!(words.contains(expected), "{words}");
}
