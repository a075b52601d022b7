//! `repair`: builds a sound store from a damaged one.

use std::path::PathBuf;

use clap::Args;
use orderstore::{OrderNo, RepairFinding, RepairReport};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location;
use crate::output::{Cell, Column, Out, Rows, shown};
use crate::progress;

/// Build a sound store from a damaged one, in a missing or empty directory
///
/// The command only reads the damaged store and leaves it unchanged. If a recent backup exists,
/// restore that instead. The exit code is 1 if data was lost or changed.
#[derive(Args)]
pub(crate) struct Repair {
    /// Directory of the new store. Its parent must exist
    #[arg(long, value_name = "DIR", value_parser = location::path())]
    into: PathBuf,
}

const COLUMNS: &[Column] = &[shown("outTradeNo"), shown("found"), shown("detail")];

/// Next steps of the operator if the repair lost nothing.
const WHOLE: &str = "\
Nothing was lost. The consumers of the feed go on with their cursors.";

/// Next steps of the operator if the repair lost or changed data.
const NEXT: &str = "\
Before the new store serves requests, query the channel about every order in this list. If events
or groups were lost, also compare the bill of every affected day (orderstore reconcile). Check every
feed consumer whose cursor the new store refuses: it saw events that are lost or changed.";

impl Repair {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        progress::begin("repairing");
        let builder = location::builder().recovery_progress(progress::set_position);
        let repaired = builder.repair(context.dir()?, &self.into)?;
        progress::end();
        print_report(&mut context.out(), &repaired)?;
        let is_sound = repaired.is_whole() && repaired.verified.is_ok();
        progress::print_line(if is_sound { WHOLE } else { NEXT });
        Ok(Exit::of(is_sound))
    }
}

fn print_report(out: &mut Out, repaired: &RepairReport) -> Result<(), Failure> {
    let findings = repaired
        .findings
        .iter()
        .map(|(no, found)| cells(*no, *found));
    let breaches = repaired.verified.violations.iter().map(|breach| {
        vec![
            Cell::maybe(breach.no),
            Cell::text(breach.invariant),
            Cell::text(&breach.what),
        ]
    });
    let rows = Rows::new(COLUMNS, findings.chain(breaches).collect())
        .about("records", repaired.records.into())
        .about("listsMended", changed_lists(repaired))
        .about("everyRecordRead", Cell::Flag(repaired.is_every_record_read))
        .about("countersRead", Cell::Flag(repaired.is_state_read))
        .about("eventsLost", repaired.events_lost.into())
        .about("eventsLeftOut", repaired.events_left_out.into())
        .about("groupsLost", repaired.journal.frames_lost.into())
        .about("segmentsLost", repaired.journal.segments.into())
        .about("segmentsCutOff", repaired.journal.cut_off.into())
        .about("broken", repaired.verified.violation_count.into());
    out.many(&rows)
}

/// Returns a cell with the lists whose number of entries changed, and the numbers before and after.
fn changed_lists(repaired: &RepairReport) -> Cell {
    let lists = repaired.lists.iter();
    let changed = lists.filter(|list| list.before != Some(list.after));
    let words = changed.map(|list| match list.before {
        Some(before) => format!("{} ({before}, now {})", list.name, list.after),
        None => format!("{} (unread, now {})", list.name, list.after),
    });
    Cell::filled(words.collect::<Vec<_>>().join(" and "))
}

fn cells(no: OrderNo, found: RepairFinding) -> Vec<Cell> {
    let (word, detail) = match found {
        RepairFinding::Rebuilt => (
            "rebuilt",
            "the record was lost and rebuilt completely from its history".to_owned(),
        ),
        RepairFinding::Older { version } => (
            "older",
            format!("the record was rebuilt up to version {version}: query the channel about it"),
        ),
        RepairFinding::Corrected => (
            "corrected",
            "the record differed from its history and was rebuilt from it".to_owned(),
        ),
        RepairFinding::HistoryLost => (
            "historyLost",
            "the history is lost and restarts: compare payments with shipments".to_owned(),
        ),
        RepairFinding::Lost => (
            "lost",
            "the record is lost: only the channel knows the order".to_owned(),
        ),
        _ => ("other", String::new()),
    };
    vec![Cell::text(no), Cell::Word(word), Cell::Text(detail)]
}
