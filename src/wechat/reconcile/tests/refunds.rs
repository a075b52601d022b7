//! Tests that compare the refunds of a bill with the refunds of the store.

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::order::{
    AnomalyKind, NewRefund, Refund, RefundFact, RefundRequested, RefundState, RefundStatus,
};
use crate::types::RefundNo;

/// Store with a test clock and one order of 10 fen, which transaction `T1` paid three days before
/// the day of the bill.
struct Fixture {
    store: Store,
    clock: Arc<Mutex<Timestamp>>,
}

impl Fixture {
    fn open() -> Self {
        let clock = Arc::new(Mutex::new(at("2021-01-25 12:00:00")));
        let now = Arc::clone(&clock);
        let store = Store::builder()
            .clock(move || *now.lock())
            .memory()
            .unwrap();
        let fixture = Self { store, clock };
        let new = NewOrder::new(AppId::parse("wxa").unwrap(), fen(10)).unwrap();
        let _ = fixture.store.create(no("order-1"), new).wait().unwrap();
        let time = at("2021-01-25 12:00:00");
        let paid = Payment::new(transaction(), fen(10), time, Source::CALLBACK).unwrap();
        let answer = fixture.store.confirm(no("order-1"), paid).wait().unwrap();
        assert_eq!(answer.outcome, Confirmed::Applied);
        fixture
    }

    /// Requests a refund of 4 fen at the time `moment`.
    fn request(&self, number: &str, moment: &str) {
        *self.clock.lock() = at(moment);
        let refund = NewRefund::new(refund_no(number), transaction(), fen(4)).unwrap();
        let answer = self.store.request_refund(no("order-1"), refund);
        assert_eq!(answer.wait().unwrap().outcome, RefundRequested::Requested);
    }

    fn record(&self, number: &str, state: RefundState) {
        let number = refund_no(number);
        let fact = RefundFact::new(number, transaction(), fen(4), state).unwrap();
        let _ = self
            .store
            .record_refund(no("order-1"), fact)
            .wait()
            .unwrap();
    }

    fn refund(&self, number: &str) -> Option<Refund> {
        let order = self.store.get(no("order-1")).wait().unwrap().unwrap();
        let mut refunds = order.refunds.iter();
        refunds
            .find(|refund| refund.refund_no.as_str() == number)
            .cloned()
    }

    fn version(&self) -> u64 {
        self.store
            .get(no("order-1"))
            .wait()
            .unwrap()
            .unwrap()
            .version
    }

    fn run(&self, lines: &[String]) -> Vec<BillDifference> {
        run(&self.store, lines).1
    }
}

fn at(civil: &str) -> Timestamp {
    Timestamp::parse_civil(civil).unwrap()
}

fn fen(fen: u64) -> Fen {
    Fen::new(fen).unwrap()
}

fn no(text: &str) -> OrderNo {
    OrderNo::parse(text).unwrap()
}

fn refund_no(text: &str) -> RefundNo {
    RefundNo::parse(text).unwrap()
}

fn transaction() -> TransactionId {
    TransactionId::parse("T1").unwrap()
}

fn line(number: &str, state: &str) -> String {
    refund_line("order-1", "T1", "REFUND", number, state, "0.04")
}

/// Time on the day of the bill.
const ON_THE_DAY: &str = "2021-01-28 18:00:00";

/// Refund statuses in the store, each with the channel reports that lead to it.
const LOCAL: [(RefundStatus, &[RefundState]); 5] = [
    (RefundStatus::Requested, &[]),
    (RefundStatus::Processing, &[RefundState::Processing]),
    (RefundStatus::Success, &[RefundState::Success]),
    (RefundStatus::Closed, &[RefundState::Closed]),
    (RefundStatus::Abnormal, &[RefundState::Abnormal]),
];

