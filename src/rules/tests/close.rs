//! Closing in its three steps: announce, request, record the reply. A payment takes precedence at
//! each step.

use super::*;
use crate::order::{ActionKind, NextAction, Status};

fn next(at: Timestamp, action: ActionKind) -> Option<NextAction> {
    Some(NextAction { at, action })
}

/// Returns a store with one pending order, one minute after its prepay.
fn prepaid() -> Oracle {
    let mut shop = Oracle::with_order();
    let _ = shop.prepay("a", invitation(PrepayKind::Jsapi, "p"));
    shop.wait(MINUTE);
    shop
}

#[test]
fn close_request_is_due_five_minutes_after_prepay() {
    let mut shop = prepaid();
    assert_eq!(shop.begin_close("a"), CloseOutcome::Closing);
    let at = shop.now.saturating_add(MINUTE * 4);
    assert_eq!(shop.next("a"), next(at, ActionKind::AskClose));
    assert_eq!(shop.begin_close("a"), CloseOutcome::Already);
    let _ = shop.confirm("a", paid("X"));
    let answer = shop.record_close("a", CloseReply::Closed);
    assert_eq!(answer, CloseOutcome::AlreadyPaid);
}

#[test]
fn close_request_without_recent_prepay_is_due_now() {
    let mut never = Oracle::with_order();
    let mut long_ago = prepaid();
    long_ago.wait(MINUTE * 4);
    let mut direct = prepaid();
    direct.policy.close_after = std::time::Duration::ZERO;
    for shop in [&mut never, &mut long_ago, &mut direct] {
        assert_eq!(shop.begin_close("a"), CloseOutcome::Closing);
        assert_eq!(shop.next("a"), next(shop.now, ActionKind::AskClose));
    }
}

#[test]
fn closed_reply_needs_query_unless_policy_disables_it() {
    for close_needs_query in [true, false] {
        for begin in [true, false] {
            let mut shop = Oracle::with_order();
            shop.policy.close_needs_query = close_needs_query;
            if begin {
                let _ = shop.begin_close("a");
            }
            let before = shop.status("a");
            let answer = shop.record_close("a", CloseReply::Closed);
            if close_needs_query {
                assert_eq!(answer, CloseOutcome::MustQuery);
                assert_eq!(shop.status("a"), before);
                assert_eq!(shop.next("a"), next(shop.now, ActionKind::Query));
                let to = Status::Closed;
                assert_eq!(shop.query("a", ChannelState::Closed), Queried::Moved { to });
            } else {
                assert_eq!(answer, CloseOutcome::Closed);
            }
            assert_eq!(shop.status("a"), Status::Closed);
        }
    }
}

#[test]
fn order_paid_reply_never_closes_order() {
    for close_needs_query in [true, false] {
        let mut shop = Oracle::with_order();
        shop.policy.close_needs_query = close_needs_query;
        let _ = shop.begin_close("a");
        for _ in 0..2 {
            let answer = shop.record_close("a", CloseReply::OrderPaid);
            assert_eq!(answer, CloseOutcome::MustQuery);
            assert_eq!(shop.next("a"), next(shop.now, ActionKind::Query));
        }
        assert_eq!(shop.events("a").len(), 3);
        assert_eq!(shop.status("a"), Status::Closing);
    }
}

#[test]
fn no_such_order_closes_order_after_close_delay() {
    for begin in [true, false] {
        let mut shop = prepaid();
        let still = if begin {
            let _ = shop.begin_close("a");
            CloseOutcome::StillClosing
        } else {
            CloseOutcome::StillPending
        };
        let before = shop.status("a");
        let closable = shop.now.saturating_add(MINUTE * 4);
        for _ in 0..2 {
            assert_eq!(shop.record_close("a", CloseReply::NoSuchOrder), still);
            assert_eq!(shop.next("a"), next(closable, ActionKind::AskClose));
        }
        assert_eq!((shop.status("a"), shop.events("a").len()), (before, 3));
        shop.wait(MINUTE * 4);
        let answer = shop.record_close("a", CloseReply::NoSuchOrder);
        assert_eq!(
            (answer, shop.status("a")),
            (CloseOutcome::Closed, Status::Closed)
        );
    }
}

