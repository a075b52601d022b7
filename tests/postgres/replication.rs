//! Checks of the synchronous standbys when a store connects and at each new leader.

use std::sync::Arc;

use orderstore::testing::fixtures::{new, order_no};
use orderstore::{Builder, Created, OpenError, ReplicationRisk, Store};
use parking_lot::Mutex;

use crate::server::{Server, url_of};

type Reported = Arc<Mutex<Vec<ReplicationRisk>>>;

fn observed() -> (Builder, Reported) {
    let reported = Reported::default();
    let own = Arc::clone(&reported);
    let builder = Store::builder().on_replication_risk(move |risk| own.lock().push(risk.clone()));
    (builder, reported)
}

/// Returns the risks that the store reports for this server. With `require_sync` the store must
/// refuse the first of them.
fn risks(url: &str) -> Vec<ReplicationRisk> {
    let (builder, reported) = observed();
    let store = builder.connect(url).unwrap();
    store.shutdown().wait().unwrap();
    let reported = reported.lock().clone();
    let strict = Store::builder().require_sync(true).connect(url);
    match (reported.first(), strict) {
        (None, Ok(_)) => {}
        (Some(risk), Err(OpenError::Unavailable(cause))) => {
            let why = format!("{cause:?}");
            assert!(why.contains("require_sync"), "{why}");
            assert!(why.contains(&risk.to_string()), "{why}");
        }
        other => panic!("{other:?}"),
    }
    reported
}

fn set_synchronous_standbys(server: &Server, names: &str) {
    server.sql(&format!(
        "ALTER SYSTEM SET synchronous_standby_names = '{names}'"
    ));
    server.sql("SELECT pg_reload_conf()");
    server.until("SHOW synchronous_standby_names", |shown| shown == names);
}

#[test]
fn postgres_log_receiver_does_not_count_as_standby() {
    use ReplicationRisk::{Hidden, NoStandbyNamed, NotAStandby, Wildcard};
    let Some(leader) = Server::start(&["wal_level=logical"]) else {
        return;
    };
    let follower = leader.follower(&["cluster_name=two"]).unwrap();
    let url = leader.url("public");
    assert_eq!(risks(&url), [NoStandbyNamed]);
    set_synchronous_standbys(&leader, "ANY 1 (two)");
    assert_eq!(risks(&url), []);
    set_synchronous_standbys(&leader, "ANY 1 (*)");
    assert_eq!(risks(&url), [Wildcard]);

    leader.sql("SELECT pg_create_physical_replication_slot('wal', true)");
    let wal = format!("--directory={}", leader.room("wal").display());
    let receiver = ["--slot=wal", "--synchronous", "--no-loop", &wal];
    let receiver = leader.client("pg_receivewal", &receiver);
    let streams = "SELECT count(*) FROM pg_stat_replication
        WHERE application_name = 'pg_receivewal' AND flush_lsn IS NOT NULL
            AND state = 'streaming' AND sync_state <> 'async'";
    leader.until(streams, |count| count == "1");
    let names = "pg_receivewal".to_owned();
    assert_eq!(risks(&url), [Wildcard, NotAStandby { names }]);
    // With the standby stopped, only the log receiver confirms commits, and it only writes the log
    // to a file. The store therefore acknowledges an order that no standby has: the risk that it
    // reported.
    follower.signal("STOP");
    let store = Store::connect(&url).unwrap();
    let made = store.create(order_no(1), new(100)).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    follower.signal("CONT");
    set_synchronous_standbys(&leader, "ANY 1 (two)");
    assert_eq!(risks(&url), []);
    leader.sql("CREATE ROLE till LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO till");
    assert_eq!(risks(&url.replace("shop@", "till@")), [Hidden]);
    drop(receiver);

    leader.sql("SELECT pg_create_logical_replication_slot('feed', 'test_decoding')");
    let name = "--dbname=dbname=postgres application_name=feed";
    let often = ["--status-interval=1", "--fsync-interval=1", "--file=-"];
    let consumer = [&[name, "--slot=feed", "--start"][..], &often].concat();
    let consumer = leader.client("pg_recvlogical", &consumer);
    set_synchronous_standbys(&leader, "ANY 1 (two, feed)");
    let streams = "SELECT count(*) FROM pg_stat_replication
        WHERE application_name = 'feed' AND flush_lsn IS NOT NULL
            AND state = 'streaming' AND sync_state <> 'async'";
    leader.until(streams, |count| count == "1");
    let names = "feed".to_owned();
    assert_eq!(risks(&url), [NotAStandby { names }]);
    drop(consumer);
}

#[test]
fn postgres_new_leader_is_checked_for_replication_risk() {
    let Some(leader) = Server::start(&["cluster_name=one"]) else {
        return;
    };
    let follower = leader.follower(&["cluster_name=two"]).unwrap();
    set_synchronous_standbys(&leader, "ANY 1 (one, two)");
    let (builder, reported) = observed();
    let store = builder
        .connect(&url_of(&[leader.port, follower.port], "public"))
        .unwrap();
    let create = |n| store.create(order_no(n), new(100)).wait().unwrap().outcome;
    assert_eq!(create(1), Created::Created);
    assert_eq!(*reported.lock(), []);
    leader.signal("KILL");
    // The new leader is not configured to wait for a standby.
    follower.promote();
    assert_eq!(create(2), Created::Created);
    assert_eq!(*reported.lock(), [ReplicationRisk::NoStandbyNamed]);
}
