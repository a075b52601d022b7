//! A refund's attempts under one number, and what late or contradicting news may do to it.

use super::*;
use crate::order::{Anomaly, AnomalyEndKind, AnomalyKind, Refund, RefundStatus, Status};
use RefundState::{Abnormal, Closed, Processing, Success};

pub(super) fn paid_shop() -> Shop {
    let mut shop = Shop::with_order();
    let _ = shop.confirm("a", paid("X"));
    shop
}

pub(super) fn refund_of(shop: &Shop, number: &str) -> Refund {
    let number = RefundNo::parse(number).unwrap();
    shop.record("a").unwrap().refund(&number).unwrap().clone()
}

pub(super) fn attempt(number: &str, amount: u64, attempt: u32) -> NewRefund {
    asked_back(number, "X", amount).attempt(attempt)
}

/// The answer to a query that is sent now.
pub(super) fn answer(shop: &Shop, number: &str, amount: u64, state: RefundState) -> RefundFact {
    told(number, "X", amount, state).with_query_sent_at(shop.now)
}

pub(super) fn moved(to: RefundStatus) -> (RefundRecorded, bool) {
    (RefundRecorded::Moved { to }, true)
}

const MUST_QUERY: (RefundRecorded, bool) = (RefundRecorded::MustQuery, true);

/// X of 100 waits, was decided to go back under R, and the channel refused R.
pub(super) fn refused(shop: &mut Shop) {
    assert_eq!(shop.refuse("a", "R"), RefundRefused::Closed);
}

#[test]
fn refused_refund_retried_under_its_number_reserves_again() {
    let mut shop = paid_shop();
    let requested = RefundRequested::Requested;
    assert_eq!(shop.request("a", attempt("R1", 40, 1)), requested);
    assert_eq!(shop.refuse("a", "R1"), RefundRefused::Closed);
    // The same attempt again starts nothing, and says so.
    let ended = RefundRequested::Ended {
        code: Label::parse("NOTENOUGH").ok(),
        attempts: 1,
    };
    let decision = shop.ask(no("a"), request_refund(attempt("R1", 40, 1)));
    assert_eq!(decision.outcome, Outcome::RequestRefund(ended.clone()));
    assert!(!decision.acknowledge);
    assert_eq!(shop.request("a", attempt("R1", 40, 3)), ended, "a gap");
    // The next one reserves and becomes due.
    assert_eq!(shop.request("a", attempt("R1", 40, 2)), requested);
    let refund = refund_of(&shop, "R1");
    assert_eq!(
        (refund.status, refund.attempt),
        (RefundStatus::Requested, 2)
    );
    assert!(refund.next_check.is_some());
    let exceeds = RefundRequested::Exceeds { available: fen(60) };
    assert_eq!(shop.request("a", attempt("R2", 61, 1)), exceeds);
    // While it is under way the attempt is idempotent, and an older one has ended.
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
fn late_refusal_of_an_attempt_does_not_end_the_next() {
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
        // A notification has no date; the query is sent before the retry.
        let old = match is_query {
            true => answer(&shop, "R", 40, state),
            false => told("R", "X", 40, state),
        };
        shop.wait(SECOND);
        refused(&mut shop);
        let _ = shop.request("a", attempt("R", 40, 2));
        assert_eq!(shop.record_refund("a", old), MUST_QUERY);
        let refund = refund_of(&shop, "R");
        assert_eq!(refund.next_check, Some(shop.now), "it is due now");
        assert_eq!(
            (refund.status, refund.held()),
            (RefundStatus::Requested, fen(40))
        );
        // What was sent later is believed.
        shop.wait(SECOND);
        let fact = answer(&shop, "R", 40, state);
        assert_eq!(shop.record_refund("a", fact), moved(state.into()));
    }
}

