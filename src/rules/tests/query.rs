//! `record_query`: what the channel says of an order.

use super::*;
use crate::order::{ActionKind, AnomalyKind, Confirmed, NextAction, Status, TradeState};

const UNPAID: [ChannelState; 3] = [
    ChannelState::NotPay,
    ChannelState::UserPaying,
    ChannelState::Accept,
];

fn due(shop: &Shop, action: ActionKind) {
    let at = shop.now;
    assert_eq!(shop.next("a"), Some(NextAction { at, action }));
}

#[test]
fn an_unpaid_order_waits_until_its_last_moment_and_is_then_closed_with_the_channel() {
    for state in UNPAID {
        let mut shop = Shop::with_order();
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
fn a_payment_found_by_a_query_is_confirmed_once() {
    let mut shop = Shop::with_order();
    for heard in [Confirmed::Applied, Confirmed::Duplicate] {
        let state = ChannelState::Success(paid("X"));
        assert_eq!(shop.query("a", state), Queried::Payment(heard));
        assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    }
    let state = ChannelState::Success(paid("Y"));
    assert_eq!(
        shop.query("a", state),
        Queried::Payment(Confirmed::DoublePayment)
    );
    let unknown = shop.ask(no("b"), query(ChannelState::Success(paid("Z"))));
    let unclaimed = Queried::Payment(Confirmed::Unclaimed);
    assert_eq!(unknown.outcome, Outcome::RecordQuery(unclaimed));
    assert!(!unknown.acknowledge);
}

#[test]
fn old_news_do_not_touch_a_paid_order() {
    let mut shop = Shop::with_order();
    let _ = shop.confirm("a", paid("X"));
    let states = UNPAID.into_iter().chain([ChannelState::Closed]);
    for state in states {
        assert_eq!(shop.query("a", state), Queried::Stale);
    }
    assert_eq!(shop.events("a").len(), 2);
}

#[test]
fn a_refund_nobody_asked_for_is_an_anomaly_beside_the_payment() {
    let mut shop = Shop::with_order();
    let state = ChannelState::Refund(paid("X"));
    let heard = shop.query("a", state.clone());
    assert_eq!(heard, Queried::RefundUnknown(Confirmed::Applied));
    assert_eq!(shop.kinds("a"), [AnomalyKind::RefundUnknown]);
    assert_eq!(shop.status("a"), Status::Success);
    let again = shop.query("a", state.clone());
    assert_eq!(again, Queried::RefundUnknown(Confirmed::Duplicate));
    let _ = shop.resolve("a", 1, Resolution::Dismiss);
    let _ = shop.query("a", state);
    assert_eq!(shop.kinds("a").len(), 1);
}

#[test]
fn a_refund_of_an_ended_order_makes_it_late_and_unknown_at_once() {
    let mut shop = Shop::with_order();
    let _ = shop.query("a", ChannelState::Closed);
    let heard = shop.query("a", ChannelState::Refund(paid("X")));
    assert_eq!(heard, Queried::RefundUnknown(Confirmed::Late));
    let kinds = [AnomalyKind::LatePayment, AnomalyKind::RefundUnknown];
    assert_eq!(shop.kinds("a"), kinds);
}

#[test]
fn a_refund_that_is_known_is_no_anomaly() {
    let mut shop = Shop::with_order();
    let _ = shop.query("a", ChannelState::Closed);
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.resolve("a", 1, refund("R"));
    let heard = shop.query("a", ChannelState::Refund(paid("X")));
    assert_eq!(heard, Queried::Payment(Confirmed::Duplicate));
}

#[test]
fn a_refund_of_what_does_not_pay_the_order_says_only_that() {
    let mut shop = Shop::with_order();
    let heard = shop.query("a", ChannelState::Refund(paid_fen("X", 1)));
    assert!(matches!(
        heard,
        Queried::Payment(Confirmed::AmountMismatch { .. })
    ));
    let heard = shop.query("b", ChannelState::Refund(paid("X")));
    assert_eq!(heard, Queried::Payment(Confirmed::Unclaimed));
}

#[test]
fn closed_and_revoked_end_what_was_not_paid() {
    let ends = [
        (ChannelState::Closed, Status::Closed),
        (ChannelState::Revoked, Status::Failed),
    ];
    for (state, to) in ends {
        for closing in [false, true] {
            let mut shop = Shop::with_order();
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
fn a_failed_payment_is_closed_first_because_it_may_yet_be_charged() {
    let mut shop = Shop::with_order();
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
    let heard = shop.query("a", ChannelState::Success(paid("X")));
    assert_eq!(heard, Queried::Payment(Confirmed::Applied));
}

#[test]
fn what_cannot_be_of_a_paid_order_is_an_anomaly_once_for_each_state() {
    let mut shop = Shop::with_order();
    let _ = shop.confirm("a", paid("X"));
    for _ in 0..2 {
        let state = TradeState::PayError;
        let heard = Queried::ChannelDisagrees { state };
        assert_eq!(shop.query("a", ChannelState::PayError), heard);
        let state = TradeState::NoSuchOrder;
        let heard = Queried::ChannelDisagrees { state };
        assert_eq!(shop.query("a", ChannelState::NoSuchOrder), heard);
        assert_eq!(shop.query("a", ChannelState::Revoked), Queried::Reversed);
    }
    assert_eq!(shop.kinds("a").len(), 3);
    assert_eq!(shop.status("a"), Status::Success);
}

#[test]
fn a_revoked_late_payment_is_a_disagreement() {
    let mut shop = Shop::with_order();
    let _ = shop.query("a", ChannelState::Closed);
    let _ = shop.confirm("a", paid("X"));
    let state = TradeState::Revoked;
    let heard = Queried::ChannelDisagrees { state };
    assert_eq!(shop.query("a", ChannelState::Revoked), heard);
}

#[test]
fn an_unknown_order_waits_until_expiry_and_grace() {
    let mut shop = Shop::with_order();
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
fn an_unknown_closing_order_is_closed_once_it_might_have_been() {
    let mut shop = Shop::with_order();
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
fn checks_leave_update_time_alone_and_are_events_all_the_same() {
    let mut shop = Shop::with_order();
    let created = shop.now;
    shop.wait(MINUTE);
    let _ = shop.query("a", ChannelState::NotPay);
    let order = shop.order("a");
    assert_eq!((order.update_time, order.version), (created, 2));
    assert_eq!((order.checks, shop.events("a")[1].at), (1, shop.now));
}

#[test]
fn unanswered_query_puts_the_due_step_off_and_changes_nothing_else() {
    let mut shop = Shop::with_order();
    let first = shop.next("a").unwrap();
    // Nothing is due yet: nothing is written.
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
    // A close that is due stays a close.
    let _ = shop.begin_close("a");
    let due = shop.next("a").unwrap();
    assert_eq!(shop.unanswered("a"), Queried::StillClosing);
    assert!(shop.next("a").unwrap().at > due.at);
    assert_eq!(shop.next("a").unwrap().action, due.action);
}

#[test]
fn unanswered_query_of_an_order_that_waits_for_nothing_writes_nothing() {
    let mut shop = Shop::with_order();
    assert_eq!(shop.unanswered("b"), Queried::NotFound);
    let _ = shop.confirm("a", paid("X"));
    shop.wait(MINUTE);
    assert_eq!(shop.unanswered("a"), Queried::Stale);
    assert_eq!(shop.events("a").len(), 2);
}
