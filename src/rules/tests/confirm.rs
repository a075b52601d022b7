//! `confirm`: each check of a payment, the order of the checks, and repeated payments.

use super::*;
use crate::order::{AnomalyKind, Confirmed, IdentityField, Status};
use crate::types::Currency;

const YES: bool = true;
const NO: bool = false;

#[test]
fn payment_without_order_is_stored_but_not_acknowledged() {
    let mut store = Oracle::open();
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Unclaimed, NO));
    assert!(store.record("a").unwrap().as_order().is_none());
    assert_eq!(store.kinds("a"), [AnomalyKind::Unclaimed]);
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Duplicate, NO));
    assert_eq!(store.confirm("a", paid("Y")), (Confirmed::Unclaimed, NO));
    assert_eq!(store.events("a").len(), 2);
}

#[test]
fn repeat_of_dismissed_unclaimed_payment_is_not_acknowledged() {
    let mut store = Oracle::open();
    let _ = store.confirm("a", paid("X"));
    let _ = store.resolve("a", 1, Resolution::Dismiss);
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Duplicate, NO));
}

#[test]
fn transaction_that_paid_another_order_raises_anomaly() {
    let mut store = Oracle::with_order();
    let _ = store.create("b", new());
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Applied, YES));
    let taken = Confirmed::TransactionTaken { by: no("a") };
    assert_eq!(store.confirm("b", paid("X")), (taken, YES));
    assert_eq!(store.confirm("b", paid("X")), (Confirmed::Duplicate, YES));
    assert_eq!(store.status("b"), Status::Pending);
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Duplicate, YES));
    assert_eq!(
        store.confirm("a", paid("Y")),
        (Confirmed::DoublePayment, YES)
    );
    assert_eq!(store.order("a").transaction_id().unwrap().as_str(), "X");
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::Resolved);
}

#[test]
fn equal_transaction_ids_of_two_channels_pay_two_orders() {
    let mut store = Oracle::with_order();
    let _ = store.create("b", new().channel(alipay()));
    let mut other = paid("X");
    other.channel = alipay();
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Applied, YES));
    assert_eq!(store.confirm("b", other), (Confirmed::Applied, YES));
}

#[test]
fn identity_mismatch_names_first_differing_field() {
    let foreign = |change: fn(&mut Payment)| {
        let mut payment = paid("X");
        change(&mut payment);
        let mut store = Oracle::with_order();
        let outcome = store.confirm("a", payment);
        assert_eq!(store.status("a"), Status::Pending);
        outcome
    };
    let mismatch = |field| (Confirmed::IdentityMismatch { field }, YES);
    assert_eq!(
        foreign(|p| p.channel = alipay()),
        mismatch(IdentityField::Channel)
    );
    assert_eq!(
        foreign(|p| p.appid = AppId::parse("B").ok()),
        mismatch(IdentityField::Appid)
    );
    assert_eq!(
        foreign(|p| p.openid = OpenId::parse("B").ok()),
        mismatch(IdentityField::Openid)
    );
    assert_eq!(
        foreign(|p| p.mch_id = MchId::parse("B").ok()),
        mismatch(IdentityField::MchId)
    );
    let many = foreign(|p| {
        p.mch_id = MchId::parse("B").ok();
        p.openid = OpenId::parse("B").ok();
        p.appid = AppId::parse("B").ok();
    });
    assert_eq!(many, mismatch(IdentityField::Appid));
}

#[test]
fn missing_identity_field_is_not_compared() {
    let mut bare = paid("X");
    (bare.appid, bare.mch_id, bare.openid) = (None, None, None);
    let mut store = Oracle::with_order();
    assert_eq!(store.confirm("a", bare), (Confirmed::Applied, YES));

    let nobody = NewOrder::new(AppId::parse("app").unwrap(), fen(100)).unwrap();
    let mut store = Oracle::open();
    let _ = store.create("a", nobody.clone());
    assert_eq!(
        store.confirm("a", paid_by("X", "anybody")),
        (Confirmed::Applied, YES)
    );
    assert_eq!(store.order("a").openid, None);
    let payment = store.order("a").payment.clone().unwrap();
    assert_eq!(payment.openid, Some(openid("anybody")));
    assert_eq!(store.create("a", nobody), Created::Exists);
}

#[test]
fn repeated_wrong_amount_raises_one_anomaly() {
    let mut store = Oracle::with_order();
    let mismatch = Confirmed::AmountMismatch {
        expected: fen(100),
        found: fen(99),
    };
    assert_eq!(store.confirm("a", paid_fen("X", 99)), (mismatch, YES));
    for _ in 0..14 {
        assert_eq!(
            store.confirm("a", paid_fen("X", 99)),
            (Confirmed::Duplicate, YES)
        );
    }
    assert_eq!(
        (store.status("a"), store.kinds("a").len()),
        (Status::Pending, 1)
    );
    assert_eq!(store.confirm("a", paid("Y")), (Confirmed::Applied, YES));
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::Resolved);
}

#[test]
fn payment_in_wrong_currency_is_amount_mismatch() {
    let mut store = Oracle::with_order();
    let mut dollars = paid("X");
    dollars.currency = Currency::parse("USD").unwrap();
    let (expected, found) = (fen(100), fen(100));
    let mismatch = Confirmed::AmountMismatch { expected, found };
    assert_eq!(store.confirm("a", dollars), (mismatch, YES));
    assert_eq!(store.status("a"), Status::Pending);
}

#[test]
fn payer_total_after_coupons_is_not_compared() {
    let mut store = Oracle::with_order();
    let mut coupon = paid("X");
    coupon.payer_total = Some(fen(90));
    coupon.settlement_total = Some(fen(90));
    assert_eq!(store.confirm("a", coupon), (Confirmed::Applied, YES));
}

