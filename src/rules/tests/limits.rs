//! Limits of a record: 64 unfolded anomalies and 16 unclaimed payments. The store refuses a fact
//! that would exceed a limit.

use super::*;
use crate::order::{AnomalyKind, Confirmed, MAX_ANOMALIES, MAX_WAITING, RefundRefusal, Status};

/// Returns a store whose `order-a` has `count` open anomalies.
pub(super) fn with_anomalies(count: usize) -> Oracle {
    let mut store = Oracle::with_order();
    for place in 1..=count {
        let _ = store.confirm("a", paid_fen(&format!("old{place}"), 1));
    }
    store
}

/// Checks that the command writes nothing and is not acknowledged.
fn refuses(store: &Oracle, command: CommandKind, outcome: Outcome) {
    let decision = store.decide(no("a"), command);
    assert_eq!(decision.outcome, outcome);
    assert_eq!((decision.events, decision.after), (vec![], None));
    assert!(!decision.acknowledge);
}

#[test]
fn seventeenth_unclaimed_payment_is_refused() {
    let mut store = Oracle::open();
    for place in 0..MAX_WAITING {
        let outcome = store.confirm("a", paid(&format!("t{place}")));
        assert_eq!(outcome, (Confirmed::Unclaimed, false));
    }
    let full = Outcome::Confirm(Confirmed::RecordFull);
    refuses(&store, confirm(paid("X")), full);
    let state = query(ChannelState::Refund(paid("X")));
    let full = Queried::Payment(Confirmed::RecordFull);
    refuses(&store, state, Outcome::RecordQuery(full));
    assert_eq!(
        store.confirm("a", paid("t3")),
        (Confirmed::Duplicate, false)
    );
    let _ = store.resolve("a", 1, Resolution::Dismiss);
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Unclaimed, false));
    assert_eq!(store.create("a", new()), Created::CreatedAndPaid);
    assert_eq!(store.kinds("a").len(), MAX_WAITING + 1);
}

#[test]
fn record_with_maximum_anomalies_folds_ended_ones() {
    let mut store = with_anomalies(MAX_ANOMALIES);
    let _ = store.resolve("a", 1, Resolution::Dismiss);
    let _ = store.resolve("a", 2, refund("R"));
    assert!(store.confirm("a", paid_fen("X", 1)).1);
    let record = store.record("a").unwrap();
    assert_eq!((record.anomalies().len(), record.unfolded()), (65, 63));
    // The record still recognises the payment, the decision and the refund of a folded anomaly.
    for place in [1, 2] {
        let again = store.confirm("a", paid_fen(&format!("old{place}"), 1));
        assert_eq!(again, (Confirmed::Duplicate, true));
    }
    assert_eq!(
        store.resolve("a", 1, Resolution::Dismiss),
        Resolved::Already
    );
    assert_eq!(store.resolve("a", 1, refund("S")), Resolved::Different);
    assert_eq!(store.resolve("a", 2, refund("R")), Resolved::Already);
    let _ = store.refuse("a", "R");
    assert!(store.anomaly("a", 1).is_open());
    assert_eq!(
        store.resolve_again("a", 2, 1, refund("R")),
        Resolved::Resolved
    );
    let exceeds = RefundRequested::Refused(RefundRefusal::Exceeds {
        available: Fen::ZERO,
    });
    assert_eq!(store.request("a", new_refund("S", "old2", 1)), exceeds);
}

#[test]
fn record_with_maximum_resolved_anomalies_accepts_late_payment() {
    let mut store = with_anomalies(MAX_ANOMALIES);
    for place in 1..=MAX_ANOMALIES {
        let id = u32::try_from(place).unwrap();
        let _ = store.resolve("a", id, Resolution::Dismiss);
    }
    let _ = store.query("a", ChannelState::Closed);
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Late, true));
}

#[test]
fn record_without_order_folds_resolved_anomalies() {
    let mut store = Oracle::open();
    for place in 1..=70 {
        let outcome = store.confirm("a", paid(&format!("t{place}")));
        assert_eq!(outcome, (Confirmed::Unclaimed, false));
        let _ = store.resolve("a", place, Resolution::Dismiss);
    }
    assert_eq!(
        store.confirm("a", paid("t1")),
        (Confirmed::Duplicate, false)
    );
}

