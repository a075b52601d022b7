//! Fuzz target: sequences of commands. After each command, the oracle (a minimal store in memory)
//! checks all invariants, and the reference model must give the same reply.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Bytes;
use super::commands::{
    ORDERS, REFERENCES, REFUNDS, TRANSACTIONS, USERS, any_command, any_now, any_policy, channels,
    clocks_end,
};
use crate::contract::Counts;
use crate::order::{Command, Event, Record, Status};
use crate::rules::{Index, ReplyOrder, index_entries};
use crate::testing::Oracle;
use crate::testing::fixtures;
use crate::testing::model::{List, Model};
use crate::types::{OrderNo, Timestamp};

/// Maximum number of commands in a run. 64 commands are enough for many different sequences, and
/// more commands make a run slow.
const STEPS: usize = 64;

/// Runs commands on the oracle and the model. The bytes select commands, times and policy.
///
/// After each command, the oracle checks all invariants, and the model must give the same reply. At
/// the end, oracle and model must have the same orders in every list.
///
/// # Panics
/// If a check fails.
pub fn transitions(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let policy = any_policy(&mut bytes);
    let mut oracle = Oracle::at(fixtures::now(), policy.clone());
    let mut model = Model::new(policy);
    for _ in 0..STEPS {
        if bytes.is_empty() {
            break;
        }
        match bytes.below(8) {
            0 => any_wait(&mut oracle, &mut bytes),
            _ => run(&mut oracle, &mut model, any_command(&mut bytes)),
        }
    }
    compare(&oracle, &model);
}

fn any_wait(oracle: &mut Oracle, bytes: &mut Bytes<'_>) {
    let seconds = Duration::from_secs(bytes.pick(&[1, 5, 60, 600, 3600, 7 * 24 * 3600]));
    match bytes.below(8) {
        0 => oracle.set_clock_back(seconds),
        1 => oracle.now = any_now(bytes),
        _ => oracle.wait(seconds),
    }
    oracle.now = oracle.now.min(clocks_end());
}

fn run(oracle: &mut Oracle, model: &mut Model, command: Command) {
    let Command { no, kind } = command.clone();
    let expected = model.run(oracle.now, &command);
    let decision = oracle.run_and_check(no, kind);
    check_no_openid(&format!("{command:?} {decision:?} {expected:?}"));
    let shown = match decision.reply_order {
        ReplyOrder::This => no,
        ReplyOrder::Owner(no) => no,
    };
    let order = oracle.records.get(&shown).and_then(Record::as_order);
    assert_eq!(decision.outcome, expected.outcome);
    assert_eq!(decision.acknowledge, expected.should_acknowledge());
    assert_eq!(order, expected.order.as_ref());
}

/// Checks invariant I19: the text contains no openid.
fn check_no_openid(text: &str) {
    for n in 0..USERS {
        let openid = fixtures::openid(n);
        assert!(!text.contains(openid.as_str()), "I19: {text}");
    }
}

/// Compares lists, counts and feed of the oracle with those of the model.
///
/// Their code is independent. The model decides for each order whether a list contains it; the
/// oracle uses the index entries from the rules.
fn compare(oracle: &Oracle, model: &Model) {
    for list in every_list() {
        let mut found = entries(oracle, &index_of(&list));
        let rows = model.list(&list).into_iter();
        let mut expected: Vec<_> = rows.map(|(time, order)| (time, order.no, 0)).collect();
        found.retain(|(_, no, _)| is_order(oracle, no));
        expected.sort_unstable();
        assert_eq!(found, expected, "I5: {list:?}");
    }
    let rows = model.due(Timestamp::MAX).into_iter();
    let mut due: Vec<_> = rows.map(|(time, due)| (time, due.no)).collect();
    due.sort_unstable();
    let found = entries(oracle, &Index::Due).into_iter();
    assert_eq!(
        found.map(|(time, no, _)| (time, no)).collect::<Vec<_>>(),
        due,
        "I5: due"
    );
    let rows = model.open_anomalies().into_iter();
    let mut open: Vec<_> = rows
        .map(|(time, open)| (time, open.no, open.anomaly.id.0))
        .collect();
    open.sort_unstable();
    assert_eq!(entries(oracle, &Index::Anomalies), open, "I5: anomalies");
    let count = |counts: Counts, record| counts.after(None, record);
    let counts = oracle.records.values().fold(Counts::default(), count);
    assert_eq!(counts, model.counts(), "I12");
    compare_feeds(oracle, model);
}

fn is_order(oracle: &Oracle, no: &OrderNo) -> bool {
    oracle.records.get(no).and_then(Record::as_order).is_some()
}

fn entries(oracle: &Oracle, index: &Index) -> Vec<(Timestamp, OrderNo, u32)> {
    let of_record = |record: &Record| {
        let no = record.no();
        let entries = index_entries(record).into_iter();
        entries
            .filter(|entry| entry.index == *index)
            .map(move |entry| (entry.time, no, entry.sub))
            .collect::<Vec<_>>()
    };
    let mut entries: Vec<_> = oracle.records.values().flat_map(of_record).collect();
    entries.sort_unstable();
    entries
}

fn index_of(list: &List) -> Index {
    match list.clone() {
        List::All => Index::All,
        List::OpenId(openid) => Index::OpenId(openid),
        List::Status(status) => Index::Status(status),
        List::Transaction(channel, id) => Index::Transaction(channel, id),
        List::RefundNo(channel, no) => Index::RefundNo(channel, no),
        List::Reference(reference) => Index::Reference(reference),
    }
}

fn every_list() -> Vec<List> {
    let of_channel = |channel| {
        let transactions = (0..TRANSACTIONS).map(fixtures::transaction);
        let refunds = (0..REFUNDS).map(fixtures::refund_no);
        transactions
            .map(move |id| List::Transaction(channel, id))
            .chain(refunds.map(move |no| List::RefundNo(channel, no)))
            .collect::<Vec<_>>()
    };
    std::iter::once(List::All)
        .chain(Status::ALL.map(List::Status))
        .chain((0..USERS).map(|n| List::OpenId(fixtures::openid(n))))
        .chain((0..REFERENCES).map(|n| List::Reference(fixtures::reference(n))))
        .chain(channels().into_iter().flat_map(of_channel))
        .collect()
}

fn compare_feeds(oracle: &Oracle, model: &Model) {
    let mut expected: BTreeMap<OrderNo, Vec<Event>> = BTreeMap::new();
    for event in model.feed() {
        expected.entry(event.no).or_default().push(event.clone());
    }
    assert_eq!(oracle.history, expected, "I11");
    for no in (0..ORDERS).map(fixtures::order_no) {
        let history = oracle.history.get(&no).cloned().unwrap_or_default();
        assert_eq!(history, model.history(no), "I11");
    }
}
