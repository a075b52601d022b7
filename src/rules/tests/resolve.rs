//! `resolve`: every kind of anomaly against every decision.

use super::*;
use crate::order::{AnomalyEndKind, AnomalyKind, Confirmed, RefundStatus, Status};

/// Shops whose anomaly 1 of `order-a` is of each kind that can come about.
fn every_kind() -> Vec<Shop> {
    let paid_shop = || {
        let mut shop = Shop::with_order();
        let _ = shop.confirm("a", paid("X"));
        shop
    };
    let ended = || {
        let mut shop = Shop::with_order();
        let _ = shop.query("a", ChannelState::Closed);
        shop
    };
    let taken = || {
        let mut shop = Shop::with_order();
        let _ = shop.create("b", new());
        let _ = shop.confirm("b", paid("Y"));
        shop
    };
    let cases = [
        (Shop::open(), confirm(paid("Y"))),
        (taken(), confirm(paid("Y"))),
        (Shop::with_order(), confirm(paid_by("Y", "aunt"))),
        (Shop::with_order(), confirm(paid_fen("Y", 1))),
        (paid_shop(), confirm(paid("Y"))),
        (ended(), confirm(paid("Y"))),
        (paid_shop(), query(ChannelState::Refund(paid("X")))),
        (paid_shop(), query(ChannelState::Revoked)),
        (paid_shop(), query(ChannelState::PayError)),
    ];
    let raise = |(mut shop, ask): (Shop, CommandKind)| {
        let _ = shop.ask(no("a"), ask);
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
fn only_a_late_payment_and_a_foreign_payer_can_be_accepted() {
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
fn money_goes_back_where_there_is_money_of_this_record() {
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
fn the_same_decision_again_is_already_and_another_is_different() {
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
fn an_unknown_number_of_record_or_anomaly_is_not_found() {
    let mut shop = Shop::with_order();
    for how in [Resolution::Accept, Resolution::Dismiss, refund("R")] {
        assert_eq!(shop.resolve("a", 1, how.clone()), Resolved::NotFound);
        assert_eq!(shop.resolve("a", 0, how.clone()), Resolved::NotFound);
        assert_eq!(shop.resolve("b", 1, how), Resolved::NotFound);
    }
}

#[test]
fn an_accepted_late_payment_is_a_success_that_stays_late() {
    let mut shop = Shop::with_order();
    let _ = shop.query("a", ChannelState::Closed);
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.resolve("a", 1, Resolution::Accept), Resolved::Resolved);
    let order = shop.order("a");
    assert_eq!((order.status, order.late), (Status::Success, true));
    assert_eq!(order.open_anomalies().count(), 0);
}

#[test]
fn an_accepted_payer_passes_the_other_guards_again() {
    let aunt = || paid_by("Y", "aunt");
    let foreign = |mut shop: Shop, payment: Payment, then: &[CommandKind]| {
        let _ = shop.confirm("a", payment);
        for ask in then {
            let _ = shop.ask(no("a"), ask.clone());
        }
        let Resolved::Reexamined(heard) = shop.resolve("a", 1, Resolution::Accept) else {
            panic!()
        };
        (heard, shop.status("a"))
    };
    let heard = foreign(Shop::with_order(), aunt(), &[]);
    assert_eq!(heard, (Confirmed::Applied, Status::Success));

    let paid_since = foreign(Shop::with_order(), aunt(), &[confirm(paid("X"))]);
    assert_eq!(paid_since, (Confirmed::DoublePayment, Status::Success));

    let by_it = foreign(Shop::with_order(), aunt(), &[confirm(paid("Y"))]);
    assert_eq!(by_it, (Confirmed::Duplicate, Status::Success));

    let closed = foreign(Shop::with_order(), aunt(), &[query(ChannelState::Closed)]);
    assert_eq!(closed, (Confirmed::Late, Status::LatePaid));

    let mut short = aunt();
    short.paid_fee = fen(1);
    let (heard, status) = foreign(Shop::with_order(), short, &[]);
    let (expected, found) = (fen(100), fen(1));
    assert_eq!(heard, Confirmed::AmountMismatch { expected, found });
    assert_eq!(status, Status::Pending);

    let mut shop = Shop::with_order();
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
fn a_payer_once_accepted_stays_accepted() {
    let mut shop = Shop::with_order();
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
fn a_refund_number_names_one_refund_in_the_whole_store() {
    let mut shop = Shop::with_order();
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
fn no_more_goes_back_than_came() {
    let mut shop = Shop::with_order();
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
fn the_money_of_another_order_does_not_go_back_from_here() {
    let mut shop = Shop::with_order();
    let _ = shop.create("b", new());
    let _ = shop.confirm("a", paid_fen("X", 99));
    let _ = shop.confirm("b", paid("X"));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::NotRefundable);
}

#[test]
fn equal_transaction_ids_of_two_channels_have_money_of_their_own() {
    let mut shop = Shop::with_order();
    let mut other = paid_fen("X", 300);
    other.channel = alipay();
    let _ = shop.confirm("a", other);
    let _ = shop.query("a", ChannelState::Closed);
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Resolved);
    assert_eq!(shop.resolve("a", 2, refund("S")), Resolved::Resolved);
}

#[test]
fn what_waits_for_its_order_can_be_given_back() {
    let mut shop = Shop::open();
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Resolved);
    assert_eq!(shop.record("a").unwrap().unclaimed().count(), 0);
    let _ = shop.create("a", new());
    assert_eq!(shop.order("a").refunds.len(), 1);
}

#[test]
fn a_reversal_that_nobody_looked_into_blocks_refunds() {
    let mut shop = Shop::with_order();
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.confirm("a", paid("Y"));
    let _ = shop.query("a", ChannelState::Revoked);
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Blocked);
    assert!(shop.anomaly("a", 0).is_open());
    assert!(shop.order("a").refunds.is_empty());
    let _ = shop.resolve("a", 2, Resolution::Dismiss);
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::Resolved);
}
