//! Group commit: which commands share a write, which thread runs it, and in which order.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use orderstore::{
    Annotated, Command, CommandKind, Confirmed, Created, Error, Metadata, Outcome, Store,
};

use super::rig::{Rig, new, no, payment, within_a_minute};

/// Creates `each` orders from each of `callers` threads; every thread waits for each reply.
fn create_from(store: &Store, callers: u64, each: u64) {
    thread::scope(|scope| {
        for caller in 0..callers {
            scope.spawn(move || {
                for turn in 0..each {
                    let answer = store
                        .create(no(caller * each + turn), new())
                        .wait()
                        .unwrap();
                    assert_eq!(answer.outcome, Created::Created);
                }
            });
        }
    });
}

#[test]
fn single_caller_runs_engine_on_its_own_thread() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        create_from(&store, 1, 10);
        let here = thread::current().id();
        let answer = store.create(no(10), new()).wait().unwrap();
        assert_eq!(answer.outcome, Created::Created);
        assert_eq!(rig.writes.lock().last().unwrap().0, here);
        assert_eq!(store.stats().groups, 11);
    });
}

#[test]
fn single_caller_never_runs_remote_engine_on_its_thread() {
    within_a_minute(|| {
        let (rig, store) = Rig::far().open();
        let answer = store.create(no(1), new()).wait().unwrap();
        assert_eq!(answer.outcome, Created::Created);
        assert_ne!(rig.writes.lock()[0].0, thread::current().id());
    });
}

#[test]
fn single_caller_runs_engine_itself_after_concurrency_ends() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        create_from(&store, 16, 20);
        // The first command may still join the last group of the other callers; the second one does
        // not.
        let _ = store.create(no(1000), new()).wait().unwrap();
        let _ = store.create(no(1001), new()).wait().unwrap();
        assert_eq!(rig.writes.lock().last().unwrap().0, thread::current().id());
    });
}

#[test]
fn submit_never_runs_engine_on_callers_thread() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        let ticket = store.create(no(1), new()).submit().unwrap();
        assert_eq!(ticket.wait().unwrap().outcome, Created::Created);
        assert_ne!(rig.writes.lock()[0].0, thread::current().id());
    });
}

#[test]
fn all_queued_commands_join_the_next_group() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        let first = store.create(no(0), new()).submit().unwrap();
        rig.gate.wait_until_somebody_is_held();
        let rest: Vec<_> = (1..=500)
            .map(|place| store.create(no(place), new()).submit().unwrap())
            .collect();
        rig.gate.release();
        assert_eq!(first.wait().unwrap().outcome, Created::Created);
        for ticket in rest {
            assert_eq!(ticket.wait().unwrap().outcome, Created::Created);
        }
        assert_eq!(store.stats().groups, 2);
    });
}

#[test]
fn group_respects_the_engine_batch_limit() {
    within_a_minute(|| {
        let mut rig = Rig::default();
        rig.limits.batch = 10;
        let (rig, store) = rig.open();
        let creates = (0..95).map(create).collect();
        for ticket in store.submit_all(creates).unwrap() {
            assert!(ticket.wait().unwrap().should_acknowledge());
        }
        let writes = rig.writes.lock();
        assert_eq!(writes.len(), 10);
        assert!(writes.iter().all(|(_, numbers)| numbers.len() <= 10));
    });
}

fn create(place: u64) -> Command {
    let ask = CommandKind::Create(Box::new(new()));
    Command {
        no: no(place),
        kind: ask,
    }
}

#[test]
fn commands_of_one_thread_keep_their_order() {
    within_a_minute(|| {
        let takes = Duration::from_micros(50);
        let (_rig, store) = Rig {
            takes,
            ..Rig::default()
        }
        .open();
        let store = Arc::new(store);
        thread::scope(|scope| {
            for thread in 0..8 {
                let store = Arc::clone(&store);
                scope.spawn(move || annotate_in_order(&store, no(thread), thread));
            }
        });
        assert!(store.verify().wait().unwrap().is_ok());
    });
}

