//! Portions of records: handed to the store, answered, counted.

use std::thread;
use std::time::Duration;

use super::dry_run::DryRun;
use super::error::ImportError;
use super::record::Read;
use super::report::{ImportReport, Notice};
use super::settings::Settings;
use crate::error::Error as StoreError;
use crate::order::{
    Command, Confirmed, ImportRefusal, Imported, Outcome, RefundRecorded, RefundRequested, Reply,
};
use crate::store::Store;
use crate::transfer::error::{Reason, Refused};
use crate::transfer::place::Place;

/// How long to wait where the queue is full of others' commands.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Submitter<'a, F> {
    store: &'a Store,
    settings: Settings,
    trial: Option<DryRun>,
    tell: F,
    report: ImportReport,
    portion: Vec<Read>,
}

impl<'a, F: FnMut(Notice)> Submitter<'a, F> {
    pub(super) fn new(store: &'a Store, settings: Settings, tell: F) -> Self {
        Self {
            store,
            settings,
            trial: settings.dry_run.then(DryRun::default),
            tell,
            report: ImportReport {
                settled: settings.resume_behind,
                ..ImportReport::default()
            },
            portion: Vec::with_capacity(settings.portion()),
        }
    }

    pub(super) const fn report(&self) -> ImportReport {
        self.report
    }

    pub(super) const fn settled(&self) -> Option<Place> {
        self.report.settled
    }

    /// Takes a record, and settles what waits if that is enough; whether the import ends.
    pub(super) fn take(&mut self, record: Read) -> Result<bool, ImportError> {
        self.portion.push(record);
        if self.portion.len() >= self.settings.portion() {
            self.settle()?;
        }
        Ok(self.report.stopped)
    }

    /// Settles what waits: each record in its order.
    pub(super) fn settle(&mut self) -> Result<(), ImportError> {
        let portion = std::mem::take(&mut self.portion);
        let all = portion
            .iter()
            .filter_map(|record| record.asked.as_ref().ok());
        let commands: Vec<Command> = all.flatten().cloned().collect();
        let settled = self.settled();
        let failed = |source| ImportError::Store { source, settled };
        let mut answers = self.ask(commands).map_err(failed)?.into_iter();
        for record in portion {
            let found = match record.asked {
                Err(refused) => Err(refused),
                Ok(asked) => {
                    // All of the record's own, however early it is refused: what follows
                    // belongs to the next one.
                    let own: Vec<_> = answers.by_ref().take(asked.len()).collect();
                    self.weigh(record.place, asked.iter().zip(own))
                }
            };
            self.count(record.place, found);
            if self.report.stopped {
                break;
            }
        }
        (self.tell)(Notice::Progress(self.report));
        Ok(())
    }

    fn ask(&self, commands: Vec<Command>) -> Result<Vec<Reply<Outcome>>, StoreError> {
        match self.trial {
            _ if commands.is_empty() => Ok(Vec::new()),
            Some(_) => self.store.dry_run(commands).wait(),
            None => submit(self.store, commands),
        }
    }

    /// What became of one record.
    fn weigh<'c>(
        &mut self,
        place: Place,
        answers: impl Iterator<Item = (&'c Command, Reply<Outcome>)>,
    ) -> Result<Became, Refused> {
        let mut became = Became::Unchanged;
        for (command, answered) in answers {
            let refused = |reason| {
                let no = Some(command.no);
                Refused { place, no, reason }
            };
            let outcome = match &mut self.trial {
                Some(trial) => trial.weigh(command, answered.outcome),
                None => answered.outcome,
            };
            became = became.max(of(outcome).map_err(refused)?);
        }
        Ok(became)
    }

