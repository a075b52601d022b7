//! Copies from a directory to a cluster and back.

use orderstore::testing::SeededRng;
use orderstore::testing::fixtures::{new, order_no};
use orderstore::{CopyReport, Created, Error, FeedCursor, Store};

use crate::books::{assert_same, busy};
use crate::conformance::{fresh_schema, fresh_url, shared};

const SEED: u64 = 20_261_127;

fn copied(from: &Store, to: &Store) -> CopyReport {
    let copied = from.copy_to(to).wait().unwrap();
    assert!(copied.verified.is_ok(), "{:?}", copied.verified);
    copied
}

#[test]
fn postgres_copy_from_directory_and_back_is_identical() {
    let Some(server) = shared() else { return };
    let place = tempfile::tempdir().unwrap();
    let dir = Store::init(place.path().join("orders")).unwrap();
    let mut rng = SeededRng::new(SEED);
    busy(&dir, &mut rng, 3000);
    let cluster = Store::connect(&fresh_url(server)).unwrap();
    assert!(copied(&dir, &cluster).events > 1000);
    assert_same(&dir, &cluster);
    // The second copy must transfer every event since the first one.
    busy(&dir, &mut rng, 500);
    assert!(copied(&dir, &cluster).events > 0);
    assert_same(&dir, &cluster);

    busy(&cluster, &mut rng, 1000);
    let back = Store::init(place.path().join("back")).unwrap();
    let all = cluster.verify().wait().unwrap().events;
    assert_eq!(copied(&cluster, &back).events, all);
    assert_same(&cluster, &back);
}

#[test]
fn postgres_copy_rejects_cluster_with_lost_events() {
    let Some(server) = shared() else { return };
    let schema = fresh_schema(server);
    let cluster = Store::connect(&server.url(&schema)).unwrap();
    for n in 1..=3 {
        let made = cluster.create(order_no(n), new(100)).wait().unwrap();
        assert_eq!(made.outcome, Created::Created);
    }
    // Read the feed, because a read assigns the sequence numbers.
    let feed = cluster.events(FeedCursor::START, 10).wait().unwrap();
    assert_eq!(feed.len(), 3);
    let lost = feed[1].event.no;
    server.sql(&format!(
        "DELETE FROM {schema}.orderstore_events WHERE out_trade_no = '{lost}'"
    ));
    let result = cluster.copy_to(&Store::memory().unwrap()).wait();
    assert!(matches!(result, Err(Error::Unreadable(_))), "{result:?}");
}