/// Compares each refund state in a bill with each refund status in the store, and applies the fix.
#[test]
fn billed_refund_state_is_compared_with_stored_status() {
    use RefundStatus::{Abnormal, Closed, Processing, Requested, Success};
    #[derive(Debug, PartialEq)]
    enum Expected {
        Same,
        Fixed(RefundStatus),
        AskChannel,
    }
    let expected = |word: &str, local: RefundStatus| match (word, local) {
        ("PROCESSING", Requested) => Expected::Fixed(Processing),
        ("PROCESSING", _) => Expected::Same,
        ("SUCCESS", Success) => Expected::Same,
        ("SUCCESS", _) => Expected::Fixed(Success),
        ("FAIL", Closed) => Expected::Same,
        ("FAIL", _) => Expected::AskChannel,
        ("CHANGE", Requested | Processing) => Expected::Fixed(Abnormal),
        (_, _) => Expected::Same,
    };
    for word in ["PROCESSING", "SUCCESS", "FAIL", "CHANGE"] {
        for (local, states) in LOCAL {
            let fixture = Fixture::open();
            fixture.request("R-1", ON_THE_DAY);
            states
                .iter()
                .for_each(|state| fixture.record("R-1", *state));
            assert_eq!(fixture.refund("R-1").unwrap().status, local);
            let bill = [line("R-1", word)];
            let before = fixture.version();
            let found = fixture.run(&bill);
            assert_eq!(fixture.version(), before, "the comparison writes nothing");
            let actual = match found.as_slice() {
                [] => Expected::Same,
                [difference] => {
                    assert_eq!(difference.kind, BillDifferenceKind::RefundDiffers);
                    assert_eq!(difference.refund_no, Some(refund_no("R-1")));
                    assert!(
                        difference.line.is_some() && difference.order.is_some(),
                        "the difference has both sides"
                    );
                    match &difference.fix {
                        Fix::QueryChannel => Expected::AskChannel,
                        Fix::Record(_) => {
                            apply(&fixture.store, found.clone());
                            Expected::Fixed(fixture.refund("R-1").unwrap().status)
                        }
                        Fix::Person => panic!("{word} against {local:?}"),
                    }
                }
                _ => panic!("{found:?}"),
            };
            assert_eq!(actual, expected(word, local), "{word} against {local:?}");
            let fixed = fixture.version();
            apply(&fixture.store, found);
            if actual != Expected::AskChannel {
                assert_eq!(fixture.run(&bill), [], "{word} against {local:?}");
            }
            assert_eq!(
                fixture.version(),
                fixed,
                "a second run of the fix changes nothing"
            );
        }
    }
}

#[test]
fn refund_only_in_bill_is_recorded_as_external() {
    let words = [
        ("PROCESSING", RefundStatus::Processing),
        ("SUCCESS", RefundStatus::Success),
        ("FAIL", RefundStatus::Closed),
        ("CHANGE", RefundStatus::Abnormal),
    ];
    for (word, status) in words {
        let fixture = Fixture::open();
        let bill = [line("R-9", word)];
        apply(&fixture.store, fixture.run(&bill));
        let adopted = fixture.refund("R-9").unwrap();
        assert_eq!((adopted.status, adopted.external), (status, true));
        assert_eq!(adopted.amount, fen(4));
        let version = fixture.version();
        let left = fixture.run(&bill);
        assert_eq!(left, []);
        apply(&fixture.store, left);
        assert_eq!(fixture.version(), version);
    }
}

#[test]
fn billed_refund_of_other_amount_becomes_one_anomaly() {
    let fixture = Fixture::open();
    fixture.request("R-1", ON_THE_DAY);
    let bill = [refund_line(
        "order-1", "T1", "REFUND", "R-1", "SUCCESS", "0.05",
    )];
    let found = fixture.run(&bill);
    assert_eq!(
        kinds(&found),
        [("order-1", BillDifferenceKind::RefundDiffers)]
    );
    apply(&fixture.store, found.clone());
    let kinds: Vec<_> = anomalies(&fixture.store)
        .into_iter()
        .map(|it| it.anomaly.kind)
        .collect();
    let refund_no = refund_no("R-1");
    assert_eq!(kinds, [AnomalyKind::RefundDiffers { refund_no }]);
    let (counts, left) = run(&fixture.store, &bill);
    assert_eq!((counts.in_anomalies, left), (1, Vec::new()));
    apply(&fixture.store, found);
    assert_eq!(anomalies(&fixture.store).len(), 1);
    // The channel's amount counts as the refunded amount.
    let refund = fixture.refund("R-1").unwrap();
    assert_eq!((refund.amount, refund.asked), (fen(5), Some(fen(4))));
}