#[test]
fn record_with_maximum_anomalies_accepts_only_matching_payment() {
    let mut store = with_anomalies(MAX_ANOMALIES);
    let full = Outcome::Confirm(Confirmed::RecordFull);
    refuses(&store, confirm(paid_fen("X", 1)), full.clone());
    refuses(&store, confirm(paid_by("X", "thief")), full.clone());
    assert_eq!(
        store.confirm("a", paid_fen("old1", 1)),
        (Confirmed::Duplicate, true)
    );
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Applied, true));
    refuses(&store, confirm(paid("Y")), full);
    let full = Outcome::RecordQuery(Queried::RecordFull);
    refuses(&store, query(ChannelState::Revoked), full.clone());
    refuses(&store, query(ChannelState::NoSuchOrder), full);
}

#[test]
fn record_with_maximum_anomalies_refuses_late_payment() {
    let mut store = with_anomalies(MAX_ANOMALIES);
    let _ = store.query("a", ChannelState::Closed);
    refuses(
        &store,
        confirm(paid("X")),
        Outcome::Confirm(Confirmed::RecordFull),
    );
}

#[test]
fn payment_and_unknown_refund_are_recorded_together_or_not_at_all() {
    let full = Outcome::RecordQuery(Queried::RecordFull);
    let store = with_anomalies(MAX_ANOMALIES);
    refuses(&store, query(ChannelState::Refund(paid("X"))), full.clone());

    let mut store = with_anomalies(MAX_ANOMALIES - 1);
    let _ = store.query("a", ChannelState::Closed);
    refuses(&store, query(ChannelState::Refund(paid("X"))), full);

    let mut store = with_anomalies(MAX_ANOMALIES - 2);
    let _ = store.query("a", ChannelState::Closed);
    let outcome = store.query("a", ChannelState::Refund(paid("X")));
    assert_eq!(outcome, Queried::RefundUnknown(Confirmed::Late));
    assert_eq!(store.kinds("a").len(), MAX_ANOMALIES);
}

/// Returns a store whose `order-a` has the maximum number of anomalies. The last one is a payment
/// of `amount` fen by another user, `aunt`.
fn maximum_anomalies_with_other_payer(amount: u64) -> Oracle {
    let mut store = with_anomalies(MAX_ANOMALIES - 1);
    let mut aunt = paid_by("Y", "aunt");
    aunt.paid_fee = fen(amount);
    let _ = store.confirm("a", aunt);
    store
}

#[test]
fn person_accepts_payer_despite_maximum_anomalies() {
    let mut store = maximum_anomalies_with_other_payer(100);
    let accepted = store.resolve("a", 64, Resolution::Accept);
    assert_eq!(accepted, Resolved::Reexamined(Confirmed::Applied));
    assert_eq!(store.status("a"), Status::Success);
}

#[test]
fn accepting_payer_frees_room_for_one_anomaly() {
    let found = fen(1);
    let expected = fen(100);
    let mismatch = Confirmed::AmountMismatch { expected, found };
    let accept = Resolution::Accept;
    let outcome = maximum_anomalies_with_other_payer(1).resolve("a", 64, accept.clone());
    assert_eq!(outcome, Resolved::Reexamined(mismatch));

    let mut closed = maximum_anomalies_with_other_payer(100);
    let _ = closed.query("a", ChannelState::Closed);
    let outcome = closed.resolve("a", 64, accept.clone());
    assert_eq!(outcome, Resolved::Reexamined(Confirmed::Late));

    let mut paid_since = maximum_anomalies_with_other_payer(100);
    let _ = paid_since.confirm("a", paid("X"));
    let outcome = paid_since.resolve("a", 64, accept);
    assert_eq!(outcome, Resolved::Reexamined(Confirmed::DoublePayment));
    let anomaly = paid_since.anomaly("a", 63);
    assert!(matches!(anomaly.kind, AnomalyKind::IdentityMismatch { .. }));
    assert!(anomaly.folded);
}
