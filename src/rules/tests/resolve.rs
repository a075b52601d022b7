//! `resolve`: every kind of anomaly with every decision.

use super::*;
use crate::order::{AnomalyEndKind, AnomalyKind, Confirmed, RefundStatus, Status};

/// Returns stores whose `order-a` has one anomaly each, of every kind that payments and queries
/// raise.
fn every_kind() -> Vec<Oracle> {
    let paid_shop = || {
        let mut shop = Oracle::with_order();
        let _ = shop.confirm("a", paid("X"));
        shop
    };
    let ended = || {
        let mut shop = Oracle::with_order();
        let _ = shop.query("a", ChannelState::Closed);
        shop
    };
    let taken = || {
        let mut shop = Oracle::with_order();
        let _ = shop.create("b", new());
        let _ = shop.confirm("b", paid("Y"));
        shop
    };
    let cases = [
        (Oracle::open(), confirm(paid("Y"))),
        (taken(), confirm(paid("Y"))),
        (Oracle::with_order(), confirm(paid_by("Y", "aunt"))),
        (Oracle::with_order(), confirm(paid_fen("Y", 1))),
        (paid_shop(), confirm(paid("Y"))),
        (ended(), confirm(paid("Y"))),
        (paid_shop(), query(ChannelState::Refund(paid("X")))),
        (paid_shop(), query(ChannelState::Revoked)),
        (paid_shop(), query(ChannelState::PayError)),
    ];
    let raise = |(mut shop, ask): (Oracle, CommandKind)| {
        let _ = shop.run(no("a"), ask);
        assert_eq!(shop.kinds("a").len(), 1);
        shop
    };
    cases.into_iter().map(raise).collect()
}

#[test]
fn every_kind_can_be_dismissed() {
    for mut shop in every_kind() {
        shop.wait(SECOND);
        let before = shop
            .record("a")
            .unwrap()
            .as_order()
            .map(|order| order.status);
        assert_eq!(
            shop.resolve("a", 1, Resolution::Dismiss),
            Resolved::Resolved
        );
        let end = shop.anomaly("a", 0).end.clone().unwrap();
        assert_eq!((end.at, end.how), (shop.now, AnomalyEndKind::Dismissed));
        assert_eq!(end.note.as_str(), "because");
        let after = shop
            .record("a")
            .unwrap()
            .as_order()
            .map(|order| order.status);
        assert_eq!(before, after);
    }
}

#[test]
fn only_late_payment_and_payer_mismatch_are_acceptable() {
    for mut shop in every_kind() {
        let kind = shop.kinds("a").remove(0);
        let expected = match kind {
            AnomalyKind::LatePayment => Resolved::Resolved,
            AnomalyKind::IdentityMismatch { .. } => Resolved::Reexamined(Confirmed::Applied),
            _ => Resolved::NotAcceptable,
        };
        assert_eq!(
            shop.resolve("a", 1, Resolution::Accept),
            expected,
            "{kind:?}"
        );
        assert_eq!(
            shop.anomaly("a", 0).is_open(),
            expected == Resolved::NotAcceptable
        );
    }
}

#[test]
fn refund_resolution_needs_money_of_record() {
    for mut shop in every_kind() {
        let kind = shop.kinds("a").remove(0);
        let expected = match kind {
            AnomalyKind::TransactionTaken { .. }
            | AnomalyKind::RefundUnknown
            | AnomalyKind::Reversed
            | AnomalyKind::ChannelDisagrees { .. } => Resolved::NotRefundable,
            _ => Resolved::Resolved,
        };
        assert_eq!(shop.resolve("a", 1, refund("R")), expected, "{kind:?}");
        if expected == Resolved::Resolved {
            let record = shop.record("a").unwrap();
            let [refund] = record.refunds() else { panic!() };
            let payment = record.anomalies()[0].payment.as_ref().unwrap();
            assert_eq!(refund.transaction_id, payment.transaction_id);
            assert_eq!(refund.amount, payment.paid_fee);
            assert_eq!(refund.status, RefundStatus::Requested);
            assert_eq!(refund.requested_at, shop.now);
            assert_eq!(refund.next_check, Some(shop.now.saturating_add(MINUTE)));
        }
    }
}

#[test]
fn repeated_decision_is_already_and_other_is_different() {
    let decisions = [
        Resolution::Accept,
        Resolution::Dismiss,
        refund("R"),
        refund("S"),
    ];
    for shop in every_kind() {
        for first in &decisions {
            let mut shop = shop.clone();
            let _ = shop.resolve("a", 1, first.clone());
            if shop.anomaly("a", 0).is_open() {
                continue;
            }
            let events = shop.events("a").len();
            for second in &decisions {
                let answer = shop.resolve("a", 1, second.clone());
                let same = first == second;
                let expected = if same {
                    Resolved::Already
                } else {
                    Resolved::Different
                };
                assert_eq!(answer, expected);
            }
            assert_eq!(shop.events("a").len(), events);
        }
    }
}

#[test]
fn resolve_of_unknown_anomaly_is_not_found() {
    let mut shop = Oracle::with_order();
    for how in [Resolution::Accept, Resolution::Dismiss, refund("R")] {
        assert_eq!(shop.resolve("a", 1, how.clone()), Resolved::NotFound);
        assert_eq!(shop.resolve("a", 0, how.clone()), Resolved::NotFound);
        assert_eq!(shop.resolve("b", 1, how), Resolved::NotFound);
    }
}

