//! Refund facts from the channel.

use super::refund::{exceeds, moved, paid_shop, refund_of, status};
use super::*;
use crate::order::{AnomalyKind, MAX_ANOMALIES, RefundDifference, RefundStatus};
use crate::types::RefundId;
use RefundState::{Abnormal, Closed, Processing, Success};

#[test]
fn notification_before_reply_moves_refund() {
    for state in [Processing, Success, Closed, Abnormal] {
        let mut shop = paid_shop();
        let _ = shop.request("a", asked_back("R", "X", 60));
        let to = RefundStatus::from(state);
        assert_eq!(
            shop.record_refund("a", told("R", "X", 60, state)),
            moved(to)
        );
        assert_eq!(status(&shop, "R"), to);
    }
}

#[test]
fn abnormal_refund_moves_and_ended_refund_is_stale() {
    for state in [Processing, Success, Closed] {
        let mut shop = paid_shop();
        let _ = shop.record_refund("a", told("R", "X", 60, Abnormal));
        assert_eq!(
            shop.record_refund("a", told("R", "X", 60, state)),
            moved(state.into())
        );
    }
    let stale = (RefundRecorded::Stale, true);
    let mut shop = paid_shop();
    let _ = shop.record_refund("a", told("R", "X", 60, Success));
    let outcome = shop.record_refund("a", told("R", "X", 60, Processing));
    assert_eq!(outcome, stale);
}

#[test]
fn repeated_success_counts_once() {
    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    assert_eq!(
        shop.record_refund("a", told("R", "X", 60, Success)),
        moved(RefundStatus::Success)
    );
    let events = shop.events("a").len();
    for _ in 0..4 {
        shop.wait(HOUR);
        let outcome = shop.record_refund("a", told("R", "X", 60, Success));
        assert_eq!(outcome, (RefundRecorded::Duplicate, true));
    }
    assert_eq!(shop.events("a").len(), events);
    assert_eq!(shop.request("a", asked_back("S", "X", 41)), exceeds(40));
}

#[test]
fn success_after_closed_counts_if_money_is_left() {
    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    let _ = shop.record_refund("a", told("R", "X", 60, Closed));
    assert_eq!(
        shop.record_refund("a", told("R", "X", 60, Success)),
        moved(RefundStatus::Success)
    );

    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    let _ = shop.record_refund("a", told("R", "X", 60, Closed));
    let _ = shop.request("a", asked_back("S", "X", 60));
    let available = fen(40);
    let exceeds = (RefundRecorded::Exceeds { available }, true);
    assert_eq!(
        shop.record_refund("a", told("R", "X", 60, Success)),
        exceeds
    );
    let again = shop.record_refund("a", told("R", "X", 60, Success));
    assert_eq!(again, (RefundRecorded::Duplicate, true));
    assert_eq!(shop.kinds("a").len(), 1);
    assert_eq!(shop.refuse("a", "S"), RefundRefused::Closed);
    assert_eq!(
        shop.record_refund("a", told("R", "X", 60, Success)),
        moved(RefundStatus::Success)
    );
    assert_eq!(
        shop.order("a").open_anomalies().count(),
        0,
        "the anomaly has ended"
    );
}

#[test]
fn refund_made_elsewhere_is_adopted() {
    let mut shop = paid_shop();
    let adopted = (RefundRecorded::Adopted, true);
    assert_eq!(
        shop.record_refund("a", told("E", "X", 60, Success)),
        adopted
    );
    let refund = refund_of(&shop, "E");
    assert!(refund.external);
    assert_eq!(refund.success_at, Some(shop.now));
    assert_eq!(refund.next_check, None);
    assert_eq!(shop.request("a", asked_back("R", "X", 41)), exceeds(40));
}

#[test]
fn refund_beyond_payment_is_anomaly_once() {
    let mut shop = paid_shop();
    let available = fen(100);
    let reported = |state| told("E", "X", 101, state);
    let outcome = shop.record_refund("a", reported(Success));
    assert_eq!(outcome, (RefundRecorded::Exceeds { available }, true));
    assert_eq!(
        shop.record_refund("a", reported(Success)),
        (RefundRecorded::Duplicate, true)
    );
    assert_eq!(shop.kinds("a").len(), 1);
    assert!(shop.order("a").refunds.is_empty());
    let of_another_number = told("F", "X", 101, Success);
    let outcome = shop.record_refund("a", of_another_number);
    assert_eq!(outcome, (RefundRecorded::Exceeds { available }, true));
    assert_eq!(shop.kinds("a").len(), 2, "one anomaly per refund number");
}

#[test]
fn refund_with_different_facts_is_anomaly() {
    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    let differs = |field| (RefundRecorded::Differs { field }, true);
    let outcome = shop.record_refund("a", told("R", "Y", 60, Success));
    assert_eq!(outcome, differs(RefundDifference::TransactionId));
    assert_eq!(status(&shop, "R"), RefundStatus::Requested);
    let _ = shop.record_refund("a", told("R", "X", 60, Success));
    // A successful refund keeps its amount.
    let outcome = shop.record_refund("a", told("R", "X", 59, Success));
    assert_eq!(outcome, differs(RefundDifference::Amount));
    let again = shop.record_refund("a", told("R", "X", 59, Success));
    assert_eq!(again, (RefundRecorded::Duplicate, true));
    assert_eq!(refund_of(&shop, "R").amount, fen(60));
    assert_eq!(shop.kinds("a").len(), 2);
}

