//! Reports that contradict a known refund: another amount, another transaction, or a failure after
//! the success.

use super::attempts::{attempt, moved, paid_store, refund_decided, refund_of, refused};
use super::*;
use crate::order::{AnomalyKind, RefundDifference, RefundRefusal, RefundStatus};
use RefundState::{Closed, Processing, Success};

#[test]
fn accepted_failure_after_success_marks_refund_returned() {
    let mut store = refund_decided();
    let _ = store.record_refund("a", report("R", "Y", 100, Success));
    store.wait(HOUR * 24);
    let fact = report("R", "Y", 100, Closed).with_query_sent_at(store.now);
    let status = RefundStatus::Success;
    let disagrees = RefundRecorded::Disagrees { status };
    assert_eq!(store.record_refund("a", fact.clone()), (disagrees, true));
    assert_eq!(refund_of(&store, "R").status, status);
    assert_eq!(
        store.record_refund("a", fact),
        (RefundRecorded::Duplicate, true)
    );
    let succeeded_at = refund_of(&store, "R").success_at;

    assert_eq!(
        store.resolve("a", 2, Resolution::Accept),
        Resolved::Resolved
    );
    let after = refund_of(&store, "R");
    assert_eq!(
        (after.status, after.held()),
        (RefundStatus::Returned, Fen::ZERO)
    );
    assert_eq!(
        (after.success_at, after.ended_at),
        (succeeded_at, Some(store.now))
    );
    // The money of the refund came back, so the anomaly of the double payment is open again.
    assert!(store.anomaly("a", 0).is_open());
    // Refund R is now `Returned`: it succeeded, but its money came back later. The money can be
    // refunded again only under a new refund number.
    let ended = RefundRequested::Ended {
        code: None,
        attempts: 1,
    };
    let again = new_refund("R", "Y", 100).attempt(2);
    assert_eq!(store.request("a", again), ended);
    let by = no("a");
    let again = store.resolve_again("a", 1, 1, refund("R"));
    assert_eq!(
        again,
        Resolved::Refused(RefundRefusal::RefundNoTaken { by })
    );
    assert_eq!(
        store.resolve_again("a", 1, 1, refund("R2")),
        Resolved::Resolved
    );
    // An old notification of the success changes nothing.
    let stale = (RefundRecorded::Stale, true);
    assert_eq!(
        store.record_refund("a", report("R", "Y", 100, Success)),
        stale
    );
}

#[test]
fn refund_with_different_amount_counts_reported_amount() {
    let mut store = paid_store();
    let _ = store.request("a", attempt("R", 60, 1));
    // An open refund reserves the larger of the requested and the reported amount.
    let _ = store.record_refund("a", report("R", "X", 50, Processing));
    let refund = refund_of(&store, "R");
    assert_eq!((refund.amount, refund.asked), (fen(50), Some(fen(60))));
    assert_eq!(refund.held(), fen(60));
    assert_eq!(
        store.record_refund("a", report("R", "X", 50, Success)),
        moved(RefundStatus::Success)
    );
    let refund = refund_of(&store, "R");
    assert_eq!((refund.amount, refund.asked), (fen(50), Some(fen(60))));
    assert_eq!((refund.held(), refund.next_check), (fen(50), None));
    let differs = AnomalyKind::RefundDiffers {
        refund_no: refund.refund_no,
    };
    assert_eq!(store.kinds("a"), [differs]);
    let again = store.record_refund("a", report("R", "X", 50, Success));
    assert_eq!(again, (RefundRecorded::Duplicate, true));
    let exceeds = RefundRequested::Refused(RefundRefusal::Exceeds { available: fen(50) });
    assert_eq!(store.request("a", attempt("S", 51, 1)), exceeds);
    // A repeat of the original request still returns `Exists`.
    assert_eq!(
        store.request("a", attempt("R", 60, 1)),
        RefundRequested::Exists
    );
}

#[test]
fn refund_report_larger_than_money_left_counts_only_money_left() {
    let mut store = paid_store();
    let _ = store.request("a", attempt("R", 60, 1));
    let _ = store.request("a", attempt("S", 40, 1));
    let available = fen(60);
    let outcome = store.record_refund("a", report("R", "X", 80, Success));
    assert_eq!(outcome, (RefundRecorded::Exceeds { available }, true));
    let refund = refund_of(&store, "R");
    assert_eq!(
        (refund.status, refund.amount),
        (RefundStatus::Success, available)
    );
    assert_eq!(refund.next_check, None);
    let again = store.record_refund("a", report("R", "X", 80, Success));
    assert_eq!(again, (RefundRecorded::Duplicate, true));
}

#[test]
fn success_report_of_refused_refund_counts_reported_amount() {
    let mut store = paid_store();
    let _ = store.request("a", attempt("R", 60, 1));
    refused(&mut store);
    let outcome = store.record_refund("a", report("R", "X", 50, Success));
    assert_eq!(outcome, moved(RefundStatus::Success));
    assert_eq!(refund_of(&store, "R").held(), fen(50));
}

