//! Refunds on both sides.

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::order::{
    AnomalyKind, NewRefund, Refund, RefundFact, RefundRequested, RefundState, RefundStatus,
};
use crate::types::RefundNo;

/// A store with a clock of its own, and an order of 10 fen that was paid by `T1` some days
/// before the bill.
struct Shop {
    store: Store,
    clock: Arc<Mutex<Timestamp>>,
}

impl Shop {
    fn open() -> Self {
        let clock = Arc::new(Mutex::new(at("2021-01-25 12:00:00")));
        let reads = Arc::clone(&clock);
        let store = Store::builder()
            .clock(move || *reads.lock())
            .memory()
            .unwrap();
        let shop = Self { store, clock };
        let new = NewOrder::new(AppId::parse("wxa").unwrap(), fen(10)).unwrap();
        let _ = shop.store.create(no("order-1"), new).wait().unwrap();
        let time = at("2021-01-25 12:00:00");
        let paid = Payment::new(transaction(), fen(10), time, Source::CALLBACK).unwrap();
        let answer = shop.store.confirm(no("order-1"), paid).wait().unwrap();
        assert_eq!(answer.outcome, Confirmed::Applied);
        shop
    }

    /// Asks for a refund of 4 fen at a moment.
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

const ON_THE_DAY: &str = "2021-01-28 18:00:00";

/// How a local refund came to stand.
const LOCAL: [(RefundStatus, &[RefundState]); 5] = [
    (RefundStatus::Requested, &[]),
    (RefundStatus::Processing, &[RefundState::Processing]),
    (RefundStatus::Success, &[RefundState::Success]),
    (RefundStatus::Closed, &[RefundState::Closed]),
    (RefundStatus::Abnormal, &[RefundState::Abnormal]),
];

/// Case 28: each word of a bill against each status here, mended once.
#[test]
fn every_state_in_the_bill_meets_every_status_here() {
    use RefundStatus::{Abnormal, Closed, Processing, Requested, Success};
    #[derive(Debug, PartialEq)]
    enum Is {
        Same,
        Told(RefundStatus),
        Asked,
    }
    let expected = |word: &str, local: RefundStatus| match (word, local) {
        ("PROCESSING", Requested) => Is::Told(Processing),
        ("PROCESSING", _) => Is::Same,
        ("SUCCESS", Success) => Is::Same,
        ("SUCCESS", _) => Is::Told(Success),
        ("FAIL", Closed) => Is::Same,
        ("FAIL", _) => Is::Asked,
        ("CHANGE", Requested | Processing) => Is::Told(Abnormal),
        (_, _) => Is::Same,
    };
    for word in ["PROCESSING", "SUCCESS", "FAIL", "CHANGE"] {
        for (local, told) in LOCAL {
            let shop = Shop::open();
            shop.request("R-1", ON_THE_DAY);
            told.iter().for_each(|state| shop.record("R-1", *state));
            assert_eq!(shop.refund("R-1").unwrap().status, local);
            let bill = [line("R-1", word)];
            let before = shop.version();
            let found = shop.run(&bill);
            assert_eq!(shop.version(), before, "nothing is written");
            let is = match found.as_slice() {
                [] => Is::Same,
                [one] => {
                    assert_eq!(one.kind, BillDifferenceKind::RefundDiffers);
                    assert_eq!(one.refund_no, Some(refund_no("R-1")));
                    assert!(one.line.is_some() && one.order.is_some(), "both sides");
                    match &one.fix {
                        Fix::AskChannel => Is::Asked,
                        Fix::Tell(_) => {
                            apply(&shop.store, found.clone());
                            Is::Told(shop.refund("R-1").unwrap().status)
                        }
                        Fix::Person => panic!("{word} against {local:?}"),
                    }
                }
                _ => panic!("{found:?}"),
            };
            assert_eq!(is, expected(word, local), "{word} against {local:?}");
            let mended = shop.version();
            apply(&shop.store, found);
            if is != Is::Asked {
                assert_eq!(shop.run(&bill), [], "{word} against {local:?}");
            }
            assert_eq!(shop.version(), mended, "twice changes nothing more");
        }
    }
}

#[test]
fn a_refund_made_elsewhere_is_adopted_as_the_bill_has_it() {
    let words = [
        ("PROCESSING", RefundStatus::Processing),
        ("SUCCESS", RefundStatus::Success),
        ("FAIL", RefundStatus::Closed),
        ("CHANGE", RefundStatus::Abnormal),
    ];
    for (word, status) in words {
        let shop = Shop::open();
        let bill = [line("R-9", word)];
        apply(&shop.store, shop.run(&bill));
        let adopted = shop.refund("R-9").unwrap();
        assert_eq!((adopted.status, adopted.external), (status, true));
        assert_eq!(adopted.amount, fen(4));
        let version = shop.version();
        let left = shop.run(&bill);
        assert_eq!(left, []);
        apply(&shop.store, left);
        assert_eq!(shop.version(), version);
    }
}

#[test]
fn a_refund_of_another_amount_is_kept_as_an_anomaly_once() {
    let shop = Shop::open();
    shop.request("R-1", ON_THE_DAY);
    let bill = [refund_line(
        "order-1", "T1", "REFUND", "R-1", "SUCCESS", "0.05",
    )];
    let found = shop.run(&bill);
    assert_eq!(
        kinds(&found),
        [("order-1", BillDifferenceKind::RefundDiffers)]
    );
    apply(&shop.store, found.clone());
    let kinds: Vec<_> = anomalies(&shop.store)
        .into_iter()
        .map(|it| it.anomaly.kind)
        .collect();
    let refund_no = refund_no("R-1");
    assert_eq!(kinds, [AnomalyKind::RefundDiffers { refund_no }]);
    let (counts, left) = run(&shop.store, &bill);
    assert_eq!((counts.in_anomalies, left), (1, Vec::new()));
    apply(&shop.store, found);
    assert_eq!(anomalies(&shop.store).len(), 1);
    // What the channel says is what went back.
    let refund = shop.refund("R-1").unwrap();
    assert_eq!((refund.amount, refund.asked), (fen(5), Some(fen(4))));
}

#[test]
fn more_than_was_paid_is_kept_as_an_anomaly_once() {
    let shop = Shop::open();
    shop.request("R-1", ON_THE_DAY);
    let bill = [
        line("R-1", "PROCESSING"),
        refund_line("order-1", "T1", "REFUND", "R-2", "SUCCESS", "0.07"),
    ];
    let found = shop.run(&bill);
    assert_eq!(found.len(), 2);
    apply(&shop.store, found);
    assert_eq!(anomalies(&shop.store).len(), 1);
    let (counts, left) = run(&shop.store, &bill);
    assert_eq!((counts.in_anomalies, left), (1, Vec::new()));
}

#[test]
fn one_refund_of_the_channel_under_two_numbers_is_for_a_person() {
    let shop = Shop::open();
    apply(&shop.store, shop.run(&[line("R-1", "SUCCESS")]));
    let renamed = line("R-1", "SUCCESS").replace("`R-1,", "`R-2,");
    let [found] = &shop.run(&[renamed])[..] else {
        panic!()
    };
    assert_eq!(found.fix, Fix::Person);
}

#[test]
fn local_refunds_of_the_day_are_missed_whenever_their_order_was_paid() {
    let shop = Shop::open();
    shop.request("R-1", "2021-01-28 00:00:00");
    shop.record("R-1", RefundState::Success);
    shop.request("R-2", "2021-01-28 23:59:59");
    let told = |shop: &Shop, bill: &[String]| -> Vec<String> {
        let found = shop.run(bill);
        for one in &found {
            assert_eq!(one.kind, BillDifferenceKind::RefundDiffers);
            assert_eq!((one.line.is_none(), one.order.is_some()), (true, true));
            assert_eq!(one.fix, Fix::AskChannel);
        }
        found
            .iter()
            .map(|one| one.refund_no.clone().unwrap().to_string())
            .collect()
    };
    assert_eq!(told(&shop, &[]), ["R-1"], "R-2 may never have arrived");
    shop.record("R-2", RefundState::Processing);
    assert_eq!(told(&shop, &[]), ["R-2", "R-1"]);
    assert_eq!(told(&shop, &[line("R-2", "PROCESSING")]), ["R-1"]);
    // Weeks later they stand elsewhere, and are still of that day.
    *shop.clock.lock() = at("2021-02-20 12:00:00");
    shop.record("R-2", RefundState::Success);
    assert_eq!(told(&shop, &[]), ["R-1", "R-2"]);
    assert_eq!(
        told(
            &shop,
            &[line("R-1", "PROCESSING"), line("R-2", "PROCESSING")]
        ),
        [""; 0]
    );
}

#[test]
fn refunds_of_other_days_are_not_missed_nor_those_that_closed() {
    for moment in ["2021-01-27 23:59:59", "2021-01-29 00:00:00"] {
        let shop = Shop::open();
        shop.request("R-1", moment);
        shop.record("R-1", RefundState::Success);
        assert_eq!(shop.run(&[]), [], "{moment}");
    }
    let shop = Shop::open();
    shop.request("R-1", ON_THE_DAY);
    shop.record("R-1", RefundState::Closed);
    assert_eq!(shop.run(&[]), []);
}

#[test]
fn a_bill_of_payments_alone_misses_no_refund() {
    let shop = Shop::open();
    shop.request("R-1", ON_THE_DAY);
    shop.record("R-1", RefundState::Success);
    let mch_id = MchId::parse(MCH).unwrap();
    let payments = Reconciliation::of(day(), mch_id).kind(BillKind::Success);
    let counts = payments.run(&shop.store, [], |_| panic!("told")).unwrap();
    assert_eq!(counts.differences, 0);
}

#[test]
fn refunds_of_another_merchant_are_not_missed() {
    let shop = Shop::open();
    let ours = Reconciliation::of(day(), MchId::parse(MCH).unwrap());
    let other = MchId::parse("1712734762").unwrap();
    let new = NewOrder::new(AppId::parse("wxa").unwrap(), fen(10))
        .unwrap()
        .mch_id(other);
    let order = no("order-2");
    let _ = shop.store.create(order, new).wait().unwrap();
    let id = TransactionId::parse("T2").unwrap();
    let time = at("2021-01-25 12:00:00");
    let paid = Payment::new(id.clone(), fen(10), time, Source::CALLBACK).unwrap();
    let _ = shop.store.confirm(order, paid).wait().unwrap();
    *shop.clock.lock() = at(ON_THE_DAY);
    let refund = NewRefund::new(refund_no("R-2"), id.clone(), fen(4)).unwrap();
    let _ = shop.store.request_refund(order, refund).wait().unwrap();
    let fact = RefundFact::new(refund_no("R-2"), id, fen(4), RefundState::Processing).unwrap();
    let _ = shop.store.record_refund(order, fact).wait().unwrap();
    let counts = ours.run(&shop.store, [], |_| panic!("told")).unwrap();
    assert_eq!(counts.differences, 0);
}

/// A refund of a payment whose order is not there.
#[test]
fn a_refund_whose_order_is_not_there_is_missed_too() {
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
        "of the line alone"
    );
}

/// The made-up bill has the refund at its acceptance, and never moves.
#[test]
fn a_bill_in_which_a_refund_is_under_way_agrees_with_one_that_went_through() {
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
        assert_eq!((counts.lines, counts.of_others), (2, 0));
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
