//! Tests of unusual bill lines: other merchants, unusable lines, and currencies without hundredths.

use super::*;
use crate::order::{AnomalyKind, Command, NewRefund, RefundFact, RefundRequested, RefundState};
use crate::types::{Currency, RefundNo};

/// A service provider's bill has the lines of all its merchants, whose order numbers can have any
/// format.
#[test]
fn invalid_order_number_does_not_end_reconciliation() {
    let store = Store::memory().unwrap();
    let own = create(&store, "7");
    let long = "9".repeat(33);
    let of_other = |no: &str| paid_line(no, "T8", "0.01").replace("`0,`T8", "`1712734762,`T8");
    let bill = [
        of_other("0012"),
        of_other("till 3/4711"),
        of_other(&long),
        of_other("x").replace("SUCCESS", "UNHEARD"),
        of_other("x").replace("2021-01-28 15:35:18", "noon"),
        paid_line("7", "T1", "0.01"),
        paid_line("till 1/4711", "T2", "0.01"),
        paid_line(&long, "T3", "0.01"),
    ];
    let (counts, differences) = run(&store, &bill);
    assert_eq!((counts.lines, counts.other_merchants), (3, 5));
    let expected = [
        ("7", BillDifferenceKind::LocalUnpaid),
        ("", BillDifferenceKind::UnusableLine),
        ("", BillDifferenceKind::UnusableLine),
    ];
    assert_eq!(kinds(&differences), expected);
    let bad = differences[1].unusable.as_deref().unwrap();
    assert_eq!((bad.line, bad.column), (8, "商户订单号"));
    assert_eq!(differences[1].fix, Fix::Person);
    apply(&store, differences);
    let order = store.get(own).wait().unwrap().unwrap();
    assert_eq!(order.status, Status::Success);
}

/// The sums of the bill include unusable lines. Otherwise the reader could not detect a missing
/// line.
#[test]
fn bill_sums_include_unusable_lines() {
    let store = Store::memory().unwrap();
    let bad = paid_line("no. 1", "T1", "0.02");
    let good = paid_line("order-2", "T2", "0.01");
    let compare = |sum: &str| {
        let bill = format!("{HEADER}{bad}{good}总交易单数,订单总金额\n`2,`{sum}\n");
        let reader = BillReader::new(bill.as_bytes()).unwrap();
        let comparison = Reconciliation::of(day(), MchId::parse(MCH).unwrap());
        comparison.run(&store, reader, |_| ())
    };
    assert_eq!(compare("0.03").unwrap().differences, 2);
    let ended = compare("0.01");
    assert!(matches!(
        ended,
        Err(ReconcileError::Bill(BillError::Summary { .. }))
    ));
}

#[test]
fn bill_line_with_invalid_amount_ends_reconciliation() {
    let store = Store::memory().unwrap();
    for bad in [
        paid_line("order-1", "T1", "cheap"),
        paid_line("order-1", "T1", "0.01,`more"),
    ] {
        let bill = format!("{HEADER}{bad}总交易单数\n`1\n");
        let reader = BillReader::new(bill.as_bytes()).unwrap();
        let comparison = Reconciliation::of(day(), MchId::parse(MCH).unwrap());
        assert!(comparison.run(&store, reader, |_| ()).is_err(), "{bad}");
    }
}

/// The unusable line has the transaction that paid the order, so the bill does not lack the
/// payment.
#[test]
fn payment_on_unusable_line_is_not_reported_missing() {
    let store = Store::memory().unwrap();
    pay(&store, "order-1", "T1", "20210128120000");
    let bill = [paid_line("order 1", "T1", "0.01")];
    let (_, differences) = run(&store, &bill);
    assert_eq!(
        kinds(&differences),
        [("", BillDifferenceKind::UnusableLine)]
    );
    let refund = other_line("order 1", "T1", "REFUND", "SUCCESS");
    let (_, differences) = run(&store, &[refund]);
    let expected = [
        ("", BillDifferenceKind::UnusableLine),
        ("order-1", BillDifferenceKind::MissingInBill),
    ];
    assert_eq!(kinds(&differences), expected, "a refund is no payment");
}

