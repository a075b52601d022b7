//! Tickets that are dropped, moved to another thread or waited on, and the limits of the queue.

use std::thread;
use std::time::Duration;

use orderstore::{Command, CommandKind, Created, Error, Metadata, OrderNo, Store};

use super::rig::{Rig, new, no, within_a_minute};

#[test]
fn call_dropped_without_submit_does_nothing() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        drop(store.create(no(1), new()));
        drop(store.shutdown());
        drop(store.next_order_no());
        drop(store.create(no(1), new()).into_future());
        assert!(store.get(no(1)).wait().unwrap().is_none());
        assert_eq!(store.stats().commands, 0);
        assert!(rig.writes.lock().is_empty());
        assert_eq!(rig.reserved.load(std::sync::atomic::Ordering::Relaxed), 0);
    });
}

#[test]
fn dropped_ticket_does_not_cancel_the_command() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        drop(store.create(no(1), new()).submit().unwrap());
        rig.gate.wait_until_somebody_is_held();
        drop(store.create(no(2), new()).submit().unwrap());
        rig.gate.release();
        assert_eq!(
            store.create(no(2), new()).wait().unwrap().outcome,
            Created::Exists
        );
        assert!(store.get(no(1)).wait().unwrap().is_some());
    });
}

#[test]
fn ticket_survives_wait_timeout() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        let ticket = store.create(no(1), new()).submit().unwrap();
        let ticket = ticket.wait_timeout(Duration::ZERO).unwrap_err();
        let ticket = ticket.wait_timeout(Duration::from_millis(5)).unwrap_err();
        assert!(!ticket.is_ready());
        rig.gate.release();
        let answer = ticket.wait_timeout(Duration::MAX).unwrap().unwrap();
        assert_eq!(answer.outcome, Created::Created);
    });
}

#[test]
fn ticket_can_be_waited_on_another_thread() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        rig.gate.hold();
        let ticket = store.create(no(1), new()).submit().unwrap();
        let ticket = ticket.wait_timeout(Duration::from_millis(1)).unwrap_err();
        let waiter = thread::spawn(move || ticket.wait());
        rig.gate.release();
        assert_eq!(waiter.join().unwrap().unwrap().outcome, Created::Created);
    });
}

/// Opens a store whose committer is blocked inside a write, so that commands stay in the queue.
fn with_blocked_committer(builder: orderstore::Builder) -> (std::sync::Arc<Rig>, Store) {
    let (rig, store) = Rig::default().open_with(builder);
    rig.gate.hold();
    drop(store.create(no(0), new()).submit().unwrap());
    rig.gate.wait_until_somebody_is_held();
    (rig, store)
}

fn hide(no: OrderNo) -> Command {
    Command {
        no,
        kind: CommandKind::Hide,
    }
}

#[test]
fn full_queue_rejects_new_calls_at_once() {
    within_a_minute(|| {
        let (rig, store) = with_blocked_committer(Store::builder().queue(10, 1 << 20));
        let taken: Vec<_> = (1..=10)
            .map(|place| store.create(no(place), new()).submit().unwrap())
            .collect();
        let refused = store.create(no(11), new()).submit().unwrap_err();
        assert!(matches!(refused.reason, Error::Overloaded));
        let waited = store.create(no(12), new()).wait();
        assert!(matches!(waited, Err(Error::Overloaded)), "{waited:?}");
        assert_eq!(store.stats().queued, 10);
        rig.gate.release();
        for ticket in taken {
            assert_eq!(ticket.wait().unwrap().outcome, Created::Created);
        }
        // The refused call is returned unchanged, so the caller can make it again.
        assert_eq!(refused.call.wait().unwrap().outcome, Created::Created);
        assert!(store.get(no(12)).wait().unwrap().is_none());
        assert_eq!(store.counts().wait().unwrap().orders(), 12);
    });
}

