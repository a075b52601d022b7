//! Tests of the reconciliation, on the memory engine.

mod odd;
mod refunds;

use super::*;
use crate::order::{Confirmed, NewOrder, Payment, Source, Status};
use crate::query::PageRequest;
use crate::types::{AppId, Fen, OrderNo, Timestamp, TransactionId};
use crate::wechat::bill::BillReader;

const MCH: &str = "1601959334";
const HEADER: &str = "交易时间,商户号,特约商户号,微信订单号,商户订单号,交易状态,货币种类,微信退款单号,商户退款单号,退款状态,订单金额,申请退款金额\n";

fn day() -> BillDay {
    BillDay::parse("2021-01-28").unwrap()
}

/// Returns a bill line of a payment.
fn paid_line(no: &str, transaction: &str, yuan: &str) -> String {
    format!(
        "`2021-01-28 15:35:18,`{MCH},`0,`{transaction},`{no},`SUCCESS,`CNY,`0,`0,`,`{yuan},`0.00\n"
    )
}

/// Returns a bill line of a refund or revocation of 1 fen.
fn other_line(no: &str, transaction: &str, state: &str, refund: &str) -> String {
    refund_line(no, transaction, state, &format!("R-{no}"), refund, "0.01")
}

fn refund_line(
    no: &str,
    transaction: &str,
    state: &str,
    number: &str,
    refund: &str,
    yuan: &str,
) -> String {
    format!(
        "`2021-01-28 18:00:00,`{MCH},`0,`{transaction},`{no},`{state},`CNY,`503-{number},`{number},`{refund},`0.00,`{yuan}\n"
    )
}

/// Compares a bill of these lines with the store.
fn run(store: &Store, lines: &[String]) -> (Reconciled, Vec<BillDifference>) {
    let bill = format!("{HEADER}{}总交易单数\n`{}\n", lines.concat(), lines.len());
    let reader = BillReader::new(bill.as_bytes()).unwrap();
    let mut differences = Vec::new();
    let comparison = Reconciliation::of(day(), MchId::parse(MCH).unwrap()).kind(reader.kind());
    let counts = comparison
        .run(store, reader, |difference| differences.push(difference))
        .unwrap();
    assert_eq!(counts.differences, differences.len() as u64);
    (counts, differences)
}

/// Returns the order number and the kind of each difference.
fn kinds(differences: &[BillDifference]) -> Vec<(&str, BillDifferenceKind)> {
    let kind = |difference: &BillDifference| difference.kind;
    let all = differences.iter();
    let named = all.map(|it| (it.no.as_ref().map_or("", OrderNo::as_str), kind(it)));
    named.collect()
}

/// Sends the commands of all suggested fixes to the store.
fn apply(store: &Store, differences: Vec<BillDifference>) {
    let fixes = differences
        .into_iter()
        .filter_map(|it| it.fix.into_command());
    for ticket in store.submit_all(fixes.collect()).unwrap() {
        let _ = ticket.wait().unwrap();
    }
}

fn create(store: &Store, no: &str) -> OrderNo {
    let no = OrderNo::parse(no).unwrap();
    let new = NewOrder::new(AppId::parse("wxa").unwrap(), Fen::new(1).unwrap()).unwrap();
    let _ = store.create(no, new).wait().unwrap();
    no
}

fn pay(store: &Store, no: &str, transaction: &str, at: &str) {
    let no = create(store, no);
    let transaction = TransactionId::parse(transaction).unwrap();
    let time = Timestamp::parse_compact(at).unwrap();
    let payment = Payment::new(transaction, Fen::new(1).unwrap(), time, Source::CALLBACK).unwrap();
    let answer = store.confirm(no, payment).wait().unwrap();
    assert_eq!(answer.outcome, Confirmed::Applied);
}

#[test]
fn payment_only_in_bill_is_reported_and_fixed_once() {
    let store = Store::memory().unwrap();
    let no = create(&store, "order-1");
    let bill = [paid_line("order-1", "T1", "0.01")];
    let (counts, differences) = run(&store, &bill);
    assert_eq!(
        kinds(&differences),
        [("order-1", BillDifferenceKind::LocalUnpaid)]
    );
    assert_eq!((counts.lines, counts.out_of_day), (1, 0));
    let order = store.get(no).wait().unwrap().unwrap();
    assert_eq!(
        (order.status, order.version),
        (Status::Pending, 1),
        "the comparison writes nothing"
    );
    apply(&store, differences.clone());
    let paid = store.get(no).wait().unwrap().unwrap();
    assert_eq!(paid.status, Status::Success);
    assert_eq!(paid.payment.as_ref().unwrap().source, Source::Bill);
    assert_eq!(run(&store, &bill).1, []);
    apply(&store, differences);
    assert_eq!(store.get(no).wait().unwrap().unwrap().version, paid.version);
}

