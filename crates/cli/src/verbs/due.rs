//! `due`: lists the next actions of the server.

use clap::Args;
use orderstore::{Due as Thing, Timestamp};

use super::page::Page;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Cell, Column, Rows, shown};
use crate::render::action;
use crate::time_arg;

/// List the due actions, longest due first: each is a query or close request to send to the channel
#[derive(Args)]
pub(crate) struct Due {
    /// Time for which to list. Default: now
    #[arg(long, value_name = "TIME", value_parser = time_arg::parse)]
    at: Option<Timestamp>,
    #[command(flatten)]
    page: Page,
}

const COLUMNS: &[Column] = &[
    shown("outTradeNo"),
    shown("action"),
    shown("dueSince"),
    shown("refundNo"),
    shown("payStatus"),
];

impl Due {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let at = self.at.unwrap_or_else(time_arg::now);
        context.with_store(|store| {
            let page = store.due(at, self.page.of(false)).wait()?;
            let rows = page.rows.iter().map(cells).collect();
            let rows = Rows::new(COLUMNS, rows)
                .or_else_says("nothing is due")
                .next(page.next);
            context.out().many(&rows)?;
            Ok(Exit::Done)
        })
    }
}

fn cells(due: &Thing) -> Vec<Cell> {
    let order = due.order.as_deref();
    vec![
        Cell::text(due.no),
        Cell::Word(action(due.action)),
        Cell::Time(due.at),
        Cell::maybe(due.refund_no.as_ref()),
        order.map_or(Cell::None, |order| Cell::Word(order.status.as_str())),
    ]
}
