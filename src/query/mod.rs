//! Queries over many orders: lists, due actions, open anomalies, totals.
//!
//! All lists are paged. The cost of a page depends on its rows, not on the number of orders in the
//! store. A page continues at the full key of the previous page's last row, never at an offset. A
//! filter examines at most [`EXAMINED_MAX`] rows, then returns the rows found so far.

mod listing;
mod page;
mod totals;

pub use listing::{ClosedRefund, Due, OpenAnomaly, OrderQuery};
pub(crate) use listing::{closed_refunds, due, list, open_anomalies};
pub use page::{Cursor, CursorError, Page, PageRequest};
pub(crate) use totals::totals;
pub use totals::{Subtotal, Totals};

/// Maximum number of rows that the store examines to fill one page.
pub const EXAMINED_MAX: usize = 2000;
