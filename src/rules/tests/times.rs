//! Due times, growing delays, and a clock that is set back.

use super::*;
use crate::order::{ActionKind, NextAction, Status};
use std::time::Duration;

#[test]
fn checks_back_off_and_the_last_step_repeats() {
    let mut shop = Oracle::with_order();
    let minutes = |m: &[u32]| m.iter().map(|m| MINUTE * *m).collect::<Vec<_>>();
    let steps = [
        vec![SECOND * 5, SECOND * 30],
        minutes(&[1, 3, 5, 10, 30, 30, 30]),
    ]
    .concat();
    for (step, asked) in steps.into_iter().zip(0..) {
        let at = shop.now.saturating_add(step);
        let action = ActionKind::Query;
        assert_eq!(shop.next("a"), Some(NextAction { at, action }));
        assert_eq!(shop.order("a").checks, asked);
        shop.now = at;
        assert_eq!(shop.query("a", ChannelState::NotPay), Queried::StillPending);
    }
}

#[test]
fn check_delays_come_from_policy() {
    let mut shop = Oracle::open();
    shop.policy.check_after = vec![HOUR];
    shop.policy.expires_after = HOUR * 2;
    let _ = shop.create("a", new());
    assert_eq!(shop.next("a").unwrap().at, shop.now.saturating_add(HOUR));
    assert_eq!(
        shop.order("a").expires_at,
        shop.now.saturating_add(HOUR * 2)
    );
    let _ = shop.query("a", ChannelState::Accept);
    assert_eq!(shop.next("a").unwrap().at, shop.now.saturating_add(HOUR));
    shop.policy.check_after = Vec::new();
    let _ = shop.query("a", ChannelState::Accept);
    assert_eq!(shop.next("a").unwrap().at, shop.now.saturating_add(MINUTE));
}

#[test]
fn grace_comes_from_policy() {
    let mut shop = Oracle::open();
    shop.policy.grace = Duration::ZERO;
    let _ = shop.create("a", new());
    shop.wait(WEEK + SECOND);
    let to = Status::Closed;
    assert_eq!(
        shop.query("a", ChannelState::NoSuchOrder),
        Queried::Moved { to }
    );
}

#[test]
fn event_time_never_precedes_order_update() {
    let mut shop = Oracle::with_order();
    let created = shop.now;
    shop.set_clock_back(HOUR);
    let _ = shop.prepay("a", invitation(PrepayKind::Jsapi, "p"));
    let order = shop.order("a");
    assert_eq!(
        (order.update_time, shop.events("a")[1].at),
        (created, created)
    );
    let prepay = order.prepay.clone().unwrap();
    assert_eq!(prepay.recorded_at, created);
    assert_eq!(prepay.valid_until, Some(shop.now.saturating_add(HOUR * 2)));
}

#[test]
fn rules_compare_uncorrected_clock() {
    let mut shop = Oracle::open();
    let end = shop.now.saturating_add(MINUTE);
    let _ = shop.create("a", new().expires_at(end));
    shop.wait(HOUR);
    let _ = shop.prepay("a", invitation(PrepayKind::Jsapi, "p"));
    shop.set_clock_back(HOUR);
    assert_eq!(shop.query("a", ChannelState::NotPay), Queried::StillPending);
    assert_eq!(
        shop.next("a").unwrap().at,
        shop.now.saturating_add(SECOND * 30)
    );
    shop.wait(HOUR);
    let to = Status::Closing;
    assert_eq!(shop.query("a", ChannelState::NotPay), Queried::Moved { to });
}

#[test]
fn clock_set_back_does_not_hasten_close_request() {
    let mut shop = Oracle::with_order();
    let _ = shop.prepay("a", invitation(PrepayKind::Jsapi, "p"));
    let closable = shop.now.saturating_add(MINUTE * 5);
    shop.set_clock_back(HOUR);
    let _ = shop.begin_close("a");
    assert_eq!(shop.next("a").unwrap().at, closable);
}

#[test]
fn maximum_time_does_not_overflow() {
    let mut shop = Oracle::open();
    shop.now = Timestamp::MAX;
    let _ = shop.create("a", new());
    let _ = shop.query("a", ChannelState::NotPay);
    let _ = shop.prepay("a", invitation(PrepayKind::H5, "p"));
    let _ = shop.begin_close("a");
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Applied, true));
}