#[test]
fn bill_line_with_refund_number_zero_is_unusable() {
    let store = Store::memory().unwrap();
    pay(&store, "order-1", "T1", "20210128120000");
    create(&store, "order-2");
    let bill = [
        paid_line("order-1", "T1", "0.01"),
        refund_line("order-1", "T1", "REFUND", "0", "SUCCESS", "0.01"),
        paid_line("order-2", "T2", "0.01"),
    ];
    let (_, differences) = run(&store, &bill);
    let expected = [
        ("order-1", BillDifferenceKind::UnusableLine),
        ("order-2", BillDifferenceKind::LocalUnpaid),
    ];
    assert_eq!(kinds(&differences), expected);
    let bad = differences[0].unusable.as_deref().unwrap();
    assert_eq!(bad.column, "商户退款单号");
    assert!(differences[0].order.is_some(), "the line names the order");
}

/// Store with one order in yen.
struct Yen {
    store: Store,
    no: OrderNo,
}

impl Yen {
    fn open(total: u64) -> Self {
        let now = Timestamp::parse_civil("2021-01-28 12:00:00").unwrap();
        let store = Store::builder().clock(move || now).memory().unwrap();
        let no = OrderNo::parse("order-1").unwrap();
        let new = NewOrder::new(AppId::parse("wxa").unwrap(), Fen::new(total).unwrap()).unwrap();
        let new = new.currency(Currency::parse("JPY").unwrap());
        let _ = store.create(no, new).wait().unwrap();
        Self { store, no }
    }

    /// Pays the order one day before the bill's day.
    fn pay(self, amount: u64) -> Self {
        let transaction = TransactionId::parse("T1").unwrap();
        let time = Timestamp::parse_compact("20210127120000").unwrap();
        let amount = Fen::new(amount).unwrap();
        let mut payment = Payment::new(transaction, amount, time, Source::CALLBACK).unwrap();
        payment.currency = Currency::parse("JPY").unwrap();
        let _ = self.store.confirm(self.no, payment).wait().unwrap();
        self
    }

    fn refund(self, amount: u64) -> Self {
        let number = RefundNo::parse("R-1").unwrap();
        let transaction = TransactionId::parse("T1").unwrap();
        let amount = Fen::new(amount).unwrap();
        let refund = NewRefund::new(number.clone(), transaction.clone(), amount).unwrap();
        let reply = self.store.request_refund(self.no, refund).wait().unwrap();
        assert_eq!(reply.outcome, RefundRequested::Requested);
        let fact = RefundFact::new(number, transaction, amount, RefundState::Processing);
        let call = self.store.record_refund(self.no, fact.unwrap());
        let _ = call.wait().unwrap();
        self
    }

    /// Compares a bill of this line with the store. Returns the kind and the fix of the difference;
    /// `None` if there is no difference.
    fn difference(&self, line: &str) -> Option<(BillDifferenceKind, Fix)> {
        let found = run(&self.store, &[line.replace("CNY", "JPY")]).1;
        assert!(found.len() <= 1, "{found:?}");
        let first = found.into_iter().next();
        first.map(|difference| (difference.kind, difference.fix))
    }
}

fn is_command(fix: &Fix) -> bool {
    matches!(fix, Fix::Record(_))
}

