//! Conformance cases for paging the lists of a store, for example 1,000 rows with the same time.

use std::collections::BTreeSet;

use super::Harness;
use super::tools::{StoreFixture, every};
use crate::error::Error;
use crate::order::{ChannelState, Command, Confirmed, Queried, Status};
use crate::query::{OrderQuery, PageRequest};
use crate::testing::fixtures::{self, order_no};
use crate::types::{OpenId, OrderNo, Timestamp};

const ROWS: u64 = 1000;
const LIMIT: usize = 7;

fn thousand(fixture: &StoreFixture<'_>, command: impl Fn(u64) -> Command) {
    let outcomes = fixture.submit_all((0..ROWS).map(command).collect());
    assert_eq!(outcomes.len(), 1000);
}

fn pages() -> [PageRequest; 2] {
    [PageRequest::of(LIMIT), PageRequest::of(LIMIT).reversed()]
}

/// Checks that paging in both directions returns the same 1,000 rows, each once.
fn assert_each_once(
    fixture: &StoreFixture<'_>,
    read: impl Fn(PageRequest) -> crate::query::Page<OrderNo>,
) {
    let [usual, mut reversed] = pages().map(|page| every(page, LIMIT, &read));
    reversed.reverse();
    assert_eq!(usual, reversed);
    assert_eq!(usual.len(), 1000);
    let distinct: BTreeSet<OrderNo> = usual.into_iter().collect();
    assert_eq!(distinct, (0..ROWS).map(order_no).collect());
    assert!(fixture.store().stats().queued == 0);
}

fn only_numbers<R>(
    page: crate::query::Page<R>,
    number: impl Fn(&R) -> OrderNo,
) -> crate::query::Page<OrderNo> {
    crate::query::Page {
        rows: page.rows.iter().map(number).collect(),
        next: page.next,
    }
}

fn assert_list_pages(fixture: &StoreFixture<'_>, listing: &OrderQuery) {
    let store = fixture.store();
    assert_each_once(fixture, |page| {
        let page = store.list(listing.clone().page(page)).wait().unwrap();
        only_numbers(page, |order| order.no)
    });
}

/// A filter that matches one old order among the 2,500 orders of a user.
pub(super) fn filter_examines_bounded_rows_per_page(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let all = (0..2500).map(|n| fixtures::create(n, fixtures::new(100)));
    assert_eq!(fixture.submit_all(all.collect()).len(), 2500);
    fixture.expect(0, fixtures::payment(1, 100), Confirmed::Applied, true);
    let paid = OrderQuery::by_openid(&fixtures::openid(1)).statuses(&[Status::Success]);
    let store = fixture.store();
    let read = |page| store.list(paid.clone().page(page)).wait().unwrap();

    let first = read(PageRequest::of(LIMIT));
    assert!(
        first.rows.is_empty() && first.next.is_some(),
        "the page is empty, but it is not the last one"
    );
    let second = read(PageRequest::of(LIMIT).after(first.next.unwrap()));
    let numbers: Vec<OrderNo> = second.rows.iter().map(|order| order.no).collect();
    assert_eq!((numbers, second.next), (vec![order_no(0)], None));
    for mut page in [
        PageRequest::of(1),
        PageRequest::of(LIMIT),
        PageRequest::of(1).reversed(),
    ] {
        let mut found = Vec::new();
        loop {
            let part = read(page);
            found.extend(part.rows.iter().map(|order| order.no));
            let Some(cursor) = part.next else { break };
            page = page.after(cursor);
        }
        assert_eq!(found, [order_no(0)]);
    }
}

pub(super) fn pages_list_orders_of_same_millisecond_once(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    thousand(&fixture, |n| fixtures::create(n, fixtures::new(100)));
    assert_list_pages(&fixture, &OrderQuery::all());
    assert_list_pages(&fixture, &OrderQuery::by_openid(&fixtures::openid(1)));
    assert_list_pages(&fixture, &OrderQuery::by_status(Status::Pending));
    let now = fixture.now();
    let moment = now..now.saturating_add(std::time::Duration::from_millis(1));
    assert_list_pages(&fixture, &OrderQuery::all().between(moment));
    fixture.close();
}

pub(super) fn pages_list_anomalies_of_same_millisecond_once(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    thousand(&fixture, |n| {
        fixtures::confirm(n, fixtures::payment(n, 100))
    });
    let store = fixture.store();
    assert_each_once(&fixture, |page| {
        let page = store.open_anomalies(page).wait().unwrap();
        only_numbers(page, |open| open.no)
    });
    drop(store);
    fixture.close();
}

pub(super) fn pages_list_due_actions_of_same_millisecond_once(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    thousand(&fixture, |n| fixtures::create(n, fixtures::new(100)));
    fixture.clock.advance(std::time::Duration::from_secs(5));
    let store = fixture.store();
    assert_each_once(&fixture, |page| {
        let page = store.due(fixture.now(), page).wait().unwrap();
        only_numbers(page, |due| due.no)
    });
    drop(store);
    fixture.close();
}

