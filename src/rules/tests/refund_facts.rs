//! `record_refund`: reports of the channel about refunds.

use super::refund::{exceeds, moved, paid_store, refund_of, status};
use super::*;
use crate::order::{AnomalyKind, MAX_ANOMALIES, RefundDifference, RefundRefusal, RefundStatus};
use crate::types::RefundId;
use RefundState::{Abnormal, Closed, Processing, Success};

#[test]
fn notification_before_request_reply_changes_refund_status() {
    for state in [Processing, Success, Closed, Abnormal] {
        let mut store = paid_store();
        let _ = store.request("a", new_refund("R", "X", 60));
        let to = RefundStatus::from(state);
        assert_eq!(
            store.record_refund("a", report("R", "X", 60, state)),
            moved(to)
        );
        assert_eq!(status(&store, "R"), to);
    }
}

#[test]
fn report_changes_abnormal_refund_but_not_successful_one() {
    for state in [Processing, Success, Closed] {
        let mut store = paid_store();
        let _ = store.record_refund("a", report("R", "X", 60, Abnormal));
        assert_eq!(
            store.record_refund("a", report("R", "X", 60, state)),
            moved(state.into())
        );
    }
    let stale = (RefundRecorded::Stale, true);
    let mut store = paid_store();
    let _ = store.record_refund("a", report("R", "X", 60, Success));
    let outcome = store.record_refund("a", report("R", "X", 60, Processing));
    assert_eq!(outcome, stale);
}

#[test]
fn repeated_refund_success_counts_once() {
    let mut store = paid_store();
    let _ = store.request("a", new_refund("R", "X", 60));
    assert_eq!(
        store.record_refund("a", report("R", "X", 60, Success)),
        moved(RefundStatus::Success)
    );
    let events = store.events("a").len();
    for _ in 0..4 {
        store.wait(HOUR);
        let outcome = store.record_refund("a", report("R", "X", 60, Success));
        assert_eq!(outcome, (RefundRecorded::Duplicate, true));
    }
    assert_eq!(store.events("a").len(), events);
    assert_eq!(store.request("a", new_refund("S", "X", 41)), exceeds(40));
}

#[test]
fn success_report_after_close_counts_if_amount_is_available() {
    let mut store = paid_store();
    let _ = store.request("a", new_refund("R", "X", 60));
    let _ = store.record_refund("a", report("R", "X", 60, Closed));
    assert_eq!(
        store.record_refund("a", report("R", "X", 60, Success)),
        moved(RefundStatus::Success)
    );

    let mut store = paid_store();
    let _ = store.request("a", new_refund("R", "X", 60));
    let _ = store.record_refund("a", report("R", "X", 60, Closed));
    let _ = store.request("a", new_refund("S", "X", 60));
    let available = fen(40);
    let exceeds = (RefundRecorded::Exceeds { available }, true);
    assert_eq!(
        store.record_refund("a", report("R", "X", 60, Success)),
        exceeds
    );
    let again = store.record_refund("a", report("R", "X", 60, Success));
    assert_eq!(again, (RefundRecorded::Duplicate, true));
    assert_eq!(store.kinds("a").len(), 1);
    assert_eq!(store.refuse("a", "S"), RefundRefused::Closed);
    assert_eq!(
        store.record_refund("a", report("R", "X", 60, Success)),
        moved(RefundStatus::Success)
    );
    assert_eq!(
        store.order("a").open_anomalies().count(),
        0,
        "the anomaly is still open"
    );
}

#[test]
fn refund_made_outside_store_is_adopted() {
    let mut store = paid_store();
    let adopted = (RefundRecorded::Adopted, true);
    assert_eq!(
        store.record_refund("a", report("E", "X", 60, Success)),
        adopted
    );
    let refund = refund_of(&store, "E");
    assert!(refund.external);
    assert_eq!(refund.success_at, Some(store.now));
    assert_eq!(refund.next_check, None);
    assert_eq!(store.request("a", new_refund("R", "X", 41)), exceeds(40));
}

