//! Broken connections, hung hosts and serialization failures.

use std::thread;
use std::time::Duration;

use orderstore::testing::SeededRng;
use orderstore::testing::fixtures::{new, order_no};
use orderstore::{Created, Error, Store};

use crate::conformance::{fresh_schema, shared};
use crate::load::{Sold, Till, check, sell};
use crate::proxy::Proxy;
use crate::server::{Server, url_of};

const SEED: u64 = 20_261_125;

/// Number of connection cuts after which the callers stop.
const CUTS: u64 = 15;

/// Maximum number of open connections from one process to one host.
const HELD_MAX: usize = 16;

fn sell_until_cut(store: &Store, tag: &str, till: &Till, proxy: &Proxy) -> Vec<Sold> {
    let rounds = (0..).take_while(|round| *round == 0 || proxy.cuts() < CUTS);
    rounds
        .flat_map(|round| sell(store, &format!("{tag}{round:03}"), 16, 20, till))
        .collect()
}

#[test]
fn postgres_cut_connections_neither_lose_nor_double_payments() {
    let Some(server) = shared() else { return };
    let schema = fresh_schema(server);
    let proxy = Proxy::to(server.port);
    let stores = ["C", "D"].map(|tag| {
        let url = url_of(&[proxy.port], &schema);
        (tag, Store::connect(&url).unwrap())
    });
    let till = Till::default();
    let mut rng = SeededRng::new(SEED);
    let sold = thread::scope(|scope| {
        let selling: Vec<_> = stores
            .iter()
            .map(|(tag, store)| scope.spawn(|| sell_until_cut(store, tag, &till, &proxy)))
            .collect();
        while !selling.iter().all(thread::ScopedJoinHandle::is_finished) {
            // Wait so long that the store sometimes opens and uses a connection between two cuts.
            thread::sleep(Duration::from_millis(20 + rng.below(200) as u64));
            proxy.cut(&mut rng);
        }
        let joined = selling.into_iter().map(|thread| thread.join().unwrap());
        joined.flatten().collect::<Vec<_>>()
    });
    println!("{} cuts, seed {SEED}", proxy.cuts());
    check(&Store::connect(&server.url(&schema)).unwrap(), &sold);
}

#[test]
fn postgres_serialization_failures_are_retried() {
    let settings = ["default_transaction_isolation=serializable"];
    let Some(server) = Server::start(&settings) else {
        return;
    };
    let url = server.url("public");
    let stores = ["E", "F", "G"].map(|tag| (tag, Store::connect(&url).unwrap()));
    let till = Till::default();
    let sold = thread::scope(|scope| {
        let selling: Vec<_> = stores
            .iter()
            .map(|(tag, store)| scope.spawn(|| sell(store, tag, 8, 60, &till)))
            .collect();
        let joined = selling.into_iter().map(|thread| thread.join().unwrap());
        joined.flatten().collect::<Vec<_>>()
    });
    check(&stores[0].1, &sold);
    for (_, store) in stores {
        store.shutdown().wait().unwrap();
    }
    // Each rollback is a serialization failure, because callers do not compete for keys. The server
    // counts a connection's rollbacks when the connection ends.
    let failed = "SELECT sum(xact_rollback) FROM pg_stat_database";
    server.until(failed, |count| count.parse::<u64>().unwrap() > 0);
}

#[test]
fn postgres_store_switches_from_hung_host_to_another() {
    let Some(server) = shared() else { return };
    let proxy = Proxy::to(server.port);
    let url = url_of(&[proxy.port, server.port], &fresh_schema(server));
    let store = Store::connect(&url).unwrap();
    let create = |n| store.create(order_no(n), new(100)).wait().unwrap().outcome;
    assert_eq!(create(1), Created::Created);
    proxy.hang();
    // Each of the store's connections tries the hung host once, and then another.
    for n in 2..=8 {
        assert_eq!(create(n), Created::Created);
    }
    assert!(store.verify().wait().unwrap().is_ok());
}

#[test]
fn postgres_hung_host_gets_a_bounded_number_of_connections() {
    let Some(server) = shared() else { return };
    let proxy = Proxy::to(server.port);
    let store = Store::connect(&url_of(&[proxy.port], &fresh_schema(server))).unwrap();
    assert!(store.get(order_no(1)).wait().unwrap().is_none());
    proxy.hang();
    thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| store.get(order_no(1)).wait()))
            .collect();
        while !callers.iter().all(thread::ScopedJoinHandle::is_finished) {
            assert!(proxy.held() <= HELD_MAX);
            thread::sleep(Duration::from_millis(100));
        }
        for caller in callers {
            assert!(matches!(caller.join().unwrap(), Err(Error::Unreadable(_))));
        }
    });
    assert_eq!(
        proxy.held(),
        HELD_MAX,
        "the store closed a connection to the hung host"
    );
}
