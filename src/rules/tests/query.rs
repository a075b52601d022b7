//! `record_query` and `record_unanswered`: the channel's answers about an order.

use super::*;
use crate::order::{ActionKind, AnomalyKind, Confirmed, NextAction, Status, TradeState};

const UNPAID: [ChannelState; 3] = [
    ChannelState::NotPay,
    ChannelState::UserPaying,
    ChannelState::Accept,
];

fn due(shop: &Oracle, action: ActionKind) {
    let at = shop.now;
    assert_eq!(shop.next("a"), Some(NextAction { at, action }));
}

#[test]
fn unpaid_order_starts_closing_after_expiry() {
    for state in UNPAID {
        let mut shop = Oracle::with_order();
        shop.wait(WEEK);
        assert_eq!(shop.query("a", state.clone()), Queried::StillPending);
        shop.wait(std::time::Duration::from_millis(1));
        let to = Status::Closing;
        assert_eq!(shop.query("a", state.clone()), Queried::Moved { to });
        due(&shop, ActionKind::AskClose);
        assert_eq!(shop.query("a", state), Queried::StillClosing);
        due(&shop, ActionKind::AskClose);
    }
}

#[test]
fn payment_in_query_is_confirmed_once() {
    let mut shop = Oracle::with_order();
    for outcome in [Confirmed::Applied, Confirmed::Duplicate] {
        let state = ChannelState::Success(paid("X"));
        assert_eq!(shop.query("a", state), Queried::Payment(outcome));
        assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    }
    let state = ChannelState::Success(paid("Y"));
    assert_eq!(
        shop.query("a", state),
        Queried::Payment(Confirmed::DoublePayment)
    );
    let unknown = shop.run(no("b"), query(ChannelState::Success(paid("Z"))));
    let unclaimed = Queried::Payment(Confirmed::Unclaimed);
    assert_eq!(unknown.outcome, Outcome::RecordQuery(unclaimed));
    assert!(!unknown.acknowledge);
}

#[test]
fn stale_answer_leaves_paid_order_unchanged() {
    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", paid("X"));
    let states = UNPAID.into_iter().chain([ChannelState::Closed]);
    for state in states {
        assert_eq!(shop.query("a", state), Queried::Stale);
    }
    assert_eq!(shop.events("a").len(), 2);
}

#[test]
fn unrequested_refund_raises_anomaly() {
    let mut shop = Oracle::with_order();
    let state = ChannelState::Refund(paid("X"));
    let outcome = shop.query("a", state.clone());
    assert_eq!(outcome, Queried::RefundUnknown(Confirmed::Applied));
    assert_eq!(shop.kinds("a"), [AnomalyKind::RefundUnknown]);
    assert_eq!(shop.status("a"), Status::Success);
    let again = shop.query("a", state.clone());
    assert_eq!(again, Queried::RefundUnknown(Confirmed::Duplicate));
    let _ = shop.resolve("a", 1, Resolution::Dismiss);
    let _ = shop.query("a", state);
    assert_eq!(shop.kinds("a").len(), 1);
}

#[test]
fn refund_of_ended_order_is_late_and_unknown() {
    let mut shop = Oracle::with_order();
    let _ = shop.query("a", ChannelState::Closed);
    let outcome = shop.query("a", ChannelState::Refund(paid("X")));
    assert_eq!(outcome, Queried::RefundUnknown(Confirmed::Late));
    let kinds = [AnomalyKind::LatePayment, AnomalyKind::RefundUnknown];
    assert_eq!(shop.kinds("a"), kinds);
}

#[test]
fn known_refund_raises_no_anomaly() {
    let mut shop = Oracle::with_order();
    let _ = shop.query("a", ChannelState::Closed);
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.resolve("a", 1, refund("R"));
    let outcome = shop.query("a", ChannelState::Refund(paid("X")));
    assert_eq!(outcome, Queried::Payment(Confirmed::Duplicate));
}

#[test]
fn refund_of_mismatched_payment_raises_only_mismatch() {
    let mut shop = Oracle::with_order();
    let outcome = shop.query("a", ChannelState::Refund(paid_fen("X", 1)));
    assert!(matches!(
        outcome,
        Queried::Payment(Confirmed::AmountMismatch { .. })
    ));
    let outcome = shop.query("b", ChannelState::Refund(paid("X")));
    assert_eq!(outcome, Queried::Payment(Confirmed::Unclaimed));
}

#[test]
fn closed_and_revoked_end_unpaid_order() {
    let ends = [
        (ChannelState::Closed, Status::Closed),
        (ChannelState::Revoked, Status::Failed),
    ];
    for (state, to) in ends {
        for closing in [false, true] {
            let mut shop = Oracle::with_order();
            if closing {
                let _ = shop.begin_close("a");
            }
            shop.wait(SECOND);
            assert_eq!(shop.query("a", state.clone()), Queried::Moved { to });
            let order = shop.order("a");
            assert_eq!((order.status, order.ended_at), (to, Some(shop.now)));
            assert_eq!(order.next, None);
            assert_eq!(shop.query("a", state.clone()), Queried::Already);
        }
    }
}

