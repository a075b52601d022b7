//! `request_refund` and `record_refund_refused`. Refunds never exceed the paid amount.

use super::*;
use crate::order::{
    AnomalyKind, MAX_REFUNDS, MAX_WAITING, Refund, RefundDifference, RefundStatus, Status,
};
use RefundState::{Abnormal, Closed, Processing, Success};

/// Returns a store whose `order-a` was paid with 100 fen by X.
pub(super) fn paid_shop() -> Oracle {
    let mut shop = Oracle::with_order();
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Applied, true));
    shop
}

pub(super) fn refund_of<'s>(shop: &'s Oracle, number: &str) -> &'s Refund {
    let number = RefundNo::parse(number).unwrap();
    shop.record("a").unwrap().refund(&number).unwrap()
}

pub(super) fn status(shop: &Oracle, number: &str) -> RefundStatus {
    refund_of(shop, number).status
}

pub(super) fn exceeds(amount: u64) -> RefundRequested {
    RefundRequested::Exceeds {
        available: fen(amount),
    }
}

pub(super) fn moved(to: RefundStatus) -> (RefundRecorded, bool) {
    (RefundRecorded::Moved { to }, true)
}

#[test]
fn requested_refund_is_reserved_at_once() {
    let mut shop = paid_shop();
    assert_eq!(
        shop.request("a", asked_back("R", "X", 60)),
        RefundRequested::Requested
    );
    assert_eq!(shop.request("a", asked_back("S", "X", 60)), exceeds(40));
    assert_eq!(
        shop.request("a", asked_back("S", "X", 40)),
        RefundRequested::Requested
    );
    assert_eq!(shop.request("a", asked_back("T", "X", 1)), exceeds(0));
    assert_eq!(shop.status("a"), Status::Success, "still paid");
}

#[test]
fn refund_reserve_is_held_until_closed() {
    for state in [Processing, Abnormal, Success] {
        let mut shop = paid_shop();
        let _ = shop.request("a", asked_back("R", "X", 60));
        let _ = shop.record_refund("a", told("R", "X", 60, state));
        assert_eq!(shop.request("a", asked_back("S", "X", 50)), exceeds(40));
    }
    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    assert_eq!(
        shop.record_refund("a", told("R", "X", 60, Closed)),
        moved(RefundStatus::Closed)
    );
    assert_eq!(
        shop.request("a", asked_back("S", "X", 50)),
        RefundRequested::Requested
    );
    let ended = RefundRequested::Ended {
        code: None,
        attempts: 1,
    };
    assert_eq!(shop.request("a", asked_back("R", "X", 60)), ended);
}

#[test]
fn refund_number_names_one_refund() {
    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    assert_eq!(
        shop.request("a", asked_back("R", "X", 60)),
        RefundRequested::Exists
    );
    let different = |field| RefundRequested::ExistsWithDifferent { field };
    let amount = different(RefundDifference::Amount);
    assert_eq!(shop.request("a", asked_back("R", "X", 59)), amount);
    let transaction = different(RefundDifference::TransactionId);
    assert_eq!(shop.request("a", asked_back("R", "Y", 59)), transaction);
    let elsewhere = asked_back("R", "X", 60).channel(alipay());
    assert_eq!(
        shop.request("a", elsewhere),
        different(RefundDifference::Channel)
    );
    let _ = shop.create("b", new());
    let _ = shop.confirm("b", paid("Y"));
    let taken = RefundRequested::RefundNoTaken { by: no("a") };
    assert_eq!(shop.request("b", asked_back("R", "Y", 60)), taken);
}

#[test]
fn refund_number_in_anomaly_is_taken() {
    let mut shop = paid_shop();
    let available = fen(100);
    let outcome = shop.record_refund("a", told("E", "X", 101, Success));
    assert_eq!(outcome, (RefundRecorded::Exceeds { available }, true));
    let taken = RefundRequested::RefundNoTaken { by: no("a") };
    assert_eq!(shop.request("a", asked_back("E", "X", 60)), taken);
    let _ = shop.confirm("a", paid("Y"));
    let taken = Resolved::RefundNoTaken { by: no("a") };
    assert_eq!(shop.resolve("a", 2, refund("E")), taken);
}

#[test]
fn refund_of_other_records_money_is_refused() {
    let mut shop = paid_shop();
    assert_eq!(
        shop.request("b", asked_back("R", "X", 1)),
        RefundRequested::NotFound
    );
    assert_eq!(
        shop.request("a", asked_back("R", "Y", 1)),
        RefundRequested::NotPaid
    );
    let _ = shop.create("b", new());
    assert_eq!(
        shop.request("b", asked_back("R", "X", 1)),
        RefundRequested::NotPaid
    );
    let _ = shop.confirm("b", paid("X"));
    assert_eq!(
        shop.request("b", asked_back("R", "X", 1)),
        RefundRequested::NotPaid,
        "X paid order-a"
    );
    let _ = shop.confirm("a", paid_fen("Z", 7));
    assert_eq!(shop.request("a", asked_back("R", "Z", 8)), exceeds(7));
    assert_eq!(
        shop.request("a", asked_back("R", "Z", 7)),
        RefundRequested::Requested
    );
    assert_eq!(
        shop.request("a", asked_back("S", "X", 100)),
        RefundRequested::Requested
    );
}