#[test]
fn refund_report_of_other_transaction_keeps_amount_reserved() {
    let other = || {
        let mut store = paid_store();
        let _ = store.confirm("a", paid("Y"));
        let _ = store.request("a", attempt("R", 60, 1));
        let field = RefundDifference::TransactionId;
        let differs = (RefundRecorded::Differs { field }, true);
        assert_eq!(
            store.record_refund("a", report("R", "Y", 70, Success)),
            differs
        );
        store
    };
    let mut store = other();
    assert_eq!(refund_of(&store, "R").next_check, None, "no check is due");
    let exceeds = |left| {
        RefundRequested::Refused(RefundRefusal::Exceeds {
            available: fen(left),
        })
    };
    assert_eq!(store.request("a", new_refund("S", "Y", 31)), exceeds(30));
    assert_eq!(store.request("a", new_refund("S", "X", 41)), exceeds(40));
    // If a person accepts the report, the requested amount is available again.
    assert_eq!(
        store.resolve("a", 2, Resolution::Accept),
        Resolved::Resolved
    );
    assert_eq!(refund_of(&store, "R").status, RefundStatus::Closed);
    assert_eq!(store.request("a", new_refund("S", "Y", 31)), exceeds(30));
    assert_eq!(
        store.request("a", new_refund("S", "X", 100)),
        RefundRequested::Requested
    );
    // If a person dismisses the report, a query of refund R is due, and transaction Y has no
    // refund.
    let mut store = other();
    assert_eq!(
        store.resolve("a", 2, Resolution::Dismiss),
        Resolved::Resolved
    );
    assert_eq!(refund_of(&store, "R").next_check, Some(store.now));
    assert_eq!(
        store.request("a", new_refund("S", "Y", 100)),
        RefundRequested::Requested
    );
}

#[test]
fn refund_limits_apply_per_channel() {
    let mut store = Oracle::open();
    let _ = store.create("a", new().channel(alipay()));
    let mut payment = paid("X");
    payment.channel = alipay();
    let _ = store.confirm("a", payment);
    for part in 0..60 {
        let part = new_refund(&format!("R{part}"), "X", 1).channel(alipay());
        assert_eq!(store.request("a", part), RefundRequested::Requested);
    }
    store.wait(HOUR * 24 * 400);
    let late = new_refund("S", "X", 1).channel(alipay());
    assert_eq!(store.request("a", late), RefundRequested::Requested);
}

#[test]
fn old_failure_does_not_close_reopened_refund() {
    let mut store = paid_store();
    let _ = store.request("a", attempt("R", 40, 1));
    let _ = store.record_refund("a", report("R", "X", 40, Closed));
    let _ = store.record_refund("a", report("R", "X", 40, Processing));
    let again = store.record_refund("a", report("R", "X", 40, Closed));
    assert_eq!(again, (RefundRecorded::MustQuery, true));
    let exceeds = RefundRequested::Refused(RefundRefusal::Exceeds { available: fen(60) });
    assert_eq!(store.request("a", attempt("S", 61, 1)), exceeds);
}

#[test]
fn repeated_mismatch_report_keeps_query_due() {
    let mut store = paid_store();
    let _ = store.confirm("a", paid("Y"));
    let _ = store.request("a", attempt("R", 60, 1));
    for state in [Processing, Success] {
        // Only the latest of the two reports counts: both amounts together would exceed the
        // payment.
        let outcome = store.record_refund("a", report("R", "Y", 60, state));
        assert!(
            matches!(outcome.0, RefundRecorded::Differs { .. }),
            "{outcome:?}"
        );
    }
    for id in [2, 3] {
        let _ = store.resolve("a", id, Resolution::Dismiss);
    }
    assert_eq!(refund_of(&store, "R").next_check, Some(store.now));
    let _ = store.record_refund("a", report("R", "Y", 60, Success));
    assert!(
        refund_of(&store, "R").next_check.is_some(),
        "no check is due"
    );
}

#[test]
fn freed_amount_schedules_query_of_exceeding_refund() {
    let mut store = paid_store();
    let _ = store.request("a", attempt("R", 40, 1));
    let _ = store.record_refund("a", report("R", "X", 40, Closed));
    let _ = store.request("a", attempt("S", 100, 1));
    let _ = store.record_refund("a", report("R", "X", 40, Success));
    assert_eq!(store.refuse("a", "S"), RefundRefused::Closed);
    assert_eq!(refund_of(&store, "R").next_check, Some(store.now));
    let outcome = store.record_refund("a", report("R", "X", 40, Success));
    assert_eq!(outcome, moved(RefundStatus::Success));
}

#[test]
fn retry_of_first_refund_ends_reopened_anomaly() {
    let mut store = refund_decided();
    refused(&mut store);
    assert_eq!(
        store.resolve_again("a", 1, 1, refund("S")),
        Resolved::Resolved
    );
    assert_eq!(store.refuse("a", "S"), RefundRefused::Closed);
    let again = new_refund("R", "Y", 100).attempt(2);
    assert_eq!(store.request("a", again), RefundRequested::Requested);
    assert_eq!(store.order("a").open_anomalies().count(), 0);
}
