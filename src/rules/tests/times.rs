//! Due times, back-off, and a clock that goes back.

use super::*;
use crate::order::{ActionKind, NextAction, Status};
use std::time::Duration;

#[test]
fn checks_back_off_and_the_last_step_repeats() {
    let mut shop = Shop::with_order();
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
fn the_steps_are_the_shops_own() {
    let mut shop = Shop::open();
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
fn grace_is_the_shops_own() {
    let mut shop = Shop::open();
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
fn an_event_is_never_older_than_its_order() {
    let mut shop = Shop::with_order();
    let created = shop.now;
    shop.turn_back(HOUR);
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
fn rules_compare_the_clock_as_it_is() {
    let mut shop = Shop::open();
    let end = shop.now.saturating_add(MINUTE);
    let _ = shop.create("a", new().expires_at(end));
    shop.wait(HOUR);
    let _ = shop.prepay("a", invitation(PrepayKind::Jsapi, "p"));
    shop.turn_back(HOUR);
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
fn after_the_clock_went_back_the_channel_is_not_asked_to_close_too_early() {
    let mut shop = Shop::with_order();
    let _ = shop.prepay("a", invitation(PrepayKind::Jsapi, "p"));
    let closable = shop.now.saturating_add(MINUTE * 5);
    shop.turn_back(HOUR);
    let _ = shop.begin_close("a");
    assert_eq!(shop.next("a").unwrap().at, closable);
}

#[test]
fn at_the_end_of_time_nothing_overflows() {
    let mut shop = Shop::open();
    shop.now = Timestamp::MAX;
    let _ = shop.create("a", new());
    let _ = shop.query("a", ChannelState::NotPay);
    let _ = shop.prepay("a", invitation(PrepayKind::H5, "p"));
    let _ = shop.begin_close("a");
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Applied, true));
}
