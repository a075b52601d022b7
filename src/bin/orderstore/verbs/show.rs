//! `show`: one order, with its refunds and its anomalies.

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

/// Show an order, with its refunds and its anomalies
///
/// JSON holds all of it, as the library writes it; CSV the row that `list` has.
#[derive(Args)]
pub(crate) struct Show {
    /// The order's number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
}

impl Show {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            let order = found(self.no, store.get(self.no).wait()?)?;
            let (mut out, veil) = (context.out(), context.veil());
            match out.format() {
                Format::Table => table(&mut out, &order, veil)?,
                Format::Csv => {
                    let rows = Rows::new(ORDERS, vec![order_cells(&order, veil)]);
                    out.many(&rows)?;
                }
                Format::Json | Format::Jsonl => out.document(&order_json(&order, veil))?,
            }
            Ok(Exit::Done)
        })
    }
}

fn table(out: &mut Out, order: &Order, veil: Redactor) -> Result<(), Failure> {
    out.one(FIELDS, field_cells(order, veil))?;
    let refunds = order.refunds.iter();
    let refunds = refunds.map(|refund| refund_cells(order, refund)).collect();
    out.below("refunds", &Rows::new(REFUNDS, refunds))?;
    let anomalies = order.anomalies.iter();
    let anomalies = anomalies.map(|anomaly| anomaly_cells(anomaly, veil));
    out.below("anomalies", &Rows::new(ANOMALIES, anomalies.collect()))
}
