//! `show`: shows an order with its refunds and anomalies.

use clap::Args;
use orderstore::{Order, OrderNo};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::found;
use crate::output::{Format, Out, Rows};
use crate::redact::Redactor;
use crate::render::{
    ANOMALIES, FIELDS, ORDERS, REFUNDS, anomaly_cells, field_cells, order_cells, order_json,
    refund_cells,
};

/// Show an order with its refunds and anomalies
///
/// JSON contains the whole order in the library's format. CSV contains the same columns as `list`.
#[derive(Args)]
pub(crate) struct Show {
    /// Order number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
}

impl Show {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            let order = found(self.no, store.get(self.no).wait()?)?;
            let (mut out, redactor) = (context.out(), context.redactor());
            match out.format() {
                Format::Table => table(&mut out, &order, redactor)?,
                Format::Csv => {
                    let rows = Rows::new(ORDERS, vec![order_cells(&order, redactor)]);
                    out.many(&rows)?;
                }
                Format::Json | Format::Jsonl => out.document(&order_json(&order, redactor))?,
            }
            Ok(Exit::Done)
        })
    }
}

fn table(out: &mut Out, order: &Order, redactor: Redactor) -> Result<(), Failure> {
    out.one(FIELDS, field_cells(order, redactor))?;
    let refunds = order.refunds.iter();
    let refunds = refunds.map(|refund| refund_cells(order, refund)).collect();
    out.below("refunds", &Rows::new(REFUNDS, refunds))?;
    let anomalies = order.anomalies.iter();
    let anomalies = anomalies.map(|anomaly| anomaly_cells(anomaly, redactor));
    out.below("anomalies", &Rows::new(ANOMALIES, anomalies.collect()))
}
