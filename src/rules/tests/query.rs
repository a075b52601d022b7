//! `record_query` and `record_unanswered`: the channel's answers about an order.

use super::*;
use crate::order::{ActionKind, AnomalyKind, Confirmed, NextAction, Status, TradeState};

const UNPAID: [ChannelState; 3] = [
    ChannelState::NotPay,
    ChannelState::UserPaying,
    ChannelState::Accept,
];

fn due(store: &Oracle, action: ActionKind) {
    let at = store.now;
    assert_eq!(store.next("a"), Some(NextAction { at, action }));
}

#[test]
fn unpaid_order_starts_closing_after_expiry() {
    for state in UNPAID {
        let mut store = Oracle::with_order();
        store.wait(WEEK);
        assert_eq!(store.query("a", state.clone()), Queried::StillPending);
        store.wait(std::time::Duration::from_millis(1));
        let to = Status::Closing;
        assert_eq!(store.query("a", state.clone()), Queried::Moved { to });
        due(&store, ActionKind::AskClose);
        assert_eq!(store.query("a", state), Queried::StillClosing);
        due(&store, ActionKind::AskClose);
    }
}

#[test]
fn payment_in_query_answer_is_applied_once() {
    let mut store = Oracle::with_order();
    for outcome in [Confirmed::Applied, Confirmed::Duplicate] {
        let state = ChannelState::Success(paid("X"));
        assert_eq!(store.query("a", state), Queried::Payment(outcome));
        assert_eq!(store.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    }
    let state = ChannelState::Success(paid("Y"));
    assert_eq!(
        store.query("a", state),
        Queried::Payment(Confirmed::DoublePayment)
    );
    let unknown = store.run(no("b"), query(ChannelState::Success(paid("Z"))));
    let unclaimed = Queried::Payment(Confirmed::Unclaimed);
    assert_eq!(unknown.outcome, Outcome::RecordQuery(unclaimed));
    assert!(!unknown.acknowledge);
}

#[test]
fn unpaid_query_answer_leaves_paid_order_unchanged() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid("X"));
    let states = UNPAID.into_iter().chain([ChannelState::Closed]);
    for state in states {
        assert_eq!(store.query("a", state), Queried::Stale);
    }
    assert_eq!(store.events("a").len(), 2);
}

#[test]
fn unknown_refund_in_query_answer_raises_anomaly() {
    let mut store = Oracle::with_order();
    let state = ChannelState::Refund(paid("X"));
    let outcome = store.query("a", state.clone());
    assert_eq!(outcome, Queried::RefundUnknown(Confirmed::Applied));
    assert_eq!(store.kinds("a"), [AnomalyKind::RefundUnknown]);
    assert_eq!(store.status("a"), Status::Success);
    let again = store.query("a", state.clone());
    assert_eq!(again, Queried::RefundUnknown(Confirmed::Duplicate));
    let _ = store.resolve("a", 1, Resolution::Dismiss);
    let _ = store.query("a", state);
    assert_eq!(store.kinds("a").len(), 1);
}

#[test]
fn refunded_payment_of_closed_order_raises_two_anomalies() {
    let mut store = Oracle::with_order();
    let _ = store.query("a", ChannelState::Closed);
    let outcome = store.query("a", ChannelState::Refund(paid("X")));
    assert_eq!(outcome, Queried::RefundUnknown(Confirmed::Late));
    let kinds = [AnomalyKind::LatePayment, AnomalyKind::RefundUnknown];
    assert_eq!(store.kinds("a"), kinds);
}

#[test]
fn known_refund_in_query_answer_raises_no_anomaly() {
    let mut store = Oracle::with_order();
    let _ = store.query("a", ChannelState::Closed);
    let _ = store.confirm("a", paid("X"));
    let _ = store.resolve("a", 1, refund("R"));
    let outcome = store.query("a", ChannelState::Refund(paid("X")));
    assert_eq!(outcome, Queried::Payment(Confirmed::Duplicate));
}

#[test]
fn refunded_mismatched_payment_raises_only_mismatch_anomaly() {
    let mut store = Oracle::with_order();
    let outcome = store.query("a", ChannelState::Refund(paid_fen("X", 1)));
    assert!(matches!(
        outcome,
        Queried::Payment(Confirmed::AmountMismatch { .. })
    ));
    let outcome = store.query("b", ChannelState::Refund(paid("X")));
    assert_eq!(outcome, Queried::Payment(Confirmed::Unclaimed));
}

#[test]
fn closed_or_revoked_answer_ends_unpaid_order() {
    let ends = [
        (ChannelState::Closed, Status::Closed),
        (ChannelState::Revoked, Status::Failed),
    ];
    for (state, to) in ends {
        for closing in [false, true] {
            let mut store = Oracle::with_order();
            if closing {
                let _ = store.begin_close("a");
            }
            store.wait(SECOND);
            assert_eq!(store.query("a", state.clone()), Queried::Moved { to });
            let order = store.order("a");
            assert_eq!((order.status, order.ended_at), (to, Some(store.now)));
            assert_eq!(order.next, None);
            assert_eq!(store.query("a", state.clone()), Queried::Already);
        }
    }
}

