//! Export of a store's orders to a file.

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

/// Export of a store's orders, oldest first.
///
/// The export reads page by page, and the store serves other callers meanwhile. It writes each
/// order in the state in which it reads the order's page. It includes orders that a caller
/// creates during the export. It may miss old orders that a caller imports during the export.
///
/// ```
/// use orderstore::transfer::{Export, Import, Input};
/// use orderstore::{AppId, Fen, NewOrder, Store};
///
/// # let store = Store::memory()?;
/// # let no = store.next_order_no().wait()?;
/// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("19.90")?)?;
/// # let _ = store.create(no, new).wait()?;
/// let mut file = Vec::new();
/// let exported = Export::all().json_lines(&store, &mut file)?;
/// assert_eq!(exported.orders, 1);
///
/// let other = Store::memory()?;
/// let report = Import::exported().run(&other, Input::json(file.as_slice()), |_| {})?;
/// assert_eq!(report.imported, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Export {
    created: Range<Timestamp>,
}

/// Number of exported records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// Number of orders. Their refunds and anomalies are in the same record.
    pub orders: u64,
    /// Number of unclaimed records: payments or refunds under an order number without an order.
    pub unclaimed: u64,
}

impl Export {
    /// Exports every order.
    pub const fn all() -> Self {
        Self {
            created: Timestamp::EPOCH..Timestamp::MAX,
        }
    }

    /// Restricts the export to orders created within `times`, end excluded.
    ///
    /// Unclaimed payments and refunds have no time of creation. [`json_lines`](Self::json_lines)
    /// always writes them.
    pub const fn created_between(mut self, times: Range<Timestamp>) -> Self {
        self.created = times;
        self
    }

    /// Writes complete orders as JSON Lines, one order per line.
    ///
    /// [`Import::exported`](super::Import::exported) reads this format. The output contains
    /// personal data. Unclaimed payments and refunds come first; an import gives them the time of
    /// the import.
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
            exported.unclaimed += 1;
            write_line(&mut output, &OfWaiting { waiting })
        })?;
        self.each_order(store, |order| {
            exported.orders += 1;
            write_line(&mut output, &**order)
        })?;
        output.flush()?;
        Ok(exported)
    }

    /// Writes a report for spreadsheets: CSV in UTF-8 with a byte order mark, one row per order.
    ///
    /// Identifiers and free text begin with a backtick, as in the channel's bills. This
    /// keeps a spreadsheet from rounding long numbers and from running text as a formula. Times
    /// are Beijing time. The report contains no openid. Do not use it as a backup: the import
    /// cannot read it.
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

    /// Calls `write` with each order of the time range, oldest first.
    fn each_order(
        &self,
        store: &Store,
        mut write: impl FnMut(&Arc<Order>) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        let page = PageRequest::of(PageRequest::MAX).reversed();
        let listing = OrderQuery::all().between(self.created.clone());
        for order in store.each_order(listing.page(page)) {
            write(&order?)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
/// JSON line of an unclaimed record.
struct OfWaiting<'a> {
    waiting: &'a Waiting,
}

/// Writes a value as one line of JSON.
fn write_line(output: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *output, value)?;
    output.write_all(b"\n")
}
