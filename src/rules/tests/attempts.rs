//! Attempts of a refund under one number, and the effect of late or contradicting reports.

use super::*;
use crate::order::{Anomaly, AnomalyEndKind, AnomalyKind, Refund, RefundStatus, Status};
use RefundState::{Abnormal, Closed, Processing, Success};

pub(super) fn paid_shop() -> Oracle {
    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", paid("X"));
    shop
}

pub(super) fn refund_of(shop: &Oracle, number: &str) -> Refund {
    let number = RefundNo::parse(number).unwrap();
    shop.record("a").unwrap().refund(&number).unwrap().clone()
}

pub(super) fn attempt(number: &str, amount: u64, attempt: u32) -> NewRefund {
    asked_back(number, "X", amount).attempt(attempt)
}

/// Returns the answer to a query that is sent now.
pub(super) fn answer(shop: &Oracle, number: &str, amount: u64, state: RefundState) -> RefundFact {
    told(number, "X", amount, state).with_query_sent_at(shop.now)
}

pub(super) fn moved(to: RefundStatus) -> (RefundRecorded, bool) {
    (RefundRecorded::Moved { to }, true)
}

const MUST_QUERY: (RefundRecorded, bool) = (RefundRecorded::MustQuery, true);

/// Makes the channel refuse the refund R.
pub(super) fn refused(shop: &mut Oracle) {
    assert_eq!(shop.refuse("a", "R"), RefundRefused::Closed);
}

#[test]
fn refused_refund_retried_under_its_number_reserves_again() {
    let mut shop = paid_shop();
    let requested = RefundRequested::Requested;
    assert_eq!(shop.request("a", attempt("R1", 40, 1)), requested);
    assert_eq!(shop.refuse("a", "R1"), RefundRefused::Closed);
    // A repeat of the same attempt starts nothing.
    let ended = RefundRequested::Ended {
        code: Label::parse("NOTENOUGH").ok(),
        attempts: 1,
    };
    let decision = shop.run(no("a"), request_refund(attempt("R1", 40, 1)));
    assert_eq!(decision.outcome, Outcome::RequestRefund(ended.clone()));
    assert!(!decision.acknowledge);
    assert_eq!(
        shop.request("a", attempt("R1", 40, 3)),
        ended,
        "attempt 2 is missing"
    );
    // The next attempt reserves money, and a check becomes due.
    assert_eq!(shop.request("a", attempt("R1", 40, 2)), requested);
    let refund = refund_of(&shop, "R1");
    assert_eq!(
        (refund.status, refund.attempt),
        (RefundStatus::Requested, 2)
    );
    assert!(refund.next_check.is_some());
    let exceeds = RefundRequested::Exceeds { available: fen(60) };
    assert_eq!(shop.request("a", attempt("R2", 61, 1)), exceeds);
    // The open attempt is idempotent. The earlier attempt has ended.
    assert_eq!(
        shop.request("a", attempt("R1", 40, 2)),
        RefundRequested::Exists
    );
    let older = RefundRequested::Ended {
        code: None,
        attempts: 2,
    };
    assert_eq!(shop.request("a", attempt("R1", 40, 1)), older);
    assert_eq!(
        shop.record_refund("a", told("R1", "X", 40, Success)),
        moved(RefundStatus::Success)
    );
    assert_eq!(
        shop.request("a", attempt("R1", 40, 2)),
        RefundRequested::Exists
    );
    assert_eq!(shop.order("a").refunds.len(), 1);
}

#[test]
fn next_attempt_meets_every_guard_but_room() {
    let closed = || {
        let mut shop = paid_shop();
        let _ = shop.request("a", attempt("R", 60, 1));
        let _ = shop.record_refund("a", told("R", "X", 60, Closed));
        shop
    };
    let mut shop = closed();
    let _ = shop.request("a", attempt("S", 60, 1));
    let exceeds = RefundRequested::Exceeds { available: fen(40) };
    assert_eq!(shop.request("a", attempt("R", 60, 2)), exceeds);

    let mut shop = closed();
    let _ = shop.query("a", ChannelState::Revoked);
    assert_eq!(
        shop.request("a", attempt("R", 60, 2)),
        RefundRequested::Blocked
    );

    let mut shop = closed();
    shop.wait(HOUR * 24 * 366);
    assert_eq!(
        shop.request("a", attempt("R", 60, 2)),
        RefundRequested::WindowOver
    );

    let mut shop = closed();
    for part in 0..40 {
        let _ = shop.request("a", attempt(&format!("S{part}"), 1, 1));
    }
    assert_eq!(
        shop.request("a", attempt("R", 60, 2)),
        RefundRequested::Requested
    );

    let mut shop = closed();
    for part in 0..50 {
        let _ = shop.request("a", attempt(&format!("S{part}"), 1, 1));
    }
    assert_eq!(
        shop.request("a", attempt("R", 60, 2)),
        RefundRequested::TooMany
    );
}

