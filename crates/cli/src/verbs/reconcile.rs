//! `reconcile`: compares the channel's bill of a day with the store.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;
use orderstore::wechat::bill::{BillDay, BillReader, UnusableLine};
use orderstore::wechat::{
    BillDifference, BillDifferenceKind, Fix, ReconcileError, Reconciled, Reconciliation,
};
use orderstore::{Command, Error, MchId, Outcome, Reply, Store};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location;
use crate::messages::Messages as _;
use crate::output::{Cell, Column, Rows, data, shown};
use crate::progress;
use crate::time_arg;

/// Compare the channel's trade bill of a day with the store, and list the differences
///
/// The command changes nothing without --apply. With --apply it first reads the whole bill and
/// checks its sums. Then it records the payments and refunds that the bill proves. Applying a bill
/// twice changes nothing more. The exit code is 1 if differences remain that need a person or a
/// query, if the bill has no line of this merchant, or if most lines are of another day. The
/// command holds all differences in memory.
#[derive(Args)]
pub(crate) struct Reconcile {
    /// Bill file from the channel, unzipped
    #[arg(value_parser = location::path())]
    file: PathBuf,
    /// Day of the bill, in Beijing time
    #[arg(long, value_name = "yyyy-MM-dd", value_parser = time_arg::day)]
    day: BillDay,
    /// Merchant of the bill. The command skips lines of other merchants
    #[arg(long, value_parser = MchId::parse)]
    mch_id: MchId,
    /// Record the payments and refunds that the bill proves
    #[arg(long)]
    apply: bool,
}

const COLUMNS: &[Column] = &[
    shown("difference"),
    shown("outTradeNo"),
    shown("refundNo"),
    shown("line"),
    data("billFen"),
    shown("billYuan"),
    shown("payStatus"),
    data("totalFee"),
    shown("totalYuan"),
    shown("problem"),
    shown("fix"),
    shown("outcome"),
];

/// Maximum number of fixes in one batch. It is limited because the store's queue is.
const PORTION: usize = 500;

impl Reconcile {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.location()?;
        let reader = BillReader::new(BufReader::new(open(&self.file)?));
        let reader = reader.map_err(|error| Failure::refused(&error))?;
        let comparison = Reconciliation::of(self.day, self.mch_id).kind(reader.kind());
        context.with_store(|store| {
            progress::restart("comparing");
            let mut found = FoundDifferences::default();
            let compared = comparison.run(store, reader, |difference| {
                found.take(difference, self.apply);
            });
            let counts = compared.map_err(failed)?;
            progress::end();
            if let Some(reason) = wrong_bill_reason(&counts) {
                context.out().many(&found.rows(counts))?;
                return Err(Failure::nothing(reason));
            }
            let settled = found.settle(store, self.apply);
            // Print the rows even if `settle` failed, because it may have applied some fixes before
            // the failure.
            let rows = found.rows(counts);
            let agreed = "no differences: the bill and the store agree";
            context.out().many(&rows.or_else_says(agreed))?;
            settled.map(Exit::of)
        })
    }
}

fn open(path: &Path) -> Result<impl Read + use<>, Failure> {
    let unread = |error| Failure::file(path, &error);
    let file = File::open(path).map_err(unread)?;
    let bytes = file.metadata().map_err(unread)?.len();
    Ok(progress::reading(file, bytes))
}

/// Returns a message if this is probably the bill of another merchant or day.
fn wrong_bill_reason(counts: &Reconciled) -> Option<&'static str> {
    if counts.lines == 0 && counts.other_merchants > 0 {
        return Some(
            "no line of the bill is of this merchant: check --mch-id and the file; nothing was \
             applied",
        );
    }
    let is_of_another_day = counts.out_of_day > counts.lines.saturating_sub(counts.out_of_day);
    is_of_another_day.then_some(
        "most lines of the bill are of another day: check --day and the file; nothing was applied",
    )
}

fn failed(error: ReconcileError) -> Failure {
    match error {
        ReconcileError::Store(error) => error.into(),
        error => Failure::refused(&error).and("Nothing was applied."),
    }
}

/// Creates the failure for an error while fixes are applied.
fn cut_off(error: Error) -> Failure {
    Failure::from(error)
        .and("Some fixes may have been applied. You can safely apply the bill again.")
}

/// Differences found so far, as rows of the output, and their fixes.
#[derive(Default)]
struct FoundDifferences {
    rows: Vec<Vec<Cell>>,
    /// Fixes to apply: the index of a row, and the command that fixes its difference.
    fixes: Vec<(usize, Command)>,
}

