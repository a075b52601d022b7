//! Table of all statuses and commands, at four times in the life of an order. One test compares the
//! table with the hand-written [`EXPECTED`]. The test `every_status_meets_every_command` compares
//! it with the manual's chapter in both languages. Run it with `UPDATE_STATES=1` to rewrite the
//! chapters.

use std::fmt::Write;

use super::expected::EXPECTED;
use super::rows::{Row, rows};
use super::states_zh::CHINESE;
use super::*;
use crate::order::{AnomalyKind, Command, Event, EventKind, NextAction, Order, Record, Status};
use crate::rules::{Decision, needs, needs_depend_on_record};

const COLUMNS: [&str; 8] = [
    "absent", "waiting", "Pending", "Closing", "Success", "Closed", "Failed", "LatePaid",
];

/// Times of the commands, measured from the creation of the order and its prepay.
const MOMENTS: [(&str, Duration); 4] = [
    ("soon", MINUTE),
    ("later", HOUR),
    ("expired", Duration::from_secs(7 * 24 * 3600 + 60)),
    ("overdue", Duration::from_secs(7 * 24 * 3600 + 11 * 60)),
];

/// Returns a store whose `order-a` has the status of the column. A paid order was paid by
/// transaction X. In the column `waiting`, the unclaimed payment is by X.
pub(super) fn store_in_column(column: &str) -> Oracle {
    let path = match column {
        "absent" => vec![],
        "waiting" => vec![confirm(paid("X"))],
        "Pending" => vec![create(new()), prepay("p")],
        "Closing" => vec![create(new()), prepay("p"), CommandKind::BeginClose],
        "Success" => vec![create(new()), prepay("p"), confirm(paid("X"))],
        "Closed" => vec![create(new()), prepay("p"), query(ChannelState::Closed)],
        "Failed" => vec![create(new()), prepay("p"), query(ChannelState::Revoked)],
        _ => vec![
            create(new()),
            query(ChannelState::Closed),
            confirm(paid("X")),
        ],
    };
    let mut store = Oracle::open();
    for ask in path {
        let _ = store.run(no("a"), ask);
    }
    let status = store
        .record("a")
        .and_then(Record::as_order)
        .map(|order| order.status);
    assert!(status.is_none_or(|status| format!("{status:?}") == column));
    store
}

fn cells(row: &Row, age: Duration) -> Vec<String> {
    COLUMNS.map(|column| cell(row, column, age)).to_vec()
}

fn cell(row: &Row, column: &str, age: Duration) -> String {
    let mut store = store_in_column(column);
    store.wait(age);
    let ask = row.1(&mut store);
    let before = status(store.record("a"));
    let carries_a_fact = match &ask {
        CommandKind::Confirm(_) => true,
        CommandKind::RecordQuery(state) => state.payment().is_some(),
        CommandKind::RecordRefund(_) => true,
        _ => false,
    };
    let decision = store.run(no("a"), ask);
    let mut cell = outcome_name(&decision);
    if carries_a_fact && !decision.acknowledge {
        cell += ", no ack";
    }
    let after = status(store.record("a"));
    if let Some(status) = after.filter(|_| after != before) {
        write!(cell, " → {status:?}").unwrap();
    }
    let events: Vec<_> = decision.events.iter().map(event_name).collect();
    if !events.is_empty() {
        write!(cell, ": {}", events.join(" + ")).unwrap();
    }
    cell + &next_step(&decision, store.now)
}

fn status(record: Option<&Record>) -> Option<Status> {
    record.and_then(Record::as_order).map(|order| order.status)
}

/// Returns the name of the outcome without its fields. Includes the name of a nested outcome.
fn outcome_name(decision: &Decision) -> String {
    let outcome = format!("{:?}", decision.outcome);
    let (_, inner) = outcome.split_once('(').unwrap();
    without_fields(inner.strip_suffix(')').unwrap())
}

fn without_fields(text: &str) -> String {
    match (text.find(" {"), text.rfind('}')) {
        (Some(open), Some(close)) => text[..open].to_owned() + &text[close + 1..],
        _ => text.to_owned(),
    }
}