#[test]
fn repeated_refund_report_above_payment_raises_one_anomaly() {
    let mut store = paid_store();
    let available = fen(100);
    let reported = |state| report("E", "X", 101, state);
    let outcome = store.record_refund("a", reported(Success));
    assert_eq!(outcome, (RefundRecorded::Exceeds { available }, true));
    assert_eq!(
        store.record_refund("a", reported(Success)),
        (RefundRecorded::Duplicate, true)
    );
    assert_eq!(store.kinds("a").len(), 1);
    assert!(store.order("a").refunds.is_empty());
    let of_another_number = report("F", "X", 101, Success);
    let outcome = store.record_refund("a", of_another_number);
    assert_eq!(outcome, (RefundRecorded::Exceeds { available }, true));
    assert_eq!(store.kinds("a").len(), 2, "one anomaly per refund number");
}

#[test]
fn refund_report_with_different_facts_raises_anomaly() {
    let mut store = paid_store();
    let _ = store.request("a", new_refund("R", "X", 60));
    let differs = |field| (RefundRecorded::Differs { field }, true);
    let outcome = store.record_refund("a", report("R", "Y", 60, Success));
    assert_eq!(outcome, differs(RefundDifference::TransactionId));
    assert_eq!(status(&store, "R"), RefundStatus::Requested);
    let _ = store.record_refund("a", report("R", "X", 60, Success));
    // A report with another amount does not change the amount of a successful refund.
    let outcome = store.record_refund("a", report("R", "X", 59, Success));
    assert_eq!(outcome, differs(RefundDifference::Amount));
    let again = store.record_refund("a", report("R", "X", 59, Success));
    assert_eq!(again, (RefundRecorded::Duplicate, true));
    assert_eq!(refund_of(&store, "R").amount, fen(60));
    assert_eq!(store.kinds("a").len(), 2);
}

#[test]
fn refund_report_with_number_of_other_order_raises_anomaly() {
    let mut store = paid_store();
    let _ = store.request("a", new_refund("R", "X", 60));
    let _ = store.create("b", new());
    let _ = store.confirm("b", paid("Y"));
    let by = no("a");
    let outcome = store.record_refund("b", report("R", "Y", 60, Success));
    assert_eq!(outcome, (RefundRecorded::RefundNoTaken { by }, true));
    let again = store.record_refund("b", report("R", "Y", 60, Success));
    assert_eq!(again, (RefundRecorded::Duplicate, true));
    let refund_no = RefundNo::parse("R").unwrap();
    assert_eq!(
        store.kinds("b"),
        [AnomalyKind::RefundNoTaken { refund_no, by }]
    );
}

#[test]
fn refund_report_without_order_is_kept_for_order() {
    let mut store = Oracle::open();
    let waits = (RefundRecorded::Unclaimed, false);
    assert_eq!(
        store.record_refund("a", report("E", "X", 60, Processing)),
        waits
    );
    assert_eq!(
        store.record_refund("a", report("E", "X", 60, Success)),
        (
            RefundRecorded::Moved {
                to: RefundStatus::Success
            },
            false
        )
    );
    assert_eq!(store.create("a", new()), Created::Created);
    assert_eq!(
        store.confirm("a", paid("X")),
        (Confirmed::Applied, true),
        "a waiting refund does not stop the payment"
    );
    assert_eq!(store.request("a", new_refund("R", "X", 41)), exceeds(40));
}

