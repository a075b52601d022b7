//! `repair`: a sound store of a damaged one.

use std::path::PathBuf;

use clap::Args;
use orderstore::{OrderNo, RepairFinding, RepairReport, Store};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location;
use crate::output::{Cell, Column, Out, Rows, shown};
use crate::progress;

/// Make a sound store out of a damaged one, in a directory that is missing or empty
///
/// The damaged store is only read and stays as it is. Restore a backup instead where there is one
/// that is young enough. Where anything was lost, or is not as it was, the exit code is 1.
#[derive(Args)]
pub(crate) struct Repair {
    /// The new store's directory; its parent must be there
    #[arg(long, value_name = "DIR", value_parser = location::path())]
    into: PathBuf,
}

const COLUMNS: &[Column] = &[shown("outTradeNo"), shown("found"), shown("detail")];

const WHOLE: &str = "\
Everything could be read. The feed is another incarnation: its consumers begin anew
(RepairReport::translate).";

const NEXT: &str = "\
Before it serves anybody, ask the channel: about every order that is listed here, and, where
events or groups were lost, for every day that is concerned (orderstore reconcile). The feed is
another incarnation: its consumers begin anew (RepairReport::translate).";

impl Repair {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        progress::begin("repairing");
        let builder = Store::builder().recovery_progress(progress::tell);
        let repaired = builder.repair(context.dir()?, &self.into)?;
        progress::end();
        tell(&mut context.out(), &repaired)?;
        let is_well = repaired.is_whole() && repaired.verified.is_ok();
        progress::say(if is_well { WHOLE } else { NEXT });
        Ok(Exit::of(is_well))
    }
}

fn tell(out: &mut Out, repaired: &RepairReport) -> Result<(), Failure> {
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
        .about("listsMended", mended(repaired))
        .about("everyRecordRead", Cell::Flag(repaired.is_every_record_read))
        .about("countersRead", Cell::Flag(repaired.is_state_read))
        .about("eventsLost", repaired.events_lost.into())
        .about("eventsLeftOut", repaired.events_left_out.into())
        .about("groupsLost", repaired.journal.frames_lost.into())
        .about("segmentsLost", repaired.journal.segments.into())
        .about("segmentsCutOff", repaired.journal.cut_off.into())
        .about("broken", repaired.verified.broken.into());
    out.many(&rows)
}

/// The lists that held something else than the records say, each with how much.
fn mended(repaired: &RepairReport) -> Cell {
    let lists = repaired.lists.iter();
    let mended = lists.filter(|list| list.before != Some(list.after));
    let words = mended.map(|list| match list.before {
        Some(before) => format!("{} ({before}, now {})", list.name, list.after),
        None => format!("{} (unread, now {})", list.name, list.after),
    });
    Cell::filled(words.collect::<Vec<_>>().join(" and "))
}

fn cells(no: OrderNo, found: RepairFinding) -> Vec<Cell> {
    let (word, detail) = match found {
        RepairFinding::Rebuilt => (
            "rebuilt",
            "it was lost, and its history told it whole".to_owned(),
        ),
        RepairFinding::Older { version } => (
            "older",
            format!("it is there as of version {version}: ask the channel about it"),
        ),
        RepairFinding::Refolded => (
            "refolded",
            "it was not what its history says, and is now".to_owned(),
        ),
        RepairFinding::HistoryLost => (
            "historyLost",
            "its history begins anew: compare what was paid with what was shipped".to_owned(),
        ),
        RepairFinding::Lost => ("lost", "only the channel knows of it".to_owned()),
        _ => ("other", String::new()),
    };
    vec![Cell::text(no), Cell::Word(word), Cell::Text(detail)]
}
