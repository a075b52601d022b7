//! Tests of the verbs that change orders.

use std::time::SystemTime;

use insta::assert_snapshot;
use orderstore::Timestamp;

use crate::rig::{Place, texts};
use crate::shop::shop;

/// Command line that creates `order-1`.
const CREATE: &str = "create --no order-1 --appid wxa --yuan 19.90";

/// Creates an empty store in a temporary directory.
fn empty() -> Place {
    let place = Place::new();
    place.run("init").ends(0);
    place
}

/// Returns the command line that confirms a payment made now.
fn paid_now(no: &str, transaction: &str, amount: &str) -> String {
    let now = Timestamp::from_system(SystemTime::now());
    format!("confirm {no} --transaction-id {transaction} {amount} --paid-at {now}")
}

#[test]
fn create_twice_creates_one_order() {
    let place = empty();
    let runs = [
        (CREATE, 0),
        (CREATE, 0),
        ("create --no order-1 --appid wxa --fen 1991", 1),
        (
            "create --no order-2 --appid wxa --fen 500 --reference R-1",
            0,
        ),
        (
            "create --no order-3 --appid wxa --fen 501 --reference R-1",
            1,
        ),
        (
            "create --no order-3 --appid wxa --fen 500 --reference R-1",
            0,
        ),
        (
            "create --no order-4 --appid wxa --fen 700 --currency USD",
            0,
        ),
    ]
    .map(|(line, code)| place.run(line).ends(code));
    assert_snapshot!("create", texts(&runs));
}

#[test]
fn confirm_applies_payment_once_and_mismatch_exits_1() {
    let place = empty();
    place.run(CREATE).ends(0);
    let runs = [
        (
            "confirm order-1 --transaction-id T1 --fen 1 --paid-at 20220321132007",
            1,
        ),
        (
            "confirm order-1 --transaction-id T1 --fen 1 --paid-at 20220321132007",
            1,
        ),
        (
            "confirm order-1 --transaction-id T2 --yuan 19.90 --paid-at 20220321132007",
            0,
        ),
        (
            "confirm order-1 --transaction-id T2 --yuan 19.90 --paid-at 20220321132007",
            0,
        ),
        (
            "confirm order-1 --transaction-id T3 --yuan 19.90 --paid-at 20220321132007",
            1,
        ),
        (
            "confirm order-2 --transaction-id T2 --yuan 19.90 --paid-at 20220321132007",
            1,
        ),
        ("create --no order-2 --appid wxa --yuan 19.90", 0),
    ]
    .map(|(line, code)| place.run(line).ends(code));
    assert_snapshot!("confirm", texts(&runs));
    let paid = place.run("show order-1 --format json").ends(0).json();
    assert_eq!(paid["payment"]["source"], "operator");
    assert_eq!(paid["payment"]["timeEnd"], 1_647_840_007_000_i64);
}

#[test]
fn close_verbs_close_and_reopen_order() {
    let place = empty();
    place.run(CREATE).ends(0);
    let runs = [
        ("abort-close order-1", 1),
        ("begin-close order-1", 0),
        ("begin-close order-1", 0),
        ("abort-close order-1", 0),
        ("begin-close order-1", 0),
        ("record-close order-1 --reply retry", 1),
        ("record-close order-1 --reply order-paid", 1),
        ("record-close order-1 --reply no-such-order", 0),
        ("begin-close order-0", 1),
    ]
    .map(|(line, code)| place.run(line).ends(code));
    assert_snapshot!("close", texts(&runs));
}

#[test]
fn refund_verbs_record_every_refund_state() {
    let place = empty();
    place.run(CREATE).ends(0);
    place.run(&paid_now("order-1", "T1", "--fen 1990")).ends(0);
    let of = "order-1 --transaction-id T1 --refund-no";
    let runs = [
        (format!("refund request {of} B1 --yuan 0.60"), 0),
        (format!("refund request {of} B1 --yuan 0.60"), 0),
        (format!("refund request {of} B1 --yuan 0.61"), 1),
        (format!("refund request {of} B2 --yuan 19.31"), 1),
        (format!("refund request {of} B3 --fen 1"), 0),
        ("refund refused order-1 --refund-no B3 --code NOTENOUGH".to_owned(), 0),
        (format!("refund record {of} B1 --fen 60 --state processing"), 0),
        (
            format!("refund record {of} B1 --fen 60 --state success --refund-id 503 --success-at 2022-03-21"),
            0,
        ),
        (format!("refund record {of} B1 --fen 60 --state success"), 0),
        (format!("refund record {of} B9 --fen 5 --state success"), 0),
        ("refund refused order-1 --refund-no B0 --code NOTENOUGH".to_owned(), 1),
    ]
    .map(|(line, code)| place.run(&line).ends(code));
    assert_snapshot!("refund", texts(&runs));
}

