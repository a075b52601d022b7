//! Tests of the example `feed`: its consumer across restarts, torn writes and a restored store.

#[path = "../../examples/feed/ledger.rs"]
mod ledger;
#[path = "../../examples/feed/shipping.rs"]
mod shipping;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use orderstore::testing::fixtures;
use orderstore::*;
use tempfile::TempDir;

use self::ledger::Ledger;
use self::shipping::work_off;

const LIMIT: usize = 3;

/// Creates a temporary directory and returns the path for the ledger in it.
fn temp_ledger() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shipped");
    (dir, path)
}

fn ship_all(store: &Store, path: &Path) {
    let mut ledger = Ledger::open(path).unwrap();
    while work_off(store, &mut ledger, LIMIT).unwrap() {}
}

/// Returns how often the ledger records each order as shipped.
fn shipped(path: &Path) -> BTreeMap<String, u32> {
    let text = fs::read_to_string(path).unwrap();
    let mut shipped = BTreeMap::new();
    for line in text.lines() {
        let (_, no) = line.split_once(' ').unwrap();
        if no != "-" {
            *shipped.entry(no.to_owned()).or_default() += 1;
        }
    }
    shipped
}

fn once(numbers: impl IntoIterator<Item = u64>) -> BTreeMap<String, u32> {
    let each = numbers.into_iter();
    each.map(|n| (fixtures::order_no(n).to_string(), 1))
        .collect()
}

fn create(store: &Store, n: u64) {
    let _ = store
        .create(fixtures::order_no(n), fixtures::new(100))
        .wait()
        .unwrap();
}

/// Confirms the payment twice, because channels repeat notifications.
fn pay(store: &Store, n: u64) {
    for _ in 0..2 {
        let paid = store.confirm(fixtures::order_no(n), fixtures::payment(n, 100));
        let _ = paid.wait().unwrap();
    }
}

fn with_paid(store: &Store, numbers: std::ops::Range<u64>) {
    for n in numbers {
        create(store, n);
        pay(store, n);
    }
}

#[test]
fn paid_order_ships_once_across_restarts() {
    let (dir, path) = temp_ledger();
    let orders = dir.path().join("orders");
    let store = Store::open_or_init(&orders).unwrap();
    with_paid(&store, 1..6);
    create(&store, 6);
    store.shutdown().wait().unwrap();
    // Each round opens the store and the ledger again, ships a few orders and sells one more.
    for round in 0..8 {
        let store = Store::open(&orders).unwrap();
        let mut ledger = Ledger::open(&path).unwrap();
        let _ = work_off(&store, &mut ledger, LIMIT).unwrap();
        with_paid(&store, 10 + round..11 + round);
        store.shutdown().wait().unwrap();
    }
    let store = Store::open(&orders).unwrap();
    pay(&store, 6);
    ship_all(&store, &path);
    assert_eq!(shipped(&path), once((1..7).chain(10..18)));
    assert_eq!(Ledger::open(&path).unwrap().shipped(), 14);
    let before = fs::read(&path).unwrap();
    ship_all(&store, &path);
    assert_eq!(
        fs::read(&path).unwrap(),
        before,
        "an order was shipped again"
    );
}

#[test]
fn shipper_with_truncated_ledger_ships_each_order_once() {
    let store = Store::memory().unwrap();
    with_paid(&store, 1..4);
    let (_dir, path) = temp_ledger();
    ship_all(&store, &path);
    let whole = fs::read(&path).unwrap();
    let ends = (0..whole.len())
        .filter(|at| whole[*at] == b'\n')
        .flat_map(|at| [at, at + 1]);
    for cut in ends.chain((0..whole.len()).step_by(9)) {
        fs::write(&path, &whole[..cut]).unwrap();
        ship_all(&store, &path);
        assert_eq!(shipped(&path), once(1..4), "cut at {cut}");
    }
}

#[test]
fn late_payment_ships_after_acceptance() {
    let store = Store::memory().unwrap();
    let (_dir, path) = temp_ledger();
    let no = fixtures::order_no(1);
    create(&store, 1);
    let _ = store.record_query(no, ChannelState::Closed).wait().unwrap();
    pay(&store, 1);
    ship_all(&store, &path);
    assert_eq!(shipped(&path), once([]));
    let accept = store.resolve(no, AnomalyId(1), Resolution::Accept, fixtures::note());
    let _ = accept.wait().unwrap();
    ship_all(&store, &path);
    assert_eq!(shipped(&path), once([1]));
}

#[test]
fn refunded_or_imported_order_is_not_shipped() {
    // Use a clock that agrees with the times of the payments, because an old payment cannot be
    // refunded.
    let store = Store::builder().clock(fixtures::now).memory().unwrap();
    with_paid(&store, 1..4);
    let refund = |n, amount| {
        let refund = fixtures::refund_of(n, n, amount);
        let answer = store
            .request_refund(fixtures::order_no(n), refund)
            .wait()
            .unwrap();
        assert_eq!(answer.outcome, RefundRequested::Requested);
    };
    refund(1, 100);
    refund(2, 99);
    let (_dir, path) = temp_ledger();
    ship_all(&store, &path);
    assert_eq!(shipped(&path), once(2..4));

    let order = store.get(fixtures::order_no(3)).wait().unwrap().unwrap();
    let other = Store::memory().unwrap();
    let taken = other
        .import(order.as_ref().clone(), Conflict::Skip)
        .wait()
        .unwrap();
    assert_eq!(taken.outcome, Imported::Imported);
    let (_dir, path) = temp_ledger();
    ship_all(&other, &path);
    assert_eq!(shipped(&path), once([]));
}

#[test]
fn restored_store_ships_each_order_once() {
    let store = Store::memory().unwrap();
    with_paid(&store, 1..5);
    let (_dir, path) = temp_ledger();
    ship_all(&store, &path);
    let place = Ledger::open(&path).unwrap().place();
    // Replace the store by a restored one, which has another incarnation and fewer orders. It
    // receives more orders later.
    let restored = Store::memory().unwrap();
    with_paid(&restored, 1..3);
    let refused = restored.events(place, 1).wait();
    assert!(matches!(refused, Err(Error::InvalidCursor { .. })));
    ship_all(&restored, &path);
    assert_eq!(shipped(&path), once(1..5));
    with_paid(&restored, 3..7);
    ship_all(&restored, &path);
    assert_eq!(shipped(&path), once(1..7));
    assert_ne!(
        Ledger::open(&path).unwrap().place().incarnation,
        place.incarnation
    );
}
