//! Commits that no follower confirms: the leader has them, and the store may not say so.

use std::thread;
use std::time::Duration;

use orderstore::testing::fixtures::{new, order_no};
use orderstore::{Created, Error, Store};

use crate::server::Server;

const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

/// A store with one order, whose next commits nobody confirms.
fn unconfirmed() -> Option<(Server, Store)> {
    let server = Server::start(&[])?;
    let store = Store::connect(&server.url("public")).unwrap();
    // So often that each of its connections has been used.
    for outcome in [Created::Created].into_iter().chain([Created::Exists; 8]) {
        let made = store.create(order_no(0), new(100)).wait().unwrap();
        assert_eq!(made.outcome, outcome);
    }
    waits_for(&server, "ANY 1 (nobody)");
    Some((server, store))
}

fn waits_for(server: &Server, names: &str) {
    server.sql(&format!(
        "ALTER SYSTEM SET synchronous_standby_names = '{names}'"
    ));
    server.sql("SELECT pg_reload_conf()");
    server.until("SHOW synchronous_standby_names", |shown| shown == names);
}

/// Whoever waits for followers waits no more: what it committed is seen.
fn cancels_the_wait(server: &Server) {
    server.until(WAITING, |count| count != "0");
    server.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
}

#[test]
fn postgres_what_nobody_confirms_in_time_is_unknown_and_known_when_it_is_asked_again() {
    let Some((server, store)) = unconfirmed() else {
        return;
    };
    let told = store.create(order_no(1), new(100)).wait();
    assert!(matches!(told, Err(Error::OutcomeUnknown(_))), "{told:?}");
    waits_for(&server, "");
    let again = store.create(order_no(1), new(100)).wait().unwrap();
    assert_eq!(again.outcome, Created::Exists);
    assert!(store.verify().wait().unwrap().is_ok());
}

#[test]
fn postgres_a_commit_whose_wait_is_cancelled_is_not_answered_before_it_is_confirmed() {
    let Some((server, store)) = unconfirmed() else {
        return;
    };
    thread::scope(|scope| {
        let asked = scope.spawn(|| store.create(order_no(1), new(100)).wait());
        for _ in 0..3 {
            cancels_the_wait(&server);
            thread::sleep(Duration::from_millis(500));
            let stands = "SELECT count(*) FROM orderstore_orders";
            assert_eq!(server.sql(stands), "2", "the leader has committed it");
            assert!(!asked.is_finished(), "and no other machine has it");
        }
        waits_for(&server, "");
        let told = asked.join().unwrap().unwrap();
        assert_eq!(told.outcome, Created::Created);
    });
    assert!(store.verify().wait().unwrap().is_ok());
}

#[test]
fn postgres_what_a_leader_committed_alone_is_seen_and_answers_nobody_who_connects_to_it() {
    let Some((server, store)) = unconfirmed() else {
        return;
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| store.create(order_no(1), new(100)).wait());
        cancels_the_wait(&server);
        let other = Store::connect(&server.url("public")).unwrap();
        assert!(other.get(order_no(1)).wait().unwrap().is_some());
        let again = scope.spawn(move || other.create(order_no(1), new(100)).wait());
        thread::sleep(Duration::from_secs(1));
        assert!(!again.is_finished(), "no other machine has it");
        waits_for(&server, "");
        assert_eq!(first.join().unwrap().unwrap().outcome, Created::Created);
        assert_eq!(again.join().unwrap().unwrap().outcome, Created::Exists);
    });
}

#[test]
fn postgres_a_commit_waits_for_a_follower_whatever_the_database_says() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let waits =
        "SELECT format('ALTER DATABASE %I SET synchronous_commit = off', current_database())";
    server.sql(&server.sql(waits));
    let store = Store::connect(&server.url("public")).unwrap();
    waits_for(&server, "ANY 1 (nobody)");
    thread::scope(|scope| {
        let asked = scope.spawn(|| store.create(order_no(1), new(100)).wait());
        server.until(WAITING, |count| count != "0");
        assert!(!asked.is_finished());
        waits_for(&server, "");
        assert_eq!(asked.join().unwrap().unwrap().outcome, Created::Created);
    });
}
