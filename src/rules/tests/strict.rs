//! Strict mode: the store keeps the same anomalies, but does not acknowledge payments that do
//! not fit.

use super::*;
use crate::order::{Confirmed, IdentityField};

fn strict() -> Oracle {
    let mut shop = Oracle::with_order();
    shop.policy.strict = true;
    shop
}

#[test]
fn strict_mode_leaves_mismatched_payments_unacknowledged() {
    let mut shop = strict();
    let _ = shop.create("b", new());
    assert_eq!(shop.confirm("b", paid("X")), (Confirmed::Applied, true));
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
        assert_eq!(shop.confirm("a", payment.clone()), (outcome, false));
        assert_eq!(shop.confirm("a", payment), (Confirmed::Duplicate, false));
    }
    assert_eq!(shop.kinds("a").len(), 3);
}

#[test]
fn strict_mode_acknowledges_fitting_late_and_double_payments() {
    let mut shop = strict();
    let _ = shop.create("b", new());
    let _ = shop.query("b", ChannelState::Closed);
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Applied, true));
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    assert_eq!(
        shop.confirm("a", paid("Y")),
        (Confirmed::DoublePayment, true)
    );
    assert_eq!(shop.confirm("a", paid("Y")), (Confirmed::Duplicate, true));
    assert_eq!(shop.confirm("b", paid("Z")), (Confirmed::Late, true));
}

#[test]
fn strict_mode_acknowledges_accepted_payer() {
    let mut shop = strict();
    let foreign = paid_by("X", "aunt");
    let _ = shop.confirm("a", foreign.clone());
    let accepted = shop.resolve("a", 1, Resolution::Accept);
    assert_eq!(accepted, Resolved::Reexamined(Confirmed::Applied));
    assert_eq!(shop.confirm("a", foreign), (Confirmed::Duplicate, true));
}

#[test]
fn strict_mode_applies_to_queries() {
    let mut shop = strict();
    let foreign = paid_by("X", "thief");
    for state in [
        ChannelState::Success(foreign.clone()),
        ChannelState::Refund(foreign),
    ] {
        assert!(!shop.run(no("a"), query(state)).acknowledge);
    }
}
