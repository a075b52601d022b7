//! Commits that no follower confirms: the leader has them, but the store must not acknowledge them.

use std::thread;
use std::time::Duration;

use orderstore::testing::fixtures::{new, order_no};
use orderstore::{Created, Error, Store};

use crate::server::Server;

const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

/// Creates a store with one order. No follower will confirm its next commits.
fn unconfirmed() -> Option<(Server, Store)> {
    let server = Server::start(&[])?;
    let store = Store::connect(&server.url("public")).unwrap();
    // Repeat the call, so that the store uses each of its connections.
    for outcome in [Created::Created].into_iter().chain([Created::Exists; 8]) {
        let made = store.create(order_no(0), new(100)).wait().unwrap();
        assert_eq!(made.outcome, outcome);
    }
    set_synchronous_standbys(&server, "ANY 1 (nobody)");
    Some((server, store))
}

fn set_synchronous_standbys(server: &Server, names: &str) {
    server.sql(&format!(
        "ALTER SYSTEM SET synchronous_standby_names = '{names}'"
    ));
    server.sql("SELECT pg_reload_conf()");
    server.until("SHOW synchronous_standby_names", |shown| shown == names);
}

/// Cancels the wait for followers on the server. The commit is then visible on the leader.
fn cancel_wait_for_followers(server: &Server) {
    server.until(WAITING, |count| count != "0");
    server.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
}

#[test]
fn postgres_unconfirmed_commit_is_unknown_until_retried() {
    let Some((server, store)) = unconfirmed() else {
        return;
    };
    let result = store.create(order_no(1), new(100)).wait();
    assert!(
        matches!(result, Err(Error::OutcomeUnknown(_))),
        "{result:?}"
    );
    set_synchronous_standbys(&server, "");
    let again = store.create(order_no(1), new(100)).wait().unwrap();
    assert_eq!(again.outcome, Created::Exists);
    assert!(store.verify().wait().unwrap().is_ok());
}

#[test]
fn postgres_cancelled_wait_is_answered_only_after_confirmation() {
    let Some((server, store)) = unconfirmed() else {
        return;
    };
    thread::scope(|scope| {
        let asked = scope.spawn(|| store.create(order_no(1), new(100)).wait());
        for _ in 0..3 {
            cancel_wait_for_followers(&server);
            thread::sleep(Duration::from_millis(500));
            let order_count = "SELECT count(*) FROM orderstore_orders";
            assert_eq!(
                server.sql(order_count),
                "2",
                "the leader has not committed the order"
            );
            assert!(
                !asked.is_finished(),
                "acknowledged before a follower has the order"
            );
        }
        set_synchronous_standbys(&server, "");
        let result = asked.join().unwrap().unwrap();
        assert_eq!(result.outcome, Created::Created);
    });
    assert!(store.verify().wait().unwrap().is_ok());
}

#[test]
fn postgres_unreplicated_commit_is_visible_but_not_acknowledged() {
    let Some((server, store)) = unconfirmed() else {
        return;
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| store.create(order_no(1), new(100)).wait());
        cancel_wait_for_followers(&server);
        let other = Store::connect(&server.url("public")).unwrap();
        assert!(other.get(order_no(1)).wait().unwrap().is_some());
        let again = scope.spawn(move || other.create(order_no(1), new(100)).wait());
        thread::sleep(Duration::from_secs(1));
        assert!(
            !again.is_finished(),
            "acknowledged before a follower has the order"
        );
        set_synchronous_standbys(&server, "");
        assert_eq!(first.join().unwrap().unwrap().outcome, Created::Created);
        assert_eq!(again.join().unwrap().unwrap().outcome, Created::Exists);
    });
}

#[test]
fn postgres_commit_waits_for_follower_despite_database_setting() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let waits =
        "SELECT format('ALTER DATABASE %I SET synchronous_commit = off', current_database())";
    server.sql(&server.sql(waits));
    let store = Store::connect(&server.url("public")).unwrap();
    set_synchronous_standbys(&server, "ANY 1 (nobody)");
    thread::scope(|scope| {
        let asked = scope.spawn(|| store.create(order_no(1), new(100)).wait());
        server.until(WAITING, |count| count != "0");
        assert!(!asked.is_finished());
        set_synchronous_standbys(&server, "");
        assert_eq!(asked.join().unwrap().unwrap().outcome, Created::Created);
    });
}
