//! Strict mode: the store raises the same anomalies, but does not acknowledge payments that do not
//! match their order.

use super::*;
use crate::order::{Confirmed, IdentityField};

fn strict() -> Oracle {
    let mut store = Oracle::with_order();
    store.policy.strict = true;
    store
}

#[test]
fn strict_mode_leaves_mismatched_payments_unacknowledged() {
    let mut store = strict();
    let _ = store.create("b", new());
    assert_eq!(store.confirm("b", paid("X")), (Confirmed::Applied, true));
    let taken = Confirmed::TransactionTaken { by: no("b") };
    let field = IdentityField::Openid;
    let (expected, found) = (fen(100), fen(1));
    for (payment, outcome) in [
        (paid("X"), taken),
        (paid_by("Y", "thief"), Confirmed::IdentityMismatch { field }),
        (
            paid_fen("Z", 1),
            Confirmed::AmountMismatch { expected, found },
        ),
    ] {
        assert_eq!(store.confirm("a", payment.clone()), (outcome, false));
        assert_eq!(store.confirm("a", payment), (Confirmed::Duplicate, false));
    }
    assert_eq!(store.kinds("a").len(), 3);
}

#[test]
fn strict_mode_acknowledges_fitting_late_and_double_payments() {
    let mut store = strict();
    let _ = store.create("b", new());
    let _ = store.query("b", ChannelState::Closed);
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Applied, true));
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    assert_eq!(
        store.confirm("a", paid("Y")),
        (Confirmed::DoublePayment, true)
    );
    assert_eq!(store.confirm("a", paid("Y")), (Confirmed::Duplicate, true));
    assert_eq!(store.confirm("b", paid("Z")), (Confirmed::Late, true));
}

#[test]
fn strict_mode_acknowledges_accepted_payer() {
    let mut store = strict();
    let foreign = paid_by("X", "aunt");
    let _ = store.confirm("a", foreign.clone());
    let accepted = store.resolve("a", 1, Resolution::Accept);
    assert_eq!(accepted, Resolved::Reexamined(Confirmed::Applied));
    assert_eq!(store.confirm("a", foreign), (Confirmed::Duplicate, true));
}

#[test]
fn strict_mode_applies_to_queries() {
    let mut store = strict();
    let foreign = paid_by("X", "thief");
    for state in [
        ChannelState::Success(foreign.clone()),
        ChannelState::Refund(foreign),
    ] {
        assert!(!store.run(no("a"), query(state)).acknowledge);
    }
}
