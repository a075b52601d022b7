//! Refunds: asked for, told of, refused, and never more than was paid.

use super::*;
use crate::order::{
    AnomalyKind, MAX_ANOMALIES, MAX_REFUNDS, MAX_WAITING, Record, Refund, RefundDifference,
    RefundStatus, Status,
};
use crate::types::RefundId;
use RefundState::{Abnormal, Closed, Processing, Success};

/// `order-a`, paid 100 by X.
fn paid_shop() -> Shop {
    let mut shop = Shop::with_order();
    assert_eq!(shop.confirm("a", paid("X")), (Confirmed::Applied, true));
    shop
}

fn refund_of<'s>(shop: &'s Shop, number: &str) -> &'s Refund {
    let number = RefundNo::parse(number).unwrap();
    shop.record("a").unwrap().refund(&number).unwrap()
}

fn status(shop: &Shop, number: &str) -> RefundStatus {
    refund_of(shop, number).status
}

fn exceeds(amount: u64) -> RefundRequested {
    RefundRequested::Exceeds {
        available: fen(amount),
    }
}

fn moved(to: RefundStatus) -> (RefundRecorded, bool) {
    (RefundRecorded::Moved { to }, true)
}

#[test]
fn what_is_requested_is_reserved_at_once() {
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
    assert_eq!(shop.status("a"), Status::Success, "it was still paid");
}

