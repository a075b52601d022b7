//! `create`: one order per number, at most one payable or paid order per reference, and waiting
//! payments.

use super::*;
use crate::order::{
    ActionKind, AnomalyEndKind, AnomalyKind, Confirmed, Difference, NextAction, Status,
};
use crate::rules::ReplyOrder;
use crate::types::{Attach, Currency, Description, Metadata};

#[test]
fn create_of_new_number_makes_pending_order() {
    let mut shop = Oracle::open();
    assert_eq!(shop.create("a", new()), Created::Created);
    let order = shop.order("a");
    assert_eq!(
        (order.status, order.version, order.checks),
        (Status::Pending, 1, 0)
    );
    assert_eq!((order.create_time, order.update_time), (shop.now, shop.now));
    assert_eq!(order.expires_at, shop.now.saturating_add(WEEK));
    let at = shop.now.saturating_add(SECOND * 5);
    let action = ActionKind::Query;
    assert_eq!(order.next, Some(NextAction { at, action }));
}

#[test]
fn repeated_create_exists_in_every_status() {
    let mut shop = Oracle::with_order();
    let end = shop.now.saturating_add(HOUR);
    let asks = [
        CommandKind::BeginClose,
        query(ChannelState::Closed),
        confirm(paid("X")),
        resolve(1, Resolution::Accept),
    ];
    for ask in asks {
        let _ = shop.run(no("a"), ask);
        let again = shop.decide(no("a"), create(new().expires_at(end)));
        assert_eq!(again.outcome, Outcome::Create(Created::Exists));
        assert!(again.events.is_empty());
    }
}

#[test]
fn different_create_names_first_differing_field() {
    let mut shop = Oracle::with_order();
    let fee = |amount| {
        let other = NewOrder::new(AppId::parse("app").unwrap(), fen(amount)).unwrap();
        other
            .openid(openid("user"))
            .mch_id(MchId::parse("shop").unwrap())
    };
    let app = NewOrder::new(AppId::parse("B").unwrap(), fen(1)).unwrap();
    let offers = [
        (new().reference(reference("r")), Difference::Reference),
        (
            new().attach(Attach::parse("B").unwrap()),
            Difference::Attach,
        ),
        (
            new().description(Description::parse("B").unwrap()),
            Difference::Description,
        ),
        (
            new().currency(Currency::parse("USD").unwrap()),
            Difference::Currency,
        ),
        (
            fee(1).currency(Currency::parse("USD").unwrap()),
            Difference::TotalFee,
        ),
        (fee(1).openid(openid("B")), Difference::Openid),
        (
            fee(1)
                .openid(openid("B"))
                .mch_id(MchId::parse("B").unwrap()),
            Difference::MchId,
        ),
        (app.clone(), Difference::Appid),
        (app.channel(alipay()), Difference::Channel),
    ];
    for (offer, field) in offers {
        let different = Created::ExistsWithDifferent { field };
        assert_eq!(shop.create("a", offer), different);
    }
    assert_eq!(shop.events("a").len(), 1);
}

#[test]
fn metadata_and_expiry_are_not_compared() {
    let mut shop = Oracle::with_order();
    let metadata = Metadata::new("other").unwrap();
    let offer = new().metadata(metadata).expires_at(shop.now);
    assert_eq!(shop.create("a", offer), Created::Exists);
}

#[test]
fn reference_has_one_payable_order() {
    let mut shop = Oracle::open();
    let offer = new().reference(reference("r"));
    assert_eq!(shop.create("a", offer.clone()), Created::Created);
    let second = shop.run(no("b"), create(offer.clone()));
    assert_eq!(second.outcome, Outcome::Create(Created::Exists));
    assert_eq!(second.reply_order, ReplyOrder::Owner(no("a")));
    assert!(shop.record("b").is_none());

    let other = offer.clone().openid(openid("else"));
    let busy = |status| Created::ReferenceBusy {
        no: no("a"),
        status,
    };
    assert_eq!(shop.create("b", other.clone()), busy(Status::Pending));
    let _ = shop.begin_close("a");
    assert_eq!(shop.create("b", other.clone()), busy(Status::Closing));
    assert_eq!(shop.create("b", offer.clone()), Created::Exists);

    let _ = shop.confirm("a", paid("X"));
    let paid = Created::ReferencePaid { no: no("a") };
    assert_eq!(shop.create("b", offer.clone()), paid);
    assert_eq!(shop.create("b", other), paid);
    assert_eq!(
        shop.create("a", offer),
        Created::Exists,
        "the order number takes precedence"
    );
}