#[test]
fn payment_pays_pending_and_closing_orders() {
    let mut store = Oracle::with_order();
    let _ = store.create("b", new());
    let _ = store.begin_close("b");
    store.wait(MINUTE);
    for (text, transaction) in [("a", "X"), ("b", "Y")] {
        assert_eq!(
            store.confirm(text, paid(transaction)),
            (Confirmed::Applied, YES)
        );
        let order = store.order(text);
        assert_eq!(
            (order.status, order.late, order.next),
            (Status::Success, false, None)
        );
        assert_eq!(order.payment.as_ref().unwrap().recorded_at, store.now);
    }
}

#[test]
fn repeated_payment_writes_nothing() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid("X"));
    let before = store.order("a").clone();
    for _ in 0..20 {
        store.wait(MINUTE);
        let mut repeat = paid("X");
        repeat.source = Source::Query;
        repeat.bank_type = None;
        assert_eq!(store.confirm("a", repeat), (Confirmed::Duplicate, YES));
    }
    assert_eq!(*store.order("a"), before);
    assert_eq!(store.events("a").len(), 2);
}

#[test]
fn second_transaction_raises_one_double_payment_anomaly() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid("X"));
    for (transaction, outcome) in [
        ("Y", Confirmed::DoublePayment),
        ("Y", Confirmed::Duplicate),
        ("Z", Confirmed::DoublePayment),
    ] {
        assert_eq!(store.confirm("a", paid(transaction)), (outcome, YES));
    }
    let first = TransactionId::parse("X").unwrap();
    let double = AnomalyKind::DoublePayment { first };
    assert_eq!(store.kinds("a"), [double.clone(), double]);
    let _ = store.resolve("a", 1, Resolution::Dismiss);
    assert_eq!(store.confirm("a", paid("Y")), (Confirmed::Duplicate, YES));
}

#[test]
fn payment_of_closed_or_failed_order_is_late() {
    for state in [ChannelState::Closed, ChannelState::Revoked] {
        let mut store = Oracle::with_order();
        let _ = store.query("a", state);
        assert_eq!(store.confirm("a", paid("X")), (Confirmed::Late, YES));
        let order = store.order("a");
        assert_eq!((order.status, order.late), (Status::LatePaid, true));
        assert_eq!(store.kinds("a"), [AnomalyKind::LatePayment]);
        assert_eq!(store.confirm("a", paid("X")), (Confirmed::Duplicate, YES));
        assert_eq!(
            store.confirm("a", paid("Y")),
            (Confirmed::DoublePayment, YES)
        );
        assert_eq!(store.order("a").transaction_id().unwrap().as_str(), "X");
    }
}

/// Each payment fails several checks. The first failed check determines the outcome.
#[test]
fn payment_checks_apply_in_fixed_order() {
    let mut store = Oracle::with_order();
    let _ = store.create("b", new());
    let _ = store.confirm("a", paid("X"));
    let _ = store.confirm("b", paid("W"));
    let outcome = |payment: Payment| store.clone().confirm("b", payment).0;
    let all_wrong = |transaction| {
        let mut payment = paid_fen(transaction, 99);
        payment.openid = Some(openid("thief"));
        payment
    };
    let field = IdentityField::Openid;
    let (expected, found) = (fen(100), fen(99));
    assert_eq!(
        outcome(all_wrong("X")),
        Confirmed::TransactionTaken { by: no("a") }
    );
    assert_eq!(
        outcome(all_wrong("Y")),
        Confirmed::IdentityMismatch { field }
    );
    assert_eq!(
        outcome(all_wrong("W")),
        Confirmed::IdentityMismatch { field }
    );
    assert_eq!(
        outcome(paid_fen("Y", 99)),
        Confirmed::AmountMismatch { expected, found }
    );
    assert_eq!(
        outcome(paid_fen("W", 99)),
        Confirmed::AmountMismatch { expected, found }
    );
    assert_eq!(outcome(paid("Y")), Confirmed::DoublePayment);
    assert_eq!(outcome(paid("W")), Confirmed::Duplicate);
    let mut unknown = store.clone();
    assert_eq!(
        unknown.confirm("c", all_wrong("X")),
        (Confirmed::Unclaimed, NO)
    );
}

#[test]
fn transaction_being_refunded_pays_no_order() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid_fen("X", 99));
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::Resolved);
    // A new report of transaction X, now with the right amount, becomes one more anomaly and pays
    // no order.
    let by = no("a");
    let given_back = (Confirmed::GivenBack { by }, YES);
    assert_eq!(store.confirm("a", paid("X")), given_back);
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Duplicate, YES));
    assert_eq!(store.order("a").open_anomalies().count(), 1);
    assert_eq!(store.status("a"), Status::Pending);
    assert_eq!(store.confirm("a", paid("Y")), (Confirmed::Applied, YES));
}

#[test]
fn matching_payment_ends_anomalies_except_payer_mismatch() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid_fen("X", 1));
    let _ = store.confirm("a", paid_by("X", "aunt"));
    let _ = store.confirm("a", paid_by("Y", "aunt"));
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Applied, YES));
    let open = |place| store.anomaly("a", place).is_open();
    assert_eq!([open(0), open(1), open(2)], [false, true, true]);
    let how = |place| store.anomaly("a", place).end.as_ref().map(|end| &end.how);
    assert_eq!(how(0), Some(&crate::order::AnomalyEndKind::Settled));
    assert_eq!(store.resolve("a", 1, refund("R")), Resolved::Different);
}