#[test]
fn payment_missing_in_bill_is_reported_on_its_day() {
    let store = Store::memory().unwrap();
    pay(&store, "order-1", "T1", "20210128000000");
    pay(&store, "order-2", "T2", "20210128235959");
    pay(&store, "order-3", "T3", "20210127235959");
    pay(&store, "order-4", "T4", "20210129000000");
    let (_, differences) = run(&store, &[paid_line("order-1", "T1", "0.01")]);
    assert_eq!(
        kinds(&differences),
        [("order-2", BillDifferenceKind::MissingInBill)]
    );
    assert_eq!(differences[0].fix, Fix::QueryChannel);
    let order = differences[0].order.clone();
    assert_eq!(order.unwrap().version, 2, "the comparison writes nothing");
    let refunds_only = Reconciliation::of(day(), MchId::parse(MCH).unwrap()).kind(BillKind::Refund);
    let counts = refunds_only
        .run(&store, [], |_| panic!("reported a difference"))
        .unwrap();
    assert_eq!(counts.differences, 0);
}

#[test]
fn each_difference_kind_is_reported_and_fixed_once() {
    let store = Store::memory().unwrap();
    pay(&store, "order-1", "T1", "20210128120000");
    pay(&store, "order-2", "T2", "20210128120000");
    create(&store, "order-3");
    let bill = [
        paid_line("order-1", "T1", "0.02"),
        paid_line("order-2", "T2", "0.01"),
        paid_line("order-2", "T9", "0.01"),
        paid_line("order-3", "T3", "0.02"),
        paid_line("order-4", "T4", "0.01"),
    ];
    let expected = [
        ("order-1", BillDifferenceKind::AmountDiffers),
        ("order-2", BillDifferenceKind::TransactionDiffers),
        ("order-3", BillDifferenceKind::AmountDiffers),
        ("order-4", BillDifferenceKind::MissingLocally),
    ];
    let (_, differences) = run(&store, &bill);
    assert_eq!(kinds(&differences), expected);
    assert_eq!(differences[0].fix, Fix::Person);
    assert!(differences.iter().all(|it| it.line.is_some()));
    assert!(differences[3].order.is_none());
    apply(&store, differences);
    let (counts, left) = run(&store, &bill);
    assert_eq!(
        kinds(&left),
        [expected[0], expected[3]],
        "the store keeps the others as anomalies"
    );
    assert_eq!(counts.in_anomalies, 2);
    let before: Vec<_> = anomalies(&store);
    apply(&store, left);
    assert_eq!(anomalies(&store), before);
}

fn anomalies(store: &Store) -> Vec<crate::query::OpenAnomaly> {
    store
        .open_anomalies(PageRequest::of(100))
        .wait()
        .unwrap()
        .rows
}

#[test]
fn unknown_refund_and_revocation_are_reported() {
    let store = Store::memory().unwrap();
    pay(&store, "order-1", "T1", "20210128120000");
    let bill = [
        paid_line("order-1", "T1", "0.01"),
        other_line("order-1", "T1", "REFUND", "PROCESSING"),
        other_line("order-1", "T1", "REVOKED", ""),
        other_line("order-2", "T2", "REFUND", "SUCCESS"),
    ];
    let (_, differences) = run(&store, &bill);
    let expected = [
        ("order-1", BillDifferenceKind::RefundDiffers),
        ("order-1", BillDifferenceKind::RefundDiffers),
        ("order-2", BillDifferenceKind::MissingLocally),
    ];
    assert_eq!(kinds(&differences), expected);
    apply(&store, differences);
    let (counts, left) = run(&store, &bill);
    assert_eq!(
        kinds(&left),
        [expected[2]],
        "the refund of order-2 has no order yet"
    );
    assert_eq!(counts.in_anomalies, 1, "the revocation");
}

#[test]
fn bill_line_of_other_merchant_is_skipped() {
    let store = Store::memory().unwrap();
    let other = paid_line("order-1", "T1", "0.01").replace("`0,`T1", "`1712734762,`T1");
    let late = paid_line("order-2", "T2", "0.01").replace("01-28", "01-29");
    let (counts, differences) = run(&store, &[other, late]);
    assert_eq!(
        (counts.lines, counts.other_merchants, counts.out_of_day),
        (1, 1, 1)
    );
    assert_eq!(differences.len(), 1);
}

#[test]
fn wrong_bill_summary_ends_reconciliation() {
    let store = Store::memory().unwrap();
    let bill = format!(
        "{HEADER}{}总交易单数\n`2\n",
        paid_line("order-1", "T1", "0.01")
    );
    let reader = BillReader::new(bill.as_bytes()).unwrap();
    let comparison = Reconciliation::of(day(), MchId::parse(MCH).unwrap());
    let ended = comparison.run(&store, reader, |_| ());
    assert!(matches!(
        ended,
        Err(ReconcileError::Bill(BillError::Summary { .. }))
    ));
}

#[test]
fn bill_longer_than_one_page_is_compared() {
    let store = Store::memory().unwrap();
    let count = 2500;
    let lines: Vec<_> = (0..count)
        .map(|n| paid_line(&format!("order-{n}"), &format!("T{n}"), "0.01"))
        .collect();
    for n in 0..count {
        create(&store, &format!("order-{n}"));
    }
    let (_, differences) = run(&store, &lines);
    assert_eq!(differences.len(), count);
    apply(&store, differences);
    assert_eq!(run(&store, &lines).1.len(), 0);
    assert_eq!(run(&store, &[]).1.len(), count);
}