impl FoundDifferences {
    fn take(&mut self, difference: BillDifference, is_applied: bool) {
        let place = self.rows.len();
        self.rows.push(cells(&difference));
        if let (true, Some(command)) = (is_applied, difference.fix.into_command()) {
            self.fixes.push((place, command));
        }
    }

    /// Applies the fixes. Returns `true` if no difference remains that needs a person or a query.
    fn settle(&mut self, store: &Store, is_applied: bool) -> Result<bool, Failure> {
        if !is_applied {
            return Ok(self.rows.is_empty());
        }
        let mut is_settled = self.fixes.len() == self.rows.len();
        let mut left = std::mem::take(&mut self.fixes).into_iter().peekable();
        while left.peek().is_some() {
            let (places, commands): (Vec<_>, Vec<_>) = left.by_ref().take(PORTION).unzip();
            let results = submit(store, commands).map_err(cut_off)?;
            for (place, result) in places.into_iter().zip(results) {
                let reply = result.map_err(cut_off)?;
                let currency = reply.order.as_ref().map(|order| order.currency);
                let message = reply.outcome.said(currency.unwrap_or_default());
                is_settled &= message.done;
                if let Some(cell) = self.rows.get_mut(place).and_then(|row| row.last_mut()) {
                    *cell = Cell::Word(message.word);
                }
            }
        }
        Ok(is_settled)
    }

    fn rows(self, counts: Reconciled) -> Rows {
        Rows::new(COLUMNS, self.rows)
            .about("lines", counts.lines.into())
            .about("ofOthers", counts.other_merchants.into())
            .about("outOfDay", counts.out_of_day.into())
            .about("inAnomalies", counts.in_anomalies.into())
            .about("differences", counts.differences.into())
    }
}

/// Result of one command.
type CommandResult = Result<Reply<Outcome>, Error>;

/// Submits commands and waits for their replies.
fn submit(store: &Store, commands: Vec<Command>) -> Result<Vec<CommandResult>, Error> {
    let mut left = commands;
    loop {
        match store.submit_all(left) {
            Ok(tickets) => return Ok(tickets.into_iter().map(|ticket| ticket.wait()).collect()),
            Err(refused) if matches!(refused.reason, Error::Overloaded) => {
                left = refused.call;
                thread::sleep(Duration::from_millis(1));
            }
            Err(refused) => return Err(refused.reason),
        }
    }
}

fn cells(difference: &BillDifference) -> Vec<Cell> {
    let order = difference.order.as_deref();
    let line = difference.line.as_deref();
    let unusable = difference.unusable.as_deref();
    let place = line.map(|line| line.line).or(unusable.map(|bad| bad.line));
    let billed = line.map(|line| (line.entry.amount(), line.currency));
    let total = order.map(|order| (order.total_fee, order.currency));
    vec![
        Cell::Word(kind(difference.kind)),
        Cell::maybe(difference.no),
        Cell::maybe(difference.refund_no.as_ref()),
        place.map_or(Cell::None, Cell::from),
        billed.map_or(Cell::None, |(fee, _)| Cell::fen(fee)),
        billed.map_or(Cell::None, |(fee, currency)| Cell::yuan(fee, currency)),
        order.map_or(Cell::None, |order| Cell::Word(order.status.as_str())),
        total.map_or(Cell::None, |(fee, _)| Cell::fen(fee)),
        total.map_or(Cell::None, |(fee, currency)| Cell::yuan(fee, currency)),
        Cell::maybe(unusable.map(problem)),
        Cell::Word(fix(&difference.fix)),
        Cell::None,
    ]
}

/// Returns the reason why a line of the bill is unusable.
fn problem(bad: &UnusableLine) -> String {
    let UnusableLine { column, source, .. } = bad;
    format!("{column} cannot be used: {source}")
}

const fn kind(kind: BillDifferenceKind) -> &'static str {
    match kind {
        BillDifferenceKind::LocalUnpaid => "localUnpaid",
        BillDifferenceKind::MissingInBill => "missingInBill",
        BillDifferenceKind::MissingLocally => "missingLocally",
        BillDifferenceKind::AmountDiffers => "amountDiffers",
        BillDifferenceKind::TransactionDiffers => "transactionDiffers",
        BillDifferenceKind::RefundDiffers => "refundDiffers",
        BillDifferenceKind::UnitUncertain => "unitUncertain",
        BillDifferenceKind::UnusableLine => "unusableLine",
        _ => "other",
    }
}

const fn fix(fix: &Fix) -> &'static str {
    match fix {
        Fix::Record(_) => "tellStore",
        Fix::QueryChannel => "askChannel",
        _ => "person",
    }
}
