//! Reports that contradict a known refund: another amount, another transaction, a failure after
//! the success.

use super::attempts::{attempt, decided, moved, paid_shop, refund_of, refused};
use super::*;
use crate::order::{AnomalyKind, RefundDifference, RefundStatus};
use RefundState::{Closed, Processing, Success};

#[test]
fn failure_after_success_is_returned_when_accepted() {
    let mut shop = decided();
    let _ = shop.record_refund("a", told("R", "Y", 100, Success));
    shop.wait(HOUR * 24);
    let fact = told("R", "Y", 100, Closed).with_query_sent_at(shop.now);
    let status = RefundStatus::Success;
    let disagrees = RefundRecorded::Disagrees { status };
    assert_eq!(shop.record_refund("a", fact.clone()), (disagrees, true));
    assert_eq!(refund_of(&shop, "R").status, status);
    assert_eq!(
        shop.record_refund("a", fact),
        (RefundRecorded::Duplicate, true)
    );
    let succeeded_at = refund_of(&shop, "R").success_at;

    assert_eq!(shop.resolve("a", 2, Resolution::Accept), Resolved::Resolved);
    let after = refund_of(&shop, "R");
    assert_eq!(
        (after.status, after.held()),
        (RefundStatus::Returned, Fen::ZERO)
    );
    assert_eq!(
        (after.success_at, after.ended_at),
        (succeeded_at, Some(shop.now))
    );
    // The refund no longer holds the money of the double payment, so the anomaly is open again.
    assert!(shop.anomaly("a", 0).is_open());
    // Refund R is `Returned`: it succeeded, and its money came back later. Another refund of this
    // money needs a new refund number.
    let ended = RefundRequested::Ended {
        code: None,
        attempts: 1,
    };
    let again = asked_back("R", "Y", 100).attempt(2);
    assert_eq!(shop.request("a", again), ended);
    let by = no("a");
    let again = shop.resolve_again("a", 1, 1, refund("R"));
    assert_eq!(again, Resolved::RefundNoTaken { by });
    assert_eq!(
        shop.resolve_again("a", 1, 1, refund("R2")),
        Resolved::Resolved
    );
    // An old notification of the success is stale.
    let stale = (RefundRecorded::Stale, true);
    assert_eq!(shop.record_refund("a", told("R", "Y", 100, Success)), stale);
}

#[test]
fn refund_of_other_amount_counts_reported_amount() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 60, 1));
    // An open refund holds the larger of the two amounts.
    let _ = shop.record_refund("a", told("R", "X", 50, Processing));
    let refund = refund_of(&shop, "R");
    assert_eq!((refund.amount, refund.asked), (fen(50), Some(fen(60))));
    assert_eq!(refund.held(), fen(60));
    assert_eq!(
        shop.record_refund("a", told("R", "X", 50, Success)),
        moved(RefundStatus::Success)
    );
    let refund = refund_of(&shop, "R");
    assert_eq!((refund.amount, refund.asked), (fen(50), Some(fen(60))));
    assert_eq!((refund.held(), refund.next_check), (fen(50), None));
    let differs = AnomalyKind::RefundDiffers {
        refund_no: refund.refund_no,
    };
    assert_eq!(shop.kinds("a"), [differs]);
    let again = shop.record_refund("a", told("R", "X", 50, Success));
    assert_eq!(again, (RefundRecorded::Duplicate, true));
    let exceeds = RefundRequested::Exceeds { available: fen(50) };
    assert_eq!(shop.request("a", attempt("S", 51, 1)), exceeds);
    // A repeat of the original request is still a duplicate.
    assert_eq!(
        shop.request("a", attempt("R", 60, 1)),
        RefundRequested::Exists
    );
}

#[test]
fn refund_beyond_rest_counts_only_rest() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 60, 1));
    let _ = shop.request("a", attempt("S", 40, 1));
    let available = fen(60);
    let outcome = shop.record_refund("a", told("R", "X", 80, Success));
    assert_eq!(outcome, (RefundRecorded::Exceeds { available }, true));
    let refund = refund_of(&shop, "R");
    assert_eq!(
        (refund.status, refund.amount),
        (RefundStatus::Success, available)
    );
    assert_eq!(refund.next_check, None);
    let again = shop.record_refund("a", told("R", "X", 80, Success));
    assert_eq!(again, (RefundRecorded::Duplicate, true));
}

#[test]
fn refused_refund_with_other_amount_counts_reported_amount() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 60, 1));
    refused(&mut shop);
    let outcome = shop.record_refund("a", told("R", "X", 50, Success));
    assert_eq!(outcome, moved(RefundStatus::Success));
    assert_eq!(refund_of(&shop, "R").held(), fen(50));
}

