//! `resolve`: every decision of a person about every kind of anomaly.

use super::*;
use crate::order::{AnomalyEndKind, AnomalyKind, Confirmed, RefundRefusal, RefundStatus, Status};

/// Returns one store for each kind of anomaly that payments and queries raise. Its `order-a` has
/// one anomaly of that kind.
fn every_kind() -> Vec<Oracle> {
    let paid_store = || {
        let mut store = Oracle::with_order();
        let _ = store.confirm("a", paid("X"));
        store
    };
    let ended = || {
        let mut store = Oracle::with_order();
        let _ = store.query("a", ChannelState::Closed);
        store
    };
    let taken = || {
        let mut store = Oracle::with_order();
        let _ = store.create("b", new());
        let _ = store.confirm("b", paid("Y"));
        store
    };
    let cases = [
        (Oracle::open(), confirm(paid("Y"))),
        (taken(), confirm(paid("Y"))),
        (Oracle::with_order(), confirm(paid_by("Y", "aunt"))),
        (Oracle::with_order(), confirm(paid_fen("Y", 1))),
        (paid_store(), confirm(paid("Y"))),
        (ended(), confirm(paid("Y"))),
        (paid_store(), query(ChannelState::Refund(paid("X")))),
        (paid_store(), query(ChannelState::Revoked)),
        (paid_store(), query(ChannelState::PayError)),
    ];
    let raise = |(mut store, command): (Oracle, CommandKind)| {
        let _ = store.run(no("a"), command);
        assert_eq!(store.kinds("a").len(), 1);
        store
    };
    cases.into_iter().map(raise).collect()
}

#[test]
fn anomaly_of_every_kind_can_be_dismissed() {
    for mut store in every_kind() {
        store.wait(SECOND);
        let before = store
            .record("a")
            .unwrap()
            .as_order()
            .map(|order| order.status);
        assert_eq!(
            store.resolve("a", 1, Resolution::Dismiss),
            Resolved::Resolved
        );
        let end = store.anomaly("a", 0).end.clone().unwrap();
        assert_eq!((end.at, end.how), (store.now, AnomalyEndKind::Dismissed));
        assert_eq!(end.note.as_str(), "because");
        let after = store
            .record("a")
            .unwrap()
            .as_order()
            .map(|order| order.status);
        assert_eq!(before, after);
    }
}

#[test]
fn only_late_payment_and_payer_mismatch_can_be_accepted() {
    for mut store in every_kind() {
        let kind = store.kinds("a").remove(0);
        let expected = match kind {
            AnomalyKind::LatePayment => Resolved::Resolved,
            AnomalyKind::IdentityMismatch { .. } => Resolved::Reexamined(Confirmed::Applied),
            _ => Resolved::NotAcceptable,
        };
        assert_eq!(
            store.resolve("a", 1, Resolution::Accept),
            expected,
            "{kind:?}"
        );
        assert_eq!(
            store.anomaly("a", 0).is_open(),
            expected == Resolved::NotAcceptable
        );
    }
}

#[test]
fn refund_decision_needs_refundable_payment() {
    for mut store in every_kind() {
        let kind = store.kinds("a").remove(0);
        let expected = match kind {
            AnomalyKind::TransactionTaken { .. }
            | AnomalyKind::RefundUnknown
            | AnomalyKind::Reversed
            | AnomalyKind::ChannelDisagrees { .. } => Resolved::NotRefundable,
            _ => Resolved::Resolved,
        };
        assert_eq!(store.resolve("a", 1, refund("R")), expected, "{kind:?}");
        if expected == Resolved::Resolved {
            let record = store.record("a").unwrap();
            let [refund] = record.refunds() else { panic!() };
            let payment = record.anomalies()[0].payment.as_ref().unwrap();
            assert_eq!(refund.transaction_id, payment.transaction_id);
            assert_eq!(refund.amount, payment.paid_fee);
            assert_eq!(refund.status, RefundStatus::Requested);
            assert_eq!(refund.requested_at, store.now);
            assert_eq!(refund.next_check, Some(store.now.saturating_add(MINUTE)));
        }
    }
}

#[test]
fn second_decision_on_anomaly_returns_already_or_different() {
    let decisions = [
        Resolution::Accept,
        Resolution::Dismiss,
        refund("R"),
        refund("S"),
    ];
    for store in every_kind() {
        for first in &decisions {
            let mut store = store.clone();
            let _ = store.resolve("a", 1, first.clone());
            if store.anomaly("a", 0).is_open() {
                continue;
            }
            let events = store.events("a").len();
            for second in &decisions {
                let answer = store.resolve("a", 1, second.clone());
                let same = first == second;
                let expected = if same {
                    Resolved::Already
                } else {
                    Resolved::Different
                };
                assert_eq!(answer, expected);
            }
            assert_eq!(store.events("a").len(), events);
        }
    }
}

#[test]
fn resolve_of_unknown_anomaly_is_not_found() {
    let mut store = Oracle::with_order();
    for how in [Resolution::Accept, Resolution::Dismiss, refund("R")] {
        assert_eq!(store.resolve("a", 1, how.clone()), Resolved::NotFound);
        assert_eq!(store.resolve("a", 0, how.clone()), Resolved::NotFound);
        assert_eq!(store.resolve("b", 1, how), Resolved::NotFound);
    }
}