#[test]
fn refusal_of_earlier_attempt_keeps_next_attempt_open() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 40, 1));
    refused(&mut shop);
    let _ = shop.request("a", attempt("R", 40, 2));
    assert_eq!(shop.refuse("a", "R"), RefundRefused::Already);
    assert_eq!(refund_of(&shop, "R").status, RefundStatus::Requested);
    assert_eq!(shop.refuse_attempt("a", "R", 3), RefundRefused::NotFound);
    assert_eq!(shop.refuse_attempt("a", "R", 2), RefundRefused::Closed);
}

#[test]
fn old_failure_does_not_undo_a_retry() {
    for (state, is_query) in [
        (Closed, false),
        (Closed, true),
        (Abnormal, false),
        (Abnormal, true),
    ] {
        let mut shop = paid_shop();
        let _ = shop.request("a", attempt("R", 40, 1));
        // A notification has no date. The query was sent before the retry.
        let old = match is_query {
            true => answer(&shop, "R", 40, state),
            false => told("R", "X", 40, state),
        };
        shop.wait(SECOND);
        refused(&mut shop);
        let _ = shop.request("a", attempt("R", 40, 2));
        assert_eq!(shop.record_refund("a", old), MUST_QUERY);
        let refund = refund_of(&shop, "R");
        assert_eq!(refund.next_check, Some(shop.now), "due now");
        assert_eq!(
            (refund.status, refund.held()),
            (RefundStatus::Requested, fen(40))
        );
        // The store accepts the failure in the answer to a later query.
        shop.wait(SECOND);
        let fact = answer(&shop, "R", 40, state);
        assert_eq!(shop.record_refund("a", fact), moved(state.into()));
    }
}

#[test]
fn undated_answer_moves_due_check_to_later_time() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 40, 1));
    refused(&mut shop);
    let _ = shop.request("a", attempt("R", 40, 2));
    shop.wait(HOUR);
    // The check is due, and the answer has no date. The next check must be later.
    let undated = told("R", "X", 40, Closed);
    assert_eq!(shop.record_refund("a", undated), MUST_QUERY);
    assert!(refund_of(&shop, "R").next_check.unwrap() > shop.now);
}

#[test]
fn old_failure_after_success_only_makes_query_due() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 40, 1));
    let _ = shop.record_refund("a", told("R", "X", 40, Success));
    assert_eq!(
        shop.record_refund("a", told("R", "X", 40, Closed)),
        MUST_QUERY
    );
    let refund = refund_of(&shop, "R");
    assert_eq!(
        (refund.status, refund.next_check),
        (RefundStatus::Success, Some(shop.now))
    );
    assert_eq!(shop.kinds("a"), []);
    // The channel confirms the success: no check is due any more.
    shop.wait(SECOND);
    let fact = answer(&shop, "R", 40, Success);
    assert_eq!(
        shop.record_refund("a", fact),
        (RefundRecorded::Duplicate, true)
    );
    assert_eq!(refund_of(&shop, "R").next_check, None);
}

#[test]
fn closed_refund_reported_open_reserves_again() {
    for state in [Processing, Abnormal] {
        let mut shop = paid_shop();
        let _ = shop.request("a", attempt("R", 60, 1));
        let _ = shop.record_refund("a", told("R", "X", 60, Closed));
        assert_eq!(
            shop.record_refund("a", told("R", "X", 60, state)),
            moved(state.into())
        );
        assert!(refund_of(&shop, "R").next_check.is_some());
        let exceeds = RefundRequested::Exceeds { available: fen(40) };
        assert_eq!(shop.request("a", attempt("S", 41, 1)), exceeds);

        let mut shop = paid_shop();
        let _ = shop.request("a", attempt("R", 60, 1));
        let _ = shop.record_refund("a", told("R", "X", 60, Closed));
        let _ = shop.request("a", attempt("S", 60, 1));
        let exceeds = RefundRecorded::Exceeds { available: fen(40) };
        assert_eq!(
            shop.record_refund("a", told("R", "X", 60, state)),
            (exceeds, true)
        );
        assert_eq!(shop.order("a").open_anomalies().count(), 1);
    }
}

#[test]
fn success_after_failure_is_queried_once_more() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 60, 1));
    let _ = shop.record_refund("a", told("R", "X", 60, Closed));
    // The messages may be out of order: the success counts, and one more check is due.
    let _ = shop.record_refund("a", told("R", "X", 60, Success));
    let refund = refund_of(&shop, "R");
    assert_eq!(refund.held(), fen(60));
    shop.wait(HOUR);
    assert!(refund.next_check.unwrap() <= shop.now);
    let failed = answer(&shop, "R", 60, Closed);
    let status = RefundStatus::Success;
    let disagrees = (RefundRecorded::Disagrees { status }, true);
    assert_eq!(shop.record_refund("a", failed), disagrees);
    assert_eq!(refund_of(&shop, "R").next_check, None);
    // A success that answers a query sent after the failure needs no further check.
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 60, 1));
    let _ = shop.record_refund("a", told("R", "X", 60, Closed));
    shop.wait(SECOND);
    let fact = answer(&shop, "R", 60, Success);
    assert_eq!(shop.record_refund("a", fact), moved(RefundStatus::Success));
    assert_eq!(refund_of(&shop, "R").next_check, None);
}