#[test]
fn refund_above_paid_amount_becomes_one_anomaly() {
    let fixture = Fixture::open();
    fixture.request("R-1", ON_THE_DAY);
    let bill = [
        line("R-1", "PROCESSING"),
        refund_line("order-1", "T1", "REFUND", "R-2", "SUCCESS", "0.07"),
    ];
    let found = fixture.run(&bill);
    assert_eq!(found.len(), 2);
    apply(&fixture.store, found);
    assert_eq!(anomalies(&fixture.store).len(), 1);
    let (counts, left) = run(&fixture.store, &bill);
    assert_eq!((counts.in_anomalies, left), (1, Vec::new()));
}

#[test]
fn one_refund_id_with_two_numbers_needs_person() {
    let fixture = Fixture::open();
    apply(&fixture.store, fixture.run(&[line("R-1", "SUCCESS")]));
    let renamed = line("R-1", "SUCCESS").replace("`R-1,", "`R-2,");
    let [found] = &fixture.run(&[renamed])[..] else {
        panic!()
    };
    assert_eq!(found.fix, Fix::Person);
}

#[test]
fn missing_refund_is_reported_on_request_day() {
    let fixture = Fixture::open();
    fixture.request("R-1", "2021-01-28 00:00:00");
    fixture.record("R-1", RefundState::Success);
    fixture.request("R-2", "2021-01-28 23:59:59");
    let missing = |fixture: &Fixture, bill: &[String]| -> Vec<String> {
        let found = fixture.run(bill);
        for difference in &found {
            assert_eq!(difference.kind, BillDifferenceKind::RefundDiffers);
            assert_eq!(
                (difference.line.is_none(), difference.order.is_some()),
                (true, true)
            );
            assert_eq!(difference.fix, Fix::QueryChannel);
        }
        found
            .iter()
            .map(|difference| difference.refund_no.clone().unwrap().to_string())
            .collect()
    };
    assert_eq!(
        missing(&fixture, &[]),
        ["R-1"],
        "R-2 may not have reached the channel"
    );
    fixture.record("R-2", RefundState::Processing);
    assert_eq!(missing(&fixture, &[]), ["R-2", "R-1"]);
    assert_eq!(missing(&fixture, &[line("R-2", "PROCESSING")]), ["R-1"]);
    // The later success moves the refund to another index, but its request day does not change.
    *fixture.clock.lock() = at("2021-02-20 12:00:00");
    fixture.record("R-2", RefundState::Success);
    assert_eq!(missing(&fixture, &[]), ["R-1", "R-2"]);
    assert_eq!(
        missing(
            &fixture,
            &[line("R-1", "PROCESSING"), line("R-2", "PROCESSING")]
        ),
        [""; 0]
    );
}

#[test]
fn closed_or_other_day_refund_is_not_missing() {
    for moment in ["2021-01-27 23:59:59", "2021-01-29 00:00:00"] {
        let fixture = Fixture::open();
        fixture.request("R-1", moment);
        fixture.record("R-1", RefundState::Success);
        assert_eq!(fixture.run(&[]), [], "{moment}");
    }
    let fixture = Fixture::open();
    fixture.request("R-1", ON_THE_DAY);
    fixture.record("R-1", RefundState::Closed);
    assert_eq!(fixture.run(&[]), []);
}

#[test]
fn bill_of_payments_reports_no_missing_refund() {
    let fixture = Fixture::open();
    fixture.request("R-1", ON_THE_DAY);
    fixture.record("R-1", RefundState::Success);
    let mch_id = MchId::parse(MCH).unwrap();
    let payments = Reconciliation::of(day(), mch_id).kind(BillKind::Success);
    let counts = payments
        .run(&fixture.store, [], |_| panic!("reported a difference"))
        .unwrap();
    assert_eq!(counts.differences, 0);
}

