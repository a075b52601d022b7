//! A store's books into files.

mod error;
mod report;
mod waiting;

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

pub use self::error::ExportError;
use self::report::Report;
use self::waiting::each_waiting;
use crate::order::{Order, Waiting};
use crate::query::{OrderQuery, PageRequest};
use crate::store::Store;
use crate::types::Timestamp;

/// What of a store is exported, oldest first.
///
/// It is read page by page while the store serves others. An order is exported as it stands
/// when its page is read; orders that are created meanwhile are there, too. Old orders that
/// are imported meanwhile may be missing.
///
/// ```
/// use orderstore::transfer::{Export, Import, Input};
/// use orderstore::{AppId, Fen, NewOrder, Store};
///
/// # let store = Store::memory()?;
/// # let no = store.next_order_no().wait()?;
/// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("19.90")?)?;
/// # let _ = store.create(no, new).wait()?;
/// let mut books = Vec::new();
/// let exported = Export::all().json_lines(&store, &mut books)?;
/// assert_eq!(exported.orders, 1);
///
/// let other = Store::memory()?;
/// let report = Import::exported().run(&other, Input::json(books.as_slice()), |_| {})?;
/// assert_eq!(report.imported, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Export {
    created: Range<Timestamp>,
}

/// What was exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// Orders, with their refunds and anomalies.
    pub orders: u64,
    /// Numbers without an order, for which payments or refunds wait.
    pub waiting: u64,
}

impl Export {
    /// Everything.
    pub const fn all() -> Self {
        Self {
            created: Timestamp::EPOCH..Timestamp::MAX,
        }
    }

    /// Only orders that were created within `times`, its end excluded. What waits without an
    /// order has no such time, and is exported all the same.
    pub const fn created_between(mut self, times: Range<Timestamp>) -> Self {
        self.created = times;
        self
    }

    /// Books: an order on each line, whole, in JSON; [`Import::exported`](super::Import::exported)
    /// reads them. They hold personal data. Payments and refunds that wait for their order
    /// come first; told anew they bear the time of the import.
    ///
    /// # Errors
    /// [`ExportError`]: the store or the output failed.
    pub fn json_lines(
        &self,
        store: &Store,
        mut output: impl Write,
    ) -> Result<Exported, ExportError> {
        let mut exported = Exported::default();
        each_waiting(store, |waiting| {
            exported.waiting += 1;
            write_line(&mut output, &OfWaiting { waiting })
        })?;
        self.each_order(store, |order| {
            exported.orders += 1;
            write_line(&mut output, &**order)
        })?;
        output.flush()?;
        Ok(exported)
    }

    /// A report for spreadsheets: CSV in UTF-8 with a byte order mark, a row for each order.
    /// Numbers of many digits and all that people wrote begin with a backtick, as in the
    /// channel's bills: a spreadsheet then neither rounds the ones nor runs the others as
    /// formulas. Times are Beijing's. It names no user, and is no backup.
    ///
    /// # Errors
    /// [`ExportError`]: the store or the output failed.
    pub fn csv(&self, store: &Store, output: impl Write) -> Result<Exported, ExportError> {
        let mut exported = Exported::default();
        let mut report = Report::begin(output)?;
        self.each_order(store, |order| {
            exported.orders += 1;
            report.row(order)
        })?;
        report.end()?;
        Ok(exported)
    }

    fn each_order(
        &self,
        store: &Store,
        mut write: impl FnMut(&Arc<Order>) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        let mut page = PageRequest::of(PageRequest::MAX).reversed();
        loop {
            let listing = OrderQuery::all().between(self.created.clone());
            let part = store.list(listing.page(page)).wait()?;
            part.rows.iter().try_for_each(&mut write)?;
            let Some(next) = part.next else {
                return Ok(());
            };
            page = page.after(next);
        }
    }
}

#[derive(Serialize)]
struct OfWaiting<'a> {
    waiting: &'a Waiting,
}

fn write_line(output: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *output, value)?;
    output.write_all(b"\n")
}