#[test]
fn payment_error_answer_starts_closing() {
    let mut store = Oracle::with_order();
    let to = Status::Closing;
    assert_eq!(
        store.query("a", ChannelState::PayError),
        Queried::Moved { to }
    );
    due(&store, ActionKind::AskClose);
    assert_eq!(
        store.query("a", ChannelState::PayError),
        Queried::StillClosing
    );
    let outcome = store.query("a", ChannelState::Success(paid("X")));
    assert_eq!(outcome, Queried::Payment(Confirmed::Applied));
}

#[test]
fn answer_contradicting_paid_order_raises_one_anomaly() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid("X"));
    for _ in 0..2 {
        let state = TradeState::PayError;
        let outcome = Queried::ChannelDisagrees { state };
        assert_eq!(store.query("a", ChannelState::PayError), outcome);
        let state = TradeState::NoSuchOrder;
        let outcome = Queried::ChannelDisagrees { state };
        assert_eq!(store.query("a", ChannelState::NoSuchOrder), outcome);
        assert_eq!(store.query("a", ChannelState::Revoked), Queried::Reversed);
    }
    assert_eq!(store.kinds("a").len(), 3);
    assert_eq!(store.status("a"), Status::Success);
}

#[test]
fn revoked_answer_to_late_paid_order_raises_anomaly() {
    let mut store = Oracle::with_order();
    let _ = store.query("a", ChannelState::Closed);
    let _ = store.confirm("a", paid("X"));
    let state = TradeState::Revoked;
    let outcome = Queried::ChannelDisagrees { state };
    assert_eq!(store.query("a", ChannelState::Revoked), outcome);
}

#[test]
fn order_unknown_to_channel_closes_after_grace() {
    let mut store = Oracle::with_order();
    store.wait(SECOND * 20);
    assert_eq!(
        store.query("a", ChannelState::NoSuchOrder),
        Queried::StillPending
    );
    store.wait(WEEK + MINUTE * 10 - SECOND * 20);
    assert_eq!(
        store.query("a", ChannelState::NoSuchOrder),
        Queried::StillPending
    );
    store.wait(std::time::Duration::from_millis(1));
    let to = Status::Closed;
    assert_eq!(
        store.query("a", ChannelState::NoSuchOrder),
        Queried::Moved { to }
    );
}

#[test]
fn closing_order_unknown_to_channel_closes_after_delay() {
    let mut store = Oracle::with_order();
    let _ = store.prepay("a", new_prepay(PrepayKind::Jsapi, "p"));
    let _ = store.begin_close("a");
    store.wait(MINUTE * 5 - SECOND);
    assert_eq!(
        store.query("a", ChannelState::NoSuchOrder),
        Queried::StillClosing
    );
    store.wait(SECOND);
    let to = Status::Closed;
    assert_eq!(
        store.query("a", ChannelState::NoSuchOrder),
        Queried::Moved { to }
    );
}

#[test]
fn check_event_leaves_update_time_unchanged() {
    let mut store = Oracle::with_order();
    let created = store.now;
    store.wait(MINUTE);
    let _ = store.query("a", ChannelState::NotPay);
    let order = store.order("a");
    assert_eq!((order.update_time, order.version), (created, 2));
    assert_eq!((order.checks, store.events("a")[1].at), (1, store.now));
}

#[test]
fn unanswered_query_only_delays_due_action() {
    let mut store = Oracle::with_order();
    let first = store.next("a").unwrap();
    // No action is due yet, so the command writes nothing.
    assert_eq!(store.record_unanswered("a"), Queried::StillPending);
    assert_eq!(store.next("a"), Some(first));
    store.wait(MINUTE);
    let before = store.order("a").clone();
    assert_eq!(store.record_unanswered("a"), Queried::StillPending);
    let next = store.next("a").unwrap();
    assert_eq!(next.action, first.action);
    assert!(next.at > store.now);
    let after = store.order("a");
    assert_eq!(
        (after.checks, after.status),
        (before.checks + 1, before.status)
    );
    assert_eq!(after.update_time, before.update_time);
    // An unanswered close request is delayed and stays a close request.
    let _ = store.begin_close("a");
    let due = store.next("a").unwrap();
    assert_eq!(store.record_unanswered("a"), Queried::StillClosing);
    assert!(store.next("a").unwrap().at > due.at);
    assert_eq!(store.next("a").unwrap().action, due.action);
}

#[test]
fn unanswered_query_of_paid_order_writes_nothing() {
    let mut store = Oracle::with_order();
    assert_eq!(store.record_unanswered("b"), Queried::NotFound);
    let _ = store.confirm("a", paid("X"));
    store.wait(MINUTE);
    assert_eq!(store.record_unanswered("a"), Queried::Stale);
    assert_eq!(store.events("a").len(), 2);
}
