//! Refund facts from the channel.

use super::refund::{exceeds, moved, paid_shop, refund_of, status};
use super::*;
use crate::order::{AnomalyKind, MAX_ANOMALIES, RefundDifference, RefundStatus};
use crate::types::RefundId;
use RefundState::{Abnormal, Closed, Processing, Success};

#[test]
fn the_notification_may_overtake_the_reply() {
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
fn what_was_abnormal_can_still_move_and_what_ended_is_old_news() {
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
    let heard = shop.record_refund("a", told("R", "X", 60, Processing));
    assert_eq!(heard, stale);
}

#[test]
fn a_success_seen_five_times_counts_once() {
    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    assert_eq!(
        shop.record_refund("a", told("R", "X", 60, Success)),
        moved(RefundStatus::Success)
    );
    let events = shop.events("a").len();
    for _ in 0..4 {
        shop.wait(HOUR);
        let heard = shop.record_refund("a", told("R", "X", 60, Success));
        assert_eq!(heard, (RefundRecorded::Duplicate, true));
    }
    assert_eq!(shop.events("a").len(), events);
    assert_eq!(shop.request("a", asked_back("S", "X", 41)), exceeds(40));
}

#[test]
fn a_success_after_closed_counts_if_money_is_left() {
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
        "it found its place"
    );
}

#[test]
fn a_refund_made_elsewhere_is_adopted() {
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
fn more_than_was_paid_is_an_anomaly_that_is_kept_once() {
    let mut shop = paid_shop();
    let available = fen(100);
    let told_more = |state| told("E", "X", 101, state);
    let heard = shop.record_refund("a", told_more(Success));
    assert_eq!(heard, (RefundRecorded::Exceeds { available }, true));
    assert_eq!(
        shop.record_refund("a", told_more(Success)),
        (RefundRecorded::Duplicate, true)
    );
    assert_eq!(shop.kinds("a").len(), 1);
    assert!(shop.order("a").refunds.is_empty());
    let of_another_number = told("F", "X", 101, Success);
    let heard = shop.record_refund("a", of_another_number);
    assert_eq!(heard, (RefundRecorded::Exceeds { available }, true));
    assert_eq!(shop.kinds("a").len(), 2, "each number is a fact of its own");
}

#[test]
fn other_facts_under_one_number_are_an_anomaly() {
    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    let differs = |field| (RefundRecorded::Differs { field }, true);
    let heard = shop.record_refund("a", told("R", "Y", 60, Success));
    assert_eq!(heard, differs(RefundDifference::TransactionId));
    assert_eq!(status(&shop, "R"), RefundStatus::Requested);
    let _ = shop.record_refund("a", told("R", "X", 60, Success));
    // What succeeded keeps its amount.
    let heard = shop.record_refund("a", told("R", "X", 59, Success));
    assert_eq!(heard, differs(RefundDifference::Amount));
    let again = shop.record_refund("a", told("R", "X", 59, Success));
    assert_eq!(again, (RefundRecorded::Duplicate, true));
    assert_eq!(refund_of(&shop, "R").amount, fen(60));
    assert_eq!(shop.kinds("a").len(), 2);
}

#[test]
fn the_number_of_another_orders_refund_is_an_anomaly() {
    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    let _ = shop.create("b", new());
    let _ = shop.confirm("b", paid("Y"));
    let by = no("a");
    let heard = shop.record_refund("b", told("R", "Y", 60, Success));
    assert_eq!(heard, (RefundRecorded::RefundNoTaken { by }, true));
    let again = shop.record_refund("b", told("R", "Y", 60, Success));
    assert_eq!(again, (RefundRecorded::Duplicate, true));
    let refund_no = RefundNo::parse("R").unwrap();
    assert_eq!(
        shop.kinds("b"),
        [AnomalyKind::RefundNoTaken { refund_no, by }]
    );
}

#[test]
fn a_refund_before_its_order_waits_and_comes_along() {
    let mut shop = Shop::open();
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
        "it hinders nothing"
    );
    assert_eq!(shop.request("a", asked_back("R", "X", 41)), exceeds(40));
}

#[test]
fn refunds_that_were_known_first_are_measured_by_their_payment() {
    let mut shop = Shop::open();
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
fn an_open_refund_that_its_payment_cannot_bear_is_closed_and_not_due() {
    let mut shop = Shop::open();
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
fn a_payment_that_finds_no_room_for_what_its_refunds_exceed_is_refused_whole() {
    let mut shop = Shop::with_order();
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
fn a_repeat_brings_the_channels_own_number_of_a_refund_and_never_another_one() {
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
        assert_eq!(kept, RefundId::parse("5030").ok(), "the first one stands");
    }
}

#[test]
fn a_refund_that_is_closed_after_all_exceeds_nothing() {
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
fn a_double_payment_in_fifty_parts_has_no_part_left_for_its_anomaly() {
    let mut shop = paid_shop();
    let _ = shop.confirm("a", paid("Y"));
    for part in 0..50 {
        let heard = shop.request("a", asked_back(&format!("R{part}"), "Y", 1));
        assert_eq!(heard, RefundRequested::Requested);
    }
    assert_eq!(shop.resolve("a", 1, refund("S")), Resolved::TooMany);
}