#[test]
fn refunded_waiting_payment_does_not_pay() {
    let mut shop = Oracle::open();
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(
        shop.request("a", asked_back("R", "X", 60)),
        RefundRequested::Requested
    );
    assert_eq!(shop.create("a", new()), Created::Created);
    assert_eq!(shop.kinds("a"), [AnomalyKind::GivenBack { by: None }]);
    assert_eq!(shop.status("a"), Status::Pending);
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Duplicate, true));
    assert_eq!(
        shop.request("a", asked_back("S", "X", 40)),
        RefundRequested::Requested
    );
    assert_eq!(shop.confirm("a", paid("Y")), (Confirmed::Applied, true));
}

#[test]
fn payment_with_closed_refund_pays() {
    let mut shop = Oracle::open();
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.request("a", asked_back("R", "X", 100));
    assert_eq!(shop.refuse("a", "R"), RefundRefused::Closed);
    assert_eq!(shop.create("a", new()), Created::CreatedAndPaid);
}

#[test]
fn fifty_first_refund_is_too_many() {
    let mut shop = paid_shop();
    for part in 0..50 {
        let outcome = shop.request("a", asked_back(&format!("R{part}"), "X", 1));
        assert_eq!(outcome, RefundRequested::Requested);
    }
    assert_eq!(
        shop.request("a", asked_back("S", "X", 1)),
        RefundRequested::TooMany
    );
    assert_eq!(shop.refuse("a", "R7"), RefundRefused::Closed);
    assert_eq!(
        shop.request("a", asked_back("S", "X", 1)),
        RefundRequested::Requested
    );
}

#[test]
fn refund_after_one_year_is_refused() {
    let mut shop = paid_shop();
    shop.wait(HOUR * 24 * 365);
    assert_eq!(
        shop.request("a", asked_back("R", "X", 1)),
        RefundRequested::Requested
    );
    shop.wait(SECOND);
    assert_eq!(
        shop.request("a", asked_back("S", "X", 1)),
        RefundRequested::WindowOver
    );
    let _ = shop.confirm("a", paid("Y"));
    assert_eq!(shop.resolve("a", 1, refund("S")), Resolved::WindowOver);
}

#[test]
fn reversal_blocks_refunds_until_dismissed() {
    let mut shop = paid_shop();
    let _ = shop.query("a", ChannelState::Revoked);
    assert_eq!(
        shop.request("a", asked_back("R", "X", 1)),
        RefundRequested::Blocked
    );
    let _ = shop.resolve("a", 1, Resolution::Dismiss);
    assert_eq!(
        shop.request("a", asked_back("R", "X", 1)),
        RefundRequested::Requested
    );
}

#[test]
fn full_record_refuses_another_refund() {
    let mut shop = Oracle::open();
    for place in 0..MAX_WAITING {
        let _ = shop.record_refund("a", told(&format!("E{place}"), "X", 1, Closed));
    }
    let full = (RefundRecorded::RecordFull, false);
    assert_eq!(shop.record_refund("a", told("E", "X", 1, Closed)), full);
    let _ = shop.create("a", new());
    let _ = shop.confirm("a", paid("X"));
    for place in MAX_WAITING..MAX_REFUNDS {
        let outcome = shop.record_refund("a", told(&format!("E{place}"), "X", 1, Closed));
        assert_eq!(outcome, (RefundRecorded::Adopted, true));
    }
    assert_eq!(shop.record_refund("a", told("E", "X", 1, Closed)), full);
    assert_eq!(
        shop.request("a", asked_back("R", "X", 1)),
        RefundRequested::RecordFull
    );
    assert_eq!(
        shop.request("a", asked_back("R", "X", 101)),
        exceeds(100),
        "the room is checked last"
    );
    let _ = shop.confirm("a", paid("Y"));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::RecordFull);
}

#[test]
fn refusal_closes_only_requested_refund() {
    let mut shop = paid_shop();
    assert_eq!(shop.refuse("a", "R"), RefundRefused::NotFound);
    let _ = shop.request("a", asked_back("R", "X", 60));
    assert_eq!(shop.refuse("a", "R"), RefundRefused::Closed);
    assert_eq!(
        refund_of(&shop, "R").code,
        Some(Label::parse("NOTENOUGH").unwrap())
    );
    assert_eq!(shop.refuse("a", "R"), RefundRefused::Already);
    for state in [Processing, Success, Abnormal] {
        let mut shop = paid_shop();
        let _ = shop.record_refund("a", told("R", "X", 60, state));
        let status = RefundStatus::from(state);
        assert_eq!(
            shop.refuse("a", "R"),
            RefundRefused::NotRequested { status }
        );
    }
}
