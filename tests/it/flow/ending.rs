//! Shutdown: queued commands are answered, new ones refused, and the engine is closed.

use std::thread;

use orderstore::{Created, Error, Health};

use super::rig::{Rig, new, no, within_a_minute};
use super::verbs;

#[test]
fn shutdown_answers_queued_commands_and_refuses_new_ones() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        assert!(store.next_order_no().wait().is_ok());
        rig.gate.hold();
        let tickets: Vec<_> = (0..100)
            .map(|place| store.create(no(place), new()).submit().unwrap())
            .collect();
        let early = store.create(no(100), new());
        let other = store.clone();
        let end = other.shutdown().submit().unwrap();
        assert!(matches!(store.health(), Health::ShutDown));
        assert!(matches!(
            store.create(no(101), new()).wait(),
            Err(Error::ShutDown)
        ));
        rig.gate.release();
        end.wait().unwrap();
        assert!(rig.is_closed());
        for ticket in tickets {
            assert_eq!(ticket.wait().unwrap().outcome, Created::Created);
        }
        assert!(matches!(early.wait(), Err(Error::ShutDown)));
        assert_every_call_is_refused(&store);
        store.shutdown().wait().unwrap();
    });
}

fn assert_every_call_is_refused(store: &orderstore::Store) {
    for (name, call) in verbs::all(store) {
        let answer = call.wait_for_it();
        assert!(matches!(answer, Err(Error::ShutDown)), "{name}: {answer:?}");
    }
    for (name, call) in verbs::all(store) {
        let answer = call.submit_it();
        assert!(matches!(answer, Err(Error::ShutDown)), "{name}: {answer:?}");
    }
    let batch = store.submit_all(vec![]).unwrap_err();
    assert!(matches!(batch.reason, Error::ShutDown));
}

#[test]
fn store_on_remote_engine_refuses_calls_after_shutdown() {
    within_a_minute(|| {
        let (_rig, store) = Rig::far().open();
        store.clone().shutdown().wait().unwrap();
        assert_every_call_is_refused(&store);
    });
}

#[test]
fn shutdown_is_idempotent_and_thread_safe() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| store.clone().shutdown().wait().unwrap());
            }
        });
        store.shutdown().wait().unwrap();
        assert!(rig.is_closed());
    });
}

#[test]
fn dropping_last_clone_answers_commands_and_closes_engine() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        let tickets: Vec<_> = (0..100)
            .map(|place| store.create(no(place), new()).submit().unwrap())
            .collect();
        let clone = store.clone();
        drop(store);
        assert!(matches!(clone.health(), Health::Ok));
        let late = clone.create(no(100), new());
        let dropping = thread::spawn(move || drop(clone));
        rig.gate.wait_until_somebody_is_held();
        rig.gate.release();
        dropping.join().unwrap();
        assert!(rig.is_closed());
        for ticket in tickets {
            assert_eq!(ticket.wait().unwrap().outcome, Created::Created);
        }
        assert!(matches!(late.wait(), Err(Error::ShutDown)));
    });
}

/// Calls and tickets keep alive the parts of the store that they need. They hold no clone of the
/// store, so they do not keep it open.
#[test]
fn calls_after_drop_report_shutdown() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        let waited = verbs::all(&store);
        let submitted = verbs::all(&store);
        let again = store.shutdown();
        drop(store);
        assert!(rig.is_closed());
        for (name, call) in waited {
            let answer = call.wait_for_it();
            assert!(matches!(answer, Err(Error::ShutDown)), "{name}: {answer:?}");
        }
        for (name, call) in submitted {
            let answer = call.submit_it();
            assert!(matches!(answer, Err(Error::ShutDown)), "{name}: {answer:?}");
        }
        again.wait().unwrap();
    });
}

#[test]
fn dropped_store_releases_its_engine() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        assert!(store.create(no(1), new()).wait().is_ok());
        drop(store);
        // Wait until the committer thread, which may still be ending, has released the engine.
        while std::sync::Arc::strong_count(&rig) > 1 {
            thread::yield_now();
        }
    });
}

#[test]
fn verify_submitted_before_shutdown_is_answered() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.verify_gate.hold();
        let looks = [(); 3].map(|()| store.verify().submit().unwrap());
        let end = store.shutdown().submit().unwrap();
        rig.verify_gate.release();
        for look in looks {
            assert!(look.wait().unwrap().is_ok());
        }
        end.wait().unwrap();
    });
}

#[test]
fn pending_order_number_calls_return_at_shutdown() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        drop(store.create(no(1), new()).submit().unwrap());
        rig.gate.wait_until_somebody_is_held();
        let numbers = [(); 10].map(|()| store.next_order_no().submit().unwrap());
        let end = store.shutdown().submit().unwrap();
        rig.gate.release();
        for number in numbers {
            assert!(matches!(number.wait(), Ok(_) | Err(Error::ShutDown)));
        }
        end.wait().unwrap();
    });
}

#[test]
fn read_during_shutdown_returns_shutdown_error() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.get_gate.hold();
        let get = store.get(no(1));
        let reader = thread::spawn(move || get.wait());
        rig.get_gate.wait_until_somebody_is_held();
        store.shutdown().wait().unwrap();
        rig.get_gate.release();
        let answer = reader.join().unwrap();
        assert!(matches!(answer, Err(Error::ShutDown)), "{answer:?}");
    });
}
