//! `create`: one order per number, at most one payable or paid order per reference, and payments
//! that arrive before their order.

use super::*;
use crate::order::{
    ActionKind, AnomalyEndKind, AnomalyKind, Confirmed, Difference, NextAction, Status,
};
use crate::rules::ReplyOrder;
use crate::types::{Attach, Currency, Description, Metadata};

#[test]
fn create_of_new_number_makes_pending_order() {
    let mut store = Oracle::open();
    assert_eq!(store.create("a", new()), Created::Created);
    let order = store.order("a");
    assert_eq!(
        (order.status, order.version, order.checks),
        (Status::Pending, 1, 0)
    );
    assert_eq!(
        (order.create_time, order.update_time),
        (store.now, store.now)
    );
    assert_eq!(order.expires_at, store.now.saturating_add(WEEK));
    let at = store.now.saturating_add(SECOND * 5);
    let action = ActionKind::Query;
    assert_eq!(order.next, Some(NextAction { at, action }));
}

#[test]
fn repeated_create_returns_exists_in_every_status() {
    let mut store = Oracle::with_order();
    let end = store.now.saturating_add(HOUR);
    let commands = [
        CommandKind::BeginClose,
        query(ChannelState::Closed),
        confirm(paid("X")),
        resolve(1, Resolution::Accept),
    ];
    for command in commands {
        let _ = store.run(no("a"), command);
        let again = store.decide(no("a"), create(new().expires_at(end)));
        assert_eq!(again.outcome, Outcome::Create(Created::Exists));
        assert!(again.events.is_empty());
    }
}

