//! What fails, whom it concerns, and what it says of the data.

use std::sync::atomic::Ordering;
use std::thread;

use orderstore::engine::EngineError;
use orderstore::{Command, CommandKind, Created, Error, Health, Metadata, StorageErrorKind, Store};

use super::rig::{Act, Rig, cause, new, no, unknown, within_a_minute};
use super::verbs;

fn create(place: u64) -> Command {
    let ask = CommandKind::Create(Box::new(new()));
    Command {
        no: no(place),
        kind: ask,
    }
}

/// A group of commands that were decided together: all wait behind a write that is held.
fn in_one_group(rig: &Rig, store: &Store, batch: Vec<Command>) -> Vec<Result<(), Error>> {
    rig.gate.hold();
    let first = store.create(no(999), new()).submit().unwrap();
    rig.gate.wait_until_somebody_is_held();
    let tickets = store.submit_all(batch).unwrap();
    rig.gate.release();
    drop(first.wait());
    tickets
        .into_iter()
        .map(|ticket| ticket.wait().map(drop))
        .collect()
}

#[test]
fn a_refused_command_disturbs_no_neighbour_of_its_group() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        let hide = Command {
            no: no(5),
            kind: CommandKind::Hide,
        };
        let answers = in_one_group(&rig, &store, vec![create(1), hide, create(2)]);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(store.counts().wait().unwrap().orders(), 3);
    });
}

#[test]
fn a_record_that_cannot_be_read_fails_its_own_commands_alone() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.damaged.lock().insert(no(2));
        let batch = (1..=3).map(create).collect();
        let answers = in_one_group(&rig, &store, batch);
        assert!(
            matches!(answers[1], Err(Error::Unreadable(_))),
            "{answers:?}"
        );
        assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
        assert!(matches!(store.health(), Health::Ok));
        // They still share one write.
        assert_eq!(rig.writes.lock().last().unwrap().1, [no(1), no(3)]);
    });
}

/// Decided one by one, the neighbours of a damaged record still keep their order.
#[test]
fn commands_for_one_number_keep_their_order_beside_a_damaged_record() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.damaged.lock().insert(no(2));
        let annotate = |version: u64| {
            let metadata = Metadata::new(version.to_string()).unwrap();
            let ask = CommandKind::Annotate { version, metadata };
            Command {
                no: no(1),
                kind: ask,
            }
        };
        let batch = vec![create(1), create(2), annotate(1), annotate(2)];
        let answers = in_one_group(&rig, &store, batch);
        assert!(answers[1].is_err());
        let order = store.get(no(1)).wait().unwrap().unwrap();
        assert_eq!((order.version, order.metadata.as_bytes()), (3, &b"2"[..]));
    });
}

/// A write fails midway: one group, those behind it, and those who come later.
fn poison(act: Act) {
    let (rig, store) = Rig::default().open();
    let _ = store.create(no(1), new()).wait().unwrap();
    let before = store.next_order_no().wait().unwrap();
    rig.gate.hold();
    let group = store.create(no(2), new()).submit().unwrap();
    rig.gate.wait_until_somebody_is_held();
    let queued: Vec<_> = (3..50)
        .map(|place| store.create(no(place), new()).submit().unwrap())
        .collect();
    rig.next_does(act);
    rig.gate.release();
    let answer = group.wait();
    assert!(
        matches!(answer, Err(Error::OutcomeUnknown(_))),
        "{answer:?}"
    );
    for ticket in queued {
        let answer = ticket.wait();
        assert!(matches!(answer, Err(Error::Poisoned(_))), "{answer:?}");
    }
    everything_but_writing_goes_on(&store);
    assert_ne!(store.next_order_no().wait().unwrap(), before);
    assert!(rig.memory_holds_none_of(3..50));
    store.shutdown().wait().unwrap();
    assert!(rig.is_closed());
}

fn everything_but_writing_goes_on(store: &Store) {
    assert!(matches!(store.health(), Health::Poisoned(_)));
    for (name, call) in verbs::commands(store) {
        let answer = call.wait_for_it();
        assert!(
            matches!(answer, Err(Error::Poisoned(_))),
            "{name}: {answer:?}"
        );
    }
    for (name, call) in verbs::commands(store) {
        let answer = call.submit_it();
        assert!(
            matches!(answer, Err(Error::Poisoned(_))),
            "{name}: {answer:?}"
        );
    }
    let batch = store.submit_all(vec![create(60)]).unwrap_err();
    assert!(matches!(batch.reason, Error::Poisoned(_)));
    for (name, call) in verbs::reads(store) {
        let answer = call.wait_for_it();
        assert!(answer.is_ok(), "{name}: {answer:?}");
    }
}

impl Rig {
    fn memory_holds_none_of(&self, places: std::ops::Range<u64>) -> bool {
        use orderstore::engine::Engine;
        places
            .into_iter()
            .all(|place| self.memory.get(&no(place)).unwrap().is_none())
    }
}

