//! Transactions that another record owns. A transaction either pays one order or is refunded from
//! one record.

use super::*;
use crate::order::{AnomalyKind, ImportRefusal, RefundRefusal, Status};

#[test]
fn transaction_refunded_by_one_record_pays_no_other() {
    let mut store = Oracle::open();
    let _ = store.confirm("a", paid("X"));
    let requested = RefundRequested::Requested;
    assert_eq!(store.request("a", new_refund("R", "X", 100)), requested);
    let by = no("a");
    // The transaction pays neither an existing order (b) nor a later one (c).
    let _ = store.create("b", new());
    assert_eq!(
        store.confirm("b", paid("X")),
        (Confirmed::GivenBack { by }, true)
    );
    assert_eq!(store.confirm("b", paid("X")), (Confirmed::Duplicate, true));
    let _ = store.confirm("c", paid("X"));
    assert_eq!(store.create("c", new()), Created::Created);
    for text in ["b", "c"] {
        assert_eq!(store.kinds(text), [AnomalyKind::GivenBack { by: Some(by) }]);
        assert_eq!(store.status(text), Status::Pending);
        let elsewhere = RefundRequested::Refused(RefundRefusal::RefundedElsewhere { by });
        assert_eq!(store.request(text, new_refund("S", "X", 1)), elsewhere);
        let decision = store.resolve(text, 1, refund("S"));
        assert_eq!(
            decision,
            Resolved::Refused(RefundRefusal::RefundedElsewhere { by })
        );
        assert_eq!(
            store.resolve(text, 1, Resolution::Accept),
            Resolved::NotAcceptable
        );
    }
    // A refund that the channel refuses reserves no amount, so the transaction may then pay an
    // order.
    let _ = store.refuse("a", "R");
    let applied = Resolved::Reexamined(Confirmed::Applied);
    assert_eq!(store.resolve("b", 1, Resolution::Accept), applied);
    // The transaction paid order b, so it cannot pay order c as well.
    let refused = store.resolve("c", 1, Resolution::Accept);
    assert_eq!(refused, Resolved::NotAcceptable);
    // Record a can no longer refund the transaction: only order b, which it paid, can.
    let again = new_refund("R", "X", 100).attempt(2);
    assert_eq!(store.request("a", again), RefundRequested::NotPaid);
}

#[test]
fn mismatched_payment_of_two_orders_is_refunded_once() {
    let mut store = Oracle::open();
    for text in ["a", "b"] {
        let _ = store.create(text, new());
        let _ = store.confirm(text, paid_fen("X", 99));
    }
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::Resolved);
    let by = no("a");
    let elsewhere = Resolved::Refused(RefundRefusal::RefundedElsewhere { by });
    assert_eq!(store.resolve("b", 1, refund("S")), elsewhere);
}

#[test]
fn refund_report_of_other_orders_transaction_raises_anomaly() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid("X"));
    let _ = store.create("b", new());
    let by = no("a");
    let fact = report("E", "X", 60, RefundState::Success);
    let elsewhere = (RefundRecorded::RefundedElsewhere { by }, true);
    assert_eq!(store.record_refund("b", fact.clone()), elsewhere);
    assert_eq!(
        store.record_refund("b", fact.clone()),
        (RefundRecorded::Duplicate, true)
    );
    assert_eq!(store.order("b").refunds, []);
    assert_eq!(store.order("b").open_anomalies().count(), 1);
    // Transaction X paid order a, so the refund counts against order a.
    assert_eq!(
        store.record_refund("a", fact),
        (RefundRecorded::Adopted, true)
    );
    let exceeds = RefundRequested::Refused(RefundRefusal::Exceeds { available: fen(40) });
    assert_eq!(store.request("a", new_refund("R", "X", 41)), exceeds);
}

#[test]
fn refund_success_is_rejected_if_transaction_paid_other_order() {
    let mut store = Oracle::open();
    let _ = store.confirm("a", paid("X"));
    let _ = store.request("a", new_refund("R", "X", 60));
    let _ = store.refuse("a", "R");
    let _ = store.create("b", new());
    assert_eq!(store.confirm("b", paid("X")), (Confirmed::Applied, true));
    let by = no("b");
    let outcome = store.record_refund("a", report("R", "X", 60, RefundState::Success));
    assert_eq!(outcome, (RefundRecorded::RefundedElsewhere { by }, false));
}

#[test]
fn import_of_refunded_transaction_is_refused() {
    let mut source = Oracle::with_order();
    let _ = source.confirm("a", paid("X"));
    let order = source.order("a").clone();
    let mut store = Oracle::open();
    let _ = store.confirm("b", paid("X"));
    let _ = store.request("b", new_refund("R", "X", 100));
    let by = no("b");
    let refused = Imported::Refused(ImportRefusal::RefundedElsewhere { by });
    assert_eq!(store.import(&order, Conflict::Skip), refused);
    // If order a exists already, the import records the imported payment as `confirm` would.
    let _ = store.create("a", new());
    let advanced = Imported::Advanced(Some(Confirmed::GivenBack { by }));
    assert_eq!(store.import(&order, Conflict::Advance), advanced);
    assert_eq!(store.status("a"), Status::Pending);
}