#[test]
fn refund_of_only_payment_needs_no_transaction_id() {
    let place = empty();
    place.run(CREATE).ends(0);
    let nothing = "refund request order-1 --refund-no B1 --fen 60";
    let unpaid = place.run(nothing).ends(1);
    assert!(unpaid.err.contains("--transaction-id"), "{unpaid:?}");
    place.run(&paid_now("order-1", "T1", "--fen 1990")).ends(0);
    let order = || place.run("show order-1 --format json").ends(0).json();
    place
        .run("refund request order-1 --refund-no B1 --yuan 0.60")
        .ends(0);
    assert_eq!(order()["refunds"][0]["transactionId"], "T1");
    assert_eq!(order()["refunds"][0]["amount"], 60);
    let record = "refund record order-1 --refund-no B1 --yuan 0.60 --state success";
    place.run(record).ends(0);
    assert_eq!(order()["refunds"][0]["status"], "success");
    let other = "refund request order-1 --refund-no B2 --fen 5 --currency USD";
    let other = place.run(other).ends(2);
    assert!(other.err.contains("was paid in CNY"), "{other:?}");
    let channel = "refund request order-1 --refund-no B2 --fen 5 --channel alipay";
    place.run(channel).ends(1);
}

#[test]
fn refund_of_several_payments_needs_transaction_id() {
    let place = empty();
    place.run(CREATE).ends(0);
    place.run(&paid_now("order-1", "T1", "--fen 1990")).ends(0);
    place
        .run("refund request order-1 --refund-no B1 --fen 60")
        .ends(0);
    place.run(&paid_now("order-1", "T2", "--fen 1990")).ends(1);
    let several = place
        .run("refund request order-1 --refund-no B2 --fen 60")
        .ends(2);
    for choice in ["--transaction-id T1 (19.90)", "--transaction-id T2 (19.90)"] {
        assert!(several.err.contains(choice), "{several:?}");
    }
    // A repeated request needs no transaction ID, because the recorded refund already has one.
    place
        .run("refund request order-1 --refund-no B1 --fen 60")
        .ends(0);
    let record = "refund record order-1 --refund-no B1 --fen 60 --state success";
    place.run(record).ends(0);
    let order = place.run("show order-1 --format json").ends(0).json();
    assert_eq!(order["refunds"].as_array().unwrap().len(), 1);
}

#[test]
fn resolve_ends_anomaly_once() {
    let place = shop();
    let runs = [
        "resolve order-late --anomaly 1 --accept --note delivered",
        "resolve order-late --anomaly 1 --accept --note delivered",
        "resolve order-late --anomaly 1 --dismiss --note delivered",
        "resolve order-late --anomaly 9 --dismiss --note delivered",
        "resolve order-short --anomaly 1 --accept --note delivered",
        "resolve order-short --anomaly 1 --dismiss --note test",
    ]
    .map(|line| place.run(line));
    assert_snapshot!("resolve", texts(&runs));
    let order = place.run("show order-late --format json").json();
    assert_eq!(order["payStatus"], "success");
    assert_eq!(order["anomalies"][0]["end"]["note"], "delivered");
}

#[test]
fn resolve_with_refund_number_requests_refund() {
    let place = empty();
    place.run(CREATE).ends(0);
    place.run(&paid_now("order-1", "T1", "--yuan 5.00")).ends(1);
    let line = "resolve order-1 --anomaly 1 --refund-no B1 --note short";
    let ran = place.run(line).ends(0);
    assert!(ran.out.contains("resolved"), "{ran:?}");
    let order = place.run("show order-1 --format json").ends(0).json();
    assert_eq!(order["refunds"][0]["amount"], 500);
    assert_eq!(order["refunds"][0]["status"], "requested");
}

#[test]
fn number_verb_never_repeats_order_number() {
    let place = empty();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..2 {
        let ran = place
            .run("number --count 50 --node 7 --format jsonl")
            .ends(0);
        for line in ran.out.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let no = row["outTradeNo"].as_str().unwrap().to_owned();
            assert_eq!(no.len(), 32);
            assert!(seen.insert(no));
        }
    }
    assert_eq!(seen.len(), 100);
    let created = place
        .run("create --appid wxa --fen 5 --format json")
        .ends(0);
    let no = created.json()["outTradeNo"].as_str().unwrap().to_owned();
    assert_eq!(no.len(), 32);
    place.run(&format!("show {no}")).ends(0);
}

#[test]
fn create_prints_result_in_every_format() {
    let place = empty();
    let forms = ["table", "json", "jsonl", "csv"];
    let runs = forms.map(|form| place.run(&format!("{CREATE} --format {form}")).ends(0));
    assert_snapshot!("answer", texts(&runs));
}

#[test]
fn init_never_overwrites_existing_store() {
    let place = Place::new();
    let runs = [("init", 0), ("init", 6)].map(|(line, code)| place.run(line).ends(code));
    assert_snapshot!("init", texts(&runs));
    assert_eq!(place.names(), ["shop"]);
}

#[test]
fn missing_parent_directory_error_names_missing_part() {
    let place = shop();
    place.run("backup backup").ends(0);
    for (line, code) in [
        ("init --store no/such/parent", 6),
        ("copy no/such/parent", 6),
        ("backup no/such/parent", 6),
        ("restore backup --into no/such/parent", 6),
        ("repair --into no/such/parent", 6),
        ("export --output no/such/file", 5),
    ] {
        let ran = place.run(line).ends(code);
        assert!(ran.err.contains("no does not exist"), "{ran:?}");
        assert!(ran.err.contains("create what is missing"), "{ran:?}");
        assert_eq!(place.names(), ["backup", "shop"]);
    }
}
