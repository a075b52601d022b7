//! How a store ends: drained, told, and closed.

use std::thread;

use orderstore::{Created, Error, Health};

use super::rig::{Rig, new, no, within_a_minute};
use super::verbs;

#[test]
fn shutting_down_any_clone_answers_what_waits_and_refuses_what_comes() {
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
        every_verb_is_refused(&store);
        store.shutdown().wait().unwrap();
    });
}

fn every_verb_is_refused(store: &orderstore::Store) {
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
fn a_far_engine_that_was_shut_down_refuses_every_verb() {
    within_a_minute(|| {
        let (_rig, store) = Rig::far().open();
        store.clone().shutdown().wait().unwrap();
        every_verb_is_refused(&store);
    });
}

#[test]
fn a_store_may_be_shut_down_twice_and_by_many() {
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
fn dropping_the_last_clone_answers_what_waits_and_closes_the_engine() {
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

/// Calls and tickets hold what they need and no clone of the store.
#[test]
fn calls_that_outlive_the_store_answer_that_it_was_shut_down() {
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
fn a_store_that_ended_lets_go_of_its_engine() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        assert!(store.create(no(1), new()).wait().is_ok());
        drop(store);
        // The committer may still be returning from its last line.
        while std::sync::Arc::strong_count(&rig) > 1 {
            thread::yield_now();
        }
    });
}

#[test]
fn a_look_at_everything_that_was_taken_before_the_end_is_answered() {
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
fn numbers_that_are_waited_for_at_the_end_are_refused() {
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
fn a_read_that_the_end_overtakes_answers_that_the_store_was_shut_down() {
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