#[test]
fn payment_closes_earlier_refunds_that_exceed_it() {
    let mut store = Oracle::open();
    for (number, amount) in [("E", 60), ("F", 60), ("G", 40)] {
        let _ = store.record_refund("a", report(number, "X", amount, Success));
    }
    assert_eq!(store.confirm("a", paid("X")), (Confirmed::Unclaimed, false));
    let statuses = ["E", "F", "G"].map(|number| status(&store, number));
    let success = RefundStatus::Success;
    assert_eq!(statuses, [success, RefundStatus::Closed, success]);
    let refund_no = RefundNo::parse("F").unwrap();
    let available = fen(40);
    let exceeds = AnomalyKind::RefundExceeds {
        refund_no,
        available,
    };
    assert_eq!(store.kinds("a"), [AnomalyKind::Unclaimed, exceeds]);
    assert_eq!(
        store.anomaly("a", 1).refund.as_ref().unwrap().status,
        success
    );
}

#[test]
fn open_refund_larger_than_later_payment_is_closed() {
    let mut store = Oracle::open();
    let _ = store.record_refund("a", report("E", "X", 101, Processing));
    assert!(refund_of(&store, "E").next_check.is_some());
    let _ = store.confirm("a", paid("X"));
    let refund = refund_of(&store, "E");
    assert_eq!(
        (refund.status, refund.next_check),
        (RefundStatus::Closed, None)
    );
}

#[test]
fn payment_below_reported_refund_is_refused_if_anomalies_are_full() {
    let mut store = Oracle::with_order();
    for place in 1..=MAX_ANOMALIES {
        let _ = store.confirm("a", paid_fen(&format!("old{place}"), 1));
    }
    let _ = store.record_refund("a", report("E", "X", 101, Success));
    let before = store.record("a").cloned();
    assert_eq!(
        store.confirm("a", paid("X")),
        (Confirmed::RecordFull, false)
    );
    let full = Queried::Payment(Confirmed::RecordFull);
    assert_eq!(store.query("a", ChannelState::Success(paid("X"))), full);
    assert_eq!(store.query("a", ChannelState::Refund(paid("X"))), full);
    assert_eq!(store.record("a").cloned(), before);
}

#[test]
fn repeated_report_adds_missing_refund_id_once() {
    let mut store = paid_store();
    let _ = store.request("a", new_refund("R", "X", 60));
    let _ = store.record_refund("a", report("R", "X", 60, Success));
    assert_eq!(refund_of(&store, "R").refund_id, None);
    let with_id = |text: &str| {
        let id = RefundId::parse(text).unwrap();
        report("R", "X", 60, Success).with_refund_id(id)
    };
    let duplicate = (RefundRecorded::Duplicate, true);
    for id in ["5030", "5031"] {
        assert_eq!(store.record_refund("a", with_id(id)), duplicate);
        let kept = refund_of(&store, "R").refund_id.clone();
        assert_eq!(kept, RefundId::parse("5030").ok(), "the first id stays");
    }
}

#[test]
fn closed_report_ends_refund_exceeds_anomaly() {
    let mut store = paid_store();
    let _ = store.request("a", new_refund("R", "X", 60));
    let _ = store.record_refund("a", report("R", "X", 60, Closed));
    let _ = store.request("a", new_refund("S", "X", 60));
    let available = fen(40);
    let exceeds = (RefundRecorded::Exceeds { available }, true);
    assert_eq!(
        store.record_refund("a", report("R", "X", 60, Success)),
        exceeds
    );
    assert!(store.anomaly("a", 0).is_open());
    let duplicate = (RefundRecorded::Duplicate, true);
    assert_eq!(
        store.record_refund("a", report("R", "X", 60, Closed)),
        duplicate
    );
    assert!(!store.anomaly("a", 0).is_open());
}

#[test]
fn fifty_first_refund_of_double_payment_is_refused() {
    let mut store = paid_store();
    let _ = store.confirm("a", paid("Y"));
    for part in 0..50 {
        let outcome = store.request("a", new_refund(&format!("R{part}"), "Y", 1));
        assert_eq!(outcome, RefundRequested::Requested);
    }
    assert_eq!(
        store.resolve("a", 1, refund("S")),
        Resolved::Refused(RefundRefusal::TooMany)
    );
}
