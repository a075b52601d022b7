//! Conformance cases for refunds: never more than the payment, and one refund per refund number.

use super::Harness;
use super::tools::{StoreFixture, at_once};
use crate::contract::FeedCursor;
use crate::order::{
    ActionKind, AnomalyId, AnomalyKind, CommandKind, Confirmed, Conflict, EventKind, Imported,
    Order, RefundRecorded, RefundRefusal, RefundRefused, RefundRequested, RefundState,
    RefundStatus, Resolution, Resolved, Status,
};
use crate::query::{OrderQuery, PageRequest};
use crate::testing::fixtures::{self, payment, refund_fact, refund_of};
use crate::types::Label;

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);
const YEAR: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 60 * 60);

/// Creates a store with order 1, paid 100 fen by transaction 1.
fn paid(harness: &dyn Harness) -> StoreFixture<'_> {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    fixture.expect(1, payment(1, 100), Confirmed::Applied, true);
    fixture
}

fn request(fixture: &StoreFixture<'_>, n: u64, amount: u64) -> RefundRequested {
    let refund = refund_of(1, n, amount);
    let call = fixture
        .store()
        .request_refund(fixtures::order_no(1), refund);
    call.wait().unwrap().outcome
}

fn record(fixture: &StoreFixture<'_>, n: u64, amount: u64, state: RefundState) -> RefundRecorded {
    let fact = refund_fact(1, n, amount, state);
    let call = fixture.store().record_refund(fixtures::order_no(1), fact);
    let answer = call.wait().unwrap();
    assert!(answer.should_acknowledge());
    answer.outcome
}

fn exceeds(amount: u64) -> RefundRequested {
    let available = fixtures::fen(amount);
    RefundRequested::Refused(RefundRefusal::Exceeds { available })
}

pub(super) fn concurrent_refunds_never_exceed_payment(harness: &dyn Harness) {
    let fixture = paid(harness);
    let store = fixture.store();
    let outcomes = at_once(2, |place| {
        let refund = refund_of(1, place as u64, 60);
        let call = store.request_refund(fixtures::order_no(1), refund);
        call.wait().unwrap().outcome
    });
    assert!(
        outcomes.contains(&RefundRequested::Requested),
        "{outcomes:?}"
    );
    assert!(outcomes.contains(&exceeds(40)), "{outcomes:?}");
    let outcomes = at_once(64, |place| {
        let refund = refund_of(1, 100 + place as u64, 1);
        let call = store.request_refund(fixtures::order_no(1), refund);
        call.wait().unwrap().outcome
    });
    let granted = outcomes
        .iter()
        .filter(|o| **o == RefundRequested::Requested);
    assert_eq!(granted.count(), 40, "they reserve all that is left");
    drop(store);
    assert_eq!(fixture.order(1).refunds.len(), 41);
    fixture.close();
}

pub(super) fn processing_refund_reserves_amount_until_closed(harness: &dyn Harness) {
    let fixture = paid(harness);
    assert_eq!(request(&fixture, 1, 60), RefundRequested::Requested);
    let to = RefundStatus::Processing;
    let processing = record(&fixture, 1, 60, RefundState::Processing);
    assert_eq!(processing, RefundRecorded::Moved { to });
    assert_eq!(request(&fixture, 2, 50), exceeds(40));
    let to = RefundStatus::Closed;
    let closed = record(&fixture, 1, 60, RefundState::Closed);
    assert_eq!(closed, RefundRecorded::Moved { to });
    assert_eq!(request(&fixture, 2, 50), RefundRequested::Requested);
    assert_eq!(fixture.status(1), Status::Success);
    fixture.close();
}

