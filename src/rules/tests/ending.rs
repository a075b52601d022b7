//! End of orders whose only payment was dismissed or refunded. Such an order frees its reference.

use super::*;
use crate::order::{ActionKind, Status};

/// Returns a store whose `order-a` has a reference and a payment by another payer. A person
/// resolved that anomaly with `how`.
fn misfit(how: Resolution) -> Oracle {
    let mut shop = Oracle::open();
    let _ = shop.create("a", new().reference(reference("r")));
    let _ = shop.confirm("a", paid_by("X", "aunt"));
    assert_eq!(shop.resolve("a", 1, how), Resolved::Resolved);
    shop
}

fn refunded() -> Oracle {
    let mut shop = misfit(refund("R"));
    let _ = shop.record_refund("a", told("R", "X", 100, RefundState::Success));
    shop
}

fn reported_paid() -> ChannelState {
    ChannelState::Success(paid_by("X", "aunt"))
}

#[test]
fn order_with_settled_payment_ends_at_next_query() {
    let closed = Queried::Moved { to: Status::Closed };
    for state in [reported_paid(), ChannelState::Refund(paid_by("X", "aunt"))] {
        for mut shop in [refunded(), misfit(Resolution::Dismiss)] {
            assert_eq!(shop.query("a", state.clone()), closed);
            assert_eq!(shop.next("a"), None);
            // The customer can pay with a new order.
            let anew = new().reference(reference("r"));
            assert_eq!(shop.create("b", anew), Created::Created);
            // The old payment is still a duplicate.
            assert_eq!(
                shop.query("a", state.clone()),
                Queried::Payment(Confirmed::Duplicate)
            );
            assert_eq!(shop.status("a"), Status::Closed);
        }
    }
}

#[test]
fn open_refund_or_anomaly_keeps_order_open() {
    let mut shop = misfit(refund("R"));
    assert_eq!(
        shop.query("a", reported_paid()),
        Queried::Payment(Confirmed::Duplicate)
    );
    assert_eq!(shop.status("a"), Status::Pending);
    let note = || Note::parse("done").unwrap();
    let end = |note| CommandKind::EndOrder { note };
    assert_eq!(shop.closes("a", end(note())), CloseOutcome::RefundUnderWay);
    let _ = shop.refuse("a", "R");
    assert_eq!(shop.closes("a", end(note())), CloseOutcome::OpenAnomaly);
    assert_eq!(
        shop.query("a", reported_paid()),
        Queried::Payment(Confirmed::Duplicate)
    );
    assert_eq!(shop.status("a"), Status::Pending);
}

#[test]
fn order_allowing_second_payment_ends_at_expiry() {
    let mut shop = Oracle::open();
    let _ = shop.create("a", new().channel(alipay()));
    let mut payment = paid_by("X", "aunt");
    payment.channel = alipay();
    let _ = shop.confirm("a", payment.clone());
    let _ = shop.resolve("a", 1, Resolution::Dismiss);
    let state = ChannelState::Success(payment);
    assert_eq!(
        shop.query("a", state.clone()),
        Queried::Payment(Confirmed::Duplicate)
    );
    assert_eq!(shop.status("a"), Status::Pending);
    shop.wait(WEEK + SECOND);
    assert_eq!(
        shop.query("a", state),
        Queried::Moved { to: Status::Closed }
    );
}

#[test]
fn operator_ends_settled_or_expired_order() {
    let note = Note::parse("seen").unwrap();
    let end = || CommandKind::EndOrder { note: note.clone() };
    assert_eq!(refunded().closes("a", end()), CloseOutcome::Closed);

    let mut shop = Oracle::with_order();
    let grace = shop.policy.grace;
    let from = shop.order("a").expires_at.saturating_add(grace);
    assert_eq!(shop.closes("a", end()), CloseOutcome::TooEarly { from });
    shop.wait(WEEK + grace + SECOND);
    assert_eq!(shop.closes("a", end()), CloseOutcome::Closed);
    assert_eq!(shop.closes("a", end()), CloseOutcome::Already);
    assert_eq!(shop.closes("b", end()), CloseOutcome::NotFound);
    assert_eq!(shop.confirm("a", paid("Y")), (Confirmed::Late, true));
    assert_eq!(shop.closes("a", end()), CloseOutcome::AlreadyPaid);
}

/// Does one sweep of a server. The channel reports that X paid the order.
fn sweep(shop: &mut Oracle) {
    let Some(next) = shop.next("a") else { return };
    if next.at > shop.now || shop.order("a").open_anomalies().next().is_some() {
        return;
    }
    match next.action {
        ActionKind::AskClose => {
            let _ = shop.record_close("a", CloseReply::OrderPaid);
        }
        _ => {
            let _ = shop.query("a", reported_paid());
        }
    }
}

#[test]
fn repeated_sweeps_leave_no_settled_order_due() {
    for mut shop in [refunded(), misfit(Resolution::Dismiss)] {
        let _ = shop.begin_close("a");
        for _ in 0..64 {
            sweep(&mut shop);
            shop.wait(MINUTE * 5);
        }
        assert_eq!(shop.status("a"), Status::Closed);
        assert_eq!(shop.next("a"), None);
    }
}

#[test]
fn repeated_payment_with_other_amount_limits_refund() {
    let mut shop = Oracle::with_order();
    let mismatch = |found| Confirmed::AmountMismatch {
        expected: fen(100),
        found: fen(found),
    };
    assert_eq!(shop.confirm("a", paid_fen("X", 1)), (mismatch(1), true));
    assert_eq!(shop.confirm("a", paid_fen("X", 99)), (mismatch(99), true));
    for amount in [1, 99] {
        let again = shop.confirm("a", paid_fen("X", amount));
        assert_eq!(again, (Confirmed::Duplicate, true));
    }
    let mut dollars = paid_fen("X", 99);
    dollars.currency = crate::types::Currency::parse("USD").unwrap();
    assert_eq!(shop.confirm("a", dollars).0, mismatch(99));
    assert_eq!(shop.kinds("a").len(), 3);
    assert_eq!(
        shop.request("a", asked_back("R", "X", 100)),
        RefundRequested::Exceeds { available: fen(99) }
    );
    assert_eq!(
        shop.request("a", asked_back("R", "X", 99)),
        RefundRequested::Requested
    );
    // The same is true of a payment that waits for its order.
    let mut shop = Oracle::open();
    let unclaimed = (Confirmed::Unclaimed, false);
    assert_eq!(shop.confirm("a", paid_fen("X", 1)), unclaimed);
    assert_eq!(shop.confirm("a", paid("X")), unclaimed);
    assert_eq!(shop.create("a", new()), Created::CreatedAndPaid);
}

#[test]
fn payer_mismatch_is_not_acceptable_during_refund() {
    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", paid_by("X", "aunt"));
    let _ = shop.request("a", asked_back("R", "X", 90));
    let accepted = shop.resolve("a", 1, Resolution::Accept);
    assert_eq!(accepted, Resolved::NotAcceptable);
    let _ = shop.refuse("a", "R");
    let accepted = shop.resolve("a", 1, Resolution::Accept);
    assert_eq!(accepted, Resolved::Reexamined(Confirmed::Applied));
}
