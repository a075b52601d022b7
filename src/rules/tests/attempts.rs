//! Several attempts of a refund under one number, with late or contradicting reports.

use super::*;
use crate::order::{
    Anomaly, AnomalyEndKind, AnomalyKind, Refund, RefundRefusal, RefundStatus, Status,
};
use RefundState::{Abnormal, Closed, Processing, Success};

pub(super) fn paid_store() -> Oracle {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid("X"));
    store
}

pub(super) fn refund_of(store: &Oracle, number: &str) -> Refund {
    super::refund::refund_of(store, number).clone()
}

pub(super) fn attempt(number: &str, amount: u64, attempt: u32) -> NewRefund {
    new_refund(number, "X", amount).attempt(attempt)
}

/// Returns the channel's answer to a refund query that the server sends now.
pub(super) fn answer(store: &Oracle, number: &str, amount: u64, state: RefundState) -> RefundFact {
    report(number, "X", amount, state).with_query_sent_at(store.now)
}

pub(super) fn moved(to: RefundStatus) -> (RefundRecorded, bool) {
    (RefundRecorded::Moved { to }, true)
}

const MUST_QUERY: (RefundRecorded, bool) = (RefundRecorded::MustQuery, true);

/// Records that the channel refused the request for refund R.
pub(super) fn refused(store: &mut Oracle) {
    assert_eq!(store.refuse("a", "R"), RefundRefused::Closed);
}

#[test]
fn retry_of_refused_refund_reserves_amount_again() {
    let mut store = paid_store();
    let requested = RefundRequested::Requested;
    assert_eq!(store.request("a", attempt("R1", 40, 1)), requested);
    assert_eq!(store.refuse("a", "R1"), RefundRefused::Closed);
    // A repeated request of the same attempt writes nothing.
    let ended = RefundRequested::Ended {
        code: Label::parse("NOTENOUGH").ok(),
        attempts: 1,
    };
    let decision = store.run(no("a"), request_refund(attempt("R1", 40, 1)));
    assert_eq!(decision.outcome, Outcome::RequestRefund(ended.clone()));
    assert!(!decision.acknowledge);
    assert_eq!(
        store.request("a", attempt("R1", 40, 3)),
        ended,
        "attempt 2 is missing"
    );
    // Attempt 2 reserves the amount again and schedules a check.
    assert_eq!(store.request("a", attempt("R1", 40, 2)), requested);
    let refund = refund_of(&store, "R1");
    assert_eq!(
        (refund.status, refund.attempt),
        (RefundStatus::Requested, 2)
    );
    assert!(refund.next_check.is_some());
    let exceeds = RefundRequested::Refused(RefundRefusal::Exceeds { available: fen(60) });
    assert_eq!(store.request("a", attempt("R2", 61, 1)), exceeds);
    // A repeated request of attempt 2, which is open, writes nothing. Attempt 1 has ended.
    assert_eq!(
        store.request("a", attempt("R1", 40, 2)),
        RefundRequested::Exists
    );
    let older = RefundRequested::Ended {
        code: None,
        attempts: 2,
    };
    assert_eq!(store.request("a", attempt("R1", 40, 1)), older);
    assert_eq!(
        store.record_refund("a", report("R1", "X", 40, Success)),
        moved(RefundStatus::Success)
    );
    assert_eq!(
        store.request("a", attempt("R1", 40, 2)),
        RefundRequested::Exists
    );
    assert_eq!(store.order("a").refunds.len(), 1);
}