pub(super) fn refund_51_and_refund_after_year_are_refused(harness: &dyn Harness) {
    let fixture = paid(harness);
    for n in 0..50 {
        assert_eq!(request(&fixture, n, 1), RefundRequested::Requested);
    }
    assert_eq!(
        request(&fixture, 50, 1),
        RefundRequested::Refused(RefundRefusal::TooMany)
    );
    let _ = record(&fixture, 7, 1, RefundState::Closed);
    fixture.clock.advance(YEAR);
    assert_eq!(request(&fixture, 50, 1), RefundRequested::Requested);
    let _ = record(&fixture, 8, 1, RefundState::Closed);
    fixture.clock.advance(SECOND);
    assert_eq!(
        request(&fixture, 51, 1),
        RefundRequested::Refused(RefundRefusal::WindowOver)
    );
    fixture.close();
}

pub(super) fn refund_requested_elsewhere_is_adopted_once(harness: &dyn Harness) {
    let fixture = paid(harness);
    let adopted = record(&fixture, 9, 60, RefundState::Success);
    assert_eq!(adopted, RefundRecorded::Adopted);
    let order = fixture.order(1);
    for _ in 0..4 {
        let again = record(&fixture, 9, 60, RefundState::Success);
        assert_eq!(again, RefundRecorded::Duplicate);
    }
    assert_eq!(fixture.order(1), order);
    let listed = OrderQuery::by_refund_no(&fixtures::refund_no(9));
    assert_eq!(fixture.store().list(listed).wait().unwrap().rows, [order]);
    let available = fixtures::fen(40);
    let more = record(&fixture, 10, 60, RefundState::Success);
    assert_eq!(more, RefundRecorded::Exceeds { available });
    let listed = OrderQuery::by_refund_no(&fixtures::refund_no(10));
    let found = fixture.store().list(listed).wait().unwrap().rows;
    assert_eq!(found, [fixture.order(1)], "the list includes anomalies");
    let times = fixtures::now()..fixtures::now().saturating_add(SECOND);
    let totals = fixture.store().totals(times).wait().unwrap();
    let back: Vec<_> = totals
        .refunded
        .values()
        .map(|sum| sum.minor_units)
        .collect();
    assert_eq!(back, [60]);
    fixture.close();
}

pub(super) fn refund_report_on_64_threads_is_adopted_once(harness: &dyn Harness) {
    let fixture = paid(harness);
    let store = fixture.store();
    let outcomes = at_once(64, |_| {
        let fact = refund_fact(1, 9, 60, RefundState::Success);
        let call = store.record_refund(fixtures::order_no(1), fact);
        call.wait().unwrap().outcome
    });
    drop(store);
    let adopted = outcomes.iter().filter(|o| **o == RefundRecorded::Adopted);
    let again = outcomes.iter().filter(|o| **o == RefundRecorded::Duplicate);
    assert_eq!((adopted.count(), again.count()), (1, 63));
    assert_eq!(fixture.order(1).version, 3);
    fixture.close();
}

pub(super) fn two_orders_never_share_a_refund_number(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    for n in 0..8 {
        fixture.created(n, 100);
        fixture.expect(n, payment(n, 100), Confirmed::Applied, true);
    }
    let store = fixture.store();
    let outcomes = at_once(8, |n| {
        let n = n as u64;
        let call = store.request_refund(fixtures::order_no(n), refund_of(n, 1, 60));
        call.wait().unwrap().outcome
    });
    drop(store);
    let owner = outcomes
        .iter()
        .position(|o| *o == RefundRequested::Requested);
    let by = fixtures::order_no(owner.unwrap() as u64);
    let taken = outcomes
        .iter()
        .filter(|o| **o == RefundRequested::Refused(RefundRefusal::RefundNoTaken { by }));
    assert_eq!(taken.count(), 7, "{outcomes:?}");
    fixture.close();
}

pub(super) fn open_refund_is_due_until_its_end(harness: &dyn Harness) {
    let fixture = paid(harness);
    assert_eq!(request(&fixture, 1, 60), RefundRequested::Requested);
    assert_eq!(fixture.due(), []);
    let due = [(fixtures::order_no(1), ActionKind::QueryRefund)];
    for minutes in [1, 1, 1, 1, 1, 5, 10, 20, 30, 30] {
        fixture.clock.advance(SECOND * 60 * minutes - SECOND);
        assert_eq!(fixture.due(), []);
        fixture.clock.advance(SECOND);
        assert_eq!(fixture.due(), due);
        let _ = record(&fixture, 1, 60, RefundState::Processing);
    }
    let _ = record(&fixture, 1, 60, RefundState::Success);
    fixture.clock.advance(YEAR);
    assert_eq!(fixture.due(), []);
    fixture.close();
}

