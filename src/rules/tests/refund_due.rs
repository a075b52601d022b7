//! Checks of refunds: when they are due, and when they end.

use super::refund::{paid_shop, refund_of};
use super::*;
use crate::order::{Record, RefundStatus, Status};
use RefundState::{Abnormal, Closed, Processing, Success};

/// Makes `count` checks, each as soon as it is due. Returns the delays before them in minutes.
fn checks(shop: &mut Oracle, ask: &CommandKind, count: usize) -> Vec<u64> {
    let mut steps = Vec::new();
    for _ in 0..count {
        let at = refund_of(shop, "R").next_check.unwrap();
        steps.push(at.since(shop.now).as_secs() / 60);
        shop.wait(at.since(shop.now));
        let updated = shop.order("a").update_time;
        let _ = shop.run(no("a"), ask.clone());
        assert_eq!(shop.order("a").update_time, updated);
        let events = shop.events("a").len();
        let _ = shop.run(no("a"), ask.clone());
        assert_eq!(shop.events("a").len(), events, "a repeat writes nothing");
    }
    steps
}

#[test]
fn checks_of_open_refund_have_growing_delays() {
    let ladder = [1, 1, 1, 1, 1, 5, 10, 20, 30, 30];
    let mut shop = paid_shop();
    let _ = shop.request("a", asked_back("R", "X", 60));
    let again = request_refund(asked_back("R", "X", 60));
    assert_eq!(checks(&mut shop, &again, 10), ladder);
    for state in [Processing, Abnormal] {
        let mut shop = paid_shop();
        let ask = record_refund(told("R", "X", 60, state));
        let _ = shop.run(no("a"), ask.clone());
        assert_eq!(checks(&mut shop, &ask, 10), ladder);
    }
}

#[test]
fn ended_refund_is_not_due() {
    for state in [Success, Closed] {
        let mut shop = paid_shop();
        let _ = shop.request("a", asked_back("R", "X", 60));
        let _ = shop.record_refund("a", told("R", "X", 60, state));
        assert_eq!(refund_of(&shop, "R").next_check, None);
    }
}

#[test]
fn refund_unknown_anomaly_ends_when_recorded() {
    let open = |shop: &Oracle| shop.order("a").open_anomalies().count();
    let unknown = || {
        let mut shop = paid_shop();
        let outcome = shop.query("a", ChannelState::Refund(paid("X")));
        assert_eq!(outcome, Queried::RefundUnknown(Confirmed::Duplicate));
        shop
    };
    let mut shop = unknown();
    let _ = shop.request("a", asked_back("R", "X", 60));
    assert_eq!(open(&shop), 1, "R may be another refund");
    let _ = shop.record_refund("a", told("E", "X", 10, Closed));
    assert_eq!(open(&shop), 1, "E is closed");
    let _ = shop.record_refund("a", told("F", "X", 40, Success));
    assert_eq!(open(&shop), 0);
    let mut shop = unknown();
    let _ = shop.record_refund("a", told("E", "X", 101, Success));
    let kinds: Vec<_> = shop.order("a").open_anomalies().map(|a| a.id).collect();
    assert_eq!(kinds, [AnomalyId(2)], "only RefundExceeds is open");
}

#[test]
fn refund_answer_is_known_if_refund_holds_money() {
    let refunded = || ChannelState::Refund(paid("X"));
    let known = Queried::Payment(Confirmed::Duplicate);
    for (fact, outcome) in [
        (told("E", "X", 60, Processing), known),
        (told("E", "X", 101, Success), known),
        (
            told("E", "X", 60, Closed),
            Queried::RefundUnknown(Confirmed::Duplicate),
        ),
    ] {
        let mut shop = paid_shop();
        let _ = shop.record_refund("a", fact);
        assert_eq!(shop.query("a", refunded()), outcome);
    }
}

#[test]
fn uncounted_payment_is_queried_with_growing_delays() {
    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", paid_fen("Y", 99));
    let _ = shop.resolve("a", 1, refund("R"));
    let answer = || ChannelState::Success(paid_fen("Y", 99));
    let mut gaps = Vec::new();
    for _ in 0..4 {
        let next = shop.next("a").unwrap();
        gaps.push(next.at.since(shop.now).as_secs());
        shop.wait(next.at.since(shop.now));
        assert_eq!(
            shop.query("a", answer()),
            Queried::Payment(Confirmed::Duplicate)
        );
    }
    assert_eq!(gaps, [5, 30, 60, 180]);
    assert_eq!(shop.status("a"), Status::Pending);
}

#[test]
fn record_finds_refund_by_number_alone() {
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
fn unanswered_refund_query_delays_check_and_keeps_reserve() {
    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(shop.refund_unanswered("a", "R"), RefundUnanswered::NotFound);
    let _ = shop.request("a", asked_back("R", "X", 40));
    shop.wait(HOUR);
    assert_eq!(shop.refund_unanswered("a", "R"), RefundUnanswered::PutOff);
    let refund = shop.order("a").refunds[0].clone();
    assert_eq!((refund.status, refund.checks), (RefundStatus::Requested, 1));
    assert!(refund.next_check.unwrap() > shop.now);
    // The check is not due any more, so a repeat writes nothing.
    assert_eq!(shop.refund_unanswered("a", "R"), RefundUnanswered::PutOff);
    assert_eq!(shop.order("a").refunds[0], refund);
    let _ = shop.record_refund("a", told("R", "X", 40, RefundState::Success));
    let status = RefundStatus::Success;
    assert_eq!(
        shop.refund_unanswered("a", "R"),
        RefundUnanswered::NotOpen { status }
    );
}
