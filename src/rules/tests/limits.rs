//! Limits of a record: 64 anomalies and 16 waiting payments. Beyond them the store writes
//! nothing.

use super::*;
use crate::order::{AnomalyKind, Confirmed, MAX_ANOMALIES, MAX_WAITING, Status};

/// Returns a store whose `order-a` has `count` open anomalies.
pub(super) fn filled(count: usize) -> Oracle {
    let mut shop = Oracle::with_order();
    for place in 1..=count {
        let _ = shop.confirm("a", paid_fen(&format!("old{place}"), 1));
    }
    shop
}

/// Checks that the command writes nothing and is not acknowledged, so that the channel repeats.
fn refuses(shop: &Oracle, ask: CommandKind, outcome: Outcome) {
    let decision = shop.decide(no("a"), ask);
    assert_eq!(decision.outcome, outcome);
    assert_eq!((decision.events, decision.after), (vec![], None));
    assert!(!decision.acknowledge);
}

#[test]
fn seventeenth_waiting_payment_is_refused() {
    let mut shop = Oracle::open();
    for place in 0..MAX_WAITING {
        let outcome = shop.confirm("a", paid(&format!("t{place}")));
        assert_eq!(outcome, (Confirmed::Unclaimed, false));
    }
    let full = Outcome::Confirm(Confirmed::RecordFull);
    refuses(&shop, confirm(paid("X")), full);
    let state = query(ChannelState::Refund(paid("X")));
    let full = Queried::Payment(Confirmed::RecordFull);
    refuses(&shop, state, Outcome::RecordQuery(full));
    assert_eq!(shop.confirm("a", paid("t3")), (Confirmed::Duplicate, false));
    let _ = shop.resolve("a", 1, Resolution::Dismiss);
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Unclaimed, false));
    assert_eq!(shop.create("a", new()), Created::CreatedAndPaid);
    assert_eq!(shop.kinds("a").len(), MAX_WAITING + 1);
}

#[test]
fn full_record_folds_ended_anomalies() {
    let mut shop = filled(MAX_ANOMALIES);
    let _ = shop.resolve("a", 1, Resolution::Dismiss);
    let _ = shop.resolve("a", 2, refund("R"));
    assert!(shop.confirm("a", paid_fen("X", 1)).1);
    let record = shop.record("a").unwrap();
    assert_eq!((record.anomalies().len(), record.unfolded()), (65, 63));
    // A folded anomaly still recognises its payment, its decision and its refund.
    for place in [1, 2] {
        let again = shop.confirm("a", paid_fen(&format!("old{place}"), 1));
        assert_eq!(again, (Confirmed::Duplicate, true));
    }
    assert_eq!(shop.resolve("a", 1, Resolution::Dismiss), Resolved::Already);
    assert_eq!(shop.resolve("a", 1, refund("S")), Resolved::Different);
    assert_eq!(shop.resolve("a", 2, refund("R")), Resolved::Already);
    let _ = shop.refuse("a", "R");
    assert!(shop.anomaly("a", 1).is_open());
    assert_eq!(
        shop.resolve_again("a", 2, 1, refund("R")),
        Resolved::Resolved
    );
    let exceeds = RefundRequested::Exceeds {
        available: Fen::ZERO,
    };
    assert_eq!(shop.request("a", asked_back("S", "old2", 1)), exceeds);
}

#[test]
fn record_of_resolved_anomalies_accepts_late_payment() {
    let mut shop = filled(MAX_ANOMALIES);
    for place in 1..=MAX_ANOMALIES {
        let id = u32::try_from(place).unwrap();
        let _ = shop.resolve("a", id, Resolution::Dismiss);
    }
    let _ = shop.query("a", ChannelState::Closed);
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Late, true));
}

#[test]
fn waiting_record_folds_ended_payments() {
    let mut shop = Oracle::open();
    for place in 1..=70 {
        let outcome = shop.confirm("a", paid(&format!("t{place}")));
        assert_eq!(outcome, (Confirmed::Unclaimed, false));
        let _ = shop.resolve("a", place, Resolution::Dismiss);
    }
    assert_eq!(shop.confirm("a", paid("t1")), (Confirmed::Duplicate, false));
}

