//! Futures: no poll blocks, dropping one cancels nothing, and no runtime is required.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use orderstore::{Created, Error, Store};

use super::rig::{Rig, new, no, within_a_minute};
use super::verbs;

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs a test on a single-threaded runtime, where a blocking poll stops every task.
fn on_one_thread(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(test());
}

/// Awaits every method of the store in its own task while the engine blocks a write. The task that
/// unblocks the write must be polled between them, so no poll may block.
async fn assert_no_call_blocks_other_tasks(rig: Rig) {
    let (rig, store) = rig.open();
    rig.gate.hold();
    rig.verify_gate.hold();
    let held = tokio::spawn(store.create(no(1), new()).into_future());
    tokio::task::yield_now().await;
    rig.gate.wait_until_somebody_is_held();
    let mut tasks = vec![];
    for (name, call) in verbs::all(&store) {
        tasks.push((name, tokio::spawn(call.await_it())));
        tokio::task::yield_now().await;
    }
    let end = tokio::spawn(store.shutdown().into_future());
    tokio::task::yield_now().await;
    assert!(!held.is_finished() && !end.is_finished());
    rig.gate.release();
    rig.verify_gate.release();
    for (name, task) in tasks {
        let answer = task.await.unwrap();
        let number_came_too_late = name == "next_order_no" && is_shut_down(&answer);
        assert!(answer.is_ok() || number_came_too_late, "{name}: {answer:?}");
    }
    assert_eq!(held.await.unwrap().unwrap().outcome, Created::Created);
    end.await.unwrap().unwrap();
}

fn is_shut_down(answer: &Result<(), Error>) -> bool {
    matches!(answer, Err(Error::ShutDown))
}

#[test]
fn blocked_write_does_not_block_other_tasks() {
    within_a_minute(|| {
        on_one_thread(async || assert_no_call_blocks_other_tasks(Rig::default()).await)
    });
}

#[test]
fn command_is_queued_at_first_poll_of_future() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        drop(store.create(no(0), new()).submit().unwrap());
        rig.gate.wait_until_somebody_is_held();
        let mut create = pin!(store.create(no(1), new()).into_future());
        assert_eq!(store.stats().queued, 0);
        assert!(poll(create.as_mut()).is_pending());
        assert_eq!(store.stats().queued, 1);
        assert!(poll(create.as_mut()).is_pending());
        assert_eq!(store.stats().queued, 1);
        rig.gate.release();
    });
}

#[test]
fn dropped_future_does_not_cancel_the_command() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        let mut create = Box::pin(store.create(no(1), new()).into_future());
        assert!(poll(create.as_mut()).is_pending());
        drop(create);
        rig.gate.release();
        assert_eq!(
            store.create(no(1), new()).wait().unwrap().outcome,
            Created::Exists
        );
    });
}

#[test]
fn future_can_move_to_another_thread() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        let mut create = Box::pin(store.create(no(1), new()).into_future());
        assert!(poll(create.as_mut()).is_pending());
        let other = std::thread::spawn(move || {
            let mut answer = None;
            on_one_thread(async || answer = Some(create.await));
            answer
        });
        rig.gate.release();
        let answer = other.join().unwrap().unwrap().unwrap();
        assert_eq!(answer.outcome, Created::Created);
    });
}

#[test]
fn ticket_can_be_awaited_after_wait_timeout() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        let ticket = store.create(no(1), new()).submit().unwrap();
        let ticket = ticket
            .wait_timeout(std::time::Duration::from_millis(1))
            .unwrap_err();
        rig.gate.release();
        on_one_thread(async || {
            assert_eq!(ticket.await.unwrap().outcome, Created::Created);
        });
    });
}

#[test]
fn task_can_shut_down_and_drop_its_store() {
    within_a_minute(|| {
        on_one_thread(async || {
            let store = Store::memory().unwrap();
            let create = store.create(no(1), new());
            store.shutdown().await.unwrap();
            drop(store);
            assert!(matches!(create.await, Err(Error::ShutDown)));
        });
    });
}

#[test]
fn calls_are_send_and_store_is_sync() {
    fn is_send<T: Send + 'static>(_: &T) {}
    fn is_shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let store = Store::memory().unwrap();
    is_shared(&store);
    is_send(&store.counts());
    is_send(&store.hide(no(1)).into_future());
    is_send(&store.hide(no(1)).submit().unwrap());
}

#[test]
fn ticket_polled_after_completion_returns_error() {
    within_a_minute(|| {
        let (_rig, store) = Rig::default().open();
        let mut ticket = store.create(no(1), new()).submit().unwrap();
        while poll(Pin::new(&mut ticket)).is_pending() {
            std::thread::yield_now();
        }
        assert!(poll(Pin::new(&mut ticket)).is_ready());
        assert!(ticket.wait().is_err());
    });
}

#[test]
fn blocked_remote_engine_does_not_block_other_tasks() {
    within_a_minute(|| on_one_thread(async || assert_no_call_blocks_other_tasks(Rig::far()).await));
}

#[test]
fn slow_remote_read_does_not_delay_other_reads() {
    within_a_minute(|| {
        let (rig, store) = Rig::far().open();
        rig.verify_gate.hold();
        let long = store.verify().submit().unwrap();
        rig.verify_gate.wait_until_somebody_is_held();
        assert!(store.counts().submit().unwrap().wait().is_ok());

        rig.get_gate.hold();
        let get = store.get(no(1)).submit().unwrap();
        rig.get_gate.wait_until_somebody_is_held();
        assert!(store.counts().submit().unwrap().wait().is_ok());

        rig.get_gate.release();
        assert_eq!(get.wait().unwrap(), None);
        rig.verify_gate.release();
        assert!(long.wait().unwrap().is_ok());
    });
}
