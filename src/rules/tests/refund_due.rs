//! Times of the checks of refunds at the channel.

use super::refund::{paid_store, refund_of};
use super::*;
use crate::order::{Record, RefundStatus, Status};
use RefundState::{Abnormal, Closed, Processing, Success};

/// Runs `command` as the answer to `count` checks, each as soon as the check is due. Returns the
/// delays before the checks in minutes.
fn checks(store: &mut Oracle, command: &CommandKind, count: usize) -> Vec<u64> {
    let mut steps = Vec::new();
    for _ in 0..count {
        let at = refund_of(store, "R").next_check.unwrap();
        steps.push(at.since(store.now).as_secs() / 60);
        store.wait(at.since(store.now));
        let updated = store.order("a").update_time;
        let _ = store.run(no("a"), command.clone());
        assert_eq!(store.order("a").update_time, updated);
        let events = store.events("a").len();
        let _ = store.run(no("a"), command.clone());
        assert_eq!(store.events("a").len(), events, "a repeat writes nothing");
    }
    steps
}

#[test]
fn checks_of_open_refund_have_growing_delays() {
    let ladder = [1, 1, 1, 1, 1, 5, 10, 20, 30, 30];
    let mut store = paid_store();
    let _ = store.request("a", new_refund("R", "X", 60));
    let again = request_refund(new_refund("R", "X", 60));
    assert_eq!(checks(&mut store, &again, 10), ladder);
    for state in [Processing, Abnormal] {
        let mut store = paid_store();
        let command = record_refund(report("R", "X", 60, state));
        let _ = store.run(no("a"), command.clone());
        assert_eq!(checks(&mut store, &command, 10), ladder);
    }
}

#[test]
fn ended_refund_is_not_due() {
    for state in [Success, Closed] {
        let mut store = paid_store();
        let _ = store.request("a", new_refund("R", "X", 60));
        let _ = store.record_refund("a", report("R", "X", 60, state));
        assert_eq!(refund_of(&store, "R").next_check, None);
    }
}

#[test]
fn refund_unknown_anomaly_ends_when_refund_is_recorded() {
    let open = |store: &Oracle| store.order("a").open_anomalies().count();
    let unknown = || {
        let mut store = paid_store();
        let outcome = store.query("a", ChannelState::Refund(paid("X")));
        assert_eq!(outcome, Queried::RefundUnknown(Confirmed::Duplicate));
        store
    };
    let mut store = unknown();
    let _ = store.request("a", new_refund("R", "X", 60));
    assert_eq!(open(&store), 1, "R may be another refund");
    let _ = store.record_refund("a", report("E", "X", 10, Closed));
    assert_eq!(open(&store), 1, "E is closed");
    let _ = store.record_refund("a", report("F", "X", 40, Success));
    assert_eq!(open(&store), 0);
    let mut store = unknown();
    let _ = store.record_refund("a", report("E", "X", 101, Success));
    let kinds: Vec<_> = store.order("a").open_anomalies().map(|a| a.id).collect();
    assert_eq!(kinds, [AnomalyId(2)], "only RefundExceeds is open");
}

#[test]
fn refunded_answer_raises_no_anomaly_if_refund_is_recorded() {
    let refunded = || ChannelState::Refund(paid("X"));
    let known = Queried::Payment(Confirmed::Duplicate);
    for (fact, outcome) in [
        (report("E", "X", 60, Processing), known),
        (report("E", "X", 101, Success), known),
        (
            report("E", "X", 60, Closed),
            Queried::RefundUnknown(Confirmed::Duplicate),
        ),
    ] {
        let mut store = paid_store();
        let _ = store.record_refund("a", fact);
        assert_eq!(store.query("a", refunded()), outcome);
    }
}

#[test]
fn payment_being_refunded_is_queried_with_growing_delays() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid_fen("Y", 99));
    let _ = store.resolve("a", 1, refund("R"));
    let answer = || ChannelState::Success(paid_fen("Y", 99));
    let mut gaps = Vec::new();
    for _ in 0..4 {
        let next = store.next("a").unwrap();
        gaps.push(next.at.since(store.now).as_secs());
        store.wait(next.at.since(store.now));
        assert_eq!(
            store.query("a", answer()),
            Queried::Payment(Confirmed::Duplicate)
        );
    }
    assert_eq!(gaps, [5, 30, 60, 180]);
    assert_eq!(store.status("a"), Status::Pending);
}

#[test]
fn refund_lookup_by_number_ignores_channel() {
    let mut store = paid_store();
    let elsewhere = report("E", "X", 60, Success).with_channel(alipay());
    let _ = store.record_refund("a", elsewhere);
    let record: &Record = store.record("a").unwrap();
    assert_eq!(
        record.refund(&RefundNo::parse("E").unwrap()),
        record.refunds().first()
    );
    assert_eq!(
        store.refuse("a", "E"),
        RefundRefused::NotRequested {
            status: RefundStatus::Success
        }
    );
}

#[test]
fn unanswered_refund_query_delays_check_and_keeps_reserve() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid("X"));
    assert_eq!(
        store.refund_unanswered("a", "R"),
        RefundUnanswered::NotFound
    );
    let _ = store.request("a", new_refund("R", "X", 40));
    store.wait(HOUR);
    assert_eq!(store.refund_unanswered("a", "R"), RefundUnanswered::PutOff);
    let refund = store.order("a").refunds[0].clone();
    assert_eq!((refund.status, refund.checks), (RefundStatus::Requested, 1));
    assert!(refund.next_check.unwrap() > store.now);
    // No check is due now, so a repeated command writes nothing.
    assert_eq!(store.refund_unanswered("a", "R"), RefundUnanswered::PutOff);
    assert_eq!(store.order("a").refunds[0], refund);
    let _ = store.record_refund("a", report("R", "X", 40, RefundState::Success));
    let status = RefundStatus::Success;
    assert_eq!(
        store.refund_unanswered("a", "R"),
        RefundUnanswered::NotOpen { status }
    );
}
