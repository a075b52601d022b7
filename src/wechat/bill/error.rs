//! Errors of reading a bill or one of its lines. No error text contains a value of the bill.

use std::io;

use thiserror::Error;

use super::fee::ServiceFeeError;
use crate::encoding::WrongEncoding;
use crate::types::{MchId, OrderNo, RefundNo, TransactionId, ValueError};

/// Reason why a bill, or one of its lines, cannot be used. Line numbers begin with 1. Later
/// versions may add variants.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BillError {
    /// Reading the input failed.
    #[error("line {line} of the bill cannot be read")]
    Io {
        /// Line that the reader tried to read.
        line: u64,
        /// Error of the input.
        source: io::Error,
    },
    /// The input is not plain UTF-8 text. The bill may be compressed, or a spreadsheet saved it.
    #[error("the bill is not plain UTF-8 text")]
    Encoding(#[source] WrongEncoding),
    /// The first line is not the header of a trade bill. For a day without trades, the channel
    /// returns an error message instead of a bill.
    #[error("line 1 is not the header of a trade bill: check that the file is the bill")]
    NotABill,
    /// The header does not have a required column.
    #[error("the header has no column {column}: check that the file is a trade bill")]
    NoColumn {
        /// Name of the column in current bills.
        column: &'static str,
    },
    /// The header has a column twice, possibly under an older name, so its value is ambiguous.
    #[error(
        "the header has two columns for {column}, perhaps one under an older name: use the bill as \
         the channel sent it"
    )]
    TwoColumns {
        /// Name of the column in current bills.
        column: &'static str,
    },
    /// A line is longer than any line of a bill.
    #[error("line {line} has more than {max} bytes: check that the file is a trade bill")]
    LongLine {
        /// Number of the line in the bill, from 1.
        line: u64,
        /// Maximum length of a line, in bytes.
        max: usize,
    },
    /// A line is not UTF-8.
    #[error(
        "line {line} is not UTF-8: if a spreadsheet saved the bill, convert it, for example \
         with `iconv -f GB18030 -t UTF-8`"
    )]
    NotUtf8 {
        /// Number of the line in the bill, from 1.
        line: u64,
    },
    /// A line does not begin with a backtick, and is not the header of the summary.
    #[error("line {line} does not begin with a backtick: use the bill as the channel sent it")]
    NoBacktick {
        /// Number of the line in the bill, from 1.
        line: u64,
    },
    /// The number of cells in a line differs from the number of columns.
    #[error(
        "line {line} has {found} cells, but the header has {expected} columns: use the bill as \
         the channel sent it"
    )]
    Width {
        /// Number of the line in the bill, from 1.
        line: u64,
        /// Number of cells in the line.
        found: usize,
        /// Number of columns in the header.
        expected: usize,
    },
    /// A line cannot be used. The sums include it, and the reader continues with the next line.
    #[error(transparent)]
    Line(Box<UnusableLine>),
    /// An amount of a line, or a cell of the summary, is unusable. The reader can then no longer
    /// check the sums.
    #[error("line {line}: {column} cannot be used")]
    Field {
        /// Number of the line in the bill, from 1.
        line: u64,
        /// Name of the column in current bills.
        column: &'static str,
        /// Reason why the cell cannot be used.
        source: BillFieldError,
    },
    /// The bill ends without its summary, so a part of it is missing.
    #[error(
        "the bill is incomplete: it ends after line {line}, without its summary; download it again"
    )]
    Incomplete {
        /// Number of the last line.
        line: u64,
    },
    /// The summary disagrees with the lines.
    #[error(
        "line {line}: {column} of the summary disagrees with the lines of the bill: download the \
         bill again"
    )]
    Summary {
        /// Number of the summary's line.
        line: u64,
        /// Name, in current bills, of the summary's column.
        column: &'static str,
    },
    /// The bill continues after the summary.
    #[error(
        "line {line} follows the summary, which must be the last line: use the bill as the \
         channel sent it"
    )]
    AfterSummary {
        /// Number of the line after the summary.
        line: u64,
    },
}

/// A line of a bill that cannot be used, with the fields that the reader could parse.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {column} cannot be used")]
#[non_exhaustive]
pub struct UnusableLine {
    /// Number of the line in the bill, from 1.
    pub line: u64,
    /// Name, in current bills, of the unusable column.
    pub column: &'static str,
    /// Reason why the cell cannot be used.
    pub source: BillFieldError,
    /// Whether the line is about a payment, not a refund or a revocation.
    pub is_payment: bool,
    /// Merchant who owns the money.
    pub mch_id: Option<MchId>,
    /// Order number.
    pub no: Option<OrderNo>,
    /// Channel's number for the payment.
    pub transaction_id: Option<TransactionId>,
    /// Merchant's number for the refund.
    pub refund_no: Option<RefundNo>,
}

/// Reason why a cell of a bill cannot be used. Later versions may add variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BillFieldError {
    /// The cell is empty, or the bill does not have the column.
    #[error("the value is missing")]
    Missing,
    /// The value is not a state that the channel documents.
    #[error("the value is not a known state")]
    NotState,
    /// The value is not a number of lines.
    #[error("the value is not a number of lines")]
    NotCount,
    /// The value is not a decimal number.
    #[error("the value is not a decimal number")]
    NotDecimal,
    /// The amount is zero.
    #[error("the amount is zero")]
    Zero,
    /// The value is not allowed.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The value is not a service fee.
    #[error(transparent)]
    Fee(#[from] ServiceFeeError),
}
