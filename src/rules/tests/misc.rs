//! `annotate`, `hide` and `unhide`.

use super::*;
use crate::order::{Annotated, Status};
use crate::types::Metadata;

fn annotate(shop: &mut Shop, text: &str, version: u64) -> Annotated {
    let metadata = Metadata::new("mine").unwrap();
    let ask = CommandKind::Annotate { version, metadata };
    match shop.ask(no(text), ask).outcome {
        Outcome::Annotate(annotated) => annotated,
        other => panic!("{other:?}"),
    }
}

#[test]
fn annotating_compares_the_version_and_sets() {
    let mut shop = Shop::with_order();
    assert_eq!(
        annotate(&mut shop, "a", 0),
        Annotated::VersionMoved { now: 1 }
    );
    assert_eq!(annotate(&mut shop, "a", 1), Annotated::Annotated);
    assert_eq!(shop.order("a").metadata.as_bytes(), b"mine");
    assert_eq!(
        annotate(&mut shop, "a", 1),
        Annotated::VersionMoved { now: 2 }
    );
    assert_eq!(annotate(&mut shop, "b", 1), Annotated::NotFound);
}

#[test]
fn only_an_ended_order_leaves_its_users_list() {
    let mut shop = Shop::with_order();
    assert_eq!(shop.shows("a", CommandKind::Hide), Visible::NotEnded);
    let _ = shop.begin_close("a");
    assert_eq!(shop.shows("a", CommandKind::Hide), Visible::NotEnded);
    assert_eq!(shop.shows("a", CommandKind::Unhide), Visible::Already);
    let _ = shop.query("a", ChannelState::Closed);
    assert_eq!(shop.shows("a", CommandKind::Hide), Visible::Hidden);
    assert_eq!(shop.order("a").hidden_at, Some(shop.now));
    assert_eq!(shop.shows("a", CommandKind::Hide), Visible::Already);
    assert_eq!(shop.shows("a", CommandKind::Unhide), Visible::Shown);
    assert_eq!(shop.shows("a", CommandKind::Unhide), Visible::Already);
    assert_eq!(shop.shows("b", CommandKind::Hide), Visible::NotFound);
    assert_eq!(shop.shows("b", CommandKind::Unhide), Visible::NotFound);
}

#[test]
fn who_could_not_hide_an_order_is_not_told_that_it_is_hidden() {
    let mut shop = Shop::with_order();
    assert!(!shop.ask(no("a"), CommandKind::Hide).acknowledge);
    assert!(!shop.ask(no("b"), CommandKind::Unhide).acknowledge);
    let _ = shop.query("a", ChannelState::Closed);
    for ask in [
        CommandKind::Hide,
        CommandKind::Hide,
        CommandKind::Unhide,
        CommandKind::Unhide,
    ] {
        assert!(shop.ask(no("a"), ask).acknowledge);
    }
}

#[test]
fn a_late_payment_brings_a_hidden_order_back() {
    for state in [ChannelState::Closed, ChannelState::Revoked] {
        let mut shop = Shop::with_order();
        let _ = shop.query("a", state);
        let _ = shop.shows("a", CommandKind::Hide);
        let _ = shop.confirm("a", paid("X"));
        let order = shop.order("a");
        assert_eq!((order.status, order.hidden_at), (Status::LatePaid, None));
    }
}

#[test]
fn a_paid_hidden_order_stays_hidden_through_repeats_and_anomalies() {
    let mut shop = Shop::with_order();
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.shows("a", CommandKind::Hide), Visible::Hidden);
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.confirm("a", paid("Y"));
    assert!(shop.order("a").hidden_at.is_some());
}

#[test]
fn only_what_stands_is_acknowledged() {
    let shop = Shop::with_order();
    let says = |text, ask| shop.decide(no(text), ask).acknowledge;
    assert!(says("a", create(new())));
    assert!(!says("a", create(new().openid(openid("B")))));
    assert!(says("a", query(ChannelState::NotPay)));
    assert!(!says("b", query(ChannelState::NotPay)));
    assert!(!says("b", query(ChannelState::Refund(paid("X")))));
    assert!(!says("b", CommandKind::BeginClose));
    assert!(!says("b", resolve(1, Resolution::Dismiss)));
}
