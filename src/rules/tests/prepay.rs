//! `record_prepay`: the channel's prepay for an order.

use super::*;
use crate::order::Status;

fn kept(shop: &Oracle) -> Prepay {
    shop.order("a").prepay.clone().unwrap()
}

#[test]
fn prepay_is_valid_as_long_as_its_kind() {
    let kinds = [
        (PrepayKind::Jsapi, HOUR * 2),
        (PrepayKind::App, HOUR * 2),
        (PrepayKind::Native, HOUR * 2),
        (PrepayKind::H5, MINUTE * 5),
    ];
    for (kind, life) in kinds {
        let mut shop = Oracle::with_order();
        assert_eq!(shop.prepay("a", invitation(kind, "p")), Prepaid::Recorded);
        assert_eq!(kept(&shop).valid_until, Some(shop.now.saturating_add(life)));
        assert_eq!(kept(&shop).recorded_at, shop.now);
        shop.wait(life - SECOND);
        assert!(shop.order("a").usable_prepay(shop.now).is_some());
        shop.wait(SECOND);
        assert!(shop.order("a").usable_prepay(shop.now).is_none());
    }
}

#[test]
fn prepay_expires_no_later_than_order() {
    let mut shop = Oracle::open();
    let end = shop.now.saturating_add(HOUR);
    let _ = shop.create("a", new().expires_at(end));
    let _ = shop.prepay("a", invitation(PrepayKind::Jsapi, "p"));
    assert_eq!(kept(&shop).valid_until, Some(end));
    let long = invitation(PrepayKind::Jsapi, "q").valid_until(end.saturating_add(HOUR));
    let _ = shop.prepay("a", long);
    assert_eq!(kept(&shop).valid_until, Some(end));
    let short = end.saturating_sub(MINUTE);
    let _ = shop.prepay("a", invitation(PrepayKind::Jsapi, "r").valid_until(short));
    assert_eq!(kept(&shop).valid_until, Some(short));
}

#[test]
fn new_prepay_replaces_old_and_repeat_writes_nothing() {
    let mut shop = Oracle::with_order();
    let _ = shop.prepay("a", invitation(PrepayKind::Jsapi, "p"));
    shop.wait(MINUTE);
    assert_eq!(
        shop.prepay("a", invitation(PrepayKind::Jsapi, "p")),
        Prepaid::Recorded
    );
    assert_eq!(shop.events("a").len(), 2);
    assert_eq!(
        shop.prepay("a", invitation(PrepayKind::Native, "p")),
        Prepaid::Recorded
    );
    assert_eq!(
        shop.prepay("a", invitation(PrepayKind::Native, "q")),
        Prepaid::Recorded
    );
    assert_eq!(shop.events("a").len(), 4);
    assert_eq!(kept(&shop).value.as_str(), "q");
}

#[test]
fn expired_prepay_is_valid_again_when_repeated() {
    let mut shop = Oracle::with_order();
    let _ = shop.prepay("a", invitation(PrepayKind::H5, "p"));
    shop.wait(MINUTE * 5);
    let _ = shop.prepay("a", invitation(PrepayKind::H5, "p"));
    assert!(shop.order("a").usable_prepay(shop.now).is_some());
    assert_eq!(kept(&shop).recorded_at, shop.now);
    shop.wait(WEEK);
    for _ in 0..3 {
        let _ = shop.prepay("a", invitation(PrepayKind::H5, "p"));
    }
    assert_eq!(
        shop.events("a").len(),
        4,
        "the prepay of an expired order is written once"
    );
}

#[test]
fn prepay_of_paid_order_is_already_paid() {
    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(
        shop.prepay("a", invitation(PrepayKind::Jsapi, "p")),
        Prepaid::AlreadyPaid
    );
    let _ = shop.create("b", new());
    let _ = shop.query("b", ChannelState::Closed);
    let _ = shop.confirm("b", paid("Y"));
    assert_eq!(
        shop.prepay("b", invitation(PrepayKind::Jsapi, "p")),
        Prepaid::AlreadyPaid
    );
}

#[test]
fn prepay_of_closing_or_ended_order_is_refused() {
    let mut shop = Oracle::with_order();
    let refused = |status| Prepaid::NotPayable { status };
    let _ = shop.begin_close("a");
    assert_eq!(
        shop.prepay("a", invitation(PrepayKind::App, "p")),
        refused(Status::Closing)
    );
    let _ = shop.query("a", ChannelState::Closed);
    assert_eq!(
        shop.prepay("a", invitation(PrepayKind::App, "p")),
        refused(Status::Closed)
    );
    let _ = shop.create("b", new());
    let _ = shop.query("b", ChannelState::Revoked);
    assert_eq!(
        shop.prepay("b", invitation(PrepayKind::App, "p")),
        refused(Status::Failed)
    );
    assert_eq!(
        shop.prepay("c", invitation(PrepayKind::App, "p")),
        Prepaid::NotFound
    );
}