pub(super) fn paging_during_updates_lists_each_action_once(harness: &dyn Harness) {
    for page in pages() {
        let fixture = StoreFixture::open(harness);
        thousand(&fixture, |n| fixtures::create(n, fixtures::new(100)));
        fixture.clock.advance(std::time::Duration::from_secs(5));
        let now = fixture.now();
        let store = fixture.store();
        let swept = every(page, LIMIT, |page| {
            let part = store.due(now, page).wait().unwrap();
            for due in &part.rows {
                let query = store.record_query(due.no, ChannelState::NotPay);
                assert_eq!(query.wait().unwrap().outcome, Queried::StillPending);
            }
            only_numbers(part, |due| due.no)
        });
        assert_eq!(swept.len(), 1000);
        let distinct: BTreeSet<OrderNo> = swept.into_iter().collect();
        assert_eq!(distinct.len(), 1000);
        assert_eq!(fixture.due(), [], "all actions are due later");
        drop(store);
        fixture.close();
    }
}

pub(super) fn new_orders_do_not_disturb_paging(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    thousand(&fixture, |n| fixtures::create(n, fixtures::new(100)));
    let store = fixture.store();
    let made = std::cell::Cell::new(ROWS);
    let read = every(PageRequest::of(LIMIT), LIMIT, |page| {
        fixture.clock.advance(std::time::Duration::from_millis(1));
        fixture.created(made.get(), 100);
        made.set(made.get() + 1);
        store.list(OrderQuery::all().page(page)).wait().unwrap()
    });
    let read: Vec<OrderNo> = read.iter().map(|order| order.no).collect();
    let distinct: BTreeSet<OrderNo> = read.iter().copied().collect();
    assert_eq!(distinct.len(), read.len());
    assert!((0..ROWS).all(|n| distinct.contains(&order_no(n))));
    assert_eq!(
        read.len(),
        1001,
        "the 1000 orders and the one created before page 1"
    );
    drop(store);
    fixture.close();
}

pub(super) fn filtered_pages_reach_end_of_list(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    thousand(&fixture, |n| fixtures::create(n, fixtures::new(100)));
    for n in [0, 500, 999] {
        let _ = fixture.confirm(n, fixtures::payment(n, 100));
    }
    let hidden = fixture.store().hide(order_no(500)).wait().unwrap();
    assert_eq!(hidden.outcome, crate::order::Visible::Hidden);
    let user = OrderQuery::by_openid(&fixtures::openid(1)).statuses(&[Status::Success]);
    let count = |listing: OrderQuery| {
        let store = fixture.store();
        let read = |page| store.list(listing.clone().page(page)).wait().unwrap();
        pages().map(|page| every(page, LIMIT, read).len())
    };
    assert_eq!(count(user.clone()), [2, 2]);
    assert_eq!(count(user.with_hidden()), [3, 3]);
    fixture.close();
}

pub(super) fn cursor_of_another_query_is_refused(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    thousand(&fixture, |n| fixtures::create(n, fixtures::new(100)));
    let store = fixture.store();
    let page = PageRequest::of(LIMIT);
    let first = store.list(OrderQuery::all().page(page)).wait().unwrap();
    let behind = page.after(first.next.unwrap());
    assert!(store.list(OrderQuery::all().page(behind)).wait().is_ok());
    let user = OrderQuery::by_openid(&fixtures::openid(1));
    let others = [
        OrderQuery::all().page(behind.reversed()),
        OrderQuery::by_status(Status::Pending).page(behind),
        user.clone().page(behind),
        OrderQuery::all().statuses(&[Status::Pending]).page(behind),
        OrderQuery::all()
            .between(Timestamp::EPOCH..fixture.now())
            .page(behind),
    ];
    for other in others {
        let refused = store.list(other).wait();
        assert!(matches!(refused, Err(Error::InvalidCursor { .. })));
    }
    let due = store.due(fixture.now(), behind).wait();
    assert!(matches!(due, Err(Error::InvalidCursor { .. })));
    for limit in [0, PageRequest::MAX + 1] {
        let refused = store.list(user.clone().page(PageRequest::of(limit))).wait();
        assert!(matches!(refused, Err(Error::Invalid { .. })));
    }
    drop(store);
    fixture.close();
}

pub(super) fn order_lists_of_prefix_openids_stay_separate(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let names = ["o", "oa", "oab", "oabc", "oabcd"];
    for (name, n) in names.into_iter().zip(0..) {
        let openid = OpenId::parse(name).unwrap();
        let _ = fixture.create(n, fixtures::new(100).openid(openid));
    }
    for (name, n) in names.into_iter().zip(0..) {
        let listing = OrderQuery::by_openid(&OpenId::parse(name).unwrap());
        let found = fixture.store().list(listing).wait().unwrap().rows;
        assert_eq!(found, [fixture.order(n)]);
    }
    fixture.close();
}

pub(super) fn reopened_store_has_same_lists_and_totals(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    thousand(&fixture, |n| fixtures::create(n, fixtures::new(100)));
    let _ = fixture.confirm(1, fixtures::payment(1, 100));
    let read = || {
        let store = fixture.store();
        let page = PageRequest::of(PageRequest::MAX);
        let rows = store
            .list(OrderQuery::all().page(page))
            .wait()
            .unwrap()
            .rows;
        let all = Timestamp::EPOCH..Timestamp::MAX;
        let totals = store.totals(all).wait().unwrap();
        (rows, store.counts().wait().unwrap(), totals)
    };
    let before = read();
    if !fixture.reopen() {
        return;
    }
    assert_eq!(read(), before);
    let outcome = crate::order::Confirmed::Duplicate;
    fixture.expect(1, fixtures::payment(1, 100), outcome, true);
    fixture.close();
}