#[test]
fn server_that_never_dates_its_queries_does_not_ask_without_end() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 40, 1));
    refused(&mut shop);
    let _ = shop.request("a", attempt("R", 40, 2));
    shop.wait(HOUR);
    // It is due, and the answer bears no date: the next check is due later.
    let undated = told("R", "X", 40, Closed);
    assert_eq!(shop.record_refund("a", undated), MUST_QUERY);
    assert!(refund_of(&shop, "R").next_check.unwrap() > shop.now);
}

#[test]
fn old_failure_after_a_success_makes_it_due_and_changes_nothing_else() {
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
    // The channel answers that it succeeded: nothing is due any more.
    shop.wait(SECOND);
    let fact = answer(&shop, "R", 40, Success);
    assert_eq!(
        shop.record_refund("a", fact),
        (RefundRecorded::Duplicate, true)
    );
    assert_eq!(refund_of(&shop, "R").next_check, None);
}

#[test]
fn closed_refund_that_is_under_way_after_all_reserves_again() {
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
fn success_told_after_the_failure_is_asked_about_once_more() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 60, 1));
    let _ = shop.record_refund("a", told("R", "X", 60, Closed));
    // The messages may have come in the wrong order: it counts, and is due.
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
    // The answer to a query that was sent after the failure needs no other one.
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 60, 1));
    let _ = shop.record_refund("a", told("R", "X", 60, Closed));
    shop.wait(SECOND);
    let fact = answer(&shop, "R", 60, Success);
    assert_eq!(shop.record_refund("a", fact), moved(RefundStatus::Success));
    assert_eq!(refund_of(&shop, "R").next_check, None);
}

/// A double payment Y that a person decided to give back under R.
pub(super) fn decided() -> Shop {
    let mut shop = paid_shop();
    let _ = shop.confirm("a", paid("Y"));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Resolved);
    shop
}

#[test]
fn decided_refund_that_is_refused_opens_its_anomaly_again() {
    let mut shop = decided();
    shop.wait(MINUTE);
    refused(&mut shop);
    let anomaly = shop.anomaly("a", 0).clone();
    assert!(anomaly.is_open());
    assert_eq!((anomaly.reopenings(), anomaly.opened_at()), (1, shop.now));
    assert_eq!(shop.kinds("a").len(), 1, "no new place is taken");
    // The old decision again is known; it does not answer the new question.
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Already);
    assert_eq!(
        shop.resolve("a", 1, Resolution::Dismiss),
        Resolved::Different
    );
    assert!(shop.anomaly("a", 0).is_open());
    // The new decision may try the same number again.
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
fn reopened_anomaly_ends_by_itself_at_a_retry_or_a_late_success() {
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
fn unclaimed_payment_whose_refund_is_refused_is_somebodys_question_again() {
    // Before its order exists it waits again, and pays.
    let mut shop = Shop::open();
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Resolved);
    refused(&mut shop);
    assert_eq!(shop.kinds("a"), [AnomalyKind::Unclaimed]);
    assert_eq!(shop.create("a", new()), Created::CreatedAndPaid);

    // Under an order it is a payment that was given back, and a person may accept it.
    let mut shop = Shop::open();
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.resolve("a", 1, refund("R"));
    assert_eq!(shop.create("a", new()), Created::Created);
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    let not = Resolved::Different;
    assert_eq!(
        shop.resolve("a", 1, Resolution::Accept),
        not,
        "its refund is open"
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
fn given_back_payment_is_not_accepted_while_its_money_goes_back() {
    let mut shop = Shop::open();
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
    let mut shop = Shop::open();
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
fn decision_that_other_books_bring_along_keeps_its_payment_from_paying() {
    // The anomaly says that the payment was given back; no refund of it came along.
    let mut books = Shop::with_order();
    let _ = books.confirm("a", paid_by("X", "aunt"));
    let _ = books.resolve("a", 1, refund("R"));
    let mut order = books.order("a").clone();
    order.refunds.clear();
    let mut shop = Shop::open();
    assert_eq!(shop.import(&order, Conflict::Skip), Imported::Imported);
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    assert_eq!(shop.status("a"), Status::Pending);
}
