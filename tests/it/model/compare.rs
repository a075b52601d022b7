//! Compares every read of the store with the model.

use std::collections::BTreeMap;
use std::fmt::Debug;

use orderstore::testing::fixtures;
use orderstore::testing::model::{List, Model, Timed};
use orderstore::{
    Channel, Event, FeedCursor, OrderNo, Page, PageRequest, Status, Store, Timestamp,
};

use super::commands::{REFERENCES, REFUNDS, TRANSACTIONS, USERS, every_order_no, other_channel};

/// Asserts that every read of the store equals the model's, in pages of `limit` rows.
pub(super) fn assert_same(store: &Store, model: &Model, now: Timestamp, limit: usize) {
    assert_eq!(store.counts().wait().unwrap(), model.counts());
    for no in every_order_no() {
        assert_eq!(store.get(no).wait().unwrap(), model.order(no));
        assert_eq!(store.history(no).wait().unwrap(), model.history(no));
    }
    assert_same_feed(store, model, limit);
    for list in every_list() {
        assert_same_list(store, model, &list, limit);
    }
    let due = |page| store.due(now, page).wait().unwrap();
    assert_pages(&model.due(now), limit, due, |due| {
        (due.no, due.refund_no.clone())
    });
    let open = |page| store.open_anomalies(page).wait().unwrap();
    assert_pages(&model.open_anomalies(), limit, open, |open| {
        (open.no, open.anomaly.id)
    });
    let closed = |page| store.closed_refunds(page).wait().unwrap();
    assert_pages(&model.closed_refunds(), limit, closed, |closed| {
        (closed.no, closed.refund.refund_no.clone())
    });
    for times in [Timestamp::EPOCH..Timestamp::MAX, fixtures::now()..now] {
        let totals = store.totals(times.clone()).wait().unwrap();
        assert_eq!(totals, model.totals(&times));
    }
}

fn every_list() -> Vec<List> {
    let channels = [Channel::WECHAT, other_channel()];
    let statuses = Status::ALL.map(List::Status);
    let users = (0..USERS).map(|n| List::OpenId(fixtures::openid(n)));
    let references = (0..REFERENCES).map(|n| List::Reference(fixtures::reference(n)));
    let transactions = channels.into_iter().flat_map(|channel| {
        (0..TRANSACTIONS).map(move |n| List::Transaction(channel, fixtures::transaction(n)))
    });
    let refunds = channels.into_iter().flat_map(|channel| {
        (0..REFUNDS).map(move |n| List::RefundNo(channel, fixtures::refund_no(n)))
    });
    std::iter::once(List::All)
        .chain(statuses)
        .chain(users)
        .chain(references)
        .chain(transactions)
        .chain(refunds)
        .collect()
}

/// Compares the whole list with the model, then the list with each filter.
fn assert_same_list(store: &Store, model: &Model, list: &List, limit: usize) {
    let all = model.list(list);
    let read = |listing: orderstore::OrderQuery| {
        move |page| store.list(listing.clone().page(page)).wait().unwrap()
    };
    let listing = || list.listing().with_hidden();
    assert_pages(&all, limit, read(listing()), |order| order.no);
    let wanted = [Status::Pending, Status::Success];
    let kept = |keep: &dyn Fn(&Timed<std::sync::Arc<orderstore::Order>>) -> bool| {
        all.iter()
            .filter(|row| keep(row))
            .cloned()
            .collect::<Vec<_>>()
    };
    let some = kept(&|(_, order)| wanted.contains(&order.status));
    let listing_some = listing().statuses(&wanted);
    assert_pages(&some, limit, read(listing_some), |order| order.no);
    let times = fixtures::now()..fixtures::now().saturating_add(std::time::Duration::from_secs(61));
    let then = kept(&|(time, _)| times.contains(time));
    let listing_then = listing().between(times);
    assert_pages(&then, limit, read(listing_then), |order| order.no);
    let is_users = matches!(list, List::OpenId(_));
    let shown = kept(&|(_, order)| !is_users || order.hidden_at.is_none());
    assert_pages(&shown, limit, read(list.listing()), |order| order.no);
}

/// Asserts that forward and backward pages have the expected rows, sorted by time. Rows of equal
/// time may have any order, but both directions must agree on it.
fn assert_pages<R: PartialEq + Debug + Clone, K: Ord>(
    expected: &[Timed<R>],
    limit: usize,
    read: impl Fn(PageRequest) -> Page<R>,
    key: impl Fn(&R) -> K,
) {
    let found = every(PageRequest::of(limit), &read);
    let mut reversed = every(PageRequest::of(limit).reversed(), &read);
    reversed.reverse();
    assert_eq!(found, reversed, "forward and backward pages differ");
    assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
    let mut found = found.into_iter();
    for group in expected.chunk_by(|(time, _), (next, _)| time == next) {
        let mut rows: Vec<R> = found.by_ref().take(group.len()).collect();
        let mut expected: Vec<R> = group.iter().map(|(_, row)| row.clone()).collect();
        rows.sort_by_key(&key);
        expected.sort_by_key(&key);
        assert_eq!(rows, expected);
    }
}

fn every<R>(mut page: PageRequest, read: impl Fn(PageRequest) -> Page<R>) -> Vec<R> {
    let mut rows = Vec::new();
    loop {
        let part = read(page);
        rows.extend(part.rows);
        let Some(next) = part.next else { return rows };
        page = page.after(next);
    }
}

/// Asserts that the feed has no gap and contains every event once, in sequence for each order.
/// Events of different orders in one group may have any order.
fn assert_same_feed(store: &Store, model: &Model, limit: usize) {
    let mut events: Vec<Event> = Vec::new();
    let mut place = FeedCursor::START;
    loop {
        let part = store.events(place, limit).wait().unwrap();
        let Some(last) = part.last() else { break };
        place = last.cursor;
        events.extend(part.into_iter().map(|sequenced| sequenced.event));
        assert_eq!(place.seq, u64::try_from(events.len()).unwrap());
    }
    assert_eq!(events.len(), model.feed().len());
    assert_eq!(by_number(&events), by_number(model.feed()));
}

fn by_number(events: &[Event]) -> BTreeMap<OrderNo, Vec<&Event>> {
    let mut numbers: BTreeMap<OrderNo, Vec<&Event>> = BTreeMap::new();
    for event in events {
        numbers.entry(event.no).or_default().push(event);
    }
    numbers
}
