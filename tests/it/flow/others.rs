//! Engine with a second writer: the committer repeats decisions that it made on stale records.

use orderstore::{
    Annotated, CloseOutcome, Command, CommandKind, Confirmed, Created, Metadata, NewOrder, Outcome,
    Reference, Store,
};

use super::rig::{Act, Rig, new, no, payment, within_a_minute};

fn referring(reference: &str) -> NewOrder {
    new().reference(Reference::parse(reference).unwrap())
}

/// Lets another store act between the read and the write of the next group.
fn meanwhile(rig: &Rig, act: impl FnOnce(Store) + Send + 'static) {
    let other = rig.other_writer();
    // Leak the other store, because closing it would close the engine that both stores share.
    std::mem::forget(other.clone());
    rig.next_does(Act::After(Box::new(move || act(other))));
}

#[test]
fn create_after_other_writer_returns_exists() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        meanwhile(&rig, |other| {
            let _ = other.create(no(1), new()).wait().unwrap();
        });
        let answer = store.create(no(1), new()).wait().unwrap();
        assert_eq!(answer.outcome, Created::Exists);
        assert_eq!(store.history(no(1)).wait().unwrap().len(), 1);
    });
}

#[test]
fn annotate_reports_version_changed_by_other_writer() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        let _ = store.create(no(1), new()).wait().unwrap();
        let theirs = Metadata::new("theirs").unwrap();
        meanwhile(&rig, |other| {
            let _ = other.annotate(no(1), 1, theirs).wait().unwrap();
        });
        let ours = Metadata::new("ours").unwrap();
        let answer = store.annotate(no(1), 1, ours).wait().unwrap();
        assert_eq!(answer.outcome, Annotated::VersionMoved { now: 2 });
        let order = store.get(no(1)).wait().unwrap().unwrap();
        assert_eq!(order.metadata.as_bytes(), b"theirs");
    });
}

#[test]
fn confirm_reports_transaction_taken_by_other_writer() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        let _ = store.create(no(1), new()).wait().unwrap();
        let _ = store.create(no(2), new()).wait().unwrap();
        meanwhile(&rig, |other| {
            let answer = other.confirm(no(2), payment(1)).wait().unwrap();
            assert_eq!(answer.outcome, Confirmed::Applied);
        });
        let answer = store.confirm(no(1), payment(1)).wait().unwrap();
        assert_eq!(answer.outcome, Confirmed::TransactionTaken { by: no(2) });
        assert!(store.verify().wait().unwrap().is_ok());
    });
}

#[test]
fn create_returns_order_of_other_writer_with_same_reference() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        meanwhile(&rig, |other| {
            let _ = other.create(no(2), referring("cart-1")).wait().unwrap();
        });
        let answer = store.create(no(1), referring("cart-1")).wait().unwrap();
        assert_eq!(answer.outcome, Created::Exists);
        assert_eq!(answer.order.unwrap().no, no(2));
        assert!(store.get(no(1)).wait().unwrap().is_none());
    });
}

/// If another writer changed a record first, the committer repeats its decisions on that record and
/// on dependent commands, in sequence. All other commands of the group keep their decision.
#[test]
fn conflict_repeats_only_dependent_decisions() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        let _ = store.create(no(1), new()).wait().unwrap();
        let command = |place, ask| Command {
            no: no(place),
            kind: ask,
        };
        let annotate = |version, text: &str| {
            let metadata = Metadata::new(text).unwrap();
            CommandKind::Annotate { version, metadata }
        };
        meanwhile(&rig, |other| {
            let _ = other.confirm(no(1), payment(1)).wait().unwrap();
        });
        let batch = vec![
            command(1, CommandKind::BeginClose),
            command(3, CommandKind::Create(Box::new(new()))),
            command(1, CommandKind::Confirm(Box::new(payment(1)))),
            command(1, annotate(2, "paid")),
            command(3, annotate(1, "new")),
        ];
        let tickets = store.submit_all(batch).unwrap();
        let outcomes: Vec<Outcome> = tickets
            .into_iter()
            .map(|ticket| ticket.wait().unwrap().outcome)
            .collect();
        assert_eq!(outcomes[0], Outcome::Close(CloseOutcome::AlreadyPaid));
        assert_eq!(outcomes[1], Outcome::Create(Created::Created));
        assert_eq!(outcomes[2], Outcome::Confirm(Confirmed::Duplicate));
        assert_eq!(outcomes[3], Outcome::Annotate(Annotated::Annotated));
        assert_eq!(outcomes[4], Outcome::Annotate(Annotated::Annotated));
        assert_eq!(store.history(no(3)).wait().unwrap().len(), 2);
        assert!(store.verify().wait().unwrap().is_ok());
    });
}

#[test]
fn command_that_always_conflicts_is_not_applied() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        let _ = store.create(no(1), new()).wait().unwrap();
        for version in 1..100 {
            let theirs = Metadata::new("theirs").unwrap();
            meanwhile(&rig, move |other| {
                let _ = other.annotate(no(1), version, theirs).wait().unwrap();
            });
        }
        let error = store.begin_close(no(1)).wait().unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        rig.acts.lock().clear();
        assert_eq!(
            store.begin_close(no(1)).wait().unwrap().outcome,
            CloseOutcome::Closing
        );
    });
}

/// A command's decision may depend on a record that another command of the group wrote. If the
/// engine rejects that record, the committer must discard every decision that depends on it.
#[test]
fn decisions_from_rejected_record_are_discarded() {
    within_a_minute(|| {
        let (rig, store) = Rig::default().open();
        let _ = store.create(no(1), new()).wait().unwrap();
        let _ = store.create(no(2), new()).wait().unwrap();
        meanwhile(&rig, |other| {
            // The other writer pays order 1 with another transaction, so the payment below becomes
            // a double payment.
            let _ = other.confirm(no(1), payment(9)).wait().unwrap();
        });
        let confirm = |place| {
            let ask = CommandKind::Confirm(Box::new(payment(1)));
            Command {
                no: no(place),
                kind: ask,
            }
        };
        let tickets = store.submit_all(vec![confirm(1), confirm(2)]).unwrap();
        let outcomes: Vec<Outcome> = tickets
            .into_iter()
            .map(|ticket| ticket.wait().unwrap().outcome)
            .collect();
        assert_eq!(outcomes[0], Outcome::Confirm(Confirmed::DoublePayment));
        let alone = {
            let (_rig, store) = Rig::default().open();
            let _ = store.create(no(1), new()).wait().unwrap();
            let _ = store.create(no(2), new()).wait().unwrap();
            let _ = store.confirm(no(1), payment(9)).wait().unwrap();
            let _ = store.confirm(no(1), payment(1)).wait().unwrap();
            store.confirm(no(2), payment(1)).wait().unwrap().outcome
        };
        assert_eq!(outcomes[1], Outcome::Confirm(alone));
        assert!(store.verify().wait().unwrap().is_ok());
    });
}
