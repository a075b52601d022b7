//! Commands `request_refund` and `record_refund_refused`. Refunds never exceed the paid amount.

use super::*;
use crate::order::{
    AnomalyKind, MAX_REFUNDS, MAX_WAITING, Refund, RefundDifference, RefundRefusal, RefundStatus,
    Status,
};
use RefundState::{Abnormal, Closed, Processing, Success};

/// Returns a store whose `order-a` was paid with 100 fen by X.
pub(super) fn paid_store() -> Oracle {
    let mut store = Oracle::with_order();
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Applied, true));
    store
}

pub(super) fn refund_of<'s>(store: &'s Oracle, number: &str) -> &'s Refund {
    let number = RefundNo::parse(number).unwrap();
    store.record("a").unwrap().refund(&number).unwrap()
}

pub(super) fn status(store: &Oracle, number: &str) -> RefundStatus {
    refund_of(store, number).status
}

pub(super) fn exceeds(amount: u64) -> RefundRequested {
    RefundRequested::Refused(RefundRefusal::Exceeds {
        available: fen(amount),
    })
}

pub(super) fn moved(to: RefundStatus) -> (RefundRecorded, bool) {
    (RefundRecorded::Moved { to }, true)
}

#[test]
fn requested_refund_is_reserved_at_once() {
    let mut store = paid_store();
    assert_eq!(
        store.request("a", new_refund("R", "X", 60)),
        RefundRequested::Requested
    );
    assert_eq!(store.request("a", new_refund("S", "X", 60)), exceeds(40));
    assert_eq!(
        store.request("a", new_refund("S", "X", 40)),
        RefundRequested::Requested
    );
    assert_eq!(store.request("a", new_refund("T", "X", 1)), exceeds(0));
    assert_eq!(store.status("a"), Status::Success, "still paid");
}

#[test]
fn refund_reserves_amount_until_closed() {
    for state in [Processing, Abnormal, Success] {
        let mut store = paid_store();
        let _ = store.request("a", new_refund("R", "X", 60));
        let _ = store.record_refund("a", report("R", "X", 60, state));
        assert_eq!(store.request("a", new_refund("S", "X", 50)), exceeds(40));
    }
    let mut store = paid_store();
    let _ = store.request("a", new_refund("R", "X", 60));
    assert_eq!(
        store.record_refund("a", report("R", "X", 60, Closed)),
        moved(RefundStatus::Closed)
    );
    assert_eq!(
        store.request("a", new_refund("S", "X", 50)),
        RefundRequested::Requested
    );
    let ended = RefundRequested::Ended {
        code: None,
        attempts: 1,
    };
    assert_eq!(store.request("a", new_refund("R", "X", 60)), ended);
}

#[test]
fn reused_refund_number_with_different_facts_is_refused() {
    let mut store = paid_store();
    let _ = store.request("a", new_refund("R", "X", 60));
    assert_eq!(
        store.request("a", new_refund("R", "X", 60)),
        RefundRequested::Exists
    );
    let different = |field| RefundRequested::ExistsWithDifferent { field };
    let amount = different(RefundDifference::Amount);
    assert_eq!(store.request("a", new_refund("R", "X", 59)), amount);
    let transaction = different(RefundDifference::TransactionId);
    assert_eq!(store.request("a", new_refund("R", "Y", 59)), transaction);
    let elsewhere = new_refund("R", "X", 60).channel(alipay());
    assert_eq!(
        store.request("a", elsewhere),
        different(RefundDifference::Channel)
    );
    let _ = store.create("b", new());
    let _ = store.confirm("b", paid("Y"));
    let taken = RefundRequested::Refused(RefundRefusal::RefundNoTaken { by: no("a") });
    assert_eq!(store.request("b", new_refund("R", "Y", 60)), taken);
}

#[test]
fn refund_number_in_anomaly_cannot_be_reused() {
    let mut store = paid_store();
    let available = fen(100);
    let outcome = store.record_refund("a", report("E", "X", 101, Success));
    assert_eq!(outcome, (RefundRecorded::Exceeds { available }, true));
    let taken = RefundRequested::Refused(RefundRefusal::RefundNoTaken { by: no("a") });
    assert_eq!(store.request("a", new_refund("E", "X", 60)), taken);
    let _ = store.confirm("a", paid("Y"));
    let taken = Resolved::Refused(RefundRefusal::RefundNoTaken { by: no("a") });
    assert_eq!(store.resolve("a", 2, refund("E")), taken);
}

#[test]
fn refund_of_other_orders_transaction_is_refused() {
    let mut store = paid_store();
    assert_eq!(
        store.request("b", new_refund("R", "X", 1)),
        RefundRequested::NotFound
    );
    assert_eq!(
        store.request("a", new_refund("R", "Y", 1)),
        RefundRequested::NotPaid
    );
    let _ = store.create("b", new());
    assert_eq!(
        store.request("b", new_refund("R", "X", 1)),
        RefundRequested::NotPaid
    );
    let _ = store.confirm("b", paid("X"));
    assert_eq!(
        store.request("b", new_refund("R", "X", 1)),
        RefundRequested::NotPaid,
        "X paid order-a"
    );
    let _ = store.confirm("a", paid_fen("Z", 7));
    assert_eq!(store.request("a", new_refund("R", "Z", 8)), exceeds(7));
    assert_eq!(
        store.request("a", new_refund("R", "Z", 7)),
        RefundRequested::Requested
    );
    assert_eq!(
        store.request("a", new_refund("S", "X", 100)),
        RefundRequested::Requested
    );
}

