//! Failures of single records, groups and the engine: which commands fail, and with which error.

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

/// Submits a batch while an earlier write is blocked, so that one group contains the whole batch.
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
fn refused_command_does_not_affect_its_group() {
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
fn unreadable_record_fails_only_its_own_commands() {
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
        // The readable records still share one write.
        assert_eq!(rig.writes.lock().last().unwrap().1, [no(1), no(3)]);
    });
}

/// After an unreadable record, the committer decides the commands one by one. Commands on the same
/// order must still run in sequence.
#[test]
fn commands_keep_sequence_despite_unreadable_record() {
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

/// Makes a write fail midway. Checks the commands of its group, those queued after the group, and
/// later ones.
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
    assert_reads_succeed_and_commands_fail(&store);
    assert_ne!(store.next_order_no().wait().unwrap(), before);
    assert!(rig.memory_holds_none_of(3..50));
    store.shutdown().wait().unwrap();
    assert!(rig.is_closed());
}

fn assert_reads_succeed_and_commands_fail(store: &Store) {
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
fn write_failed_midway_blocks_writes_not_reads() {
    within_a_minute(|| poison(Act::Fail(unknown())));
}

#[test]
fn write_error_after_completion_gives_unknown_outcome() {
    within_a_minute(|| poison(Act::WriteAndFail(unknown())));
}

#[test]
fn panic_in_write_poisons_store_and_answers_callers() {
    within_a_minute(|| poison(Act::Panic));
}

#[test]
fn engine_panic_on_callers_thread_becomes_error() {
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
fn fatal_engine_error_poisons_the_store() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.next_does(Act::Fail(EngineError::Fatal(cause(StorageErrorKind::Io))));
        let answer = store.create(no(1), new()).wait();
        assert!(matches!(answer, Err(Error::Poisoned(_))), "{answer:?}");
        assert!(matches!(store.health(), Health::Poisoned(_)));
    });
}

#[test]
fn retryable_write_error_can_be_retried() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        let kinds = [StorageErrorKind::DiskFull, StorageErrorKind::Io];
        for kind in kinds {
            rig.next_does(Act::Fail(EngineError::Retry(cause(kind))));
            let error = store.create(no(1), new()).wait().unwrap_err();
            let is_expected = match kind {
                StorageErrorKind::DiskFull => matches!(error, Error::DiskFull),
                _ => matches!(error, Error::NotApplied(_)),
            };
            assert!(is_expected && error.is_retryable(), "{error:?}");
            assert!(matches!(store.health(), Health::Ok));
        }
        let answer = store.create(no(1), new()).wait().unwrap();
        assert_eq!(answer.outcome, Created::Created);
    });
}

#[test]
fn panic_in_verify_becomes_error_and_next_verify_succeeds() {
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
fn panic_in_write_time_does_not_stop_commands() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.write_time_panics.store(true, Ordering::Relaxed);
        let batch = (1..=3).map(create).collect();
        let answers = in_one_group(&rig, &store, batch);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        let ticket = store.create(no(4), new()).submit().unwrap();
        assert_eq!(ticket.wait().unwrap().outcome, Created::Created);
        assert!(matches!(store.health(), Health::Ok));
        assert_eq!(store.counts().wait().unwrap().orders(), 5);
        store.shutdown().wait().unwrap();
    });
}

#[test]
fn failed_write_answers_every_caller() {
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

/// Sends commands until the store is poisoned. Every caller must get the error, at the latest from
/// its next call.
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
fn missing_engine_verdicts_make_outcome_unknown() {
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
fn too_large_record_fails_only_its_own_commands() {
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
