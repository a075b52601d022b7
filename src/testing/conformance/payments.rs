//! Conformance cases for payments: repeated, concurrent, with a wrong amount, or by another user.

use super::Harness;
use super::tools::{StoreFixture, at_once};
use crate::order::{
    AnomalyId, AnomalyKind, ChannelState, Confirmed, IdentityField, Queried, Resolution, Resolved,
    Source, Status,
};
use crate::query::OrderQuery;
use crate::testing::fixtures::{self, payment};

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

fn short_of_one_fen() -> Confirmed {
    Confirmed::AmountMismatch {
        expected: fixtures::fen(100),
        found: fixtures::fen(99),
    }
}

pub(super) fn repeated_callback_is_duplicate(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    fixture.expect(1, payment(1, 100), Confirmed::Applied, true);
    let paid = fixture.order(1);
    assert_eq!(paid.status, Status::Success);
    fixture.clock.advance(DAY);
    fixture.expect(1, payment(1, 100), Confirmed::Duplicate, true);
    assert_eq!(fixture.order(1), paid, "the update time is unchanged, too");
    let history = fixture
        .store()
        .history(fixtures::order_no(1))
        .wait()
        .unwrap();
    assert_eq!(history.len(), 2);
    fixture.close();
}

pub(super) fn callback_on_64_threads_is_applied_once(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    let store = fixture.store();
    let outcomes = at_once(64, |_| {
        let confirm = store.confirm(fixtures::order_no(1), payment(1, 100));
        confirm.wait().unwrap().outcome
    });
    drop(store);
    let applied = outcomes.iter().filter(|o| **o == Confirmed::Applied);
    let duplicates = outcomes.iter().filter(|o| **o == Confirmed::Duplicate);
    assert_eq!((applied.count(), duplicates.count()), (1, 63));
    assert_eq!(fixture.order(1).version, 2);
    fixture.close();
}

pub(super) fn concurrent_callback_and_query_apply_payment_once(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let store = fixture.store();
    for n in 0..20 {
        fixture.created(n, 100);
        let no = fixtures::order_no(n);
        let outcomes = at_once(2, |place| {
            let mut fact = payment(n, 100);
            if place == 0 {
                return store.confirm(no, fact).wait().unwrap().outcome;
            }
            fact.source = Source::Query;
            let success = ChannelState::Success(fact);
            match store.record_query(no, success).wait().unwrap().outcome {
                Queried::Payment(confirmed) => confirmed,
                _ => Confirmed::Unclaimed,
            }
        });
        assert!(outcomes.contains(&Confirmed::Applied), "{outcomes:?}");
        assert!(outcomes.contains(&Confirmed::Duplicate), "{outcomes:?}");
    }
    drop(store);
    fixture.close();
}

pub(super) fn callback_after_full_refund_changes_nothing(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    assert_eq!(
        fixture.query(1, ChannelState::Closed),
        Queried::Moved { to: Status::Closed }
    );
    fixture.expect(1, payment(1, 100), Confirmed::Late, true);
    let refund_no = fixtures::refund_no(1);
    let no = fixtures::order_no(1);
    let refund = Resolution::Refund { refund_no };
    let store = fixture.store();
    let resolved = store.resolve(no, AnomalyId(1), refund, fixtures::note());
    assert_eq!(resolved.wait().unwrap().outcome, Resolved::Resolved);
    let refunded = fixture.order(1);
    for _ in 0..20 {
        fixture.clock.advance(DAY);
        fixture.expect(1, payment(1, 100), Confirmed::Duplicate, true);
    }
    assert_eq!(fixture.order(1), refunded);
    drop(store);
    fixture.close();
}

pub(super) fn failed_payment_attempt_leaves_order_payable(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    let before = fixture.order(1);
    #[cfg(feature = "wechat")]
    {
        let body = br#"{"returnCode":"SUCCESS","resultCode":"FAIL","errCode":"NOTENOUGH",
            "outTradeNo":"ORDER-00000001"}"#;
        let event = crate::wechat::CloudEvent::from_json(body).unwrap();
        assert_eq!(event.order_no(), Some(fixtures::order_no(1)));
        assert_eq!(event.payment(), None, "a failed payment is no payment");
    }
    assert_eq!(
        fixture.query(1, ChannelState::NotPay),
        Queried::StillPending
    );
    let after = fixture.order(1);
    assert_eq!(after.status, Status::Pending);
    assert_eq!(after.update_time, before.update_time);
    fixture.expect(1, payment(1, 100), Confirmed::Applied, true);
    fixture.close();
}

pub(super) fn repeated_payment_of_wrong_amount_is_one_anomaly(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    fixture.expect(1, payment(1, 99), short_of_one_fen(), true);
    for _ in 1..15 {
        fixture.expect(1, payment(1, 99), Confirmed::Duplicate, true);
    }
    assert_eq!(fixture.status(1), Status::Pending);
    assert_eq!(fixture.open_anomalies(1), [AnomalyId(1)]);
    fixture.expect(1, payment(2, 100), Confirmed::Applied, true);
    let refund = Resolution::Refund {
        refund_no: fixtures::refund_no(1),
    };
    let resolve = || {
        let no = fixtures::order_no(1);
        let store = fixture.store();
        let call = store.resolve(no, AnomalyId(1), refund.clone(), fixtures::note());
        call.wait().unwrap().outcome
    };
    assert_eq!(resolve(), Resolved::Resolved);
    assert_eq!(resolve(), Resolved::Already);
    let order = fixture.order(1);
    let refunds: Vec<_> = order.refunds.iter().map(|refund| refund.amount).collect();
    assert_eq!(refunds, [fixtures::fen(99)]);
    assert_eq!(fixture.open_anomalies(1), []);
    let listed = OrderQuery::by_refund_no(&fixtures::refund_no(1));
    assert_eq!(fixture.store().list(listed).wait().unwrap().rows, [order]);
    fixture.close();
}

