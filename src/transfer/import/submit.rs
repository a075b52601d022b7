//! Sends portions of records to the store, and counts the outcomes.

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
use crate::transfer::position::Position;

/// Pause before the next attempt if the store's queue is full.
const PAUSE: Duration = Duration::from_millis(5);

/// Collects records into portions, sends each portion to the store, and counts the outcomes.
pub(super) struct Submitter<'a, F> {
    store: &'a Store,
    settings: Settings,
    dry_run: Option<DryRun>,
    notify: F,
    report: ImportReport,
    portion: Vec<Read>,
}

impl<'a, F: FnMut(Notice)> Submitter<'a, F> {
    pub(super) fn new(store: &'a Store, settings: Settings, notify: F) -> Self {
        Self {
            store,
            settings,
            dry_run: settings.dry_run.then(DryRun::default),
            notify,
            report: ImportReport {
                settled: settings.resume_after,
                ..ImportReport::default()
            },
            portion: Vec::with_capacity(settings.portion()),
        }
    }

    pub(super) const fn report(&self) -> ImportReport {
        self.report
    }

    pub(super) const fn settled(&self) -> Option<Position> {
        self.report.settled
    }

    /// Adds a record, and sends the portion if it is full. Returns `true` if the import must end.
    pub(super) fn take(&mut self, record: Read) -> Result<bool, ImportError> {
        self.portion.push(record);
        if self.portion.len() >= self.settings.portion() {
            self.settle()?;
        }
        Ok(self.report.stopped)
    }

    /// Sends the collected records to the store, and counts their outcomes in the order of the
    /// input.
    pub(super) fn settle(&mut self) -> Result<(), ImportError> {
        let portion = std::mem::take(&mut self.portion);
        let all = portion
            .iter()
            .filter_map(|record| record.asked.as_ref().ok());
        let commands: Vec<Command> = all.flatten().cloned().collect();
        let settled = self.settled();
        let failed = |source| ImportError::Store { source, settled };
        let mut answers = self.execute(commands).map_err(failed)?.into_iter();
        for record in portion {
            let found = match record.asked {
                Err(refused) => Err(refused),
                Ok(asked) => {
                    // A record can have several commands. Take the replies to all of them, even if
                    // the store refused the first. Otherwise the next record would take the
                    // remaining replies.
                    let own: Vec<_> = answers.by_ref().take(asked.len()).collect();
                    self.outcome_of(record.place, asked.iter().zip(own))
                }
            };
            self.count(record.place, found);
            if self.report.stopped {
                break;
            }
        }
        (self.notify)(Notice::Progress(self.report));
        Ok(())
    }

    /// Executes the commands. In a dry run, only asks the store which outcomes they would have.
    fn execute(&self, commands: Vec<Command>) -> Result<Vec<Reply<Outcome>>, StoreError> {
        match self.dry_run {
            _ if commands.is_empty() => Ok(Vec::new()),
            Some(_) => self.store.dry_run(commands).wait(),
            None => submit(self.store, commands),
        }
    }

    /// Returns the combined outcome of all commands of one record.
    fn outcome_of<'c>(
        &mut self,
        place: Position,
        answers: impl Iterator<Item = (&'c Command, Reply<Outcome>)>,
    ) -> Result<Became, Refused> {
        let mut became = Became::Unchanged;
        for (command, answered) in answers {
            let refused = |reason| {
                let no = Some(command.no);
                Refused { place, no, reason }
            };
            let outcome = match &mut self.dry_run {
                Some(dry_run) => dry_run.weigh(command, answered.outcome),
                None => answered.outcome,
            };
            became = became.max(of_outcome(outcome).map_err(refused)?);
        }
        Ok(became)
    }

    /// Adds the outcome of a record to the report.
    fn count(&mut self, place: Position, found: Result<Became, Refused>) {
        let report = &mut self.report;
        match found {
            Ok(Became::Unchanged) => report.unchanged += 1,
            Ok(Became::Waiting) => report.unclaimed += 1,
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
                (self.notify)(Notice::Refused(refused));
            }
        }
        report.records += 1;
        if !report.stopped {
            report.settled = Some(place);
        }
    }
}

/// Outcome of a record. If a record has several commands, the outcome of the variant listed last
/// counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Became {
    Unchanged,
    Waiting,
    Advanced,
    InAnomaly,
    Imported,
}

/// Converts the outcome of one command, or returns the reason of the refusal.
fn of_outcome(outcome: Outcome) -> Result<Became, Reason> {
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
            // The store already had the payment, but not the refunds.
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

/// Converts the outcome of a refund request for an unclaimed payment.
fn of_request(requested: RefundRequested) -> Result<Became, Reason> {
    match requested {
        RefundRequested::Requested => Ok(Became::Waiting),
        RefundRequested::Exists => Ok(Became::Unchanged),
        outcome => Err(Reason::Refund { outcome }),
    }
}

/// Submits commands, and waits for their replies.
///
/// While the queue is full, the function pauses and tries again. If the queue can never hold all
/// commands at once, the function submits them in two halves.
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