#[test]
fn a_write_that_fails_midway_stops_all_writing_and_no_reading() {
    within_a_minute(|| poison(Act::Fail(unknown())));
}

#[test]
fn a_write_that_fails_after_it_was_done_is_not_known_either() {
    within_a_minute(|| poison(Act::WriteAndFail(unknown())));
}

#[test]
fn a_panic_in_a_write_stops_all_writing_and_hangs_nobody() {
    within_a_minute(|| poison(Act::Panic));
}

#[test]
fn a_caller_that_runs_its_own_group_learns_of_the_panic_as_an_error() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.next_does(Act::Panic);
        let answer = store.create(no(1), new()).wait();
        assert!(
            matches!(answer, Err(Error::OutcomeUnknown(_))),
            "{answer:?}"
        );
        let answer = store.create(no(1), new()).wait();
        assert!(matches!(answer, Err(Error::Poisoned(_))), "{answer:?}");
        store.shutdown().wait().unwrap();
    });
}

#[test]
fn an_engine_that_has_stopped_stops_all_writing_with_certainty() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.next_does(Act::Fail(EngineError::Fatal(cause(StorageErrorKind::Io))));
        let answer = store.create(no(1), new()).wait();
        assert!(matches!(answer, Err(Error::Poisoned(_))), "{answer:?}");
        assert!(matches!(store.health(), Health::Poisoned(_)));
    });
}

#[test]
fn a_write_that_certainly_did_not_happen_is_tried_again_by_its_caller() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        let kinds = [StorageErrorKind::DiskFull, StorageErrorKind::Io];
        for kind in kinds {
            rig.next_does(Act::Fail(EngineError::Retry(cause(kind))));
            let error = store.create(no(1), new()).wait().unwrap_err();
            let said = match kind {
                StorageErrorKind::DiskFull => matches!(error, Error::DiskFull),
                _ => matches!(error, Error::NotApplied(_)),
            };
            assert!(said && error.is_retryable(), "{error:?}");
            assert!(matches!(store.health(), Health::Ok));
        }
        let answer = store.create(no(1), new()).wait().unwrap();
        assert_eq!(answer.outcome, Created::Created);
    });
}

#[test]
fn a_panic_on_the_side_thread_is_an_error_and_the_next_look_succeeds() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.verify_panics.store(true, Ordering::Relaxed);
        let answer = store.verify().wait();
        assert!(matches!(answer, Err(Error::Unreadable(_))), "{answer:?}");
        rig.verify_panics.store(false, Ordering::Relaxed);
        assert!(store.verify().wait().unwrap().is_ok());
    });
}

#[test]
fn a_write_that_fails_while_many_submit_answers_everyone() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        for _ in 0..200 {
            rig.next_does(Act::After(Box::new(|| {})));
        }
        rig.next_does(Act::Fail(unknown()));
        thread::scope(|scope| {
            for caller in 0..8_u64 {
                let store = &store;
                scope.spawn(move || until_poisoned(store, caller));
            }
        });
        assert!(matches!(store.health(), Health::Poisoned(_)));
    });
}

/// Everybody hears of the failure: at the next call if not by a ticket.
fn until_poisoned(store: &Store, caller: u64) {
    let mut tickets = vec![];
    for turn in 0.. {
        let call = store.create(no(caller * 1_000_000 + turn), new());
        if turn % 3 == 0 {
            match call.wait() {
                Ok(_) | Err(Error::Overloaded) => {}
                Err(Error::OutcomeUnknown(_) | Error::Poisoned(_)) => break,
                other => panic!("{other:?}"),
            }
        } else if let Ok(ticket) = call.submit() {
            tickets.push(ticket);
        }
    }
    for ticket in tickets {
        let answer = ticket.wait();
        let known = matches!(
            answer,
            Ok(_) | Err(Error::OutcomeUnknown(_) | Error::Poisoned(_))
        );
        assert!(known, "{answer:?}");
    }
}

#[test]
fn an_engine_that_answers_for_fewer_records_than_it_was_given_is_not_believed() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.forgets_verdicts.store(true, Ordering::Relaxed);
        let answer = store.create(no(1), new()).wait();
        assert!(
            matches!(answer, Err(Error::OutcomeUnknown(_))),
            "{answer:?}"
        );
    });
}

#[test]
fn a_record_that_cannot_be_written_fails_its_own_commands_alone() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.too_large.lock().insert(no(2));
        let batch = (1..=3).map(create).collect();
        let answers = in_one_group(&rig, &store, batch);
        assert!(
            matches!(answers[1], Err(Error::NotApplied(_))),
            "{answers:?}"
        );
        assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
        assert!(matches!(store.health(), Health::Ok));
    });
}