#[test]
fn accepted_late_payment_makes_order_success_and_late() {
    let mut store = Oracle::with_order();
    let _ = store.query("a", ChannelState::Closed);
    let _ = store.confirm("a", paid("X"));
    assert_eq!(
        store.resolve("a", 1, Resolution::Accept),
        Resolved::Resolved
    );
    let order = store.order("a");
    assert_eq!((order.status, order.late), (Status::Success, true));
    assert_eq!(order.open_anomalies().count(), 0);
}

#[test]
fn payment_with_accepted_payer_goes_through_other_checks() {
    let aunt = || paid_by("Y", "aunt");
    let foreign = |mut store: Oracle, payment: Payment, then: &[CommandKind]| {
        let _ = store.confirm("a", payment);
        for command in then {
            let _ = store.run(no("a"), command.clone());
        }
        let Resolved::Reexamined(outcome) = store.resolve("a", 1, Resolution::Accept) else {
            panic!()
        };
        (outcome, store.status("a"))
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

    let mut store = Oracle::with_order();
    let _ = store.confirm("a", aunt());
    let _ = store.create("b", new().openid(openid("aunt")));
    let _ = store.confirm("b", aunt());
    let taken = Confirmed::TransactionTaken { by: no("b") };
    assert_eq!(
        store.resolve("a", 1, Resolution::Accept),
        Resolved::Reexamined(taken)
    );
}

#[test]
fn accepted_payer_is_not_rejected_again() {
    let mut store = Oracle::with_order();
    let mut aunt = paid_by("Y", "aunt");
    aunt.paid_fee = fen(1);
    let _ = store.confirm("a", aunt.clone());
    let _ = store.resolve("a", 1, Resolution::Accept);
    assert_eq!(
        store.confirm("a", aunt.clone()),
        (Confirmed::Duplicate, true)
    );
    aunt.paid_fee = fen(100);
    assert_eq!(store.confirm("a", aunt), (Confirmed::Applied, true));
    let other = store.confirm("a", paid_by("Z", "aunt")).0;
    assert!(matches!(other, Confirmed::IdentityMismatch { .. }));
}

#[test]
fn refund_decision_with_used_number_is_refused() {
    let mut store = Oracle::with_order();
    let _ = store.create("b", new());
    let _ = store.confirm("a", paid_fen("X", 1));
    let _ = store.confirm("a", paid_fen("Y", 1));
    let _ = store.confirm("b", paid_fen("Z", 1));
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::Resolved);
    let taken = Resolved::Refused(RefundRefusal::RefundNoTaken { by: no("a") });
    assert_eq!(store.resolve("a", 2, refund("R")), taken);
    assert_eq!(store.resolve("b", 1, refund("R")), taken);
    assert_eq!(store.resolve("a", 2, refund("S")), Resolved::Resolved);
}

#[test]
fn refund_decision_above_paid_amount_is_refused() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid_by("X", "aunt"));
    let _ = store.confirm("a", paid_fen("X", 99));
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::Resolved);
    let available = Fen::ZERO;
    assert_eq!(
        store.resolve("a", 2, refund("S")),
        Resolved::Refused(RefundRefusal::Exceeds { available })
    );
    assert!(store.anomaly("a", 1).is_open());
}

#[test]
fn refund_decision_for_other_orders_transaction_is_refused() {
    let mut store = Oracle::with_order();
    let _ = store.create("b", new());
    let _ = store.confirm("a", paid_fen("X", 99));
    let _ = store.confirm("b", paid("X"));
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::NotRefundable);
}

#[test]
fn equal_transaction_ids_are_separate_per_channel() {
    let mut store = Oracle::with_order();
    let mut other = paid_fen("X", 300);
    other.channel = alipay();
    let _ = store.confirm("a", other);
    let _ = store.query("a", ChannelState::Closed);
    let _ = store.confirm("a", paid("X"));
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::Resolved);
    assert_eq!(store.resolve("a", 2, refund("S")), Resolved::Resolved);
}

#[test]
fn unclaimed_payment_can_be_refunded() {
    let mut store = Oracle::open();
    let _ = store.confirm("a", paid("X"));
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::Resolved);
    assert_eq!(store.record("a").unwrap().unclaimed().count(), 0);
    let _ = store.create("a", new());
    assert_eq!(store.order("a").refunds.len(), 1);
}

#[test]
fn open_anomaly_of_revoked_payment_blocks_refund_decision() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid("X"));
    let _ = store.confirm("a", paid("Y"));
    let _ = store.query("a", ChannelState::Revoked);
    assert_eq!(
        store.resolve("a", 1, refund("R")),
        Resolved::Refused(RefundRefusal::Blocked)
    );
    assert!(store.anomaly("a", 0).is_open());
    assert!(store.order("a").refunds.is_empty());
    let _ = store.resolve("a", 2, Resolution::Dismiss);
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::Resolved);
}