#[test]
fn payment_error_starts_closing_first() {
    let mut shop = Oracle::with_order();
    let to = Status::Closing;
    assert_eq!(
        shop.query("a", ChannelState::PayError),
        Queried::Moved { to }
    );
    due(&shop, ActionKind::AskClose);
    assert_eq!(
        shop.query("a", ChannelState::PayError),
        Queried::StillClosing
    );
    let outcome = shop.query("a", ChannelState::Success(paid("X")));
    assert_eq!(outcome, Queried::Payment(Confirmed::Applied));
}

#[test]
fn contradiction_of_paid_order_raises_anomaly_once() {
    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", paid("X"));
    for _ in 0..2 {
        let state = TradeState::PayError;
        let outcome = Queried::ChannelDisagrees { state };
        assert_eq!(shop.query("a", ChannelState::PayError), outcome);
        let state = TradeState::NoSuchOrder;
        let outcome = Queried::ChannelDisagrees { state };
        assert_eq!(shop.query("a", ChannelState::NoSuchOrder), outcome);
        assert_eq!(shop.query("a", ChannelState::Revoked), Queried::Reversed);
    }
    assert_eq!(shop.kinds("a").len(), 3);
    assert_eq!(shop.status("a"), Status::Success);
}

#[test]
fn revoked_late_payment_is_disagreement() {
    let mut shop = Oracle::with_order();
    let _ = shop.query("a", ChannelState::Closed);
    let _ = shop.confirm("a", paid("X"));
    let state = TradeState::Revoked;
    let outcome = Queried::ChannelDisagrees { state };
    assert_eq!(shop.query("a", ChannelState::Revoked), outcome);
}

#[test]
fn unknown_order_closes_after_expiry_and_grace() {
    let mut shop = Oracle::with_order();
    shop.wait(SECOND * 20);
    assert_eq!(
        shop.query("a", ChannelState::NoSuchOrder),
        Queried::StillPending
    );
    shop.wait(WEEK + MINUTE * 10 - SECOND * 20);
    assert_eq!(
        shop.query("a", ChannelState::NoSuchOrder),
        Queried::StillPending
    );
    shop.wait(std::time::Duration::from_millis(1));
    let to = Status::Closed;
    assert_eq!(
        shop.query("a", ChannelState::NoSuchOrder),
        Queried::Moved { to }
    );
}

#[test]
fn unknown_closing_order_closes_after_close_delay() {
    let mut shop = Oracle::with_order();
    let _ = shop.prepay("a", invitation(PrepayKind::Jsapi, "p"));
    let _ = shop.begin_close("a");
    shop.wait(MINUTE * 5 - SECOND);
    assert_eq!(
        shop.query("a", ChannelState::NoSuchOrder),
        Queried::StillClosing
    );
    shop.wait(SECOND);
    let to = Status::Closed;
    assert_eq!(
        shop.query("a", ChannelState::NoSuchOrder),
        Queried::Moved { to }
    );
}

#[test]
fn check_event_leaves_update_time_unchanged() {
    let mut shop = Oracle::with_order();
    let created = shop.now;
    shop.wait(MINUTE);
    let _ = shop.query("a", ChannelState::NotPay);
    let order = shop.order("a");
    assert_eq!((order.update_time, order.version), (created, 2));
    assert_eq!((order.checks, shop.events("a")[1].at), (1, shop.now));
}

#[test]
fn unanswered_query_only_delays_due_step() {
    let mut shop = Oracle::with_order();
    let first = shop.next("a").unwrap();
    // No step is due yet, so nothing is written.
    assert_eq!(shop.unanswered("a"), Queried::StillPending);
    assert_eq!(shop.next("a"), Some(first));
    shop.wait(MINUTE);
    let before = shop.order("a").clone();
    assert_eq!(shop.unanswered("a"), Queried::StillPending);
    let next = shop.next("a").unwrap();
    assert_eq!(next.action, first.action);
    assert!(next.at > shop.now);
    let after = shop.order("a");
    assert_eq!(
        (after.checks, after.status),
        (before.checks + 1, before.status)
    );
    assert_eq!(after.update_time, before.update_time);
    // A due close request stays a close request.
    let _ = shop.begin_close("a");
    let due = shop.next("a").unwrap();
    assert_eq!(shop.unanswered("a"), Queried::StillClosing);
    assert!(shop.next("a").unwrap().at > due.at);
    assert_eq!(shop.next("a").unwrap().action, due.action);
}

#[test]
fn unanswered_query_of_paid_order_writes_nothing() {
    let mut shop = Oracle::with_order();
    assert_eq!(shop.unanswered("b"), Queried::NotFound);
    let _ = shop.confirm("a", paid("X"));
    shop.wait(MINUTE);
    assert_eq!(shop.unanswered("a"), Queried::Stale);
    assert_eq!(shop.events("a").len(), 2);
}