/// Case in which the channel reports transaction 1 for two orders, and then a second payment of
/// order 1. Both payments are refunded from order 1.
pub(super) fn both_payments_of_one_order_are_refunded(harness: &dyn Harness) {
    let fixture = paid(harness);
    fixture.created(2, 100);
    let by = fixtures::order_no(1);
    fixture.expect(2, payment(1, 100), Confirmed::TransactionTaken { by }, true);
    fixture.expect(1, payment(8, 100), Confirmed::DoublePayment, true);
    let store = fixture.store();
    let second = store.request_refund(by, refund_of(8, 2, 100));
    assert_eq!(second.wait().unwrap().outcome, RefundRequested::Requested);
    let taken = store.request_refund(fixtures::order_no(2), refund_of(1, 3, 100));
    assert_eq!(taken.wait().unwrap().outcome, RefundRequested::NotPaid);
    let why = fixtures::note();
    let resolve = store.resolve(by, AnomalyId(1), Resolution::Dismiss, why);
    assert_eq!(resolve.wait().unwrap().outcome, Resolved::Resolved);
    drop(store);
    assert_eq!(request(&fixture, 1, 100), RefundRequested::Requested);
    let _ = record(&fixture, 1, 100, RefundState::Success);
    let order = fixture.order(1);
    for _ in 0..20 {
        fixture.clock.advance(YEAR);
        fixture.expect(1, payment(1, 100), Confirmed::Duplicate, true);
    }
    assert_eq!(fixture.order(1), order, "the refunded order is unchanged");
    let kinds: Vec<_> = order.anomalies.iter().map(|a| a.kind.clone()).collect();
    let first = fixtures::transaction(1);
    assert_eq!(kinds, [AnomalyKind::DoublePayment { first }]);
    fixture.close();
}

pub(super) fn exported_order_is_imported_completely_once(harness: &dyn Harness) {
    let old = paid(harness);
    assert_eq!(request(&old, 1, 60), RefundRequested::Requested);
    let _ = record(&old, 9, 10, RefundState::Success);
    let order = Order::clone(&old.order(1));
    old.close();
    let fixture = StoreFixture::open(harness);
    let import = |conflict| {
        let call = fixture.store().import(order.clone(), conflict);
        call.wait().unwrap().outcome
    };
    assert_eq!(import(Conflict::Skip), Imported::Imported);
    assert_eq!(import(Conflict::Skip), Imported::Skipped);
    assert_eq!(import(Conflict::Advance), Imported::Exists);
    let mut expected = order.clone();
    expected.version = 1;
    assert_eq!(*fixture.order(1), expected);
    fixture.expect(1, payment(1, 100), Confirmed::Duplicate, true);
    assert_eq!(request(&fixture, 2, 31), exceeds(30));
    let listed = OrderQuery::by_status(Status::Success);
    let found = fixture.store().list(listed).wait().unwrap().rows;
    assert_eq!(
        found,
        [fixture.order(1)],
        "the import keeps the times of the old system"
    );
    fixture.close();
}

/// Confirms transaction `n` for order `n`, which does not exist, and creates order `50 + n` with
/// the same total.
fn pay_before_creation(fixture: &StoreFixture<'_>, n: u64) {
    fixture.expect(n, payment(n, 100), Confirmed::Unclaimed, false);
    fixture.created(50 + n, 100);
}

