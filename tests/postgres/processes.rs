//! Two processes with 64 callers on one cluster issue no order number twice.

use std::collections::HashSet;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use orderstore::testing::fixtures;
use orderstore::{Created, FeedCursor, OrderNo, Store, TransactionId};

use crate::conformance::{fresh_url, shared};
use crate::load::{Till, check, sell};

const URL: &str = "ORDERSTORE_TEST_CHILD_URL";
const CALLERS: u32 = 32;
const EACH: u32 = 30;

/// Body of the child process. The test below starts it and reads its output.
#[test]
fn postgres_child_sells_for_parent_test() {
    let Ok(url) = std::env::var(URL) else { return };
    let store = Store::connect(&url).unwrap();
    for (no, transaction) in sell(&store, "K", CALLERS, EACH, &Till::default()) {
        println!("sold {no} {transaction}");
    }
    store.shutdown().wait().unwrap();
}

#[test]
fn postgres_callers_of_two_processes_sell_each_order_once() {
    let Some(server) = shared() else { return };
    let url = fresh_url(server);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["processes::postgres_child_sells_for_parent_test", "--exact"])
        .args(["--nocapture", "--test-threads=1"])
        .env(URL, &url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let store = Store::connect(&url).unwrap();
    let mut sold = sell(&store, "P", CALLERS, EACH, &Till::default());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let output = String::from_utf8(output.stdout).unwrap();
    for line in output.lines().filter_map(|line| line.split_once("sold ")) {
        let (no, transaction) = line.1.split_once(' ').unwrap();
        let transaction = TransactionId::parse(transaction).unwrap();
        sold.push((OrderNo::parse(no).unwrap(), transaction));
    }
    let numbers: HashSet<OrderNo> = sold.iter().map(|(no, _)| *no).collect();
    assert_eq!(numbers.len(), 2 * (CALLERS * EACH) as usize);
    check(&store, &sold);
}

#[test]
fn postgres_concurrent_connects_create_tables_once() {
    let Some(server) = shared() else { return };
    let url = fresh_url(server);
    let stores: Vec<Store> = thread::scope(|scope| {
        let connecting: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Store::connect(&url).unwrap()))
            .collect();
        let stores = connecting.into_iter().map(|thread| thread.join().unwrap());
        stores.collect()
    });
    let numbers: HashSet<OrderNo> = stores
        .iter()
        .map(|store| store.next_order_no().wait().unwrap())
        .collect();
    assert_eq!(numbers.len(), stores.len());
    let mut places = HashSet::new();
    for (store, no) in stores.iter().zip(numbers) {
        let made = store.create(no, fixtures::new(100)).wait().unwrap();
        assert_eq!(made.outcome, Created::Created);
        let feed = stores[0].events(FeedCursor::START, 100).wait().unwrap();
        places.insert(feed[0].cursor);
        assert_eq!(stores[0].get(no).wait().unwrap().unwrap().no, no);
    }
    assert_eq!(places.len(), 1, "the connections opened different stores");
}

#[test]
fn postgres_waiting_reader_sees_event_of_other_store() {
    let Some(server) = shared() else { return };
    let url = fresh_url(server);
    let (here, there) = (Store::connect(&url).unwrap(), Store::connect(&url).unwrap());
    let mut feed = here.feed(FeedCursor::START);
    let reader = thread::spawn(move || feed.wait(Duration::from_secs(60)));
    let no = fixtures::order_no(1);
    let _ = there.create(no, fixtures::new(100)).wait().unwrap();
    let event = reader.join().unwrap().unwrap().unwrap();
    assert_eq!(event.event.no, no);
}