#[test]
fn late_payment_does_not_take_reference_back() {
    for state in [ChannelState::Closed, ChannelState::Revoked] {
        let mut shop = Oracle::open();
        let offer = new().reference(reference("r"));
        let _ = shop.create("a", offer.clone());
        let _ = shop.query("a", state);
        assert_eq!(shop.create("b", offer.clone()), Created::Created);
        assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Late, true));
        assert_eq!(shop.resolve("a", 1, Resolution::Accept), Resolved::Resolved);
        assert_eq!(shop.status("a"), Status::Success);
        assert_eq!(shop.create("c", offer.clone()), Created::Exists);
        assert_eq!(shop.confirm("b", paid("Y")), (Confirmed::Applied, true));
        let paid = Created::ReferencePaid { no: no("b") };
        assert_eq!(shop.create("c", offer), paid);
    }
}

#[test]
fn late_paid_order_leaves_reference_free() {
    let mut shop = Oracle::open();
    let offer = new().reference(reference("r"));
    let _ = shop.create("a", offer.clone());
    let _ = shop.query("a", ChannelState::Closed);
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.create("b", offer.clone()), Created::Created);
    let _ = shop.query("b", ChannelState::Closed);
    let _ = shop.resolve("a", 1, Resolution::Accept);
    assert_eq!(shop.create("c", offer), Created::Created);
}

#[test]
fn busy_reference_keeps_payment_waiting() {
    let mut shop = Oracle::open();
    let offer = new().reference(reference("r"));
    let _ = shop.create("a", offer.clone());
    let _ = shop.confirm("b", paid("X"));
    assert_eq!(shop.create("b", offer), Created::Exists);
    assert_eq!(shop.kinds("b"), [AnomalyKind::Unclaimed]);
}

#[test]
fn create_applies_first_fitting_waiting_payment() {
    let mut shop = Oracle::open();
    for payment in [
        paid_fen("V", 99),
        paid_by("W", "thief"),
        paid("X"),
        paid("Y"),
    ] {
        let _ = shop.confirm("a", payment);
        shop.wait(SECOND);
    }
    let arrived = shop.anomaly("a", 2).raised_at;
    assert_eq!(shop.create("a", new()), Created::CreatedAndPaid);
    let order = shop.order("a");
    assert_eq!((order.status, order.version), (Status::Success, 9));
    let payment = order.payment.as_ref().unwrap();
    assert_eq!(payment.transaction_id.as_str(), "X");
    assert_eq!(payment.recorded_at, arrived);
    let (expected, found) = (fen(100), fen(99));
    let kinds = shop.kinds("a");
    assert_eq!(kinds[0], AnomalyKind::AmountMismatch { expected, found });
    assert!(matches!(kinds[1], AnomalyKind::IdentityMismatch { .. }));
    assert_eq!(
        shop.anomaly("a", 2).end.as_ref().unwrap().how,
        AnomalyEndKind::Settled
    );
    assert!(matches!(kinds[3], AnomalyKind::DoublePayment { .. }));
    assert_eq!(order.open_anomalies().count(), 3);
}

#[test]
fn mismatched_waiting_payment_keeps_order_pending() {
    let mut shop = Oracle::open();
    let _ = shop.create("b", new());
    let _ = shop.confirm("b", paid("X"));
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.create("a", new()), Created::Created);
    let taken = AnomalyKind::TransactionTaken { by: no("b") };
    assert_eq!(
        (shop.kinds("a"), shop.status("a")),
        (vec![taken], Status::Pending)
    );
    assert_eq!(shop.record("a").unwrap().unclaimed().count(), 0);
}

#[test]
fn resolved_waiting_payment_is_not_applied() {
    for how in [Resolution::Dismiss, refund("R")] {
        let mut shop = Oracle::open();
        let _ = shop.confirm("a", paid("X"));
        let _ = shop.resolve("a", 1, how);
        assert_eq!(shop.create("a", new()), Created::Created);
        let refunds = shop.order("a").refunds.len();
        let outcome = if refunds == 1 {
            Confirmed::Duplicate
        } else {
            Confirmed::Applied
        };
        assert_eq!(shop.confirm("a", paid("X")), (outcome, true));
    }
}

#[test]
fn waiting_record_accepts_only_money_facts() {
    let mut shop = Oracle::open();
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(
        shop.prepay("a", invitation(PrepayKind::App, "p")),
        Prepaid::NotFound
    );
    assert_eq!(shop.query("a", ChannelState::NotPay), Queried::NotFound);
    assert_eq!(shop.begin_close("a"), CloseOutcome::NotFound);
    assert_eq!(shop.shows("a", CommandKind::Hide), Visible::NotFound);
}