#[test]
fn refund_retry_checks_all_limits_except_record_size() {
    let closed = || {
        let mut store = paid_store();
        let _ = store.request("a", attempt("R", 60, 1));
        let _ = store.record_refund("a", report("R", "X", 60, Closed));
        store
    };
    let mut store = closed();
    let _ = store.request("a", attempt("S", 60, 1));
    let exceeds = RefundRequested::Refused(RefundRefusal::Exceeds { available: fen(40) });
    assert_eq!(store.request("a", attempt("R", 60, 2)), exceeds);

    let mut store = closed();
    let _ = store.query("a", ChannelState::Revoked);
    assert_eq!(
        store.request("a", attempt("R", 60, 2)),
        RefundRequested::Refused(RefundRefusal::Blocked)
    );

    let mut store = closed();
    store.wait(HOUR * 24 * 366);
    assert_eq!(
        store.request("a", attempt("R", 60, 2)),
        RefundRequested::Refused(RefundRefusal::WindowOver)
    );

    let mut store = closed();
    for part in 0..40 {
        let _ = store.request("a", attempt(&format!("S{part}"), 1, 1));
    }
    assert_eq!(
        store.request("a", attempt("R", 60, 2)),
        RefundRequested::Requested
    );

    let mut store = closed();
    for part in 0..50 {
        let _ = store.request("a", attempt(&format!("S{part}"), 1, 1));
    }
    assert_eq!(
        store.request("a", attempt("R", 60, 2)),
        RefundRequested::Refused(RefundRefusal::TooMany)
    );
}

#[test]
fn refusal_of_earlier_refund_attempt_keeps_retry_open() {
    let mut store = paid_store();
    let _ = store.request("a", attempt("R", 40, 1));
    refused(&mut store);
    let _ = store.request("a", attempt("R", 40, 2));
    assert_eq!(store.refuse("a", "R"), RefundRefused::Already);
    assert_eq!(refund_of(&store, "R").status, RefundStatus::Requested);
    assert_eq!(store.refuse_attempt("a", "R", 3), RefundRefused::NotFound);
    assert_eq!(store.refuse_attempt("a", "R", 2), RefundRefused::Closed);
}

#[test]
fn old_failure_report_does_not_end_refund_retry() {
    for (state, is_query) in [
        (Closed, false),
        (Closed, true),
        (Abnormal, false),
        (Abnormal, true),
    ] {
        let mut store = paid_store();
        let _ = store.request("a", attempt("R", 40, 1));
        // Both reports may be older than the retry: a notification has no query time, and the query
        // was sent before the retry.
        let old = match is_query {
            true => answer(&store, "R", 40, state),
            false => report("R", "X", 40, state),
        };
        store.wait(SECOND);
        refused(&mut store);
        let _ = store.request("a", attempt("R", 40, 2));
        assert_eq!(store.record_refund("a", old), MUST_QUERY);
        let refund = refund_of(&store, "R");
        assert_eq!(refund.next_check, Some(store.now), "due now");
        assert_eq!(
            (refund.status, refund.held()),
            (RefundStatus::Requested, fen(40))
        );
        // The store accepts the failure in the answer to a later query.
        store.wait(SECOND);
        let fact = answer(&store, "R", 40, state);
        assert_eq!(store.record_refund("a", fact), moved(state.into()));
    }
}

#[test]
fn refund_answer_without_query_time_delays_next_check() {
    let mut store = paid_store();
    let _ = store.request("a", attempt("R", 40, 1));
    refused(&mut store);
    let _ = store.request("a", attempt("R", 40, 2));
    store.wait(HOUR);
    // A report without a query time counts as the answer to the due check, so the next check is
    // later.
    let undated = report("R", "X", 40, Closed);
    assert_eq!(store.record_refund("a", undated), MUST_QUERY);
    assert!(refund_of(&store, "R").next_check.unwrap() > store.now);
}

#[test]
fn old_failure_after_refund_success_only_schedules_query() {
    let mut store = paid_store();
    let _ = store.request("a", attempt("R", 40, 1));
    let _ = store.record_refund("a", report("R", "X", 40, Success));
    assert_eq!(
        store.record_refund("a", report("R", "X", 40, Closed)),
        MUST_QUERY
    );
    let refund = refund_of(&store, "R");
    assert_eq!(
        (refund.status, refund.next_check),
        (RefundStatus::Success, Some(store.now))
    );
    assert_eq!(store.kinds("a"), []);
    // After a query confirms the success, no check is scheduled.
    store.wait(SECOND);
    let fact = answer(&store, "R", 40, Success);
    assert_eq!(
        store.record_refund("a", fact),
        (RefundRecorded::Duplicate, true)
    );
    assert_eq!(refund_of(&store, "R").next_check, None);
}

