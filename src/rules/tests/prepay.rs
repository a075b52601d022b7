//! `record_prepay`: the channel's prepay for an order.

use super::*;
use crate::order::Status;

fn kept(store: &Oracle) -> Prepay {
    store.order("a").prepay.clone().unwrap()
}

#[test]
fn prepay_lifetime_depends_on_kind() {
    let kinds = [
        (PrepayKind::Jsapi, HOUR * 2),
        (PrepayKind::App, HOUR * 2),
        (PrepayKind::Native, HOUR * 2),
        (PrepayKind::H5, MINUTE * 5),
    ];
    for (kind, life) in kinds {
        let mut store = Oracle::with_order();
        assert_eq!(store.prepay("a", new_prepay(kind, "p")), Prepaid::Recorded);
        assert_eq!(
            kept(&store).valid_until,
            Some(store.now.saturating_add(life))
        );
        assert_eq!(kept(&store).recorded_at, store.now);
        store.wait(life - SECOND);
        assert!(store.order("a").usable_prepay(store.now).is_some());
        store.wait(SECOND);
        assert!(store.order("a").usable_prepay(store.now).is_none());
    }
}

#[test]
fn prepay_expires_no_later_than_order() {
    let mut store = Oracle::open();
    let end = store.now.saturating_add(HOUR);
    let _ = store.create("a", new().expires_at(end));
    let _ = store.prepay("a", new_prepay(PrepayKind::Jsapi, "p"));
    assert_eq!(kept(&store).valid_until, Some(end));
    let long = new_prepay(PrepayKind::Jsapi, "q").valid_until(end.saturating_add(HOUR));
    let _ = store.prepay("a", long);
    assert_eq!(kept(&store).valid_until, Some(end));
    let short = end.saturating_sub(MINUTE);
    let _ = store.prepay("a", new_prepay(PrepayKind::Jsapi, "r").valid_until(short));
    assert_eq!(kept(&store).valid_until, Some(short));
}

#[test]
fn new_prepay_replaces_old_but_repeat_writes_nothing() {
    let mut store = Oracle::with_order();
    let _ = store.prepay("a", new_prepay(PrepayKind::Jsapi, "p"));
    store.wait(MINUTE);
    assert_eq!(
        store.prepay("a", new_prepay(PrepayKind::Jsapi, "p")),
        Prepaid::Recorded
    );
    assert_eq!(store.events("a").len(), 2);
    assert_eq!(
        store.prepay("a", new_prepay(PrepayKind::Native, "p")),
        Prepaid::Recorded
    );
    assert_eq!(
        store.prepay("a", new_prepay(PrepayKind::Native, "q")),
        Prepaid::Recorded
    );
    assert_eq!(store.events("a").len(), 4);
    assert_eq!(kept(&store).value.as_str(), "q");
}

#[test]
fn expired_prepay_is_valid_again_when_repeated() {
    let mut store = Oracle::with_order();
    let _ = store.prepay("a", new_prepay(PrepayKind::H5, "p"));
    store.wait(MINUTE * 5);
    let _ = store.prepay("a", new_prepay(PrepayKind::H5, "p"));
    assert!(store.order("a").usable_prepay(store.now).is_some());
    assert_eq!(kept(&store).recorded_at, store.now);
    store.wait(WEEK);
    for _ in 0..3 {
        let _ = store.prepay("a", new_prepay(PrepayKind::H5, "p"));
    }
    assert_eq!(
        store.events("a").len(),
        4,
        "the prepay of an expired order is written once"
    );
}

#[test]
fn prepay_of_paid_order_is_already_paid() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid("X"));
    assert_eq!(
        store.prepay("a", new_prepay(PrepayKind::Jsapi, "p")),
        Prepaid::AlreadyPaid
    );
    let _ = store.create("b", new());
    let _ = store.query("b", ChannelState::Closed);
    let _ = store.confirm("b", paid("Y"));
    assert_eq!(
        store.prepay("b", new_prepay(PrepayKind::Jsapi, "p")),
        Prepaid::AlreadyPaid
    );
}

#[test]
fn prepay_of_closing_or_ended_order_is_refused() {
    let mut store = Oracle::with_order();
    let refused = |status| Prepaid::NotPayable { status };
    let _ = store.begin_close("a");
    assert_eq!(
        store.prepay("a", new_prepay(PrepayKind::App, "p")),
        refused(Status::Closing)
    );
    let _ = store.query("a", ChannelState::Closed);
    assert_eq!(
        store.prepay("a", new_prepay(PrepayKind::App, "p")),
        refused(Status::Closed)
    );
    let _ = store.create("b", new());
    let _ = store.query("b", ChannelState::Revoked);
    assert_eq!(
        store.prepay("b", new_prepay(PrepayKind::App, "p")),
        refused(Status::Failed)
    );
    assert_eq!(
        store.prepay("c", new_prepay(PrepayKind::App, "p")),
        Prepaid::NotFound
    );
}