fn event_name(event: &Event) -> String {
    let kind = |kind: &AnomalyKind| without_fields(&format!("{kind:?}"));
    match &event.what {
        EventKind::AnomalyRaised(raised) => format!("AnomalyRaised({})", kind(&raised.kind)),
        EventKind::AnomalyReclassified { kind: now, .. } => {
            format!("AnomalyReclassified({})", kind(now))
        }
        EventKind::AnomalyEnded { how, .. } => {
            format!("AnomalyEnded({})", without_fields(&format!("{how:?}")))
        }
        other => {
            let text = format!("{other:?}");
            text.split(['(', ' ']).next().unwrap().to_owned()
        }
    }
}

/// Returns the next action and its delay if an event set one; otherwise an empty string.
fn next_step(decision: &Decision, now: Timestamp) -> String {
    let sets_next = |event: &Event| {
        use EventKind::{Checked, CloseAborted, CloseBegan, Created, Imported};
        matches!(
            event.what,
            Checked { .. } | CloseAborted { .. } | CloseBegan { .. } | Created(_) | Imported(_)
        )
    };
    let order = decision.after.as_ref().and_then(Record::as_order);
    let next = order.and_then(|order: &std::sync::Arc<Order>| order.next);
    let Some(NextAction { at, action }) = next.filter(|_| decision.events.iter().any(sets_next))
    else {
        return String::new();
    };
    match at.since(now).as_secs() {
        0 => format!("; {action:?} now"),
        secs if secs % 60 == 0 => format!("; {action:?} in {} min", secs / 60),
        secs => format!("; {action:?} in {secs} s"),
    }
}

/// Parses the rows of [`EXPECTED`] into name, times and cells. `=` repeats the cell to the left.
fn expected() -> Vec<(&'static str, Vec<&'static str>, Vec<&'static str>)> {
    let parse = |line: &'static str| {
        let mut parts = line.split('|').map(str::trim);
        let name = parts.next().unwrap();
        let moments = match parts.next().unwrap() {
            "always" => MOMENTS.map(|(name, _)| name).to_vec(),
            some => some.split(' ').collect(),
        };
        let mut cells: Vec<&str> = Vec::new();
        for cell in parts {
            cells.push(if cell == "=" {
                cells.last().unwrap()
            } else {
                cell
            });
        }
        assert_eq!(cells.len(), COLUMNS.len(), "{name}");
        (name, moments, cells)
    };
    EXPECTED.iter().map(|line| parse(line)).collect()
}

#[test]
fn every_status_and_command_matches_hand_written_table() {
    let expected = expected();
    for row in &rows() {
        for (moment, age) in MOMENTS {
            let is_row = |line: &&(&str, Vec<&str>, _)| line.0 == row.0 && line.1.contains(&moment);
            let mut lines = expected.iter().filter(is_row);
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("no expected line for {} {moment}", row.0));
            assert!(
                lines.next().is_none(),
                "two expected lines for {} {moment}",
                row.0
            );
            for ((cell, expected), column) in cells(row, age).iter().zip(&line.2).zip(COLUMNS) {
                assert_eq!(cell, expected, "{} meets {column}, {moment}", row.0);
            }
        }
    }
    let known = |name| rows().iter().any(|row| row.0 == name);
    assert!(expected.iter().all(|line| known(line.0)));
}

#[test]
fn keys_that_most_commands_need_do_not_depend_on_record() {
    for (name, command) in &rows() {
        for column in COLUMNS {
            let mut store = store_in_column(column);
            let (no, kind) = (no("a"), command(&mut store));
            let command = Command { no, kind };
            let keys = |record| needs(&command, record).collect::<Vec<_>>();
            let is_same = keys(store.record("a")) == keys(None);
            assert!(
                is_same || needs_depend_on_record(&command),
                "{name} meets {column}"
            );
        }
    }
}

