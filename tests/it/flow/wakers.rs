//! Wakers run user code on the store's threads. The store must not hang, whatever that code does.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use orderstore::{CallFuture, Error, OrderNo, Store};
use parking_lot::Mutex;

use super::rig::{Act, Rig, new, no, unknown, within_a_minute};

/// Waker that runs a closure once.
struct Job(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        let job = self.0.lock().take();
        if let Some(job) = job {
            job();
        }
    }
}

fn on_wake(job: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(Job(Mutex::new(Some(Box::new(job))))))
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

#[test]
fn waker_may_drop_last_clone_on_committer_thread() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        let mut create = store.create(no(1), new()).into_future();
        let (woken, wakes) = channel();
        let waker = on_wake(move || {
            drop(store);
            woken.send(()).unwrap();
        });
        assert!(poll(&mut create, &waker).is_pending());
        rig.gate.release();
        wakes.recv().unwrap();
        assert!(matches!(
            poll(&mut create, Waker::noop()),
            Poll::Ready(Ok(_))
        ));
        while !rig.is_closed() {
            thread::yield_now();
        }
    });
}

#[test]
fn waker_may_drop_last_clone_on_background_thread() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.verify_gate.hold();
        let mut verify = store.verify().into_future();
        let waker = on_wake(move || drop(store));
        assert!(poll(&mut verify, &waker).is_pending());
        rig.verify_gate.release();
        while !rig.is_closed() {
            thread::yield_now();
        }
    });
}

/// Waker that requests the next order number each time it is woken, until the store refuses.
struct Chain {
    store: Store,
    number: Mutex<Option<CallFuture<OrderNo>>>,
    ended: Sender<u32>,
    length: Mutex<u32>,
}

impl Wake for Chain {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        loop {
            let number = self.number.lock().take();
            let mut number = number.unwrap_or_else(|| self.store.next_order_no().into_future());
            match poll(&mut number, &waker) {
                Poll::Pending => {
                    *self.number.lock() = Some(number);
                    return;
                }
                Poll::Ready(Ok(_)) => *self.length.lock() += 1,
                Poll::Ready(Err(_)) => return self.ended.send(*self.length.lock()).unwrap(),
            }
            if *self.length.lock() == 1000 {
                drop(self.store.shutdown().submit());
            }
        }
    }
}

/// Some executors poll the future inside `wake`, so this must not deadlock.
#[test]
fn waker_may_poll_own_future_inside_wake() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        let create = store.create(no(1), new()).into_future();
        let place = Arc::new(Mutex::new(create));
        let (polled, answers) = channel();
        let same = Arc::clone(&place);
        let waker = on_wake(move || {
            let answer = poll(&mut *same.lock(), Waker::noop());
            polled.send(answer.is_ready()).unwrap();
        });
        assert!(poll(&mut *place.lock(), &waker).is_pending());
        rig.gate.release();
        assert!(answers.recv().unwrap());
    });
}

#[test]
fn waker_may_start_another_call() {
    within_a_minute(|| {
        let (ended, end) = channel();
        let chain = Arc::new(Chain {
            store: Store::memory().unwrap(),
            number: Mutex::default(),
            ended,
            length: Mutex::default(),
        });
        chain.wake();
        assert_eq!(end.recv().unwrap(), 1000);
    });
}

/// A task's waker may own the last clone of the store. Replacing the waker then drops the store.
#[test]
fn replaced_waker_may_drop_last_clone() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        let mut create = store.create(no(1), new()).into_future();
        let waker = on_wake(move || drop(store));
        assert!(poll(&mut create, &waker).is_pending());
        drop(waker);
        let polling = thread::spawn(move || poll(&mut create, Waker::noop()).is_pending());
        // The replaced waker drops the last clone, and this drop waits for the write. The write
        // must not wait for the polling thread in turn.
        thread::sleep(Duration::from_millis(20));
        rig.gate.release();
        polling.join().unwrap();
        assert!(rig.is_closed());
    });
}

#[test]
fn waker_panic_affects_no_other_caller() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        let mut create = store.create(no(1), new()).into_future();
        let waker = on_wake(|| panic!("the waker panics on purpose"));
        assert!(poll(&mut create, &waker).is_pending());
        let neighbour = store.create(no(2), new()).submit().unwrap();
        rig.gate.release();
        assert!(neighbour.wait().is_ok());
        let mut number = store.next_order_no().into_future();
        let waker = on_wake(|| panic!("the waker panics on purpose"));
        drop(poll(&mut number, &waker));
        assert!(store.next_order_no().wait().is_ok());
        assert!(store.create(no(3), new()).submit().unwrap().wait().is_ok());
        store.shutdown().wait().unwrap();
    });
}

/// A caller runs its group on its own thread, and the write fails. The commands queued behind it
/// fail as well, and their wakers run on that thread.
#[test]
fn waker_may_drop_last_clone_on_failing_caller() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        let leading = store.create(no(1), new());
        let leader = thread::spawn(move || leading.wait());
        rig.gate.wait_until_somebody_is_held();
        let early = store.create(no(2), new()).submit().unwrap();
        thread::sleep(Duration::from_millis(20));
        let mut late = store.create(no(3), new()).into_future();
        let waker = on_wake(move || drop(store));
        assert!(poll(&mut late, &waker).is_pending());
        rig.next_does(Act::Fail(unknown()));
        rig.gate.release();
        assert!(matches!(
            leader.join().unwrap(),
            Err(Error::OutcomeUnknown(_))
        ));
        assert!(matches!(early.wait(), Err(Error::Poisoned(_))));
        while !rig.is_closed() {
            thread::yield_now();
        }
        let late = poll(&mut late, Waker::noop());
        assert!(matches!(late, Poll::Ready(Err(Error::Poisoned(_)))));
    });
}