/// Annotates an order 400 times. Each command expects the version that the previous one leaves, so
/// a wrong sequence shows in the replies. Some commands wait and some are submitted; the mix
/// differs by thread.
fn annotate_in_order(store: &Store, no: orderstore::OrderNo, thread: u64) {
    let mut tickets = vec![];
    drop(store.create(no, new()).submit().unwrap());
    for version in 1..=400 {
        let metadata = Metadata::new(version.to_string()).unwrap();
        let call = store.annotate(no, version, metadata);
        if (version * 7 + thread).is_multiple_of(3 + thread) {
            assert_eq!(call.wait().unwrap().outcome, Annotated::Annotated);
        } else {
            tickets.push(call.submit().unwrap());
        }
    }
    for ticket in tickets {
        assert_eq!(ticket.wait().unwrap().outcome, Annotated::Annotated);
    }
}

#[test]
fn duplicate_in_group_is_answered_after_write() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        let _ = store.create(no(1), new()).wait().unwrap();
        rig.gate.hold();
        let first = store.create(no(2), new()).submit().unwrap();
        rig.gate.wait_until_somebody_is_held();
        let applied = store.confirm(no(1), payment(1)).submit().unwrap();
        let duplicate = store.confirm(no(1), payment(1)).submit().unwrap();
        let exists = store.create(no(2), new()).submit().unwrap();
        rig.next_does(super::rig::Act::After(Box::new(|| {})));
        let all = [&applied, &duplicate];
        assert!(all.iter().all(|ticket| !ticket.is_ready()) && !exists.is_ready());
        rig.gate.release();
        assert_eq!(first.wait().unwrap().outcome, Created::Created);
        assert_eq!(applied.wait().unwrap().outcome, Confirmed::Applied);
        assert_eq!(duplicate.wait().unwrap().outcome, Confirmed::Duplicate);
        assert_eq!(exists.wait().unwrap().outcome, Created::Exists);
    });
}

#[test]
fn duplicate_of_failed_write_is_not_acknowledged() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        let _ = store.create(no(1), new()).wait().unwrap();
        rig.gate.hold();
        let both = [1, 1].map(|_| {
            let ask = CommandKind::Confirm(Box::new(payment(1)));
            Command {
                no: no(1),
                kind: ask,
            }
        });
        let tickets = store.submit_all(both.to_vec()).unwrap();
        rig.gate.wait_until_somebody_is_held();
        rig.next_does(super::rig::Act::Fail(super::rig::unknown()));
        rig.gate.release();
        for ticket in tickets {
            let answer = ticket.wait();
            assert!(
                matches!(answer, Err(Error::OutcomeUnknown(_))),
                "{answer:?}"
            );
        }
    });
}

#[test]
fn batch_replies_follow_command_order() {
    within_a_minute(|| {
        let (_rig, store) = Rig::default().open();
        let hide = Command {
            no: no(9),
            kind: CommandKind::Hide,
        };
        let batch = vec![create(1), hide, create(1)];
        let tickets = store.submit_all(batch).unwrap();
        let outcomes: Vec<Outcome> = tickets
            .into_iter()
            .map(|ticket| ticket.wait().unwrap().outcome)
            .collect();
        assert_eq!(outcomes[0], Outcome::Create(Created::Created));
        assert_eq!(
            outcomes[1],
            Outcome::Visibility(orderstore::Visible::NotFound)
        );
        assert_eq!(outcomes[2], Outcome::Create(Created::Exists));
    });
}

#[test]
fn commands_queued_during_a_write_share_one_group() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        let leading = store.create(no(0), new());
        let leader = thread::spawn(move || leading.wait());
        rig.gate.wait_until_somebody_is_held();
        let rest: Vec<_> = (1..=100)
            .map(|place| {
                thread::sleep(Duration::from_micros(100));
                store.create(no(place), new()).submit().unwrap()
            })
            .collect();
        rig.gate.release();
        assert_eq!(leader.join().unwrap().unwrap().outcome, Created::Created);
        for ticket in rest {
            assert_eq!(ticket.wait().unwrap().outcome, Created::Created);
        }
        assert_eq!(store.stats().groups, 2);
    });
}

#[test]
fn group_of_64_callers_averages_32_commands() {
    within_a_minute(|| {
        let takes = Duration::from_micros(300);
        let rig = Rig {
            takes,
            ..Rig::default()
        };
        let (rig, store) = rig.open();
        create_from(&store, 64, 320);
        let stats = store.stats();
        assert_eq!(stats.commands, 64 * 320);
        assert_eq!(stats.groups, rig.writes.lock().len() as u64);
        let mean = stats.mean_group();
        println!("64 callers: {mean:.1} commands in a group");
        assert!(mean >= 32.0, "{mean} commands in a group");
    });
}