#[test]
fn closed_refund_reported_open_reserves_amount_again() {
    for state in [Processing, Abnormal] {
        let mut store = paid_store();
        let _ = store.request("a", attempt("R", 60, 1));
        let _ = store.record_refund("a", report("R", "X", 60, Closed));
        assert_eq!(
            store.record_refund("a", report("R", "X", 60, state)),
            moved(state.into())
        );
        assert!(refund_of(&store, "R").next_check.is_some());
        let exceeds = RefundRequested::Refused(RefundRefusal::Exceeds { available: fen(40) });
        assert_eq!(store.request("a", attempt("S", 41, 1)), exceeds);

        let mut store = paid_store();
        let _ = store.request("a", attempt("R", 60, 1));
        let _ = store.record_refund("a", report("R", "X", 60, Closed));
        let _ = store.request("a", attempt("S", 60, 1));
        let exceeds = RefundRecorded::Exceeds { available: fen(40) };
        assert_eq!(
            store.record_refund("a", report("R", "X", 60, state)),
            (exceeds, true)
        );
        assert_eq!(store.order("a").open_anomalies().count(), 1);
    }
}

#[test]
fn refund_success_after_failure_schedules_one_query() {
    let mut store = paid_store();
    let _ = store.request("a", attempt("R", 60, 1));
    let _ = store.record_refund("a", report("R", "X", 60, Closed));
    // The store cannot tell whether this success is older or newer than the failure. To be safe, it
    // counts the amount as refunded and schedules a query.
    let _ = store.record_refund("a", report("R", "X", 60, Success));
    let refund = refund_of(&store, "R");
    assert_eq!(refund.held(), fen(60));
    store.wait(HOUR);
    assert!(refund.next_check.unwrap() <= store.now);
    let failed = answer(&store, "R", 60, Closed);
    let status = RefundStatus::Success;
    let disagrees = (RefundRecorded::Disagrees { status }, true);
    assert_eq!(store.record_refund("a", failed), disagrees);
    assert_eq!(refund_of(&store, "R").next_check, None);
    // A success that answers a query sent after the failure needs no further check.
    let mut store = paid_store();
    let _ = store.request("a", attempt("R", 60, 1));
    let _ = store.record_refund("a", report("R", "X", 60, Closed));
    store.wait(SECOND);
    let fact = answer(&store, "R", 60, Success);
    assert_eq!(store.record_refund("a", fact), moved(RefundStatus::Success));
    assert_eq!(refund_of(&store, "R").next_check, None);
}

/// Returns a store whose `order-a` has a second payment, Y. A person decided to refund Y under the
/// refund number R.
pub(super) fn refund_decided() -> Oracle {
    let mut store = paid_store();
    let _ = store.confirm("a", paid("Y"));
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::Resolved);
    store
}

#[test]
fn refused_refund_reopens_its_anomaly() {
    let mut store = refund_decided();
    store.wait(MINUTE);
    refused(&mut store);
    let anomaly = store.anomaly("a", 0).clone();
    assert!(anomaly.is_open());
    assert_eq!((anomaly.reopenings(), anomaly.opened_at()), (1, store.now));
    assert_eq!(store.kinds("a").len(), 1, "no new anomaly");
    // A repeated old decision returns `Already` and does not resolve the reopened anomaly.
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::Already);
    assert_eq!(
        store.resolve("a", 1, Resolution::Dismiss),
        Resolved::Different
    );
    assert!(store.anomaly("a", 0).is_open());
    // A new decision may use refund number R again.
    assert_eq!(
        store.resolve_again("a", 1, 1, refund("R")),
        Resolved::Resolved
    );
    assert_eq!(refund_of(&store, "R").attempt, 2);
    assert_eq!(
        store.resolve_again("a", 1, 1, refund("R")),
        Resolved::Already
    );
    let dismiss = Resolution::Dismiss;
    assert_eq!(
        store.resolve_again("a", 1, 1, dismiss.clone()),
        Resolved::Different
    );
    assert_eq!(store.resolve_again("a", 1, 2, dismiss), Resolved::NotFound);
}