pub(super) fn strict_policy_does_not_acknowledge_wrong_amount(harness: &dyn Harness) {
    let fixture = StoreFixture::with(harness, |policy| policy.strict = true);
    fixture.created(1, 100);
    fixture.expect(1, payment(1, 99), short_of_one_fen(), false);
    fixture.expect(1, payment(1, 99), Confirmed::Duplicate, false);
    fixture.expect(1, payment(2, 100), Confirmed::Applied, true);
    fixture.expect(1, payment(3, 100), Confirmed::DoublePayment, true);
    fixture.close();
}

pub(super) fn payment_with_coupon_is_applied(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    let mut with_coupon = payment(1, 100);
    with_coupon.payer_total = Some(fixtures::fen(90));
    fixture.expect(1, with_coupon, Confirmed::Applied, true);
    assert_eq!(fixture.status(1), Status::Success);
    fixture.close();
}

pub(super) fn payment_by_other_user_can_be_accepted(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    let mut by_another = payment(1, 100);
    by_another.openid = Some(fixtures::openid(2));
    let field = IdentityField::Openid;
    let mismatch = Confirmed::IdentityMismatch { field };
    fixture.expect(1, by_another.clone(), mismatch, true);
    fixture.expect(1, by_another.clone(), Confirmed::Duplicate, true);
    assert_eq!(fixture.status(1), Status::Pending);
    let no = fixtures::order_no(1);
    let store = fixture.store();
    let accept = store.resolve(no, AnomalyId(1), Resolution::Accept, fixtures::note());
    let resolved = accept.wait().unwrap().outcome;
    assert_eq!(resolved, Resolved::Reexamined(Confirmed::Applied));
    assert_eq!(fixture.order(1).openid, Some(fixtures::openid(1)));
    for user in [1, 2] {
        let listed = OrderQuery::by_openid(&fixtures::openid(user));
        let found = store.list(listed).wait().unwrap().rows;
        assert_eq!(found, [fixture.order(1)], "both users find the order");
    }
    drop(store);
    fixture.close();
}

#[cfg(feature = "wechat")]
pub(super) fn service_provider_payment_matches_sub_merchant_fields(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let body = br#"{"returnCode":"SUCCESS","resultCode":"SUCCESS",
        "appid":"wxd2565e6a04246fd1","mchId":"1800780001","openid":"oPoo341Im-roYxAd3WD3D",
        "subAppid":"wx0000000000000001","subMchId":"1700000001",
        "subOpenid":"oUser00000000000000000000001","totalFee":100,"feeType":"CNY",
        "cashFee":90,"transactionId":"4200004561202203217657282768",
        "outTradeNo":"ORDER-00000001","timeEnd":"20220321132007"}"#;
    let event = crate::wechat::CloudEvent::from_json(body).unwrap();
    let (no, fact) = event.into_payment().unwrap();
    assert_eq!(no, fixtures::order_no(1));
    let _ = fixture.create(1, fixtures::new(100).mch_id(fixtures::mch_id(1)));
    fixture.expect(1, fact, Confirmed::Applied, true);
    fixture.close();
}

#[cfg(not(feature = "wechat"))]
pub(super) fn service_provider_payment_matches_sub_merchant_fields(_: &dyn Harness) {}

pub(super) fn missing_payment_fields_are_not_compared(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let merchant = fixtures::new(100).mch_id(fixtures::mch_id(1));
    let _ = fixture.create(1, merchant);
    fixture.expect(1, payment(1, 100), Confirmed::Applied, true);
    fixture.created(2, 100);
    let mut with_merchant = payment(2, 100);
    with_merchant.mch_id = Some(fixtures::mch_id(2));
    with_merchant.appid = Some(fixtures::appid(1));
    fixture.expect(2, with_merchant, Confirmed::Applied, true);
    fixture.close();
}

pub(super) fn transaction_pays_only_one_order(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    fixture.created(2, 100);
    fixture.expect(1, payment(7, 100), Confirmed::Applied, true);
    let by = fixtures::order_no(1);
    let taken = Confirmed::TransactionTaken { by };
    fixture.expect(2, payment(7, 100), taken, true);
    fixture.expect(1, payment(8, 100), Confirmed::DoublePayment, true);
    let first = fixture.order(1);
    assert_eq!(first.transaction_id(), Some(&fixtures::transaction(7)));
    let doubled = AnomalyKind::DoublePayment {
        first: fixtures::transaction(7),
    };
    let kinds: Vec<_> = first.anomalies.iter().map(|a| a.kind.clone()).collect();
    assert_eq!(kinds, [doubled]);
    let refund_no = fixtures::refund_no(1);
    let store = fixture.store();
    let refund = Resolution::Refund { refund_no };
    let resolved = store.resolve(by, AnomalyId(1), refund, fixtures::note());
    assert_eq!(resolved.wait().unwrap().outcome, Resolved::Resolved);
    let order = fixture.order(1);
    let refunded = order.refunds.first().map(|refund| &refund.transaction_id);
    assert_eq!(refunded, Some(&fixtures::transaction(8)));
    let listed = OrderQuery::by_transaction(&fixtures::transaction(7));
    let found = store.list(listed).wait().unwrap().rows;
    assert_eq!(
        found,
        [order, fixture.order(2)],
        "the paid order comes first"
    );
    drop(store);
    fixture.close();
}