#[test]
fn retry_reply_delays_close_request() {
    for begin in [true, false] {
        let mut shop = prepaid();
        if begin {
            let _ = shop.begin_close("a");
        }
        let closable = shop.now.saturating_add(MINUTE * 4);
        let _ = shop.record_close("a", CloseReply::Retry);
        assert_eq!(shop.next("a"), next(closable, ActionKind::AskClose));
        shop.wait(MINUTE * 4);
        let answer = shop.record_close("a", CloseReply::Retry);
        assert_eq!(answer == CloseOutcome::StillClosing, begin);
        let later = shop.now.saturating_add(MINUTE);
        assert_eq!(shop.next("a"), next(later, ActionKind::AskClose));
        assert_eq!(shop.order("a").checks, 2);
    }
}

#[test]
fn aborted_close_makes_order_payable_again() {
    let mut shop = Oracle::with_order();
    assert_eq!(
        shop.closes("a", CommandKind::AbortClose),
        CloseOutcome::NotClosing
    );
    let _ = shop.begin_close("a");
    assert_eq!(
        shop.closes("a", CommandKind::AbortClose),
        CloseOutcome::Reopened
    );
    assert_eq!(shop.status("a"), Status::Pending);
    let at = shop.now.saturating_add(SECOND * 5);
    assert_eq!(shop.next("a"), next(at, ActionKind::Query));
    assert_eq!(
        shop.prepay("a", invitation(PrepayKind::App, "p")),
        Prepaid::Recorded
    );
}

#[test]
fn close_of_ended_or_paid_order_changes_nothing() {
    let replies = [
        CommandKind::BeginClose,
        CommandKind::RecordClose(CloseReply::Closed),
        CommandKind::RecordClose(CloseReply::OrderPaid),
        CommandKind::RecordClose(CloseReply::NoSuchOrder),
        CommandKind::RecordClose(CloseReply::Retry),
    ];
    let mut shop = Oracle::with_order();
    let say = |shop: &mut Oracle, answer| {
        for ask in &replies {
            assert_eq!(shop.closes("a", ask.clone()), answer);
        }
        assert_eq!(
            shop.closes("a", CommandKind::AbortClose),
            CloseOutcome::NotClosing
        );
    };
    let _ = shop.query("a", ChannelState::Revoked);
    say(&mut shop, CloseOutcome::Already);
    let _ = shop.confirm("a", paid("X"));
    say(&mut shop, CloseOutcome::AlreadyPaid);
    let _ = shop.resolve("a", 1, Resolution::Accept);
    say(&mut shop, CloseOutcome::AlreadyPaid);
}

#[test]
fn ineffective_close_is_requested_with_growing_delays() {
    let mut shop = Oracle::with_order();
    let _ = shop.begin_close("a");
    let mut waits = Vec::new();
    for _ in 0..8 {
        let answer = shop.record_close("a", CloseReply::Closed);
        assert_eq!(answer, CloseOutcome::MustQuery);
        assert_eq!(shop.next("a"), next(shop.now, ActionKind::Query));
        assert_eq!(shop.query("a", ChannelState::NotPay), Queried::StillClosing);
        let due = shop.next("a").unwrap();
        assert_eq!(due.action, ActionKind::AskClose);
        let _ = shop.query("a", ChannelState::NotPay);
        assert_eq!(
            shop.next("a"),
            Some(due),
            "a repeated answer changes nothing"
        );
        waits.push(due.at.since(shop.now).as_secs());
        shop.now = due.at;
    }
    assert_eq!(waits, [30, 60, 180, 300, 600, 1800, 1800, 1800]);
}
