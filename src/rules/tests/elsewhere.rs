//! Transactions that another record owns: a transaction pays one order or is refunded from one
//! record.

use super::*;
use crate::order::{AnomalyKind, ImportRefusal, Status};

#[test]
fn transaction_refunded_under_one_number_never_pays_another() {
    let mut shop = Oracle::open();
    let _ = shop.confirm("a", paid("X"));
    let requested = RefundRequested::Requested;
    assert_eq!(shop.request("a", asked_back("R", "X", 100)), requested);
    let by = no("a");
    // The transaction pays neither an existing order (b) nor a later one (c).
    let _ = shop.create("b", new());
    assert_eq!(
        shop.confirm("b", paid("X")),
        (Confirmed::GivenBack { by }, true)
    );
    assert_eq!(shop.confirm("b", paid("X")), (Confirmed::Duplicate, true));
    let _ = shop.confirm("c", paid("X"));
    assert_eq!(shop.create("c", new()), Created::Created);
    for text in ["b", "c"] {
        assert_eq!(shop.kinds(text), [AnomalyKind::GivenBack { by: Some(by) }]);
        assert_eq!(shop.status(text), Status::Pending);
        let elsewhere = RefundRequested::RefundedElsewhere { by };
        assert_eq!(shop.request(text, asked_back("S", "X", 1)), elsewhere);
        let decision = shop.resolve(text, 1, refund("S"));
        assert_eq!(decision, Resolved::RefundedElsewhere { by });
        assert_eq!(
            shop.resolve(text, 1, Resolution::Accept),
            Resolved::NotAcceptable
        );
    }
    // The channel refused the refund: it no longer holds the money, so the payment may pay the
    // order.
    let _ = shop.refuse("a", "R");
    let applied = Resolved::Reexamined(Confirmed::Applied);
    assert_eq!(shop.resolve("b", 1, Resolution::Accept), applied);
    // Now "b" owns the transaction, so "c" cannot get it, too.
    let refused = shop.resolve("c", 1, Resolution::Accept);
    assert_eq!(refused, Resolved::NotAcceptable);
    // Only the paid order can refund it now.
    let again = asked_back("R", "X", 100).attempt(2);
    assert_eq!(shop.request("a", again), RefundRequested::NotPaid);
}

#[test]
fn mismatched_payment_of_two_orders_is_refunded_once() {
    let mut shop = Oracle::open();
    for text in ["a", "b"] {
        let _ = shop.create(text, new());
        let _ = shop.confirm(text, paid_fen("X", 99));
    }
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Resolved);
    let by = no("a");
    let elsewhere = Resolved::RefundedElsewhere { by };
    assert_eq!(shop.resolve("b", 1, refund("S")), elsewhere);
}

#[test]
fn refund_fact_of_other_records_money_is_anomaly() {
    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.create("b", new());
    let by = no("a");
    let fact = told("E", "X", 60, RefundState::Success);
    let elsewhere = (RefundRecorded::RefundedElsewhere { by }, true);
    assert_eq!(shop.record_refund("b", fact.clone()), elsewhere);
    assert_eq!(
        shop.record_refund("b", fact.clone()),
        (RefundRecorded::Duplicate, true)
    );
    assert_eq!(shop.order("b").refunds, []);
    assert_eq!(shop.order("b").open_anomalies().count(), 1);
    // The fact counts in the order that the transaction paid.
    assert_eq!(
        shop.record_refund("a", fact),
        (RefundRecorded::Adopted, true)
    );
    let exceeds = RefundRequested::Exceeds { available: fen(40) };
    assert_eq!(shop.request("a", asked_back("R", "X", 41)), exceeds);
}

#[test]
fn closed_refund_of_taken_transaction_stays_closed() {
    let mut shop = Oracle::open();
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.request("a", asked_back("R", "X", 60));
    let _ = shop.refuse("a", "R");
    let _ = shop.create("b", new());
    assert_eq!(shop.confirm("b", paid("X")), (Confirmed::Applied, true));
    let by = no("b");
    let outcome = shop.record_refund("a", told("R", "X", 60, RefundState::Success));
    assert_eq!(outcome, (RefundRecorded::RefundedElsewhere { by }, false));
}

#[test]
fn import_of_refunded_transaction_is_refused() {
    let mut source = Oracle::with_order();
    let _ = source.confirm("a", paid("X"));
    let order = source.order("a").clone();
    let mut shop = Oracle::open();
    let _ = shop.confirm("b", paid("X"));
    let _ = shop.request("b", asked_back("R", "X", 100));
    let by = no("b");
    let refused = Imported::Refused(ImportRefusal::RefundedElsewhere { by });
    assert_eq!(shop.import(&order, Conflict::Skip), refused);
    // If the order already exists, the payment is recorded like any other.
    let _ = shop.create("a", new());
    let advanced = Imported::Advanced(Some(Confirmed::GivenBack { by }));
    assert_eq!(shop.import(&order, Conflict::Advance), advanced);
    assert_eq!(shop.status("a"), Status::Pending);
}
