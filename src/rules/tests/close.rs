//! Closing of an order in three steps: begin, send the request, record the reply. A payment takes
//! precedence at each step.

use super::*;
use crate::order::{ActionKind, NextAction, Status};

fn next(at: Timestamp, action: ActionKind) -> Option<NextAction> {
    Some(NextAction { at, action })
}

/// Returns a store whose `order-a` is pending and got its prepay one minute ago.
fn prepaid() -> Oracle {
    let mut store = Oracle::with_order();
    let _ = store.prepay("a", new_prepay(PrepayKind::Jsapi, "p"));
    store.wait(MINUTE);
    store
}

#[test]
fn close_request_is_due_five_minutes_after_prepay() {
    let mut store = prepaid();
    assert_eq!(store.begin_close("a"), CloseOutcome::Closing);
    let at = store.now.saturating_add(MINUTE * 4);
    assert_eq!(store.next("a"), next(at, ActionKind::AskClose));
    assert_eq!(store.begin_close("a"), CloseOutcome::Already);
    let _ = store.confirm("a", paid("X"));
    let answer = store.record_close("a", CloseReply::Closed);
    assert_eq!(answer, CloseOutcome::AlreadyPaid);
}

#[test]
fn close_request_without_recent_prepay_is_due_now() {
    let mut never = Oracle::with_order();
    let mut long_ago = prepaid();
    long_ago.wait(MINUTE * 4);
    let mut direct = prepaid();
    direct.policy.close_after = std::time::Duration::ZERO;
    for store in [&mut never, &mut long_ago, &mut direct] {
        assert_eq!(store.begin_close("a"), CloseOutcome::Closing);
        assert_eq!(store.next("a"), next(store.now, ActionKind::AskClose));
    }
}

#[test]
fn closed_reply_needs_query_unless_policy_disables_it() {
    for close_needs_query in [true, false] {
        for begin in [true, false] {
            let mut store = Oracle::with_order();
            store.policy.close_needs_query = close_needs_query;
            if begin {
                let _ = store.begin_close("a");
            }
            let before = store.status("a");
            let answer = store.record_close("a", CloseReply::Closed);
            if close_needs_query {
                assert_eq!(answer, CloseOutcome::MustQuery);
                assert_eq!(store.status("a"), before);
                assert_eq!(store.next("a"), next(store.now, ActionKind::Query));
                let to = Status::Closed;
                assert_eq!(
                    store.query("a", ChannelState::Closed),
                    Queried::Moved { to }
                );
            } else {
                assert_eq!(answer, CloseOutcome::Closed);
            }
            assert_eq!(store.status("a"), Status::Closed);
        }
    }
}

#[test]
fn order_paid_reply_never_closes_order() {
    for close_needs_query in [true, false] {
        let mut store = Oracle::with_order();
        store.policy.close_needs_query = close_needs_query;
        let _ = store.begin_close("a");
        for _ in 0..2 {
            let answer = store.record_close("a", CloseReply::OrderPaid);
            assert_eq!(answer, CloseOutcome::MustQuery);
            assert_eq!(store.next("a"), next(store.now, ActionKind::Query));
        }
        assert_eq!(store.events("a").len(), 3);
        assert_eq!(store.status("a"), Status::Closing);
    }
}

#[test]
fn no_such_order_reply_closes_order_after_delay() {
    for begin in [true, false] {
        let mut store = prepaid();
        let still = if begin {
            let _ = store.begin_close("a");
            CloseOutcome::StillClosing
        } else {
            CloseOutcome::StillPending
        };
        let before = store.status("a");
        let closable = store.now.saturating_add(MINUTE * 4);
        for _ in 0..2 {
            assert_eq!(store.record_close("a", CloseReply::NoSuchOrder), still);
            assert_eq!(store.next("a"), next(closable, ActionKind::AskClose));
        }
        assert_eq!((store.status("a"), store.events("a").len()), (before, 3));
        store.wait(MINUTE * 4);
        let answer = store.record_close("a", CloseReply::NoSuchOrder);
        assert_eq!(
            (answer, store.status("a")),
            (CloseOutcome::Closed, Status::Closed)
        );
    }
}

#[test]
fn retry_reply_delays_close_request() {
    for begin in [true, false] {
        let mut store = prepaid();
        if begin {
            let _ = store.begin_close("a");
        }
        let closable = store.now.saturating_add(MINUTE * 4);
        let _ = store.record_close("a", CloseReply::Retry);
        assert_eq!(store.next("a"), next(closable, ActionKind::AskClose));
        store.wait(MINUTE * 4);
        let answer = store.record_close("a", CloseReply::Retry);
        assert_eq!(answer == CloseOutcome::StillClosing, begin);
        let later = store.now.saturating_add(MINUTE);
        assert_eq!(store.next("a"), next(later, ActionKind::AskClose));
        assert_eq!(store.order("a").checks, 2);
    }
}

#[test]
fn aborted_close_makes_order_payable_again() {
    let mut store = Oracle::with_order();
    assert_eq!(
        store.run_close("a", CommandKind::AbortClose),
        CloseOutcome::NotClosing
    );
    let _ = store.begin_close("a");
    assert_eq!(
        store.run_close("a", CommandKind::AbortClose),
        CloseOutcome::Reopened
    );
    assert_eq!(store.status("a"), Status::Pending);
    let at = store.now.saturating_add(SECOND * 5);
    assert_eq!(store.next("a"), next(at, ActionKind::Query));
    assert_eq!(
        store.prepay("a", new_prepay(PrepayKind::App, "p")),
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
    let mut store = Oracle::with_order();
    let say = |store: &mut Oracle, answer| {
        for command in &replies {
            assert_eq!(store.run_close("a", command.clone()), answer);
        }
        assert_eq!(
            store.run_close("a", CommandKind::AbortClose),
            CloseOutcome::NotClosing
        );
    };
    let _ = store.query("a", ChannelState::Revoked);
    say(&mut store, CloseOutcome::Already);
    let _ = store.confirm("a", paid("X"));
    say(&mut store, CloseOutcome::AlreadyPaid);
    let _ = store.resolve("a", 1, Resolution::Accept);
    say(&mut store, CloseOutcome::AlreadyPaid);
}

#[test]
fn ineffective_close_request_repeats_with_growing_delays() {
    let mut store = Oracle::with_order();
    let _ = store.begin_close("a");
    let mut waits = Vec::new();
    for _ in 0..8 {
        let answer = store.record_close("a", CloseReply::Closed);
        assert_eq!(answer, CloseOutcome::MustQuery);
        assert_eq!(store.next("a"), next(store.now, ActionKind::Query));
        assert_eq!(
            store.query("a", ChannelState::NotPay),
            Queried::StillClosing
        );
        let due = store.next("a").unwrap();
        assert_eq!(due.action, ActionKind::AskClose);
        let _ = store.query("a", ChannelState::NotPay);
        assert_eq!(
            store.next("a"),
            Some(due),
            "a repeated answer changes nothing"
        );
        waits.push(due.at.since(store.now).as_secs());
        store.now = due.at;
    }
    assert_eq!(waits, [30, 60, 180, 300, 600, 1800, 1800, 1800]);
}
