//! Trade bills: what the channel says that one Beijing day was.
//!
//! Invariants:
//! - Lines are read one by one: a bill of any length needs the memory of its longest line,
//!   which is bounded.
//! - Columns are found by their headers, never by their places.
//! - A bill that ends without its summary is cut, and a summary that does not agree with
//!   the lines is refused.
//! - Amounts are summed as they are written, before a line is understood: a line that cannot
//!   be used does not end the bill.
//! - No error text repeats a value of the bill.

mod columns;
mod day;
mod error;
mod fee;
mod line;
mod lines;
mod reader;
mod summary;

pub use crate::encoding::WrongEncoding;
pub use day::BillDay;
pub use error::{BillError, BillFieldError, UnusableLine};
pub use fee::{ServiceFee, ServiceFeeError};
pub use line::{
    BillEntry, BillLine, BillPayment, BillRefund, BillRefundStatus, BillRevoked, BillUnit,
};
pub use reader::{BillKind, BillReader};

#[cfg(test)]
mod tests;