#[test]
fn queue_rejects_commands_above_byte_limit() {
    within_a_minute(|| {
        let (rig, store) = with_blocked_committer(Store::builder().queue(1000, 1 << 16));
        let large = Metadata::new(vec![b'm'; Metadata::MAX_LEN]).unwrap();
        let annotate = |version| store.annotate(no(0), version, large.clone()).submit();
        let taken: Vec<_> = (1..1000)
            .map_while(|version| annotate(version).ok())
            .collect();
        assert!((12..=15).contains(&taken.len()), "{} of 4 KiB", taken.len());
        assert!(matches!(
            annotate(99).unwrap_err().reason,
            Error::Overloaded
        ));
        let queued = taken.len();
        let small = store.hide(no(0)).submit().unwrap();
        assert_eq!(store.stats().queued, queued + 1);
        rig.gate.release();
        for ticket in taken {
            assert_eq!(
                ticket.wait().unwrap().outcome,
                orderstore::Annotated::Annotated
            );
        }
        assert_eq!(small.wait().unwrap().outcome, orderstore::Visible::NotEnded);
        // Commands that have completed do not count towards the limit.
        for version in 100..400 {
            let call = store.annotate(no(0), version, large.clone());
            assert!(call.wait().is_ok());
        }
    });
}

#[test]
fn largest_command_fits_the_smallest_queue() {
    within_a_minute(|| {
        let (_rig, store) = Rig::default().open_with(Store::builder().queue(1, 1 << 16));
        let metadata = Metadata::new(vec![b'm'; Metadata::MAX_LEN]).unwrap();
        let ticket = store.create(no(1), new().metadata(metadata)).submit();
        assert_eq!(ticket.unwrap().wait().unwrap().outcome, Created::Created);
    });
}

#[test]
fn batch_is_queued_whole_or_not_at_all() {
    within_a_minute(|| {
        let (rig, store) = with_blocked_committer(Store::builder().queue(10, 1 << 20));
        let batch = |size: u64| (0..size).map(|place| hide(no(place))).collect::<Vec<_>>();
        let six = store.submit_all(batch(6)).unwrap();
        let refused = store.submit_all(batch(5)).unwrap_err();
        assert!(matches!(refused.reason, Error::Overloaded));
        assert_eq!(refused.call, batch(5));
        assert_eq!(store.stats().queued, 6);
        let four = store.submit_all(batch(4)).unwrap();
        assert_eq!(store.stats().queued, 10);
        rig.gate.release();
        for ticket in six.into_iter().chain(four) {
            assert!(ticket.wait().is_ok());
        }
        assert_eq!(store.submit_all(refused.call).unwrap().len(), 5);
    });
}

#[test]
fn batch_above_queue_limit_is_rejected() {
    within_a_minute(|| {
        let (_rig, store) = Rig::default().open_with(Store::builder().queue(10, 1 << 16));
        let eleven: Vec<_> = (0..11).map(|place| hide(no(place))).collect();
        let refused = store.submit_all(eleven.clone()).unwrap_err();
        let reason = &refused.reason;
        assert_eq!(
            reason.to_string(),
            "a batch of 11 commands is over the queue's limit of 10; split the batch"
        );
        assert_eq!(refused.call, eleven);
        let error = Error::from(refused);
        assert!(!error.is_retryable(), "{error}");
        assert!(store.submit_all(vec![]).unwrap().is_empty());
        let heavy = Metadata::new([7; 4096]).unwrap();
        let annotate = |place| Command {
            no: no(place),
            kind: CommandKind::Annotate {
                version: 1,
                metadata: heavy.clone(),
            },
        };
        let (_rig, store) = Rig::default().open_with(Store::builder().queue(100, 1 << 16));
        let refused = store
            .submit_all((0..20).map(annotate).collect())
            .unwrap_err();
        assert!(matches!(
            refused.reason,
            Error::BatchTooLarge { what: "bytes", limit: 65_536, found } if found > 81_920
        ));
    });
}

#[test]
fn order_numbers_and_reads_ignore_queue_limit() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open_with(Store::builder().queue(1, 1 << 16));
        let first = store.next_order_no().wait().unwrap();
        rig.gate.hold();
        drop(store.create(no(0), new()).submit().unwrap());
        rig.gate.wait_until_somebody_is_held();
        drop(store.hide(no(0)).submit().unwrap());
        assert!(matches!(store.hide(no(0)).wait(), Err(Error::Overloaded)));
        for _ in 0..1000 {
            assert_ne!(store.next_order_no().wait().unwrap(), first);
        }
        assert!(store.get(no(0)).wait().unwrap().is_none());
        assert!(store.verify().wait().unwrap().is_ok());
        rig.gate.release();
    });
}