#[test]
fn full_record_accepts_only_fitting_payment() {
    let mut shop = filled(MAX_ANOMALIES);
    let full = Outcome::Confirm(Confirmed::RecordFull);
    refuses(&shop, confirm(paid_fen("X", 1)), full.clone());
    refuses(&shop, confirm(paid_by("X", "thief")), full.clone());
    assert_eq!(
        shop.confirm("a", paid_fen("old1", 1)),
        (Confirmed::Duplicate, true)
    );
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Applied, true));
    refuses(&shop, confirm(paid("Y")), full);
    let full = Outcome::RecordQuery(Queried::RecordFull);
    refuses(&shop, query(ChannelState::Revoked), full.clone());
    refuses(&shop, query(ChannelState::NoSuchOrder), full);
}

#[test]
fn full_record_refuses_late_payment() {
    let mut shop = filled(MAX_ANOMALIES);
    let _ = shop.query("a", ChannelState::Closed);
    refuses(
        &shop,
        confirm(paid("X")),
        Outcome::Confirm(Confirmed::RecordFull),
    );
}

#[test]
fn payment_with_unknown_refund_is_recorded_atomically() {
    let full = Outcome::RecordQuery(Queried::RecordFull);
    let shop = filled(MAX_ANOMALIES);
    refuses(&shop, query(ChannelState::Refund(paid("X"))), full.clone());

    let mut shop = filled(MAX_ANOMALIES - 1);
    let _ = shop.query("a", ChannelState::Closed);
    refuses(&shop, query(ChannelState::Refund(paid("X"))), full);

    let mut shop = filled(MAX_ANOMALIES - 2);
    let _ = shop.query("a", ChannelState::Closed);
    let outcome = shop.query("a", ChannelState::Refund(paid("X")));
    assert_eq!(outcome, Queried::RefundUnknown(Confirmed::Late));
    assert_eq!(shop.kinds("a").len(), MAX_ANOMALIES);
}

/// Returns a store with a full record whose last anomaly is a payment by `aunt`.
fn full_with_aunt(amount: u64) -> Oracle {
    let mut shop = filled(MAX_ANOMALIES - 1);
    let mut aunt = paid_by("Y", "aunt");
    aunt.paid_fee = fen(amount);
    let _ = shop.confirm("a", aunt);
    shop
}

#[test]
fn full_record_accepts_payer_without_new_anomaly() {
    let mut shop = full_with_aunt(100);
    let accepted = shop.resolve("a", 64, Resolution::Accept);
    assert_eq!(accepted, Resolved::Reexamined(Confirmed::Applied));
    assert_eq!(shop.status("a"), Status::Success);
}

#[test]
fn accepted_payer_in_full_record_frees_its_room() {
    let found = fen(1);
    let expected = fen(100);
    let mismatch = Confirmed::AmountMismatch { expected, found };
    let accept = Resolution::Accept;
    let outcome = full_with_aunt(1).resolve("a", 64, accept.clone());
    assert_eq!(outcome, Resolved::Reexamined(mismatch));

    let mut closed = full_with_aunt(100);
    let _ = closed.query("a", ChannelState::Closed);
    let outcome = closed.resolve("a", 64, accept.clone());
    assert_eq!(outcome, Resolved::Reexamined(Confirmed::Late));

    let mut paid_since = full_with_aunt(100);
    let _ = paid_since.confirm("a", paid("X"));
    let outcome = paid_since.resolve("a", 64, accept);
    assert_eq!(outcome, Resolved::Reexamined(Confirmed::DoublePayment));
    let anomaly = paid_since.anomaly("a", 63);
    assert!(matches!(anomaly.kind, AnomalyKind::IdentityMismatch { .. }));
    assert!(anomaly.folded);
}
