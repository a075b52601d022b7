//! `report`: counts and sums of a period.

use std::collections::BTreeMap;
use std::ops::Range;

use clap::{Args, ValueEnum};
use orderstore::wechat::bill::BillDay;
use orderstore::{Currency, OrderQuery, PageRequest, Status, Store, Subtotal, Timestamp, Totals};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Cell, Column, Rows, data, shown};
use crate::progress;
use crate::time_arg::{self, TimeRange};

/// Count and sum the orders, payments, late payments and refunds of a period
///
/// An order belongs to the period of its creation and counts with its current status. A payment or
/// refund belongs to the period of its success, by the channel's clock. A late payment also counts
/// as a payment.
#[derive(Args)]
pub(crate) struct Report {
    /// One day, from midnight to midnight in Beijing time
    #[arg(long, value_name = "yyyy-MM-dd", conflicts_with_all = ["from", "to"],
        value_parser = time_arg::day)]
    day: Option<BillDay>,
    #[command(flatten)]
    stretch: TimeRange,
    /// Report each hour or each day of the period, in Beijing time
    #[arg(long, value_name = "LENGTH")]
    by: Option<Length>,
}

/// Length of the parts of a period.
#[derive(Clone, Copy, ValueEnum)]
enum Length {
    Hour,
    Day,
}

/// Maximum number of parts of a period.
const PARTS_MAX: usize = 1000;

const PARTS: &[Column] = &[
    shown("from"),
    shown("what"),
    shown("count"),
    data("fen"),
    shown("yuan"),
    shown("feeType"),
];

const COLUMNS: &[Column] = &[
    shown("what"),
    shown("count"),
    data("fen"),
    shown("yuan"),
    shown("feeType"),
];

impl Report {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let times = match self.day {
            Some(day) => day.range(),
            None => self.stretch.range()?,
        };
        let parts = self.by.map(|length| length.parts(&times)).transpose()?;
        context.with_store(|store| {
            let rows = match parts {
                None => Rows::new(COLUMNS, rows(store, times)?),
                Some(parts) => {
                    let mut all = Vec::new();
                    for part in parts {
                        let from = part.start;
                        all.extend(rows(store, part)?.into_iter().map(|mut cells| {
                            cells.insert(0, Cell::Time(from));
                            cells
                        }));
                    }
                    Rows::new(PARTS, all)
                }
            };
            let rows = rows.or_else_says("nothing happened in this period");
            context.out().many(&rows)?;
            Ok(Exit::Done)
        })
    }
}

impl Length {
    /// Splits a period at the full hours, or at the midnights of Beijing.
    fn parts(self, times: &Range<Timestamp>) -> Result<Vec<Range<Timestamp>>, Failure> {
        const HOUR_MS: i64 = 60 * 60 * 1000;
        // Beijing is 8 hours ahead of UTC all year.
        let (length, ahead) = match self {
            Self::Hour => (HOUR_MS, 0),
            Self::Day => (24 * HOUR_MS, 8 * HOUR_MS),
        };
        let mut parts = Vec::new();
        let mut from = times.start;
        while from < times.end {
            if parts.len() == PARTS_MAX {
                return Err(Failure::usage(format!(
                    "the period has more than {PARTS_MAX} parts: choose a shorter one with --from and \
                     --to"
                )));
            }
            let local = from.as_millis() + ahead;
            let next = (local.div_euclid(length) + 1) * length - ahead;
            let end = Timestamp::from_millis(next).map_or(times.end, |end| end.min(times.end));
            parts.push(from..end);
            from = end;
        }
        Ok(parts)
    }
}

/// Returns the rows of a period.
fn rows(store: &Store, times: Range<Timestamp>) -> Result<Vec<Vec<Cell>>, Failure> {
    let mut rows = created(store, times.clone())?;
    rows.extend(moved(&store.totals(times).wait()?));
    Ok(rows)
}

/// Counts and sums the orders created in the period, by their current status and currency.
fn created(store: &Store, times: Range<Timestamp>) -> Result<Vec<Vec<Cell>>, Failure> {
    let mut sums: BTreeMap<(Status, Currency), (u64, u128)> = BTreeMap::new();
    let mut page = PageRequest::of(PageRequest::MAX);
    let mut read = 0_u64;
    progress::begin("counting orders");
    loop {
        let listing = OrderQuery::all().between(times.clone()).page(page);
        let part = store.list(listing).wait()?;
        for order in &part.rows {
            let (count, fen) = sums.entry((order.status, order.currency)).or_default();
            *count += 1;
            *fen += u128::from(order.total_fee.as_u64());
        }
        read += u64::try_from(part.rows.len()).unwrap_or_default();
        progress::set_position(read, store.counts().wait()?.orders().max(read));
        let Some(next) = part.next else { break };
        page = page.after(next);
    }
    let row = |((status, currency), (count, fen)): ((Status, Currency), (u64, u128))| {
        cells(format!("created, {status}"), count, fen, currency)
    };
    Ok(sums.into_iter().map(row).collect())
}

/// Returns rows for the payments and refunds that succeeded in the period.
fn moved(totals: &Totals) -> Vec<Vec<Cell>> {
    let Totals {
        paid,
        late,
        refunded,
        returned,
        ..
    } = totals;
    let each = [
        ("paid", paid),
        ("paid late", late),
        ("refunded", refunded),
        ("returned", returned),
    ];
    let rows = each.into_iter().flat_map(|(what, sums)| {
        let row = move |(currency, sum): (&Currency, &Subtotal)| {
            cells(what.to_owned(), sum.count, sum.minor_units, *currency)
        };
        sums.iter().map(row)
    });
    rows.collect()
}

fn cells(what: String, count: u64, fen: u128, currency: Currency) -> Vec<Cell> {
    vec![
        Cell::Text(what),
        count.into(),
        Cell::Number(fen),
        Cell::Yuan(fen, currency),
        Cell::text(currency),
    ]
}
