//! `due`: what the server must do next.

use clap::Args;
use orderstore::{Due as Thing, Timestamp};

use super::page::Page;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Cell, Column, Rows, shown};
use crate::render::action;
use crate::time_arg;

/// List what is due, the longest first: whom to ask the channel about, and what to ask
#[derive(Args)]
pub(crate) struct Due {
    /// As of this time; now where nothing is said
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
