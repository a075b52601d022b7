//! Returns all data that a store can read, as JSON.

use orderstore::testing::fixtures;
use orderstore::{
    Channel, Event, FeedCursor, OrderNo, OrderQuery, Page, PageRequest, Status, Store, Subtotal,
    Timestamp,
};
use serde_json::{Value, json};

use super::contents;

pub(super) fn of(store: &Store) -> Value {
    let feed = feed(store);
    let mut numbers: Vec<OrderNo> = feed.iter().map(|event| event.no).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let records = numbers.iter().map(|no| record(store, *no));
    json!({
        "counts": counts(store),
        "totals": totals(store),
        "lists": lists(store),
        "due": due(store),
        "openAnomalies": open_anomalies(store),
        "records": records.collect::<Vec<_>>(),
        "feed": feed.iter().map(|event| json!([event.no, event.version])).collect::<Vec<_>>(),
        "numbers": contents::numbers(&feed),
    })
}

fn feed(store: &Store) -> Vec<Event> {
    let mut events = Vec::new();
    let mut place = FeedCursor::START;
    loop {
        let part = store.events(place, 100).wait().unwrap();
        let Some(last) = part.last() else {
            return events;
        };
        place = last.cursor;
        events.extend(part.into_iter().map(|sequenced| sequenced.event));
    }
}

fn record(store: &Store, no: OrderNo) -> Value {
    json!({
        "outTradeNo": no,
        "order": store.get(no).wait().unwrap().as_deref(),
        "history": store.history(no).wait().unwrap(),
    })
}

fn counts(store: &Store) -> Value {
    let counts = store.counts().wait().unwrap();
    let by_status = Status::ALL.map(|status| (status.as_str(), counts.of(status)));
    json!({
        "byStatus": by_status.to_vec(),
        "unclaimed": counts.unclaimed,
        "openAnomalies": counts.open_anomalies,
    })
}

fn totals(store: &Store) -> Value {
    let totals = store.totals(Timestamp::EPOCH..Timestamp::MAX);
    let totals = totals.wait().unwrap();
    let sum = |sum: &Subtotal| json!({ "count": sum.count, "fen": sum.minor_units.to_string() });
    let sums = |sums: &std::collections::BTreeMap<orderstore::Currency, Subtotal>| {
        let each = sums
            .iter()
            .map(|(currency, of)| (currency.as_str().to_owned(), sum(of)));
        Value::Object(each.collect())
    };
    json!({
        "paid": sums(&totals.paid),
        "refunded": sums(&totals.refunded),
        "late": sums(&totals.late),
    })
}

fn every<R>(read: impl Fn(PageRequest) -> Page<R>) -> Vec<R> {
    let mut rows = Vec::new();
    let mut page = PageRequest::of(7);
    loop {
        let part = read(page);
        rows.extend(part.rows);
        let Some(next) = part.next else {
            return rows;
        };
        page = page.after(next);
    }
}

fn lists(store: &Store) -> Value {
    let list = |listing: OrderQuery| {
        let read = |page| store.list(listing.clone().page(page)).wait().unwrap();
        let rows = every(read).into_iter().map(|order| json!(order.no));
        Value::Array(rows.collect())
    };
    let statuses = Status::ALL.map(|status| list(OrderQuery::by_status(status)));
    let each = |of: &dyn Fn(u64) -> OrderQuery| (0..8).map(|n| list(of(n))).collect::<Vec<_>>();
    let other = Channel::parse("other").unwrap();
    json!({
        "all": list(OrderQuery::all()),
        "byStatus": statuses.to_vec(),
        "byOpenid": each(&|n| OrderQuery::by_openid(&fixtures::openid(n))),
        "byOpenidWithHidden": each(&|n| OrderQuery::by_openid(&fixtures::openid(n)).with_hidden()),
        "byTransaction": each(&|n| OrderQuery::by_transaction(&fixtures::transaction(n))),
        "byTransactionOfOther": each(&|n| OrderQuery::by_transaction_of(other, &fixtures::transaction(n))),
        "byRefundNo": each(&|n| OrderQuery::by_refund_no(&fixtures::refund_no(n))),
        "byReference": each(&|n| OrderQuery::by_reference(&fixtures::reference(n))),
    })
}

fn due(store: &Store) -> Value {
    let rows = every(|page| store.due(Timestamp::MAX, page).wait().unwrap());
    let row = |due: orderstore::Due| json!([due.no, due.at, due.action, due.refund_no]);
    rows.into_iter().map(row).collect()
}

fn open_anomalies(store: &Store) -> Value {
    let rows = every(|page| store.open_anomalies(page).wait().unwrap());
    let row = |open: orderstore::OpenAnomaly| json!([open.no, open.anomaly]);
    rows.into_iter().map(row).collect()
}
