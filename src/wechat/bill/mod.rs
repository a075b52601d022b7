//! Reader for trade bills: the channel's list of payments and refunds of one day in Beijing.
//!
//! Invariants:
//! - The reader reads line by line. Memory use depends only on the longest line, which is limited.
//! - The reader finds columns by their headers, never by their positions.
//! - A bill without a summary is incomplete. The reader refuses a bill whose summary disagrees with
//!   the lines.
//! - The reader adds up the raw amounts before it interprets a line. An unusable line therefore
//!   does not end the bill.
//! - No error text contains a value of the bill.

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
