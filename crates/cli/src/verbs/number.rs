//! `number`: draws order numbers for another system.

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Cell, Column, Rows, shown};

/// Draw order numbers that the store never draws again
///
/// The command changes the store. It reserves a range of numbers, and numbers that it does not
/// print are never used.
#[derive(Args)]
pub(crate) struct Number {
    /// How many order numbers to draw, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    /// Node digits in the order numbers, 0 to 999. Use those of the server that owns the store
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=999))]
    node: u16,
}

const COLUMNS: &[Column] = &[shown("outTradeNo")];

impl Number {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let builder = context.builder()?.node(self.node);
        context.with_store_of(builder, |store| {
            let mut rows = Vec::new();
            for _ in 0..self.count {
                rows.push(vec![Cell::text(store.next_order_no().wait()?)]);
            }
            let rows = Rows::new(COLUMNS, rows);
            context.out().many(&rows)?;
            Ok(Exit::Done)
        })
    }
}