/// Checks that transaction `n` either paid order `50 + n` or is refunded under order number `n`.
fn assert_paid_or_refunded(fixture: &StoreFixture<'_>, n: u64) {
    let order = fixture.order(50 + n);
    let goes_back = fixture
        .store()
        .events(FeedCursor::START, 1000)
        .wait()
        .unwrap();
    let goes_back = goes_back.iter().any(|sequenced| {
        let opened = matches!(sequenced.event.what, EventKind::RefundOpened(_));
        opened && sequenced.event.no == fixtures::order_no(n)
    });
    assert_ne!(order.status == Status::Success, goes_back, "{n}: {order:?}");
}

pub(super) fn group_either_refunds_or_applies_a_payment(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    for (n, pays_first) in [(1, false), (2, true)] {
        pay_before_creation(&fixture, n);
        let back = CommandKind::RequestRefund(Box::new(refund_of(n, n, 100)));
        let pay = CommandKind::Confirm(Box::new(payment(n, 100)));
        let mut both = vec![fixtures::command(n, back), fixtures::command(50 + n, pay)];
        if pays_first {
            both.reverse();
        }
        let tickets = fixture.store().submit_all(both).unwrap();
        tickets
            .into_iter()
            .for_each(|ticket| drop(ticket.wait().unwrap()));
        assert_paid_or_refunded(&fixture, n);
        assert_eq!(fixture.status(50 + n) == Status::Success, pays_first);
    }
    let by = fixtures::order_no(1);
    let order = fixture.order(51);
    let kinds: Vec<_> = order.anomalies.iter().map(|a| &a.kind).collect();
    assert_eq!(kinds, [&AnomalyKind::GivenBack { by: Some(by) }]);
    fixture.close();
}

pub(super) fn concurrent_callers_either_refund_or_apply_a_payment(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    for n in 1..=20 {
        pay_before_creation(&fixture, n);
    }
    let store = fixture.store();
    let _ = at_once(40, |place| {
        let n = 1 + place as u64 / 2;
        if place % 2 == 0 {
            let call = store.request_refund(fixtures::order_no(n), refund_of(n, n, 100));
            let _ = call.wait().unwrap();
        } else {
            let call = store.confirm(fixtures::order_no(50 + n), payment(n, 100));
            let _ = call.wait().unwrap();
        }
    });
    drop(store);
    (1..=20).for_each(|n| assert_paid_or_refunded(&fixture, n));
    assert!(fixture.store().verify().wait().unwrap().is_ok());
    fixture.close();
}

pub(super) fn refused_refund_is_listed_until_retried(harness: &dyn Harness) {
    let fixture = paid(harness);
    assert_eq!(request(&fixture, 1, 60), RefundRequested::Requested);
    let (no, refund_no) = (fixtures::order_no(1), fixtures::refund_no(1));
    let code = Label::parse("NOTENOUGH").unwrap();
    let refused = fixture
        .store()
        .record_refund_refused(no, refund_no, code.clone());
    assert_eq!(refused.wait().unwrap().outcome, RefundRefused::Closed);
    let closed = || {
        fixture
            .store()
            .closed_refunds(PageRequest::of(10))
            .wait()
            .unwrap()
    };
    let rows = closed().rows;
    let listed: Vec<_> = rows.iter().map(|row| (row.no, &row.refund.code)).collect();
    assert_eq!(listed, [(no, &Some(code.clone()))]);
    let ended = RefundRequested::Ended {
        code: Some(code),
        attempts: 1,
    };
    assert_eq!(request(&fixture, 1, 60), ended);
    let again = refund_of(1, 1, 60).attempt(2);
    let again = fixture.store().request_refund(no, again).wait().unwrap();
    assert_eq!(again.outcome, RefundRequested::Requested);
    assert_eq!(closed().rows, []);
    assert_eq!(request(&fixture, 2, 41), exceeds(40));
    let _ = record(&fixture, 1, 60, RefundState::Success);
    let times = crate::types::Timestamp::EPOCH..crate::types::Timestamp::MAX;
    let totals = fixture.store().totals(times).wait().unwrap();
    let refunded: Vec<_> = totals
        .refunded
        .values()
        .map(|sum| sum.minor_units)
        .collect();
    assert_eq!((refunded, totals.returned.len()), (vec![60], 0));
    fixture.close();
}
