//! A strict shop does not acknowledge what does not fit; what is kept is the same.

use super::*;
use crate::order::{Confirmed, IdentityField};

fn strict() -> Shop {
    let mut shop = Shop::with_order();
    shop.policy.strict = true;
    shop
}

#[test]
fn taken_foreign_and_wrong_amounts_are_kept_unacknowledged_and_so_are_their_repeats() {
    let mut shop = strict();
    let _ = shop.create("b", new());
    assert_eq!(shop.confirm("b", paid("X")), (Confirmed::Applied, true));
    let taken = Confirmed::TransactionTaken { by: no("b") };
    let field = IdentityField::Openid;
    let (expected, found) = (fen(100), fen(1));
    for (payment, heard) in [
        (paid("X"), taken),
        (paid_by("Y", "thief"), Confirmed::IdentityMismatch { field }),
        (
            paid_fen("Z", 1),
            Confirmed::AmountMismatch { expected, found },
        ),
    ] {
        assert_eq!(shop.confirm("a", payment.clone()), (heard, false));
        assert_eq!(shop.confirm("a", payment), (Confirmed::Duplicate, false));
    }
    assert_eq!(shop.kinds("a").len(), 3);
}

#[test]
fn what_fits_what_is_late_and_what_is_double_is_acknowledged_as_ever() {
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
fn an_accepted_payer_is_acknowledged() {
    let mut shop = strict();
    let foreign = paid_by("X", "aunt");
    let _ = shop.confirm("a", foreign.clone());
    let accepted = shop.resolve("a", 1, Resolution::Accept);
    assert_eq!(accepted, Resolved::Reexamined(Confirmed::Applied));
    assert_eq!(shop.confirm("a", foreign), (Confirmed::Duplicate, true));
}

#[test]
fn a_query_says_the_same() {
    let mut shop = strict();
    let foreign = paid_by("X", "thief");
    for state in [
        ChannelState::Success(foreign.clone()),
        ChannelState::Refund(foreign),
    ] {
        assert!(!shop.ask(no("a"), query(state)).acknowledge);
    }
}
