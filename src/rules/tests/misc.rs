//! Commands `annotate`, `hide` and `unhide`, and the acknowledgement of all commands.

use super::*;
use crate::order::{Annotated, Status};
use crate::types::Metadata;

fn annotate(store: &mut Oracle, text: &str, version: u64) -> Annotated {
    let metadata = Metadata::new("mine").unwrap();
    let command = CommandKind::Annotate { version, metadata };
    match store.run(no(text), command).outcome {
        Outcome::Annotate(annotated) => annotated,
        other => panic!("{other:?}"),
    }
}

#[test]
fn annotate_with_old_version_is_refused() {
    let mut store = Oracle::with_order();
    assert_eq!(
        annotate(&mut store, "a", 0),
        Annotated::VersionMoved { now: 1 }
    );
    assert_eq!(annotate(&mut store, "a", 1), Annotated::Annotated);
    assert_eq!(store.order("a").metadata.as_bytes(), b"mine");
    assert_eq!(
        annotate(&mut store, "a", 1),
        Annotated::VersionMoved { now: 2 }
    );
    assert_eq!(annotate(&mut store, "b", 1), Annotated::NotFound);
}

#[test]
fn only_ended_order_can_be_hidden() {
    let hide = |store: &mut Oracle, no| store.run_visibility(no, CommandKind::Hide);
    let unhide = |store: &mut Oracle, no| store.run_visibility(no, CommandKind::Unhide);
    let mut store = Oracle::with_order();
    assert_eq!(hide(&mut store, "a"), Visible::NotEnded);
    let _ = store.begin_close("a");
    assert_eq!(hide(&mut store, "a"), Visible::NotEnded);
    assert_eq!(unhide(&mut store, "a"), Visible::Already);
    let _ = store.query("a", ChannelState::Closed);
    assert_eq!(hide(&mut store, "a"), Visible::Hidden);
    assert_eq!(store.order("a").hidden_at, Some(store.now));
    assert_eq!(hide(&mut store, "a"), Visible::Already);
    assert_eq!(unhide(&mut store, "a"), Visible::Shown);
    assert_eq!(unhide(&mut store, "a"), Visible::Already);
    assert_eq!(hide(&mut store, "b"), Visible::NotFound);
    assert_eq!(unhide(&mut store, "b"), Visible::NotFound);
}

#[test]
fn refused_hide_command_is_not_acknowledged() {
    let mut store = Oracle::with_order();
    assert!(!store.run(no("a"), CommandKind::Hide).acknowledge);
    assert!(!store.run(no("b"), CommandKind::Unhide).acknowledge);
    let _ = store.query("a", ChannelState::Closed);
    for command in [
        CommandKind::Hide,
        CommandKind::Hide,
        CommandKind::Unhide,
        CommandKind::Unhide,
    ] {
        assert!(store.run(no("a"), command).acknowledge);
    }
}

#[test]
fn late_payment_unhides_order() {
    for state in [ChannelState::Closed, ChannelState::Revoked] {
        let mut store = Oracle::with_order();
        let _ = store.query("a", state);
        let _ = store.run_visibility("a", CommandKind::Hide);
        let _ = store.confirm("a", paid("X"));
        let order = store.order("a");
        assert_eq!((order.status, order.hidden_at), (Status::LatePaid, None));
    }
}

#[test]
fn repeated_payment_keeps_order_hidden() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid("X"));
    assert_eq!(
        store.run_visibility("a", CommandKind::Hide),
        Visible::Hidden
    );
    let _ = store.confirm("a", paid("X"));
    let _ = store.confirm("a", paid("Y"));
    assert!(store.order("a").hidden_at.is_some());
}

#[test]
fn only_accepted_commands_are_acknowledged() {
    let store = Oracle::with_order();
    let is_acknowledged = |text, command| store.decide(no(text), command).acknowledge;
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
