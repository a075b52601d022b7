//! Closing of orders whose only payment was dismissed or refunded. A closed order frees its
//! reference.

use super::*;
use crate::order::{ActionKind, RefundRefusal, Status};

/// Returns a store whose `order-a` has a reference and a payment by another user. A person has
/// resolved the anomaly of this payment with `how`.
fn with_resolved_mismatch(how: Resolution) -> Oracle {
    let mut store = Oracle::open();
    let _ = store.create("a", new().reference(reference("r")));
    let _ = store.confirm("a", paid_by("X", "aunt"));
    assert_eq!(store.resolve("a", 1, how), Resolved::Resolved);
    store
}

/// Returns a store whose `order-a` has one payment, by another user, and a full refund of it.
fn refunded() -> Oracle {
    let mut store = with_resolved_mismatch(refund("R"));
    let _ = store.record_refund("a", report("R", "X", 100, RefundState::Success));
    store
}

fn reported_paid() -> ChannelState {
    ChannelState::Success(paid_by("X", "aunt"))
}

#[test]
fn order_with_dismissed_payment_closes_at_next_query() {
    let closed = Queried::Moved { to: Status::Closed };
    for state in [reported_paid(), ChannelState::Refund(paid_by("X", "aunt"))] {
        for mut store in [refunded(), with_resolved_mismatch(Resolution::Dismiss)] {
            assert_eq!(store.query("a", state.clone()), closed);
            assert_eq!(store.next("a"), None);
            // The customer can now buy again with a new order.
            let anew = new().reference(reference("r"));
            assert_eq!(store.create("b", anew), Created::Created);
            // A repeated report of the old payment is still a duplicate.
            assert_eq!(
                store.query("a", state.clone()),
                Queried::Payment(Confirmed::Duplicate)
            );
            assert_eq!(store.status("a"), Status::Closed);
        }
    }
}

#[test]
fn order_with_open_refund_or_anomaly_stays_open() {
    let mut store = with_resolved_mismatch(refund("R"));
    assert_eq!(
        store.query("a", reported_paid()),
        Queried::Payment(Confirmed::Duplicate)
    );
    assert_eq!(store.status("a"), Status::Pending);
    let note = || Note::parse("done").unwrap();
    let end = |note| CommandKind::EndOrder { note };
    assert_eq!(
        store.run_close("a", end(note())),
        CloseOutcome::RefundUnderWay
    );
    let _ = store.refuse("a", "R");
    assert_eq!(store.run_close("a", end(note())), CloseOutcome::OpenAnomaly);
    assert_eq!(
        store.query("a", reported_paid()),
        Queried::Payment(Confirmed::Duplicate)
    );
    assert_eq!(store.status("a"), Status::Pending);
}

#[test]
fn order_allowing_second_payment_closes_at_expiry() {
    let mut store = Oracle::open();
    let _ = store.create("a", new().channel(alipay()));
    let mut payment = paid_by("X", "aunt");
    payment.channel = alipay();
    let _ = store.confirm("a", payment.clone());
    let _ = store.resolve("a", 1, Resolution::Dismiss);
    let state = ChannelState::Success(payment);
    assert_eq!(
        store.query("a", state.clone()),
        Queried::Payment(Confirmed::Duplicate)
    );
    assert_eq!(store.status("a"), Status::Pending);
    store.wait(WEEK + SECOND);
    assert_eq!(
        store.query("a", state),
        Queried::Moved { to: Status::Closed }
    );
}

#[test]
fn operator_ends_settled_or_expired_order() {
    let note = Note::parse("seen").unwrap();
    let end = || CommandKind::EndOrder { note: note.clone() };
    assert_eq!(refunded().run_close("a", end()), CloseOutcome::Closed);

    let mut store = Oracle::with_order();
    let grace = store.policy.grace;
    let from = store.order("a").expires_at.saturating_add(grace);
    assert_eq!(store.run_close("a", end()), CloseOutcome::TooEarly { from });
    store.wait(WEEK + grace + SECOND);
    assert_eq!(store.run_close("a", end()), CloseOutcome::Closed);
    assert_eq!(store.run_close("a", end()), CloseOutcome::Already);
    assert_eq!(store.run_close("b", end()), CloseOutcome::NotFound);
    assert_eq!(store.confirm("a", paid("Y")), (Confirmed::Late, true));
    assert_eq!(store.run_close("a", end()), CloseOutcome::AlreadyPaid);
}

/// Performs the due action of `order-a`, if any. The channel answers that X paid the order.
fn sweep(store: &mut Oracle) {
    let Some(next) = store.next("a") else { return };
    if next.at > store.now || store.order("a").open_anomalies().next().is_some() {
        return;
    }
    match next.action {
        ActionKind::AskClose => {
            let _ = store.record_close("a", CloseReply::OrderPaid);
        }
        _ => {
            let _ = store.query("a", reported_paid());
        }
    }
}

#[test]
fn repeated_sweeps_close_order_with_dismissed_payment() {
    for mut store in [refunded(), with_resolved_mismatch(Resolution::Dismiss)] {
        let _ = store.begin_close("a");
        for _ in 0..64 {
            sweep(&mut store);
            store.wait(MINUTE * 5);
        }
        assert_eq!(store.status("a"), Status::Closed);
        assert_eq!(store.next("a"), None);
    }
}

#[test]
fn largest_reported_payment_amount_limits_refund() {
    let mut store = Oracle::with_order();
    let mismatch = |found| Confirmed::AmountMismatch {
        expected: fen(100),
        found: fen(found),
    };
    assert_eq!(store.confirm("a", paid_fen("X", 1)), (mismatch(1), true));
    assert_eq!(store.confirm("a", paid_fen("X", 99)), (mismatch(99), true));
    for amount in [1, 99] {
        let again = store.confirm("a", paid_fen("X", amount));
        assert_eq!(again, (Confirmed::Duplicate, true));
    }
    let mut dollars = paid_fen("X", 99);
    dollars.currency = crate::types::Currency::parse("USD").unwrap();
    assert_eq!(store.confirm("a", dollars).0, mismatch(99));
    assert_eq!(store.kinds("a").len(), 3);
    assert_eq!(
        store.request("a", new_refund("R", "X", 100)),
        RefundRequested::Refused(RefundRefusal::Exceeds { available: fen(99) })
    );
    assert_eq!(
        store.request("a", new_refund("R", "X", 99)),
        RefundRequested::Requested
    );
    // The channel may also repeat the report of an unclaimed payment with another amount.
    let mut store = Oracle::open();
    let unclaimed = (Confirmed::Unclaimed, false);
    assert_eq!(store.confirm("a", paid_fen("X", 1)), unclaimed);
    assert_eq!(store.confirm("a", paid("X")), unclaimed);
    assert_eq!(store.create("a", new()), Created::CreatedAndPaid);
}

#[test]
fn payer_mismatch_is_not_acceptable_during_refund() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid_by("X", "aunt"));
    let _ = store.request("a", new_refund("R", "X", 90));
    let accepted = store.resolve("a", 1, Resolution::Accept);
    assert_eq!(accepted, Resolved::NotAcceptable);
    let _ = store.refuse("a", "R");
    let accepted = store.resolve("a", 1, Resolution::Accept);
    assert_eq!(accepted, Resolved::Reexamined(Confirmed::Applied));
}