#[test]
fn create_with_different_fields_names_first_difference() {
    let mut store = Oracle::with_order();
    let fee = |amount| {
        let other = NewOrder::new(AppId::parse("app").unwrap(), fen(amount)).unwrap();
        other
            .openid(openid("user"))
            .mch_id(MchId::parse("shop").unwrap())
    };
    let app = NewOrder::new(AppId::parse("B").unwrap(), fen(1)).unwrap();
    let new_orders = [
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
    for (offer, field) in new_orders {
        let different = Created::ExistsWithDifferent { field };
        assert_eq!(store.create("a", offer), different);
    }
    assert_eq!(store.events("a").len(), 1);
}

#[test]
fn create_ignores_different_metadata_and_expiry() {
    let mut store = Oracle::with_order();
    let metadata = Metadata::new("other").unwrap();
    let offer = new().metadata(metadata).expires_at(store.now);
    assert_eq!(store.create("a", offer), Created::Exists);
}

#[test]
fn reference_belongs_to_one_payable_order() {
    let mut store = Oracle::open();
    let offer = new().reference(reference("r"));
    assert_eq!(store.create("a", offer.clone()), Created::Created);
    let second = store.run(no("b"), create(offer.clone()));
    assert_eq!(second.outcome, Outcome::Create(Created::Exists));
    assert_eq!(second.reply_order, ReplyOrder::Owner(no("a")));
    assert!(store.record("b").is_none());

    let other = offer.clone().openid(openid("else"));
    let busy = |status| Created::ReferenceBusy {
        no: no("a"),
        status,
    };
    assert_eq!(store.create("b", other.clone()), busy(Status::Pending));
    let _ = store.begin_close("a");
    assert_eq!(store.create("b", other.clone()), busy(Status::Closing));
    assert_eq!(store.create("b", offer.clone()), Created::Exists);

    let _ = store.confirm("a", paid("X"));
    let paid = Created::ReferencePaid { no: no("a") };
    assert_eq!(store.create("b", offer.clone()), paid);
    assert_eq!(store.create("b", other), paid);
    assert_eq!(
        store.create("a", offer),
        Created::Exists,
        "the order number takes precedence"
    );
}

#[test]
fn late_payment_does_not_reclaim_reference() {
    for state in [ChannelState::Closed, ChannelState::Revoked] {
        let mut store = Oracle::open();
        let offer = new().reference(reference("r"));
        let _ = store.create("a", offer.clone());
        let _ = store.query("a", state);
        assert_eq!(store.create("b", offer.clone()), Created::Created);
        assert_eq!(store.confirm("a", paid("X")), (Confirmed::Late, true));
        assert_eq!(
            store.resolve("a", 1, Resolution::Accept),
            Resolved::Resolved
        );
        assert_eq!(store.status("a"), Status::Success);
        assert_eq!(store.create("c", offer.clone()), Created::Exists);
        assert_eq!(store.confirm("b", paid("Y")), (Confirmed::Applied, true));
        let paid = Created::ReferencePaid { no: no("b") };
        assert_eq!(store.create("c", offer), paid);
    }
}

#[test]
fn late_paid_order_does_not_occupy_reference() {
    let mut store = Oracle::open();
    let offer = new().reference(reference("r"));
    let _ = store.create("a", offer.clone());
    let _ = store.query("a", ChannelState::Closed);
    let _ = store.confirm("a", paid("X"));
    assert_eq!(store.create("b", offer.clone()), Created::Created);
    let _ = store.query("b", ChannelState::Closed);
    let _ = store.resolve("a", 1, Resolution::Accept);
    assert_eq!(store.create("c", offer), Created::Created);
}

#[test]
fn refused_create_leaves_payment_unclaimed() {
    let mut store = Oracle::open();
    let offer = new().reference(reference("r"));
    let _ = store.create("a", offer.clone());
    let _ = store.confirm("b", paid("X"));
    assert_eq!(store.create("b", offer), Created::Exists);
    assert_eq!(store.kinds("b"), [AnomalyKind::Unclaimed]);
}

#[test]
fn create_applies_first_matching_unclaimed_payment() {
    let mut store = Oracle::open();
    for payment in [
        paid_fen("V", 99),
        paid_by("W", "thief"),
        paid("X"),
        paid("Y"),
    ] {
        let _ = store.confirm("a", payment);
        store.wait(SECOND);
    }
    let arrived = store.anomaly("a", 2).raised_at;
    assert_eq!(store.create("a", new()), Created::CreatedAndPaid);
    let order = store.order("a");
    assert_eq!((order.status, order.version), (Status::Success, 9));
    let payment = order.payment.as_ref().unwrap();
    assert_eq!(payment.transaction_id.as_str(), "X");
    assert_eq!(payment.recorded_at, arrived);
    let (expected, found) = (fen(100), fen(99));
    let kinds = store.kinds("a");
    assert_eq!(kinds[0], AnomalyKind::AmountMismatch { expected, found });
    assert!(matches!(kinds[1], AnomalyKind::IdentityMismatch { .. }));
    assert_eq!(
        store.anomaly("a", 2).end.as_ref().unwrap().how,
        AnomalyEndKind::Settled
    );
    assert!(matches!(kinds[3], AnomalyKind::DoublePayment { .. }));
    assert_eq!(order.open_anomalies().count(), 3);
}

#[test]
fn mismatched_unclaimed_payment_keeps_order_pending() {
    let mut store = Oracle::open();
    let _ = store.create("b", new());
    let _ = store.confirm("b", paid("X"));
    let _ = store.confirm("a", paid("X"));
    assert_eq!(store.create("a", new()), Created::Created);
    let taken = AnomalyKind::TransactionTaken { by: no("b") };
    assert_eq!(
        (store.kinds("a"), store.status("a")),
        (vec![taken], Status::Pending)
    );
    assert_eq!(store.record("a").unwrap().unclaimed().count(), 0);
}

#[test]
fn create_does_not_apply_resolved_unclaimed_payment() {
    for how in [Resolution::Dismiss, refund("R")] {
        let mut store = Oracle::open();
        let _ = store.confirm("a", paid("X"));
        let _ = store.resolve("a", 1, how);
        assert_eq!(store.create("a", new()), Created::Created);
        let refunds = store.order("a").refunds.len();
        let outcome = if refunds == 1 {
            Confirmed::Duplicate
        } else {
            Confirmed::Applied
        };
        assert_eq!(store.confirm("a", paid("X")), (outcome, true));
    }
}

#[test]
fn record_without_order_answers_order_commands_with_not_found() {
    let mut store = Oracle::open();
    let _ = store.confirm("a", paid("X"));
    assert_eq!(
        store.prepay("a", new_prepay(PrepayKind::App, "p")),
        Prepaid::NotFound
    );
    assert_eq!(store.query("a", ChannelState::NotPay), Queried::NotFound);
    assert_eq!(store.begin_close("a"), CloseOutcome::NotFound);
    assert_eq!(
        store.run_visibility("a", CommandKind::Hide),
        Visible::NotFound
    );
}