    fn count(&mut self, place: Place, found: Result<Became, Refused>) {
        let report = &mut self.report;
        match found {
            Ok(Became::Unchanged) => report.unchanged += 1,
            Ok(Became::Waiting) => report.waiting += 1,
            Ok(Became::Advanced) => report.advanced += 1,
            Ok(Became::InAnomaly) => {
                report.advanced += 1;
                report.in_anomalies += 1;
            }
            Ok(Became::Imported) => report.imported += 1,
            Err(refused) => {
                if refused.reason == Reason::SkippedDiffers {
                    report.skipped_differs += 1;
                } else {
                    report.refused += 1;
                    report.stopped = self.settings.stop_on_error;
                }
                (self.tell)(Notice::Refused(refused));
            }
        }
        report.records += 1;
        if !report.stopped {
            report.settled = Some(place);
        }
    }
}

/// What became of a record; of several facts under one number, the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Became {
    Unchanged,
    Waiting,
    Advanced,
    InAnomaly,
    Imported,
}

fn of(outcome: Outcome) -> Result<Became, Reason> {
    match outcome {
        Outcome::Import(imported) => of_order(imported),
        Outcome::Confirm(confirmed) => of_payment(confirmed),
        Outcome::RecordRefund(recorded) => of_refund(recorded),
        Outcome::RequestRefund(requested) => of_request(requested),
        _ => Ok(Became::Unchanged),
    }
}

fn of_order(imported: Imported) -> Result<Became, Reason> {
    match imported {
        Imported::Imported => Ok(Became::Imported),
        Imported::Skipped | Imported::Exists => Ok(Became::Unchanged),
        Imported::Advanced(confirmed) => match confirmed.map(of_payment) {
            // A known payment, and refunds that were not.
            None | Some(Ok(Became::Unchanged)) => Ok(Became::Advanced),
            Some(became) => became,
        },
        Imported::SkippedDiffers => Err(Reason::SkippedDiffers),
        Imported::ExistsWithDifferent { field } => Err(Reason::Different { field }),
        Imported::Refused(refusal) => Err(Reason::Order(refusal)),
    }
}

fn of_payment(confirmed: Confirmed) -> Result<Became, Reason> {
    match confirmed {
        Confirmed::Applied | Confirmed::Late => Ok(Became::Advanced),
        Confirmed::Unclaimed => Ok(Became::Waiting),
        Confirmed::Duplicate => Ok(Became::Unchanged),
        Confirmed::RecordFull => Err(ImportRefusal::RecordFull.into()),
        _ => Ok(Became::InAnomaly),
    }
}

fn of_refund(recorded: RefundRecorded) -> Result<Became, Reason> {
    match recorded {
        RefundRecorded::Duplicate | RefundRecorded::Stale => Ok(Became::Unchanged),
        RefundRecorded::Unclaimed => Ok(Became::Waiting),
        RefundRecorded::RecordFull => Err(ImportRefusal::RecordFull.into()),
        RefundRecorded::RefundNoTaken { by } => Err(ImportRefusal::RefundNoTaken { by }.into()),
        RefundRecorded::Moved { .. } | RefundRecorded::Adopted => Ok(Became::Advanced),
        _ => Ok(Became::InAnomaly),
    }
}

/// A refund that was only asked for, of a payment that waits.
fn of_request(requested: RefundRequested) -> Result<Became, Reason> {
    match requested {
        RefundRequested::Requested => Ok(Became::Waiting),
        RefundRequested::Exists => Ok(Became::Unchanged),
        outcome => Err(Reason::Refund { outcome }),
    }
}

/// Hands commands over, and waits for their answers. Where others fill the queue it waits
/// for room; where all of them never fit, they go in halves.
fn submit(store: &Store, commands: Vec<Command>) -> Result<Vec<Reply<Outcome>>, StoreError> {
    let mut left = commands;
    loop {
        match store.submit_all(left) {
            Ok(tickets) => return tickets.into_iter().map(|ticket| ticket.wait()).collect(),
            Err(refused) => match refused.reason {
                StoreError::Overloaded => {
                    left = refused.call;
                    thread::sleep(PAUSE);
                }
                StoreError::BatchTooLarge { .. } if refused.call.len() > 1 => {
                    let mut first = refused.call;
                    let second = first.split_off(first.len() / 2);
                    let mut answers = submit(store, first)?;
                    answers.extend(submit(store, second)?);
                    return Ok(answers);
                }
                reason => return Err(reason),
            },
        }
    }
}