#[test]
fn unclaimed_payment_being_refunded_does_not_pay() {
    let mut store = Oracle::open();
    let _ = store.confirm("a", paid("X"));
    assert_eq!(
        store.request("a", new_refund("R", "X", 60)),
        RefundRequested::Requested
    );
    assert_eq!(store.create("a", new()), Created::Created);
    assert_eq!(store.kinds("a"), [AnomalyKind::GivenBack { by: None }]);
    assert_eq!(store.status("a"), Status::Pending);
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    assert_eq!(
        store.request("a", new_refund("S", "X", 40)),
        RefundRequested::Requested
    );
    assert_eq!(store.confirm("a", paid("Y")), (Confirmed::Applied, true));
}

#[test]
fn unclaimed_payment_with_closed_refund_pays_order() {
    let mut store = Oracle::open();
    let _ = store.confirm("a", paid("X"));
    let _ = store.request("a", new_refund("R", "X", 100));
    assert_eq!(store.refuse("a", "R"), RefundRefused::Closed);
    assert_eq!(store.create("a", new()), Created::CreatedAndPaid);
}

#[test]
fn fifty_first_refund_of_transaction_is_refused() {
    let mut store = paid_store();
    for part in 0..50 {
        let outcome = store.request("a", new_refund(&format!("R{part}"), "X", 1));
        assert_eq!(outcome, RefundRequested::Requested);
    }
    assert_eq!(
        store.request("a", new_refund("S", "X", 1)),
        RefundRequested::Refused(RefundRefusal::TooMany)
    );
    assert_eq!(store.refuse("a", "R7"), RefundRefused::Closed);
    assert_eq!(
        store.request("a", new_refund("S", "X", 1)),
        RefundRequested::Requested
    );
}

#[test]
fn refund_after_one_year_is_refused() {
    let mut store = paid_store();
    store.wait(HOUR * 24 * 365);
    assert_eq!(
        store.request("a", new_refund("R", "X", 1)),
        RefundRequested::Requested
    );
    store.wait(SECOND);
    assert_eq!(
        store.request("a", new_refund("S", "X", 1)),
        RefundRequested::Refused(RefundRefusal::WindowOver)
    );
    let _ = store.confirm("a", paid("Y"));
    assert_eq!(
        store.resolve("a", 1, refund("S")),
        Resolved::Refused(RefundRefusal::WindowOver)
    );
}

#[test]
fn open_anomaly_of_revoked_payment_blocks_refunds() {
    let mut store = paid_store();
    let _ = store.query("a", ChannelState::Revoked);
    assert_eq!(
        store.request("a", new_refund("R", "X", 1)),
        RefundRequested::Refused(RefundRefusal::Blocked)
    );
    let _ = store.resolve("a", 1, Resolution::Dismiss);
    assert_eq!(
        store.request("a", new_refund("R", "X", 1)),
        RefundRequested::Requested
    );
}

#[test]
fn record_with_maximum_refunds_refuses_another() {
    let mut store = Oracle::open();
    for place in 0..MAX_WAITING {
        let _ = store.record_refund("a", report(&format!("E{place}"), "X", 1, Closed));
    }
    let full = (RefundRecorded::RecordFull, false);
    assert_eq!(store.record_refund("a", report("E", "X", 1, Closed)), full);
    let _ = store.create("a", new());
    let _ = store.confirm("a", paid("X"));
    for place in MAX_WAITING..MAX_REFUNDS {
        let outcome = store.record_refund("a", report(&format!("E{place}"), "X", 1, Closed));
        assert_eq!(outcome, (RefundRecorded::Adopted, true));
    }
    assert_eq!(store.record_refund("a", report("E", "X", 1, Closed)), full);
    assert_eq!(
        store.request("a", new_refund("R", "X", 1)),
        RefundRequested::RecordFull
    );
    assert_eq!(
        store.request("a", new_refund("R", "X", 101)),
        exceeds(100),
        "the maximum of refunds is checked last"
    );
    let _ = store.confirm("a", paid("Y"));
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::RecordFull);
}

#[test]
fn channel_refusal_closes_only_requested_refund() {
    let mut store = paid_store();
    assert_eq!(store.refuse("a", "R"), RefundRefused::NotFound);
    let _ = store.request("a", new_refund("R", "X", 60));
    assert_eq!(store.refuse("a", "R"), RefundRefused::Closed);
    assert_eq!(
        refund_of(&store, "R").code,
        Some(Label::parse("NOTENOUGH").unwrap())
    );
    assert_eq!(store.refuse("a", "R"), RefundRefused::Already);
    for state in [Processing, Success, Abnormal] {
        let mut store = paid_store();
        let _ = store.record_refund("a", report("R", "X", 60, state));
        let status = RefundStatus::from(state);
        assert_eq!(
            store.refuse("a", "R"),
            RefundRefused::NotRequested { status }
        );
    }
}
