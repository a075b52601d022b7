//! `annotate`, `hide` and `unhide`.

use super::*;
use crate::order::{Annotated, Status};
use crate::types::Metadata;

fn annotate(shop: &mut Oracle, text: &str, version: u64) -> Annotated {
    let metadata = Metadata::new("mine").unwrap();
    let ask = CommandKind::Annotate { version, metadata };
    match shop.run(no(text), ask).outcome {
        Outcome::Annotate(annotated) => annotated,
        other => panic!("{other:?}"),
    }
}

#[test]
fn annotate_with_old_version_is_refused() {
    let mut shop = Oracle::with_order();
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
fn only_ended_order_can_be_hidden() {
    let mut shop = Oracle::with_order();
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
fn refused_hide_is_unacknowledged() {
    let mut shop = Oracle::with_order();
    assert!(!shop.run(no("a"), CommandKind::Hide).acknowledge);
    assert!(!shop.run(no("b"), CommandKind::Unhide).acknowledge);
    let _ = shop.query("a", ChannelState::Closed);
    for ask in [
        CommandKind::Hide,
        CommandKind::Hide,
        CommandKind::Unhide,
        CommandKind::Unhide,
    ] {
        assert!(shop.run(no("a"), ask).acknowledge);
    }
}

#[test]
fn late_payment_unhides_order() {
    for state in [ChannelState::Closed, ChannelState::Revoked] {
        let mut shop = Oracle::with_order();
        let _ = shop.query("a", state);
        let _ = shop.shows("a", CommandKind::Hide);
        let _ = shop.confirm("a", paid("X"));
        let order = shop.order("a");
        assert_eq!((order.status, order.hidden_at), (Status::LatePaid, None));
    }
}

#[test]
fn hidden_paid_order_stays_hidden_on_repeats() {
    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.shows("a", CommandKind::Hide), Visible::Hidden);
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.confirm("a", paid("Y"));
    assert!(shop.order("a").hidden_at.is_some());
}

#[test]
fn only_accepted_commands_are_acknowledged() {
    let shop = Oracle::with_order();
    let is_acknowledged = |text, ask| shop.decide(no(text), ask).acknowledge;
    assert!(is_acknowledged("a", create(new())));
    assert!(!is_acknowledged("a", create(new().openid(openid("B")))));
    assert!(is_acknowledged("a", query(ChannelState::NotPay)));
    assert!(!is_acknowledged("b", query(ChannelState::NotPay)));
    assert!(!is_acknowledged(
        "b",
        query(ChannelState::Refund(paid("X")))
    ));
    assert!(!is_acknowledged("b", CommandKind::BeginClose));
    assert!(!is_acknowledged("b", resolve(1, Resolution::Dismiss)));
}
