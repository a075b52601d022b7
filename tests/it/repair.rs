//! `Store::repair` on stores that lost whole tables.

use orderstore::testing::fixtures;
use orderstore::{FeedCursor, OpenError, OrderQuery, PageRequest, Store};
use redb::Database;
use tempfile::TempDir;

/// Creates and closes a store with ten paid orders; returns its feed.
fn closed(place: &TempDir) -> Vec<orderstore::Event> {
    let store = Store::init(place.path().join("old")).unwrap();
    for n in 0..10 {
        let no = fixtures::order_no(n);
        let new = fixtures::new(100).reference(fixtures::reference(n));
        let _ = store.create(no, new).wait().unwrap();
        let _ = store.confirm(no, fixtures::payment(n, 100)).wait().unwrap();
    }
    store.checkpoint().wait().unwrap();
    let feed = feed_of(&store);
    store.shutdown().wait().unwrap();
    feed
}

fn feed_of(store: &Store) -> Vec<orderstore::Event> {
    let feed = store.events(FeedCursor::START, 1000).wait().unwrap();
    feed.into_iter().map(|sequenced| sequenced.event).collect()
}

/// Deletes whole tables from the B-tree.
fn drop_tables(place: &TempDir, names: &[&str]) {
    let base = Database::open(place.path().join("old/base.redb")).unwrap();
    let transaction = base.begin_write().unwrap();
    for name in names {
        // Delete the table through its handle, which needs no key and value types.
        let handles = transaction.list_tables().unwrap();
        let mut handles = handles.filter(|handle| redb::TableHandle::name(handle) == *name);
        let handle = handles.next().unwrap();
        drop(handles);
        assert!(transaction.delete_table(handle).unwrap());
    }
    transaction.commit().unwrap();
}

#[test]
fn repair_rebuilds_missing_index_tables() {
    let place = tempfile::tempdir().unwrap();
    let feed = closed(&place);
    let lists = [
        "all",
        "by_status",
        "by_openid",
        "by_transaction",
        "by_refund_no",
        "by_reference",
        "anomalies",
        "refunded",
        "due",
        "closed_refunds",
        "returned",
    ];
    drop_tables(&place, &lists);
    let error = Store::open(place.path().join("old")).unwrap_err();
    assert!(matches!(error, OpenError::Unopened { .. }), "{error:?}");
    let new = place.path().join("new");
    let report = Store::repair(place.path().join("old"), &new).unwrap();
    assert!(report.is_whole() && report.verified.is_ok(), "{report:#?}");
    assert!(report.lists.iter().all(|list| list.before.is_none()));
    assert_eq!((report.records, report.place.seq), (10, 20));
    let store = Store::open_verified(&new).unwrap();
    assert_eq!(feed_of(&store), feed);
    let mine = OrderQuery::by_openid(&fixtures::openid(1)).page(PageRequest::of(100));
    assert_eq!(store.list(mine).wait().unwrap().rows.len(), 10);
    // The repair also rebuilt the unique keys.
    let payment = fixtures::payment(3, 100);
    let other = fixtures::order_no(50);
    let _ = store.create(other, fixtures::new(100)).wait().unwrap();
    let answer = store.confirm(other, payment).wait().unwrap();
    let by = fixtures::order_no(3);
    assert_eq!(
        answer.outcome,
        orderstore::Confirmed::TransactionTaken { by }
    );
}

#[test]
fn repair_rebuilds_missing_records_from_feed() {
    let place = tempfile::tempdir().unwrap();
    let feed = closed(&place);
    drop_tables(&place, &["orders"]);
    let new = place.path().join("new");
    let report = Store::repair(place.path().join("old"), &new).unwrap();
    assert!(!report.is_whole() && !report.is_every_record_read);
    assert_eq!(report.findings.len(), 10);
    let store = Store::open_verified(&new).unwrap();
    assert_eq!(feed_of(&store), feed);
    assert!(
        store
            .get(fixtures::order_no(3))
            .wait()
            .unwrap()
            .unwrap()
            .payment
            .is_some()
    );
}

#[test]
fn repair_without_feed_keeps_every_order() {
    let place = tempfile::tempdir().unwrap();
    closed(&place);
    let old = Store::open(place.path().join("old")).unwrap();
    let order = |store: &Store, n| store.get(fixtures::order_no(n)).wait().unwrap().unwrap();
    let before: Vec<_> = (0..10).map(|n| order(&old, n)).collect();
    old.shutdown().wait().unwrap();
    drop_tables(&place, &["events"]);
    let new = place.path().join("new");
    let report = Store::repair(place.path().join("old"), &new).unwrap();
    assert_eq!((report.records, report.events_lost), (10, 20));
    assert_eq!(report.findings.len(), 10);
    let store = Store::open_verified(&new).unwrap();
    for (n, old) in (0..10).zip(before) {
        let mut expected = (*old).clone();
        expected.version = 1;
        assert_eq!(*order(&store, n), expected);
    }
}

#[test]
fn repaired_feed_takes_and_translates_cursors_of_the_old_feed() {
    let place = tempfile::tempdir().unwrap();
    closed(&place);
    let old = Store::open(place.path().join("old")).unwrap();
    let page = old.events(FeedCursor::START, 100).wait().unwrap();
    old.shutdown().wait().unwrap();
    let report = Store::repair(place.path().join("old"), place.path().join("new")).unwrap();
    assert!(report.is_whole());
    let store = Store::open(place.path().join("new")).unwrap();
    let events = store.events(page[4].cursor, 1).wait().unwrap();
    assert_eq!(events[0].event, page[5].event);
    let next = report.translate(page[4].cursor).unwrap();
    assert_eq!(
        store.events(next, 1).wait().unwrap()[0].event,
        page[5].event
    );
    assert_eq!(report.translate(page[19].cursor), Some(report.place));
}

#[test]
fn repair_rejects_open_store_and_other_directories() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (place.path().join("old"), place.path().join("new"));
    let store = Store::init(&old).unwrap();
    let error = Store::repair(&old, &new).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    store.backup(place.path().join("backup")).wait().unwrap();
    let error = Store::repair(place.path().join("backup"), &new).unwrap_err();
    assert!(matches!(error, OpenError::IsBackup { .. }), "{error:?}");
    let error = Store::repair(place.path().join("nowhere"), &new).unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error:?}");
    store.shutdown().wait().unwrap();
    let error = Store::repair(&old, &old).unwrap_err();
    assert!(matches!(error, OpenError::AlreadyThere { .. }), "{error:?}");
}
