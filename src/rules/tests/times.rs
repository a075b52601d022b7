//! Due times of checks, growing delays between checks, and a clock that is set back.

use super::*;
use crate::order::{ActionKind, NextAction, Status};
use std::time::Duration;

#[test]
fn check_delays_grow_and_last_delay_repeats() {
    let mut store = Oracle::with_order();
    let minutes = |m: &[u32]| m.iter().map(|m| MINUTE * *m).collect::<Vec<_>>();
    let steps = [
        vec![SECOND * 5, SECOND * 30],
        minutes(&[1, 3, 5, 10, 30, 30, 30]),
    ]
    .concat();
    for (step, asked) in steps.into_iter().zip(0..) {
        let at = store.now.saturating_add(step);
        let action = ActionKind::Query;
        assert_eq!(store.next("a"), Some(NextAction { at, action }));
        assert_eq!(store.order("a").checks, asked);
        store.now = at;
        assert_eq!(
            store.query("a", ChannelState::NotPay),
            Queried::StillPending
        );
    }
}

#[test]
fn check_delays_come_from_policy() {
    let mut store = Oracle::open();
    store.policy.check_after = vec![HOUR];
    store.policy.expires_after = HOUR * 2;
    let _ = store.create("a", new());
    assert_eq!(store.next("a").unwrap().at, store.now.saturating_add(HOUR));
    assert_eq!(
        store.order("a").expires_at,
        store.now.saturating_add(HOUR * 2)
    );
    let _ = store.query("a", ChannelState::Accept);
    assert_eq!(store.next("a").unwrap().at, store.now.saturating_add(HOUR));
    store.policy.check_after = Vec::new();
    let _ = store.query("a", ChannelState::Accept);
    assert_eq!(
        store.next("a").unwrap().at,
        store.now.saturating_add(MINUTE)
    );
}

#[test]
fn grace_period_comes_from_policy() {
    let mut store = Oracle::open();
    store.policy.grace = Duration::ZERO;
    let _ = store.create("a", new());
    store.wait(WEEK + SECOND);
    let to = Status::Closed;
    assert_eq!(
        store.query("a", ChannelState::NoSuchOrder),
        Queried::Moved { to }
    );
}

#[test]
fn event_time_never_precedes_last_update() {
    let mut store = Oracle::with_order();
    let created = store.now;
    store.set_clock_back(HOUR);
    let _ = store.prepay("a", new_prepay(PrepayKind::Jsapi, "p"));
    let order = store.order("a");
    assert_eq!(
        (order.update_time, store.events("a")[1].at),
        (created, created)
    );
    let prepay = order.prepay.clone().unwrap();
    assert_eq!(prepay.recorded_at, created);
    assert_eq!(prepay.valid_until, Some(store.now.saturating_add(HOUR * 2)));
}

#[test]
fn rules_use_clock_time_even_if_last_update_is_later() {
    let mut store = Oracle::open();
    let end = store.now.saturating_add(MINUTE);
    let _ = store.create("a", new().expires_at(end));
    store.wait(HOUR);
    let _ = store.prepay("a", new_prepay(PrepayKind::Jsapi, "p"));
    store.set_clock_back(HOUR);
    assert_eq!(
        store.query("a", ChannelState::NotPay),
        Queried::StillPending
    );
    assert_eq!(
        store.next("a").unwrap().at,
        store.now.saturating_add(SECOND * 30)
    );
    store.wait(HOUR);
    let to = Status::Closing;
    assert_eq!(
        store.query("a", ChannelState::NotPay),
        Queried::Moved { to }
    );
}

#[test]
fn clock_set_back_does_not_advance_close_request() {
    let mut store = Oracle::with_order();
    let _ = store.prepay("a", new_prepay(PrepayKind::Jsapi, "p"));
    let closable = store.now.saturating_add(MINUTE * 5);
    store.set_clock_back(HOUR);
    let _ = store.begin_close("a");
    assert_eq!(store.next("a").unwrap().at, closable);
}

#[test]
fn commands_at_maximum_time_do_not_overflow() {
    let mut store = Oracle::open();
    store.now = Timestamp::MAX;
    let _ = store.create("a", new());
    let _ = store.query("a", ChannelState::NotPay);
    let _ = store.prepay("a", new_prepay(PrepayKind::H5, "p"));
    let _ = store.begin_close("a");
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Applied, true));
}
