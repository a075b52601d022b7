//! `report`: counts and sums of a period.

use std::collections::BTreeMap;
use std::ops::Range;

use clap::Args;
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
}

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
        context.with_store(|store| {
            let mut rows = created(store, times.clone())?;
            rows.extend(moved(&store.totals(times).wait()?));
            let rows = Rows::new(COLUMNS, rows).or_else_says("nothing happened in this period");
            context.out().many(&rows)?;
            Ok(Exit::Done)
        })
    }
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