/// Returns a store with a double payment Y that a person decided to refund under R.
pub(super) fn decided() -> Oracle {
    let mut shop = paid_shop();
    let _ = shop.confirm("a", paid("Y"));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Resolved);
    shop
}

#[test]
fn refused_refund_reopens_its_anomaly() {
    let mut shop = decided();
    shop.wait(MINUTE);
    refused(&mut shop);
    let anomaly = shop.anomaly("a", 0).clone();
    assert!(anomaly.is_open());
    assert_eq!((anomaly.reopenings(), anomaly.opened_at()), (1, shop.now));
    assert_eq!(shop.kinds("a").len(), 1, "no new anomaly");
    // A repeat of the old decision is recognised, and does not resolve the reopened anomaly.
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Already);
    assert_eq!(
        shop.resolve("a", 1, Resolution::Dismiss),
        Resolved::Different
    );
    assert!(shop.anomaly("a", 0).is_open());
    // The new decision may use the same refund number again.
    assert_eq!(
        shop.resolve_again("a", 1, 1, refund("R")),
        Resolved::Resolved
    );
    assert_eq!(refund_of(&shop, "R").attempt, 2);
    assert_eq!(
        shop.resolve_again("a", 1, 1, refund("R")),
        Resolved::Already
    );
    let dismiss = Resolution::Dismiss;
    assert_eq!(
        shop.resolve_again("a", 1, 1, dismiss.clone()),
        Resolved::Different
    );
    assert_eq!(shop.resolve_again("a", 1, 2, dismiss), Resolved::NotFound);
}

#[test]
fn reopened_anomaly_ends_on_retry_or_late_success() {
    let ended = |anomaly: &Anomaly| {
        let end = anomaly.end.as_ref().map(|end| end.how.clone());
        let refund_no = RefundNo::parse("R").unwrap();
        assert_eq!(end, Some(AnomalyEndKind::Refunded { refund_no }));
    };
    let mut shop = decided();
    refused(&mut shop);
    let again = asked_back("R", "Y", 100).attempt(2);
    assert_eq!(shop.request("a", again), RefundRequested::Requested);
    ended(shop.anomaly("a", 0));

    let mut shop = decided();
    let _ = shop.record_refund("a", told("R", "Y", 100, Closed));
    assert!(shop.anomaly("a", 0).is_open());
    let _ = shop.record_refund("a", told("R", "Y", 100, Success));
    ended(shop.anomaly("a", 0));
}

#[test]
fn refused_refund_reopens_unclaimed_payment() {
    // Without an order the payment waits again, and pays the order later.
    let mut shop = Oracle::open();
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Resolved);
    refused(&mut shop);
    assert_eq!(shop.kinds("a"), [AnomalyKind::Unclaimed]);
    assert_eq!(shop.create("a", new()), Created::CreatedAndPaid);

    // With an order it is a refunded payment, and a person may accept it.
    let mut shop = Oracle::open();
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.resolve("a", 1, refund("R"));
    assert_eq!(shop.create("a", new()), Created::Created);
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    let not = Resolved::Different;
    assert_eq!(
        shop.resolve("a", 1, Resolution::Accept),
        not,
        "the refund is open"
    );
    refused(&mut shop);
    assert_eq!(shop.kinds("a"), [AnomalyKind::GivenBack { by: None }]);
    assert_eq!(shop.order("a").open_anomalies().count(), 1);
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    let applied = Resolved::Reexamined(Confirmed::Applied);
    assert_eq!(shop.resolve_again("a", 1, 1, Resolution::Accept), applied);
    assert_eq!(shop.status("a"), Status::Success);
}

#[test]
fn payment_under_refund_is_not_acceptable() {
    let mut shop = Oracle::open();
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.request("a", asked_back("R", "X", 60));
    let _ = shop.create("a", new());
    assert_eq!(
        shop.resolve("a", 1, Resolution::Accept),
        Resolved::NotAcceptable
    );
    refused(&mut shop);
    let applied = Resolved::Reexamined(Confirmed::Applied);
    assert_eq!(shop.resolve("a", 1, Resolution::Accept), applied);
}

#[test]
fn dismissed_given_back_payment_never_pays() {
    let mut shop = Oracle::open();
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.resolve("a", 1, refund("R"));
    let _ = shop.create("a", new());
    refused(&mut shop);
    assert_eq!(
        shop.resolve_again("a", 1, 1, Resolution::Dismiss),
        Resolved::Resolved
    );
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    assert_eq!(shop.status("a"), Status::Pending);
}

#[test]
fn imported_refund_decision_keeps_payment_from_paying() {
    // The imported anomaly ended with a refund, but the import does not contain the refund.
    let mut source = Oracle::with_order();
    let _ = source.confirm("a", paid_by("X", "aunt"));
    let _ = source.resolve("a", 1, refund("R"));
    let mut order = source.order("a").clone();
    order.refunds.clear();
    let mut shop = Oracle::open();
    assert_eq!(shop.import(&order, Conflict::Skip), Imported::Imported);
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    assert_eq!(shop.status("a"), Status::Pending);
}