#[test]
fn accepted_late_payment_is_success_marked_late() {
    let mut shop = Oracle::with_order();
    let _ = shop.query("a", ChannelState::Closed);
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.resolve("a", 1, Resolution::Accept), Resolved::Resolved);
    let order = shop.order("a");
    assert_eq!((order.status, order.late), (Status::Success, true));
    assert_eq!(order.open_anomalies().count(), 0);
}

#[test]
fn accepted_payer_passes_remaining_guards() {
    let aunt = || paid_by("Y", "aunt");
    let foreign = |mut shop: Oracle, payment: Payment, then: &[CommandKind]| {
        let _ = shop.confirm("a", payment);
        for ask in then {
            let _ = shop.run(no("a"), ask.clone());
        }
        let Resolved::Reexamined(outcome) = shop.resolve("a", 1, Resolution::Accept) else {
            panic!()
        };
        (outcome, shop.status("a"))
    };
    let outcome = foreign(Oracle::with_order(), aunt(), &[]);
    assert_eq!(outcome, (Confirmed::Applied, Status::Success));

    let paid_since = foreign(Oracle::with_order(), aunt(), &[confirm(paid("X"))]);
    assert_eq!(paid_since, (Confirmed::DoublePayment, Status::Success));

    let by_it = foreign(Oracle::with_order(), aunt(), &[confirm(paid("Y"))]);
    assert_eq!(by_it, (Confirmed::Duplicate, Status::Success));

    let closed = foreign(Oracle::with_order(), aunt(), &[query(ChannelState::Closed)]);
    assert_eq!(closed, (Confirmed::Late, Status::LatePaid));

    let mut short = aunt();
    short.paid_fee = fen(1);
    let (outcome, status) = foreign(Oracle::with_order(), short, &[]);
    let (expected, found) = (fen(100), fen(1));
    assert_eq!(outcome, Confirmed::AmountMismatch { expected, found });
    assert_eq!(status, Status::Pending);

    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", aunt());
    let _ = shop.create("b", new().openid(openid("aunt")));
    let _ = shop.confirm("b", aunt());
    let taken = Confirmed::TransactionTaken { by: no("b") };
    assert_eq!(
        shop.resolve("a", 1, Resolution::Accept),
        Resolved::Reexamined(taken)
    );
}

#[test]
fn accepted_payer_stays_accepted() {
    let mut shop = Oracle::with_order();
    let mut aunt = paid_by("Y", "aunt");
    aunt.paid_fee = fen(1);
    let _ = shop.confirm("a", aunt.clone());
    let _ = shop.resolve("a", 1, Resolution::Accept);
    assert_eq!(
        shop.confirm("a", aunt.clone()),
        (Confirmed::Duplicate, true)
    );
    aunt.paid_fee = fen(100);
    assert_eq!(shop.confirm("a", aunt), (Confirmed::Applied, true));
    let other = shop.confirm("a", paid_by("Z", "aunt")).0;
    assert!(matches!(other, Confirmed::IdentityMismatch { .. }));
}

#[test]
fn refund_number_is_unique_in_store() {
    let mut shop = Oracle::with_order();
    let _ = shop.create("b", new());
    let _ = shop.confirm("a", paid_fen("X", 1));
    let _ = shop.confirm("a", paid_fen("Y", 1));
    let _ = shop.confirm("b", paid_fen("Z", 1));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Resolved);
    let taken = Resolved::RefundNoTaken { by: no("a") };
    assert_eq!(shop.resolve("a", 2, refund("R")), taken);
    assert_eq!(shop.resolve("b", 1, refund("R")), taken);
    assert_eq!(shop.resolve("a", 2, refund("S")), Resolved::Resolved);
}

#[test]
fn refund_resolution_is_limited_to_paid_amount() {
    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", paid_by("X", "aunt"));
    let _ = shop.confirm("a", paid_fen("X", 99));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Resolved);
    let available = Fen::ZERO;
    assert_eq!(
        shop.resolve("a", 2, refund("S")),
        Resolved::Exceeds { available }
    );
    assert!(shop.anomaly("a", 1).is_open());
}

#[test]
fn money_of_other_order_is_not_refundable() {
    let mut shop = Oracle::with_order();
    let _ = shop.create("b", new());
    let _ = shop.confirm("a", paid_fen("X", 99));
    let _ = shop.confirm("b", paid("X"));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::NotRefundable);
}

#[test]
fn equal_transaction_ids_are_separate_per_channel() {
    let mut shop = Oracle::with_order();
    let mut other = paid_fen("X", 300);
    other.channel = alipay();
    let _ = shop.confirm("a", other);
    let _ = shop.query("a", ChannelState::Closed);
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Resolved);
    assert_eq!(shop.resolve("a", 2, refund("S")), Resolved::Resolved);
}

#[test]
fn waiting_payment_can_be_refunded() {
    let mut shop = Oracle::open();
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Resolved);
    assert_eq!(shop.record("a").unwrap().unclaimed().count(), 0);
    let _ = shop.create("a", new());
    assert_eq!(shop.order("a").refunds.len(), 1);
}

#[test]
fn open_reversal_blocks_refunds() {
    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.confirm("a", paid("Y"));
    let _ = shop.query("a", ChannelState::Revoked);
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Blocked);
    assert!(shop.anomaly("a", 0).is_open());
    assert!(shop.order("a").refunds.is_empty());
    let _ = shop.resolve("a", 2, Resolution::Dismiss);
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Resolved);
}
