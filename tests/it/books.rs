//! Generates random orders with many conflicts, and compares the contents of two stores.

use orderstore::testing::SeededRng;
use std::fmt::Debug;

use orderstore::testing::fixtures::{
    command, new, note, openid, order_no, payment, prepay, reference, refund_fact, refund_of,
};
use orderstore::{
    AnomalyId, ChannelState, Command, CommandKind, OrderQuery, Page, PageRequest, RefundState,
    Resolution, Store, Timestamp,
};

/// Number of order numbers and of transactions in the test. Only some of the transactions pay an
/// order.
const NUMBERS: usize = 150;

/// Submits `commands` random commands on few orders. Payments come too early, twice, late, with too
/// small an amount, and for the wrong order. References and transactions move between orders, and
/// refunds are requested.
pub(crate) fn busy(store: &Store, rng: &mut SeededRng, commands: usize) {
    let commands: Vec<Command> = (0..commands).map(|_| any(rng)).collect();
    for group in commands.chunks(200) {
        for ticket in store.submit_all(group.to_vec()).unwrap() {
            let _ = ticket.wait().unwrap();
        }
    }
}

fn any(rng: &mut SeededRng) -> Command {
    let mut some = |n: usize| rng.below(n) as u64;
    let (no, transaction, refund) = (some(NUMBERS), some(NUMBERS), some(60));
    let ask = match some(14) {
        0..=2 => {
            let new = new(100)
                .reference(reference(some(NUMBERS)))
                .openid(openid(no % 7));
            CommandKind::Create(Box::new(new))
        }
        3..=5 => CommandKind::Confirm(Box::new(payment(no, 100 - some(2)))),
        6 => CommandKind::Confirm(Box::new(payment(transaction, 100))),
        7 => CommandKind::RecordPrepay(Box::new(prepay(some(1000)))),
        8 => CommandKind::BeginClose,
        9 => CommandKind::RecordQuery(Box::new(ChannelState::Closed)),
        10 => CommandKind::RequestRefund(Box::new(refund_of(no, refund, 1 + some(60)))),
        11 => {
            let states = [
                RefundState::Processing,
                RefundState::Abnormal,
                RefundState::Closed,
            ];
            let state = states[some(3) as usize];
            CommandKind::RecordRefund(Box::new(refund_fact(no, refund, 1 + some(60), state)))
        }
        12 => CommandKind::Hide,
        _ => CommandKind::Resolve {
            anomaly: AnomalyId(some(3) as u32).into(),
            how: Resolution::Dismiss,
            note: note(),
        },
    };
    command(no, ask)
}

/// Asserts that two stores return the same orders, histories, lists, counts and totals. The order
/// of records with equal times may differ between stores.
pub(crate) fn assert_same(one: &Store, two: &Store) {
    assert_eq!(one.counts().wait().unwrap(), two.counts().wait().unwrap());
    let ever = || Timestamp::EPOCH..Timestamp::MAX;
    let totals = |store: &Store| store.totals(ever()).wait().unwrap();
    assert_eq!(totals(one), totals(two));
    for n in 0..NUMBERS as u64 {
        let of = |store: &Store| {
            let no = order_no(n);
            let by = OrderQuery::by_reference(&reference(n)).with_hidden();
            (
                store.get(no).wait().unwrap(),
                store.history(no).wait().unwrap(),
                all(store, by),
            )
        };
        assert_eq!(of(one), of(two));
    }
    assert_eq!(all(one, OrderQuery::all()), all(two, OrderQuery::all()));
    for n in 0..7 {
        let by = || OrderQuery::by_openid(&openid(n));
        assert_eq!(all(one, by()), all(two, by()));
    }
    let anomalies = |store: &Store| every(|page| store.open_anomalies(page).wait().unwrap());
    assert_eq!(anomalies(one), anomalies(two));
    let due = |store: &Store| every(|page| store.due(Timestamp::MAX, page).wait().unwrap());
    assert_eq!(due(one), due(two));
}

fn all(store: &Store, which: OrderQuery) -> Vec<String> {
    every(|page| store.list(which.clone().page(page)).wait().unwrap())
}

/// Reads all pages and sorts the rows, because row order at equal times depends on the store.
fn every<T: Debug>(read: impl Fn(PageRequest) -> Page<T>) -> Vec<String> {
    let (mut lines, mut page) = (Vec::new(), PageRequest::of(PageRequest::MAX));
    loop {
        let found = read(page);
        lines.extend(found.rows.iter().map(|row| format!("{row:?}")));
        let Some(next) = found.next else { break };
        page = PageRequest::of(PageRequest::MAX).after(next);
    }
    lines.sort();
    lines
}