#[test]
fn bill_amount_equal_only_in_hundredths_is_uncertain() {
    let uncertain = Some((BillDifferenceKind::UnitUncertain, Fix::QueryChannel));
    let billed = |amount| paid_line("order-1", "T1", amount);
    // The order in the store is unpaid.
    assert_eq!(Yen::open(50_000).difference(&billed("500")), uncertain);
    assert_eq!(Yen::open(550).difference(&billed("5.50")), uncertain);
    let (kind, fix) = Yen::open(500).difference(&billed("500")).unwrap();
    assert_eq!(kind, BillDifferenceKind::LocalUnpaid);
    assert!(
        is_command(&fix),
        "the amount fits in the currency's own unit"
    );
    let differs = Some((BillDifferenceKind::AmountDiffers, Fix::QueryChannel));
    assert_eq!(Yen::open(7).difference(&billed("500")), differs);
    // The order in the store is paid.
    assert_eq!(
        Yen::open(50_000).pay(50_000).difference(&billed("500")),
        uncertain
    );
    assert_eq!(
        Yen::open(550).pay(550).difference(&billed("5.50")),
        uncertain
    );
    assert_eq!(Yen::open(500).pay(500).difference(&billed("500")), None);
    let other = paid_line("order-1", "T2", "500");
    let (kind, fix) = Yen::open(7).pay(7).difference(&other).unwrap();
    assert_eq!(kind, BillDifferenceKind::TransactionDiffers);
    assert_eq!(fix, Fix::QueryChannel);
    // The store does not have the order.
    let unknown = paid_line("order-2", "T2", "500");
    let missing = Some((BillDifferenceKind::MissingLocally, Fix::QueryChannel));
    assert_eq!(Yen::open(500).difference(&unknown), missing);
}

#[test]
fn refund_amount_equal_only_in_hundredths_is_uncertain() {
    let uncertain = Some((BillDifferenceKind::UnitUncertain, Fix::QueryChannel));
    let billed = |amount| refund_line("order-1", "T1", "REFUND", "R-1", "SUCCESS", amount);
    let of_refunds = |yen: Yen, line: String| {
        let reader = format!("{HEADER}{}总交易单数\n`1\n", line.replace("CNY", "JPY"));
        let reader = BillReader::new(reader.as_bytes()).unwrap();
        let comparison = Reconciliation::of(day(), MchId::parse(MCH).unwrap());
        let mut found = Vec::new();
        let report = |difference: BillDifference| found.push((difference.kind, difference.fix));
        let only = comparison.kind(BillKind::Refund);
        only.run(&yen.store, reader, report).unwrap();
        found.into_iter().next()
    };
    let refunded = |amount| Yen::open(90_000).pay(90_000).refund(amount);
    assert_eq!(of_refunds(refunded(50_000), billed("500")), uncertain);
    assert_eq!(of_refunds(refunded(550), billed("5.50")), uncertain);
    let (kind, fix) = of_refunds(refunded(500), billed("500")).unwrap();
    assert_eq!(kind, BillDifferenceKind::RefundDiffers);
    assert!(is_command(&fix), "the bill has a later state");
    let differs = Some((BillDifferenceKind::RefundDiffers, Fix::QueryChannel));
    assert_eq!(of_refunds(refunded(7), billed("500")), differs);
    let elsewhere = refund_line("order-1", "T1", "REFUND", "R-9", "SUCCESS", "500");
    assert_eq!(of_refunds(refunded(7), elsewhere), differs);
}

/// An anomaly for one wrong amount of a transaction does not cover another wrong amount.
#[test]
fn second_wrong_amount_is_reported_as_new_difference() {
    let store = Store::memory().unwrap();
    let no = create(&store, "order-1");
    let first = [paid_line("order-1", "T1", "0.02")];
    apply(&store, run(&store, &first).1);
    let raised = store.get(no).wait().unwrap().unwrap();
    assert!(matches!(
        raised.anomalies[0].kind,
        AnomalyKind::AmountMismatch { .. }
    ));
    assert_eq!(run(&store, &first).0.in_anomalies, 1);
    let second = [paid_line("order-1", "T1", "0.03")];
    let (counts, found) = run(&store, &second);
    assert_eq!(counts.in_anomalies, 0);
    assert_eq!(
        kinds(&found),
        [("order-1", BillDifferenceKind::AmountDiffers)]
    );
    let commands: Vec<Command> = found
        .into_iter()
        .filter_map(|it| it.fix.into_command())
        .collect();
    assert_eq!(commands.len(), 1);
}