#[test]
fn the_reserve_is_held_until_the_refund_is_closed() {
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
fn a_number_names_one_refund() {
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
fn a_number_that_only_an_anomaly_knows_is_taken() {
    let mut shop = paid_shop();
    let available = fen(100);
    let heard = shop.record_refund("a", told("E", "X", 101, Success));
    assert_eq!(heard, (RefundRecorded::Exceeds { available }, true));
    let taken = RefundRequested::RefundNoTaken { by: no("a") };
    assert_eq!(shop.request("a", asked_back("E", "X", 60)), taken);
    let _ = shop.confirm("a", paid("Y"));
    let taken = Resolved::RefundNoTaken { by: no("a") };
    assert_eq!(shop.resolve("a", 2, refund("E")), taken);
}

#[test]
fn only_money_of_this_record_goes_back() {
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
        "it is a's"
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
fn a_payment_that_waits_and_is_given_back_does_not_pay() {
    let mut shop = Shop::open();
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
fn a_refund_that_closed_lets_its_payment_pay() {
    let mut shop = Shop::open();
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.request("a", asked_back("R", "X", 100));
    assert_eq!(shop.refuse("a", "R"), RefundRefused::Closed);
    assert_eq!(shop.create("a", new()), Created::CreatedAndPaid);
}

#[test]
fn a_fifty_first_part_is_too_many_and_closed_ones_are_no_parts() {
    let mut shop = paid_shop();
    for part in 0..50 {
        let heard = shop.request("a", asked_back(&format!("R{part}"), "X", 1));
        assert_eq!(heard, RefundRequested::Requested);
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
fn a_year_is_in_time_and_a_second_more_is_not() {
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
fn a_reversal_blocks_until_somebody_looked_into_it() {
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

#[test]
fn a_record_has_room_for_so_many_refunds() {
    let mut shop = Shop::open();
    for place in 0..MAX_WAITING {
        let _ = shop.record_refund("a", told(&format!("E{place}"), "X", 1, Closed));
    }
    let full = (RefundRecorded::RecordFull, false);
    assert_eq!(shop.record_refund("a", told("E", "X", 1, Closed)), full);
    let _ = shop.create("a", new());
    let _ = shop.confirm("a", paid("X"));
    for place in MAX_WAITING..MAX_REFUNDS {
        let heard = shop.record_refund("a", told(&format!("E{place}"), "X", 1, Closed));
        assert_eq!(heard, (RefundRecorded::Adopted, true));
    }
    assert_eq!(shop.record_refund("a", told("E", "X", 1, Closed)), full);
    assert_eq!(
        shop.request("a", asked_back("R", "X", 1)),
        RefundRequested::RecordFull
    );
    assert_eq!(
        shop.request("a", asked_back("R", "X", 101)),
        exceeds(100),
        "asked last"
    );
    let _ = shop.confirm("a", paid("Y"));
    assert_eq!(shop.resolve("a", 1, refund("R")), Resolved::RecordFull);
}

#[test]
fn a_refusal_closes_only_what_was_requested() {
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

/// When each check is due, each made as soon as it is.
fn checks(shop: &mut Shop, ask: &CommandKind, count: usize) -> Vec<u64> {
    let mut steps = Vec::new();
    for _ in 0..count {
        let at = refund_of(shop, "R").next_check.unwrap();
        steps.push(at.since(shop.now).as_secs() / 60);
        shop.wait(at.since(shop.now));
        let updated = shop.order("a").update_time;
        let _ = shop.ask(no("a"), ask.clone());
        assert_eq!(shop.order("a").update_time, updated);
        let events = shop.events("a").len();
        let _ = shop.ask(no("a"), ask.clone());
        assert_eq!(shop.events("a").len(), events, "not twice");
    }
    steps
}

#[test]
fn an_open_refund_is_due_ever_later() {
    let ladder = [1, 1, 1, 1, 1, 5, 10, 20, 30, 30];
    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    let again = request_refund(asked_back("R", "X", 60));
    assert_eq!(checks(&mut shop, &again, 10), ladder);
    for state in [Processing, Abnormal] {
        let mut shop = paid_shop();
        let ask = record_refund(told("R", "X", 60, state));
        let _ = shop.ask(no("a"), ask.clone());
        assert_eq!(checks(&mut shop, &ask, 10), ladder);
    }
}

#[test]
fn an_ended_refund_is_not_due() {
    for state in [Success, Closed] {
        let mut shop = paid_shop();
        let _ = shop.request("a", asked_back("R", "X", 60));
        let _ = shop.record_refund("a", told("R", "X", 60, state));
        assert_eq!(refund_of(&shop, "R").next_check, None);
    }
}

#[test]
fn an_unknown_refund_ends_when_it_is_recorded() {
    let open = |shop: &Shop| shop.order("a").open_anomalies().count();
    let unknown = || {
        let mut shop = paid_shop();
        let heard = shop.query("a", ChannelState::Refund(paid("X")));
        assert_eq!(heard, Queried::RefundUnknown(Confirmed::Duplicate));
        shop
    };
    let mut shop = unknown();
    let _ = shop.request("a", asked_back("R", "X", 60));
    assert_eq!(open(&shop), 1, "that one may be another");
    let _ = shop.record_refund("a", told("E", "X", 10, Closed));
    assert_eq!(open(&shop), 1, "nothing went back by that one");
    let _ = shop.record_refund("a", told("F", "X", 40, Success));
    assert_eq!(open(&shop), 0);
    let mut shop = unknown();
    let _ = shop.record_refund("a", told("E", "X", 101, Success));
    let kinds: Vec<_> = shop.order("a").open_anomalies().map(|a| a.id).collect();
    assert_eq!(kinds, [AnomalyId(2)], "the excess says more");
}

#[test]
fn a_query_looks_for_refunds_that_are_known_and_hold_money() {
    let refunded = || ChannelState::Refund(paid("X"));
    let known = Queried::Payment(Confirmed::Duplicate);
    for (fact, heard) in [
        (told("E", "X", 60, Processing), known),
        (told("E", "X", 101, Success), known),
        (
            told("E", "X", 60, Closed),
            Queried::RefundUnknown(Confirmed::Duplicate),
        ),
    ] {
        let mut shop = paid_shop();
        let _ = shop.record_refund("a", fact);
        assert_eq!(shop.query("a", refunded()), heard);
    }
}

#[test]
fn a_payment_that_does_not_count_is_asked_about_ever_later() {
    let mut shop = Shop::with_order();
    let _ = shop.confirm("a", paid_fen("Y", 99));
    let _ = shop.resolve("a", 1, refund("R"));
    let said = || ChannelState::Success(paid_fen("Y", 99));
    let mut gaps = Vec::new();
    for _ in 0..4 {
        let next = shop.next("a").unwrap();
        gaps.push(next.at.since(shop.now).as_secs());
        shop.wait(next.at.since(shop.now));
        assert_eq!(
            shop.query("a", said()),
            Queried::Payment(Confirmed::Duplicate)
        );
    }
    assert_eq!(gaps, [5, 30, 60, 180]);
    assert_eq!(shop.status("a"), Status::Pending);
}

#[test]
fn a_record_finds_its_refund_by_number_alone() {
    let mut shop = paid_shop();
    let elsewhere = told("E", "X", 60, Success).with_channel(alipay());
    let _ = shop.record_refund("a", elsewhere);
    let record: &Record = shop.record("a").unwrap();
    assert_eq!(
        record.refund(&RefundNo::parse("E").unwrap()),
        record.refunds().first()
    );
    assert_eq!(
        shop.refuse("a", "E"),
        RefundRefused::NotRequested {
            status: RefundStatus::Success
        }
    );
}

#[test]
fn unanswered_refund_query_puts_the_due_check_off_and_keeps_the_reserve() {
    let mut shop = Shop::with_order();
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.refund_unanswered("a", "R"), RefundUnanswered::NotFound);
    let _ = shop.request("a", asked_back("R", "X", 40));
    shop.wait(HOUR);
    assert_eq!(shop.refund_unanswered("a", "R"), RefundUnanswered::PutOff);
    let refund = shop.order("a").refunds[0].clone();
    assert_eq!((refund.status, refund.checks), (RefundStatus::Requested, 1));
    assert!(refund.next_check.unwrap() > shop.now);
    // It is not due any more: the second telling writes nothing.
    assert_eq!(shop.refund_unanswered("a", "R"), RefundUnanswered::PutOff);
    assert_eq!(shop.order("a").refunds[0], refund);
    let _ = shop.record_refund("a", told("R", "X", 40, RefundState::Success));
    let status = RefundStatus::Success;
    assert_eq!(
        shop.refund_unanswered("a", "R"),
        RefundUnanswered::NotOpen { status }
    );
}
