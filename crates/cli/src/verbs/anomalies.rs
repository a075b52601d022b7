//! `anomalies`: lists open anomalies.

use clap::Args;
use orderstore::OpenAnomaly;

use super::page::Page;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Cell, Column, Rows, data, shown};
use crate::redact::Redactor;
use crate::render::{anomaly_detail, anomaly_word, money_cells, reopened};

/// List the open anomalies, which wait for a person, oldest first
///
/// Resolve each of them with `orderstore resolve`.
#[derive(Args)]
pub(crate) struct Anomalies {
    #[command(flatten)]
    page: Page,
}

const COLUMNS: &[Column] = &[
    shown("outTradeNo"),
    shown("anomaly"),
    shown("kind"),
    data("amount"),
    shown("amountYuan"),
    shown("transactionId"),
    shown("raisedAt"),
    shown("reopened"),
    shown("payStatus"),
    shown("detail"),
];

impl Anomalies {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            let page = store.open_anomalies(self.page.of(false)).wait()?;
            let redactor = context.redactor();
            let rows = page.rows.iter().map(|open| cells(open, redactor)).collect();
            let rows = Rows::new(COLUMNS, rows)
                .or_else_says("no anomaly is open")
                .next(page.next);
            context.out().many(&rows)?;
            Ok(Exit::Done)
        })
    }
}

fn cells(open: &OpenAnomaly, redactor: Redactor) -> Vec<Cell> {
    let order = open.order.as_deref();
    let [fen, yuan, transaction] = money_cells(&open.anomaly);
    vec![
        Cell::text(open.no),
        u64::from(open.anomaly.id.0).into(),
        Cell::Text(anomaly_word(&open.anomaly, redactor)),
        fen,
        yuan,
        transaction,
        Cell::Time(open.anomaly.raised_at),
        reopened(&open.anomaly),
        order.map_or(Cell::None, |order| Cell::Word(order.status.as_str())),
        Cell::filled(anomaly_detail(&open.anomaly)),
    ]
}