#[test]
fn every_status_meets_every_command() {
    for chapter in [&ENGLISH, &CHINESE] {
        let path = format!("{}/src/manual/{}", env!("CARGO_MANIFEST_DIR"), chapter.file);
        let mut table = chapter.text();
        if chapter.file != ENGLISH.file {
            // `tests/it/manual_zh.rs` compares this checksum, to find an outdated chapter.
            let english = crc32fast::hash(ENGLISH.text().as_bytes());
            table = format!("<!-- english: {english:08x} -->\n{table}");
        }
        if std::env::var_os("UPDATE_STATES").is_some() {
            std::fs::write(&path, &table).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == table,
            "{path} differs from the rules: run this test again with UPDATE_STATES=1"
        );
    }
}

/// Texts of the manual's chapter in one language.
pub(super) struct Chapter {
    pub(super) file: &'static str,
    pub(super) preface: &'static str,
    /// Headings of the first four columns: command, time, no record, and unclaimed payment.
    pub(super) columns: [&'static str; 4],
    /// Translations of the names of rows and times. A name without a translation stays in English.
    pub(super) words: &'static [(&'static str, &'static str)],
}

const ENGLISH: Chapter = Chapter {
    file: "states.md",
    preface: "\
# Every status meets every command

The test `every_status_meets_every_command` writes this chapter from the rules themselves.

Each cell contains the outcome, the new status if it changed, the events, and the next step.
Without events the store writes nothing. *No ack* means that the server must not acknowledge the
fact to the channel.

The column *absent* is for numbers without a record. In the column *waiting* the payment X arrived
before its order. The other columns are the statuses. X paid the orders in `Success` and
`LatePaid`. Every order except that in `LatePaid` got a prepay when it was created. Every order
expires after seven days. The policy is the default.

A refund is for 60 of the 100 fen that X paid, where a refund is possible.

Rows give the time of the command: *soon* is one minute after the creation, *later* is one hour
after it. *Expired* is one minute after the order expired. *Overdue* is eleven minutes after that
time, which is longer than the grace of ten minutes.
",
    columns: ["input", "when", "absent", "waiting"],
    words: &[],
};

impl Chapter {
    fn text(&self) -> String {
        let mut text = self.preface.to_owned();
        let mut section = "";
        for row in rows() {
            let (verb, input) = row.0.split_once(": ").unwrap_or((row.0, "—"));
            if verb != section {
                section = verb;
                let [input, when, absent, waiting] = self.columns;
                let statuses = COLUMNS[2..].join(" | ");
                let rule = "---|".repeat(COLUMNS.len() + 2);
                write!(text, "\n## `{verb}`\n\n").unwrap();
                writeln!(
                    text,
                    "| {input} | {when} | {absent} | {waiting} | {statuses} |"
                )
                .unwrap();
                writeln!(text, "|{rule}").unwrap();
            }
            for (when, cells) in grouped(&row) {
                let when: Vec<&str> = when.iter().map(|word| self.word(word)).collect();
                let (input, when) = (self.word(input), when.join(", "));
                writeln!(text, "| {input} | {when} | {} |", cells.join(" | ")).unwrap();
            }
        }
        text
    }

    fn word<'a>(&self, word: &'a str) -> &'a str {
        let found = self.words.iter().find(|(english, _)| *english == word);
        found.map_or(word, |(_, own)| *own)
    }
}

/// Groups the times of a row that have equal cells. Returns the times and the cells of each group.
fn grouped(row: &Row) -> Vec<(Vec<&'static str>, Vec<String>)> {
    let mut groups: Vec<(Vec<&'static str>, Vec<String>)> = Vec::new();
    for (moment, age) in MOMENTS {
        let cells = cells(row, age);
        match groups.iter_mut().find(|(_, known)| *known == cells) {
            Some((moments, _)) => moments.push(moment),
            None => groups.push((vec![moment], cells)),
        }
    }
    let all = |(moments, cells): (Vec<&'static str>, Vec<String>)| {
        let always = moments.len() == MOMENTS.len();
        (if always { vec!["always"] } else { moments }, cells)
    };
    groups.into_iter().map(all).collect()
}