#[test]
fn refund_retry_or_success_ends_reopened_anomaly() {
    let ended = |anomaly: &Anomaly| {
        let end = anomaly.end.as_ref().map(|end| end.how.clone());
        let refund_no = RefundNo::parse("R").unwrap();
        assert_eq!(end, Some(AnomalyEndKind::Refunded { refund_no }));
    };
    let mut store = refund_decided();
    refused(&mut store);
    let again = new_refund("R", "Y", 100).attempt(2);
    assert_eq!(store.request("a", again), RefundRequested::Requested);
    ended(store.anomaly("a", 0));

    let mut store = refund_decided();
    let _ = store.record_refund("a", report("R", "Y", 100, Closed));
    assert!(store.anomaly("a", 0).is_open());
    let _ = store.record_refund("a", report("R", "Y", 100, Success));
    ended(store.anomaly("a", 0));
}

#[test]
fn refused_refund_reopens_anomaly_of_unclaimed_payment() {
    // If the order does not exist yet, the payment is unclaimed again and pays the order later.
    let mut store = Oracle::open();
    let _ = store.confirm("a", paid("X"));
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::Resolved);
    refused(&mut store);
    assert_eq!(store.kinds("a"), [AnomalyKind::Unclaimed]);
    assert_eq!(store.create("a", new()), Created::CreatedAndPaid);

    // If the order exists, the payment has a `GivenBack` anomaly, which a person may accept.
    let mut store = Oracle::open();
    let _ = store.confirm("a", paid("X"));
    let _ = store.resolve("a", 1, refund("R"));
    assert_eq!(store.create("a", new()), Created::Created);
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    let not = Resolved::Different;
    assert_eq!(
        store.resolve("a", 1, Resolution::Accept),
        not,
        "the refund has not ended"
    );
    refused(&mut store);
    assert_eq!(store.kinds("a"), [AnomalyKind::GivenBack { by: None }]);
    assert_eq!(store.order("a").open_anomalies().count(), 1);
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    let applied = Resolved::Reexamined(Confirmed::Applied);
    assert_eq!(store.resolve_again("a", 1, 1, Resolution::Accept), applied);
    assert_eq!(store.status("a"), Status::Success);
}

#[test]
fn accept_of_payment_being_refunded_is_refused() {
    let mut store = Oracle::open();
    let _ = store.confirm("a", paid("X"));
    let _ = store.request("a", new_refund("R", "X", 60));
    let _ = store.create("a", new());
    assert_eq!(
        store.resolve("a", 1, Resolution::Accept),
        Resolved::NotAcceptable
    );
    refused(&mut store);
    let applied = Resolved::Reexamined(Confirmed::Applied);
    assert_eq!(store.resolve("a", 1, Resolution::Accept), applied);
}

#[test]
fn dismissed_payment_after_refund_decision_never_pays() {
    let mut store = Oracle::open();
    let _ = store.confirm("a", paid("X"));
    let _ = store.resolve("a", 1, refund("R"));
    let _ = store.create("a", new());
    refused(&mut store);
    assert_eq!(
        store.resolve_again("a", 1, 1, Resolution::Dismiss),
        Resolved::Resolved
    );
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    assert_eq!(store.status("a"), Status::Pending);
}

#[test]
fn payment_with_imported_refund_decision_does_not_pay() {
    // The imported anomaly ended as `Refunded`, but the import does not contain the refund.
    let mut source = Oracle::with_order();
    let _ = source.confirm("a", paid_by("X", "aunt"));
    let _ = source.resolve("a", 1, refund("R"));
    let mut order = source.order("a").clone();
    order.refunds.clear();
    let mut store = Oracle::open();
    assert_eq!(store.import(&order, Conflict::Skip), Imported::Imported);
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    assert_eq!(store.status("a"), Status::Pending);
}
