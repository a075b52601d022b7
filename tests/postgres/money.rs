//! One process pays an order with a payment while another process refunds that payment: at most one
//! of them succeeds.

use std::process::{Command, Stdio};

use orderstore::testing::fixtures::{order_no, payment, refund_of};
use orderstore::{Confirmed, RefundRequested, Status, Store, testing::fixtures};

use crate::conformance::{fresh_url, shared};

const URL: &str = "ORDERSTORE_TEST_REFUNDS_URL";
const ROUNDS: u64 = 40;

/// Returns the number of the order that transaction `n` can pay. The transaction first arrives
/// under order number `n`, which has no order, and waits there as unclaimed.
const fn order_of(n: u64) -> u64 {
    1000 + n
}

/// Body of the child process. The test below starts it and reads its output.
#[test]
fn postgres_child_refunds_for_parent_test() {
    let Ok(url) = std::env::var(URL) else { return };
    let store = Store::connect(&url).unwrap();
    println!("ready");
    for n in 1..=ROUNDS {
        let call = store.request_refund(order_no(n), refund_of(n, n, 100));
        if call.wait().unwrap().outcome == RefundRequested::Requested {
            println!("refunded {n}");
        }
    }
    store.shutdown().wait().unwrap();
}

#[test]
fn postgres_payment_pays_order_or_is_refunded_never_both() {
    let Some(server) = shared() else { return };
    let url = fresh_url(server);
    let store = Store::connect(&url).unwrap();
    for n in 1..=ROUNDS {
        let waits = store.confirm(order_no(n), payment(n, 100)).wait().unwrap();
        assert_eq!(waits.outcome, Confirmed::Unclaimed);
        let created = store.create(order_no(order_of(n)), fixtures::new(100));
        let _ = created.wait().unwrap();
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["money::postgres_child_refunds_for_parent_test", "--exact"])
        .args(["--nocapture", "--test-threads=1"])
        .env(URL, &url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut output, &mut line).unwrap() > 0);
    }
    // Count down while the child counts up, so that both processes meet in the middle.
    for n in (1..=ROUNDS).rev() {
        let paid = store.confirm(order_no(order_of(n)), payment(n, 100));
        let _ = paid.wait().unwrap();
    }
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut output, &mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    for n in 1..=ROUNDS {
        let goes_back = rest
            .lines()
            .any(|line| line.ends_with(&format!("refunded {n}")));
        let order = store.get(order_no(order_of(n))).wait().unwrap().unwrap();
        assert_ne!(order.status == Status::Success, goes_back, "{n}: {order:?}");
    }
    assert!(store.verify().wait().unwrap().is_ok());
    store.shutdown().wait().unwrap();
}
