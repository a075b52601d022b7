//! Tables that another program changed: `verify` reports the violated invariant, and no read
//! returns invented data.

use orderstore::testing::fixtures::{new, order_no, payment};
use orderstore::{
    Confirmed, Created, Error, FeedCursor, Invariant, OpenError, StorageErrorKind, Store,
};

use crate::conformance::{fresh_schema, shared};

/// Creates a store with two orders, one of them paid, and changes its tables with the SQL in
/// `harm`. Returns the store and the invariants that `verify` then reports.
fn violations_after(harm: &str) -> Option<(Store, Vec<Invariant>)> {
    let server = shared()?;
    let schema = fresh_schema(server);
    let store = Store::connect(&server.url(&schema)).unwrap();
    for n in 1..=2 {
        let made = store.create(order_no(n), new(100)).wait().unwrap();
        assert_eq!(made.outcome, Created::Created);
    }
    let paid = store.confirm(order_no(1), payment(1, 100)).wait().unwrap();
    assert_eq!(paid.outcome, Confirmed::Applied);
    // Read the feed, because a read assigns the sequence numbers.
    assert_eq!(store.events(FeedCursor::START, 10).wait().unwrap().len(), 3);
    let sound = store.verify().wait().unwrap();
    assert!(sound.is_ok(), "{sound:?}");
    server.sql(&format!("SET search_path = {schema}; {harm}"));
    let report = store.verify().wait().unwrap();
    let mut named: Vec<_> = report.violations.iter().map(|it| it.invariant).collect();
    named.dedup();
    Some((store, named))
}

#[test]
fn postgres_verify_reports_the_violated_invariant() {
    use Invariant::{I3, I5, I6, I11, I12};
    let paid = order_no(1);
    let cases = [
        (
            "DELETE FROM orderstore_entries WHERE list = 'all'",
            vec![I5],
        ),
        (
            "UPDATE orderstore_entries SET list = 'none' WHERE list = 'all'",
            vec![I5],
        ),
        ("UPDATE orderstore_meta SET rows = 1", vec![I5]),
        ("DELETE FROM orderstore_keys", vec![I6]),
        (
            "INSERT INTO orderstore_keys VALUES ('reference none', 'nobody')",
            vec![I6],
        ),
        ("UPDATE orderstore_orders SET status = 4", vec![I12]),
        ("UPDATE orderstore_orders SET open_anomalies = 1", vec![I12]),
        (
            "UPDATE orderstore_events SET seq = 9 WHERE seq = 3",
            vec![I11],
        ),
        (
            &format!("DELETE FROM orderstore_events WHERE version = 2 AND out_trade_no = '{paid}'"),
            vec![I11],
        ),
        (
            &format!("DELETE FROM orderstore_orders WHERE out_trade_no = '{paid}'"),
            vec![I5, I6, I3],
        ),
    ];
    for (harm, broken) in cases {
        let Some((_, named)) = violations_after(harm) else {
            return;
        };
        assert_eq!(named, broken, "{harm}");
    }
}

#[test]
fn postgres_changed_bytes_are_reported_as_corruption() {
    const HARM: &str = "UPDATE orderstore_orders SET record = set_byte(record, 20, 255)
        WHERE out_trade_no = ";
    let Some((store, named)) = violations_after(&format!("{HARM}'{}'", order_no(1))) else {
        return;
    };
    assert!(named.contains(&Invariant::I18), "{named:?}");
    let result = store.get(order_no(1)).wait();
    assert!(matches!(result, Err(Error::Unreadable(_))), "{result:?}");
    assert!(store.get(order_no(2)).wait().unwrap().is_some());
}

#[test]
fn postgres_missing_meta_row_with_orders_refuses_connections() {
    for harm in ["DELETE FROM", "DROP TABLE"] {
        let Some(server) = shared() else { return };
        let schema = fresh_schema(server);
        let url = server.url(&schema);
        let store = Store::connect(&url).unwrap();
        server.sql(&format!("DELETE FROM {schema}.orderstore_meta"));
        store.shutdown().wait().unwrap();
        // The store has no records, so a connection initializes it again.
        let store = Store::connect(&url).unwrap();
        let made = store.create(order_no(1), new(100)).wait().unwrap();
        assert_eq!(made.outcome, Created::Created);
        server.sql(&format!("{harm} {schema}.orderstore_meta"));
        assert!(!store.verify().wait().is_ok_and(|report| report.is_ok()));
        for connect in [Store::connect, Store::connect_existing] {
            match connect(&url) {
                Err(OpenError::Unavailable(cause)) => {
                    assert_eq!(cause.kind(), StorageErrorKind::Corrupted);
                    assert!(
                        format!("{cause:?}").contains("orderstore_meta"),
                        "{cause:?}"
                    );
                }
                other => panic!("{other:?}"),
            }
        }
        let rows = format!("SELECT to_regclass('{schema}.orderstore_meta')");
        if harm == "DELETE FROM" {
            let rows = format!("SELECT count(*) FROM {schema}.orderstore_meta");
            assert_eq!(server.sql(&rows), "0");
        } else {
            assert_eq!(server.sql(&rows), "");
        }
    }
}

/// Returns the SQL that gives a restored cluster a new incarnation, from the manual's chapter on
/// clusters.
fn another_incarnation() -> &'static str {
    let chapter = include_str!("../../src/manual/cluster.md");
    let (_, result) = chapter.split_once("```sql").unwrap();
    result.split_once("```").unwrap().0
}

#[test]
fn postgres_restored_cluster_gets_new_incarnation_by_manual_sql() {
    let Some(server) = shared() else { return };
    let schema = fresh_schema(server);
    let url = server.url(&schema);
    let store = Store::connect(&url).unwrap();
    let made = store.create(order_no(1), new(100)).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    let place = store.events(FeedCursor::START, 10).wait().unwrap()[0].cursor;
    let counter = format!("SELECT counter FROM {schema}.orderstore_meta");
    let before: u64 = server.sql(&counter).parse().unwrap();
    store.shutdown().wait().unwrap();
    server.sql(&format!(
        "SET search_path = {schema}; {}",
        another_incarnation()
    ));
    let store = Store::connect_existing(&url).unwrap();
    let result = store.events(place, 10).wait();
    assert!(
        matches!(result, Err(Error::InvalidCursor { .. })),
        "{result:?}"
    );
    assert_eq!(store.events(FeedCursor::START, 10).wait().unwrap().len(), 1);
    assert_eq!(
        server.sql(&counter),
        (before + 1_000_000_000_000).to_string()
    );
    assert!(store.next_order_no().wait().is_ok());
}
