//! The channel contradicts what is known of a refund: another amount, another transaction, a
//! failure after the success.

use super::attempts::{attempt, decided, moved, paid_shop, refund_of, refused};
use super::*;
use crate::order::{AnomalyKind, RefundDifference, RefundStatus};
use RefundState::{Closed, Processing, Success};

#[test]
fn success_that_failed_later_is_a_persons_question_and_then_returned() {
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
    // The double payment's money is here again.
    assert!(shop.anomaly("a", 0).is_open());
    // Money that returned goes back under a new number only.
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
    // An old notification of the success is old news.
    let stale = (RefundRecorded::Stale, true);
    assert_eq!(shop.record_refund("a", told("R", "Y", 100, Success)), stale);
}

#[test]
fn refund_of_another_amount_takes_what_the_channel_says() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 60, 1));
    // Until it ends it holds the larger of both.
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
    // What was asked for is still the refund that was asked for.
    assert_eq!(
        shop.request("a", attempt("R", 60, 1)),
        RefundRequested::Exists
    );
}

#[test]
fn refund_of_a_larger_amount_than_is_left_counts_what_is_left() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 60, 1));
    let _ = shop.request("a", attempt("S", 40, 1));
    let available = fen(60);
    let heard = shop.record_refund("a", told("R", "X", 80, Success));
    assert_eq!(heard, (RefundRecorded::Exceeds { available }, true));
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
fn refused_refund_that_succeeded_with_another_amount_counts_what_went_back() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 60, 1));
    refused(&mut shop);
    let heard = shop.record_refund("a", told("R", "X", 50, Success));
    assert_eq!(heard, moved(RefundStatus::Success));
    assert_eq!(refund_of(&shop, "R").held(), fen(50));
}

#[test]
fn refund_of_another_transaction_counts_there_and_keeps_what_was_asked_for() {
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
    assert_eq!(
        refund_of(&shop, "R").next_check,
        None,
        "nothing is left to ask"
    );
    let exceeds = |left| RefundRequested::Exceeds {
        available: fen(left),
    };
    assert_eq!(shop.request("a", asked_back("S", "Y", 31)), exceeds(30));
    assert_eq!(shop.request("a", asked_back("S", "X", 41)), exceeds(40));
    // The person finds the channel right: what was asked for is free.
    assert_eq!(shop.resolve("a", 2, Resolution::Accept), Resolved::Resolved);
    assert_eq!(refund_of(&shop, "R").status, RefundStatus::Closed);
    assert_eq!(shop.request("a", asked_back("S", "Y", 31)), exceeds(30));
    assert_eq!(
        shop.request("a", asked_back("S", "X", 100)),
        RefundRequested::Requested
    );
    // Or wrong: the channel is asked again, and nothing went back of Y.
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
fn window_and_parts_are_those_of_the_channel() {
    let mut shop = Shop::open();
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
fn failure_told_before_a_closed_refund_went_on_does_not_close_it_again() {
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
fn dismissed_difference_that_is_told_again_stays_due() {
    let mut shop = paid_shop();
    let _ = shop.confirm("a", paid("Y"));
    let _ = shop.request("a", attempt("R", 60, 1));
    for state in [Processing, Success] {
        // The second telling of one refund is not held against its own first one.
        let heard = shop.record_refund("a", told("R", "Y", 60, state));
        assert!(
            matches!(heard.0, RefundRecorded::Differs { .. }),
            "{heard:?}"
        );
    }
    for id in [2, 3] {
        let _ = shop.resolve("a", id, Resolution::Dismiss);
    }
    assert_eq!(refund_of(&shop, "R").next_check, Some(shop.now));
    let _ = shop.record_refund("a", told("R", "Y", 60, Success));
    assert!(refund_of(&shop, "R").next_check.is_some(), "no list has it");
}

#[test]
fn refund_told_when_there_was_too_little_money_is_asked_about_when_some_is_free() {
    let mut shop = paid_shop();
    let _ = shop.request("a", attempt("R", 40, 1));
    let _ = shop.record_refund("a", told("R", "X", 40, Closed));
    let _ = shop.request("a", attempt("S", 100, 1));
    let _ = shop.record_refund("a", told("R", "X", 40, Success));
    assert_eq!(shop.refuse("a", "S"), RefundRefused::Closed);
    assert_eq!(refund_of(&shop, "R").next_check, Some(shop.now));
    let heard = shop.record_refund("a", told("R", "X", 40, Success));
    assert_eq!(heard, moved(RefundStatus::Success));
}

#[test]
fn retry_of_an_earlier_refund_ends_the_anomaly_as_well() {
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
