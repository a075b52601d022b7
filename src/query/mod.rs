//! Questions about many orders: lists, what is due, what waits for a person, sums.
//!
//! Every list is read in pages. A page costs what its rows cost, however many orders
//! there are: it begins at the full key of the last one, never at an offset, and a filter
//! looks at no more than [`EXAMINED_MAX`] rows before it hands over what it has.

mod listing;
mod page;
mod totals;

pub use listing::{ClosedRefund, Due, OpenAnomaly, OrderQuery};
pub(crate) use listing::{closed_refunds, due, list, open_anomalies};
pub use page::{Cursor, CursorError, Page, PageRequest};
pub(crate) use totals::totals;
pub use totals::{Subtotal, Totals};

/// The most rows that one page looks at.
pub const EXAMINED_MAX: usize = 2000;