#[test]
fn refund_number_of_other_order_is_anomaly() {
    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    let _ = shop.create("b", new());
    let _ = shop.confirm("b", paid("Y"));
    let by = no("a");
    let outcome = shop.record_refund("b", told("R", "Y", 60, Success));
    assert_eq!(outcome, (RefundRecorded::RefundNoTaken { by }, true));
    let again = shop.record_refund("b", told("R", "Y", 60, Success));
    assert_eq!(again, (RefundRecorded::Duplicate, true));
    let refund_no = RefundNo::parse("R").unwrap();
    assert_eq!(
        shop.kinds("b"),
        [AnomalyKind::RefundNoTaken { refund_no, by }]
    );
}

#[test]
fn refund_without_order_waits_for_order() {
    let mut shop = Oracle::open();
    let waits = (RefundRecorded::Unclaimed, false);
    assert_eq!(
        shop.record_refund("a", told("E", "X", 60, Processing)),
        waits
    );
    assert_eq!(
        shop.record_refund("a", told("E", "X", 60, Success)),
        (
            RefundRecorded::Moved {
                to: RefundStatus::Success
            },
            false
        )
    );
    assert_eq!(shop.create("a", new()), Created::Created);
    assert_eq!(
        shop.confirm("a", paid("X")),
        (Confirmed::Applied, true),
        "a waiting refund does not stop the payment"
    );
    assert_eq!(shop.request("a", asked_back("R", "X", 41)), exceeds(40));
}

#[test]
fn earlier_refunds_are_limited_by_later_payment() {
    let mut shop = Oracle::open();
    for (number, amount) in [("E", 60), ("F", 60), ("G", 40)] {
        let _ = shop.record_refund("a", told(number, "X", amount, Success));
    }
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Unclaimed, false));
    let statuses = ["E", "F", "G"].map(|number| status(&shop, number));
    let success = RefundStatus::Success;
    assert_eq!(statuses, [success, RefundStatus::Closed, success]);
    let refund_no = RefundNo::parse("F").unwrap();
    let available = fen(40);
    let exceeds = AnomalyKind::RefundExceeds {
        refund_no,
        available,
    };
    assert_eq!(shop.kinds("a"), [AnomalyKind::Unclaimed, exceeds]);
    assert_eq!(
        shop.anomaly("a", 1).refund.as_ref().unwrap().status,
        success
    );
}

#[test]
fn open_refund_beyond_payment_is_closed() {
    let mut shop = Oracle::open();
    let _ = shop.record_refund("a", told("E", "X", 101, Processing));
    assert!(refund_of(&shop, "E").next_check.is_some());
    let _ = shop.confirm("a", paid("X"));
    let refund = refund_of(&shop, "E");
    assert_eq!(
        (refund.status, refund.next_check),
        (RefundStatus::Closed, None)
    );
}

#[test]
fn full_record_refuses_payment_with_excess_refund() {
    let mut shop = Oracle::with_order();
    for place in 1..=MAX_ANOMALIES {
        let _ = shop.confirm("a", paid_fen(&format!("old{place}"), 1));
    }
    let _ = shop.record_refund("a", told("E", "X", 101, Success));
    let before = shop.record("a").cloned();
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::RecordFull, false));
    let full = Queried::Payment(Confirmed::RecordFull);
    assert_eq!(shop.query("a", ChannelState::Success(paid("X"))), full);
    assert_eq!(shop.query("a", ChannelState::Refund(paid("X"))), full);
    assert_eq!(shop.record("a").cloned(), before);
}

#[test]
fn repeat_adds_missing_refund_id_once() {
    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    let _ = shop.record_refund("a", told("R", "X", 60, Success));
    assert_eq!(refund_of(&shop, "R").refund_id, None);
    let with_id = |text: &str| {
        let id = RefundId::parse(text).unwrap();
        told("R", "X", 60, Success).with_refund_id(id)
    };
    let duplicate = (RefundRecorded::Duplicate, true);
    for id in ["5030", "5031"] {
        assert_eq!(shop.record_refund("a", with_id(id)), duplicate);
        let kept = refund_of(&shop, "R").refund_id.clone();
        assert_eq!(kept, RefundId::parse("5030").ok(), "the first id stays");
    }
}

#[test]
fn closed_refund_ends_exceeds_anomaly() {
    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    let _ = shop.record_refund("a", told("R", "X", 60, Closed));
    let _ = shop.request("a", asked_back("S", "X", 60));
    let available = fen(40);
    let exceeds = (RefundRecorded::Exceeds { available }, true);
    assert_eq!(
        shop.record_refund("a", told("R", "X", 60, Success)),
        exceeds
    );
    assert!(shop.anomaly("a", 0).is_open());
    let duplicate = (RefundRecorded::Duplicate, true);
    assert_eq!(
        shop.record_refund("a", told("R", "X", 60, Closed)),
        duplicate
    );
    assert!(!shop.anomaly("a", 0).is_open());
}

#[test]
fn double_payment_with_fifty_refunds_is_too_many() {
    let mut shop = paid_shop();
    let _ = shop.confirm("a", paid("Y"));
    for part in 0..50 {
        let outcome = shop.request("a", asked_back(&format!("R{part}"), "Y", 1));
        assert_eq!(outcome, RefundRequested::Requested);
    }
    assert_eq!(shop.resolve("a", 1, refund("S")), Resolved::TooMany);
}
