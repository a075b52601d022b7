//! Connection poolers between the store and its server.

use orderstore::testing::fixtures::{new, order_no, payment};
use orderstore::{Confirmed, Created, FeedCursor, OpenError, Store};

use crate::conformance::{fresh_schema, shared};
use crate::server::Pooler;

/// Creates a separate database for one test, because a connection pooler does not pass on the
/// search path.
fn fresh_database() -> Option<String> {
    let server = shared()?;
    let name = format!("{}_pooled", fresh_schema(server));
    server.sql(&format!("CREATE DATABASE {name}"));
    Some(name)
}

#[test]
fn postgres_transaction_pooler_is_refused_without_changes() {
    for mode in [
        "pool_mode = transaction",
        "pool_mode = transaction\nserver_round_robin = 1\nmin_pool_size = 3",
        "pool_mode = transaction\ndefault_pool_size = 1",
        "pool_mode = statement",
    ] {
        let Some(server) = shared() else { return };
        let database = fresh_database().unwrap();
        let Some(pooler) = Pooler::start(server, mode) else {
            return;
        };
        let url = format!("postgres://shop@127.0.0.1:{}/{database}", pooler.port);
        match Store::connect(&url) {
            Err(OpenError::Unavailable(cause)) => {
                let why = format!("{cause:?}");
                assert!(why.contains("pooler in transaction mode"), "{mode}: {why}");
            }
            other => panic!("{mode}: {other:?}"),
        }
        let own = server
            .url("public")
            .replace("/postgres?", &format!("/{database}?"));
        assert!(matches!(
            Store::connect_existing(&own),
            Err(OpenError::NoTables)
        ));
    }
}

#[test]
fn postgres_session_pooler_is_accepted() {
    let Some(server) = shared() else { return };
    let database = fresh_database().unwrap();
    let Some(pooler) = Pooler::start(server, "pool_mode = session") else {
        return;
    };
    let url = format!("postgres://shop@127.0.0.1:{}/{database}", pooler.port);
    let store = Store::connect(&url).unwrap();
    let made = store.create(order_no(1), new(100)).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    let paid = store.confirm(order_no(1), payment(1, 100)).wait().unwrap();
    assert_eq!(paid.outcome, Confirmed::Applied);
    assert_eq!(store.events(FeedCursor::START, 10).wait().unwrap().len(), 2);
    assert!(store.verify().wait().unwrap().is_ok());
    store.shutdown().wait().unwrap();
}