#[test]
fn refund_of_another_merchant_is_not_missing() {
    let fixture = Fixture::open();
    let ours = Reconciliation::of(day(), MchId::parse(MCH).unwrap());
    let other = MchId::parse("1712734762").unwrap();
    let new = NewOrder::new(AppId::parse("wxa").unwrap(), fen(10))
        .unwrap()
        .mch_id(other);
    let order = no("order-2");
    let _ = fixture.store.create(order, new).wait().unwrap();
    let id = TransactionId::parse("T2").unwrap();
    let time = at("2021-01-25 12:00:00");
    let paid = Payment::new(id.clone(), fen(10), time, Source::CALLBACK).unwrap();
    let _ = fixture.store.confirm(order, paid).wait().unwrap();
    *fixture.clock.lock() = at(ON_THE_DAY);
    let refund = NewRefund::new(refund_no("R-2"), id.clone(), fen(4)).unwrap();
    let _ = fixture.store.request_refund(order, refund).wait().unwrap();
    let fact = RefundFact::new(refund_no("R-2"), id, fen(4), RefundState::Processing).unwrap();
    let _ = fixture.store.record_refund(order, fact).wait().unwrap();
    let counts = ours
        .run(&fixture.store, [], |_| panic!("reported a difference"))
        .unwrap();
    assert_eq!(counts.differences, 0);
}

/// The store has the refunded payment, but no order with its number.
#[test]
fn missing_refund_without_order_is_reported() {
    let clock = at(ON_THE_DAY);
    let store = Store::builder().clock(move || clock).memory().unwrap();
    let paid = Payment::new(transaction(), fen(10), clock, Source::CALLBACK).unwrap();
    let _ = store.confirm(no("order-1"), paid).wait().unwrap();
    let refund = NewRefund::new(refund_no("R-1"), transaction(), fen(4)).unwrap();
    let answer = store.request_refund(no("order-1"), refund).wait().unwrap();
    assert_eq!(answer.outcome, RefundRequested::Requested);
    let fact = RefundFact::new(
        refund_no("R-1"),
        transaction(),
        fen(4),
        RefundState::Success,
    );
    let _ = store
        .record_refund(no("order-1"), fact.unwrap())
        .wait()
        .unwrap();
    let (_, found) = run(&store, &[]);
    assert_eq!(
        kinds(&found),
        [("order-1", BillDifferenceKind::RefundDiffers)]
    );
    assert_eq!(
        (found[0].refund_no.clone(), found[0].order.clone()),
        (Some(refund_no("R-1")), None)
    );
    let bill = [line("R-1", "PROCESSING")];
    let (_, found) = run(&store, &bill);
    assert_eq!(
        kinds(&found),
        [("order-1", BillDifferenceKind::MissingLocally)],
        "only the line causes a difference"
    );
}

/// The bill keeps the state that the refund had when the channel accepted it.
#[test]
fn processing_refund_in_bill_matches_later_success() {
    let text = include_str!("../../../../tests/data/wechat/trade_bill_made_up_refund.csv");
    let lines = || BillReader::new(text.as_bytes()).unwrap();
    let all: Vec<_> = lines().collect::<Result<_, _>>().unwrap();
    let [first, second] = &all[..] else { panic!() };
    let moment = first.time;
    let store = Store::builder().clock(move || moment).memory().unwrap();
    let paid = first.payment().unwrap();
    let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1").unwrap(), paid.paid_fee).unwrap();
    let _ = store.create(first.no, new).wait().unwrap();
    let compare = || {
        let day = moment.beijing().to_string();
        let day = BillDay::parse(day.split(' ').next().unwrap()).unwrap();
        let comparison = Reconciliation::of(day, first.mch_id.clone());
        let mut found = Vec::new();
        let counts = comparison
            .run(&store, lines(), |difference| found.push(difference))
            .unwrap();
        assert_eq!((counts.lines, counts.other_merchants), (2, 0));
        found
    };
    let found = compare();
    let expected = [
        BillDifferenceKind::LocalUnpaid,
        BillDifferenceKind::RefundDiffers,
    ];
    assert_eq!(found.iter().map(|it| it.kind).collect::<Vec<_>>(), expected);
    apply(&store, found);
    assert_eq!(compare(), []);
    let BillEntry::Refund(billed) = &second.entry else {
        panic!()
    };
    let (number, transaction) = (billed.refund_no.clone(), second.transaction_id.clone());
    let done = RefundFact::new(number, transaction, billed.amount, RefundState::Success).unwrap();
    let _ = store.record_refund(second.no, done).wait().unwrap();
    let order = store.get(first.no).wait().unwrap().unwrap();
    assert_eq!(
        (order.status, order.refunds[0].status),
        (Status::Success, RefundStatus::Success)
    );
    assert_eq!(compare(), []);
}