#[test]
fn refund_of_other_transaction_keeps_requested_reserve() {
    let other = || {
        let mut shop = paid_shop();
        let _ = shop.confirm("a", paid("Y"));
        let _ = shop.request("a", attempt("R", 60, 1));
        let field = RefundDifference::TransactionId;
        let differs = (RefundRecorded::Differs { field }, true);
        assert_eq!(
            shop.record_refund("a", told("R", "Y", 70, Success)),
            differs
        );
        shop
    };
    let mut shop = other();
    assert_eq!(refund_of(&shop, "R").next_check, None, "no check is due");
    let exceeds = |left| RefundRequested::Exceeds {
        available: fen(left),
    };
    assert_eq!(shop.request("a", asked_back("S", "Y", 31)), exceeds(30));
    assert_eq!(shop.request("a", asked_back("S", "X", 41)), exceeds(40));
    // The person accepts the channel's report: the requested amount is free.
    assert_eq!(shop.resolve("a", 2, Resolution::Accept), Resolved::Resolved);
    assert_eq!(refund_of(&shop, "R").status, RefundStatus::Closed);
    assert_eq!(shop.request("a", asked_back("S", "Y", 31)), exceeds(30));
    assert_eq!(
        shop.request("a", asked_back("S", "X", 100)),
        RefundRequested::Requested
    );
    // The person dismisses it: a query is due now, and Y keeps all of its money.
    let mut shop = other();
    assert_eq!(
        shop.resolve("a", 2, Resolution::Dismiss),
        Resolved::Resolved
    );
    assert_eq!(refund_of(&shop, "R").next_check, Some(shop.now));
    assert_eq!(
        shop.request("a", asked_back("S", "Y", 100)),
        RefundRequested::Requested
    );
}

#[test]
fn refund_limits_are_per_channel() {
    let mut shop = Oracle::open();
    let _ = shop.create("a", new().channel(alipay()));
    let mut payment = paid("X");
    payment.channel = alipay();
    let _ = shop.confirm("a", payment);
    for part in 0..60 {
        let part = asked_back(&format!("R{part}"), "X", 1).channel(alipay());
        assert_eq!(shop.request("a", part), RefundRequested::Requested);
    }
    shop.wait(HOUR * 24 * 400);
    let late = asked_back("S", "X", 1).channel(alipay());
    assert_eq!(shop.request("a", late), RefundRequested::Requested);
}

#[test]
fn old_failure_does_not_close_reopened_refund() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 40, 1));
    let _ = shop.record_refund("a", told("R", "X", 40, Closed));
    let _ = shop.record_refund("a", told("R", "X", 40, Processing));
    let again = shop.record_refund("a", told("R", "X", 40, Closed));
    assert_eq!(again, (RefundRecorded::MustQuery, true));
    let exceeds = RefundRequested::Exceeds { available: fen(60) };
    assert_eq!(shop.request("a", attempt("S", 61, 1)), exceeds);
}

#[test]
fn repeated_difference_after_dismissal_keeps_query_due() {
    let mut shop = paid_shop();
    let _ = shop.confirm("a", paid("Y"));
    let _ = shop.request("a", attempt("R", 60, 1));
    for state in [Processing, Success] {
        // The second report of a refund must not count on top of the first one.
        let outcome = shop.record_refund("a", told("R", "Y", 60, state));
        assert!(
            matches!(outcome.0, RefundRecorded::Differs { .. }),
            "{outcome:?}"
        );
    }
    for id in [2, 3] {
        let _ = shop.resolve("a", id, Resolution::Dismiss);
    }
    assert_eq!(refund_of(&shop, "R").next_check, Some(shop.now));
    let _ = shop.record_refund("a", told("R", "Y", 60, Success));
    assert!(
        refund_of(&shop, "R").next_check.is_some(),
        "no check is due"
    );
}

#[test]
fn freed_money_makes_query_of_exceeding_refund_due() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 40, 1));
    let _ = shop.record_refund("a", told("R", "X", 40, Closed));
    let _ = shop.request("a", attempt("S", 100, 1));
    let _ = shop.record_refund("a", told("R", "X", 40, Success));
    assert_eq!(shop.refuse("a", "S"), RefundRefused::Closed);
    assert_eq!(refund_of(&shop, "R").next_check, Some(shop.now));
    let outcome = shop.record_refund("a", told("R", "X", 40, Success));
    assert_eq!(outcome, moved(RefundStatus::Success));
}

#[test]
fn retry_of_earlier_refund_ends_anomaly() {
    let mut shop = decided();
    refused(&mut shop);
    assert_eq!(
        shop.resolve_again("a", 1, 1, refund("S")),
        Resolved::Resolved
    );
    assert_eq!(shop.refuse("a", "S"), RefundRefused::Closed);
    let again = asked_back("R", "Y", 100).attempt(2);
    assert_eq!(shop.request("a", again), RefundRequested::Requested);
    assert_eq!(shop.order("a").open_anomalies().count(), 0);
}
