//! Why a bill is refused, and where. No error text repeats a value of the bill.

use std::io;

use thiserror::Error;

use super::fee::ServiceFeeError;
use crate::encoding::WrongEncoding;
use crate::types::{
    CurrencyError, FenError, IdError, MchId, OrderNo, OrderNoError, RefundNo, TimestampError,
    TransactionId,
};

/// Why a bill, or a line of it, cannot be used. Lines count from 1. May grow.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BillError {
    /// The bytes could not be read.
    #[error("the bill cannot be read on from line {line}")]
    Io {
        /// The line that was to be read.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// The bytes are not plain UTF-8 text: the bill is compressed, or a spreadsheet saved it.
    #[error("the bill cannot be read")]
    Encoding(#[source] WrongEncoding),
    /// The first line is no header of a trade bill; where there was no trade, the channel
    /// answers with something else.
    #[error("line 1 is not the header of a trade bill")]
    NotABill,
    /// The header lacks a column that every line needs.
    #[error("the header has no column {column}")]
    NoColumn {
        /// Its name, the newest where it has had several.
        column: &'static str,
    },
    /// The header has a column twice, and nobody can say which one counts.
    #[error("the header has two columns for {column}")]
    TwoColumns {
        /// Its name, the newest where it has had several.
        column: &'static str,
    },
    /// A line has more bytes than any line of a bill.
    #[error("line {line} has more than {max} bytes")]
    LongLine {
        /// The line.
        line: u64,
        /// How many bytes a line may have.
        max: usize,
    },
    /// A line is not UTF-8.
    #[error(
        "line {line} is not UTF-8: if a spreadsheet saved the bill, convert it, for example \
         with `iconv -f GB18030 -t UTF-8`"
    )]
    NotUtf8 {
        /// The line.
        line: u64,
    },
    /// A line is neither a line of the bill, which begins with a backtick, nor the header
    /// of the summary.
    #[error("line {line} does not begin with a backtick")]
    NoBacktick {
        /// The line.
        line: u64,
    },
    /// A line has not as many fields as the header has columns.
    #[error("line {line} has {found} fields, not {expected}")]
    Width {
        /// The line.
        line: u64,
        /// How many fields it has.
        found: usize,
        /// How many columns there are.
        expected: usize,
    },
    /// A line cannot be used. It is counted in the sums, and the lines behind it can be read.
    #[error(transparent)]
    Line(Box<UnusableLine>),
    /// An amount that is summed cannot be used, or a field of the summary: the sums cannot be
    /// checked.
    #[error("line {line}: {column} cannot be used")]
    Field {
        /// The line.
        line: u64,
        /// The column's name, the newest where it has had several.
        column: &'static str,
        /// What is wrong with it.
        source: BillFieldError,
    },
    /// The bill ends without its summary: it was cut.
    #[error("the bill ends after line {line}, without its summary")]
    Cut {
        /// The last line there is.
        line: u64,
    },
    /// The summary says something else than the lines do.
    #[error("line {line}: {column} is not what the lines say")]
    Summary {
        /// The line of the summary.
        line: u64,
        /// The column's name, the newest where it has had several.
        column: &'static str,
    },
    /// There is more behind the summary.
    #[error("line {line} stands behind the summary")]
    BehindSummary {
        /// The line.
        line: u64,
    },
}

/// A line of a bill that cannot be used, and what of it could be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {column} cannot be used")]
#[non_exhaustive]
pub struct UnusableLine {
    /// Which line of the bill it is, from 1.
    pub line: u64,
    /// The name of the column that cannot be used, the newest where it has had several.
    pub column: &'static str,
    /// What is wrong with it.
    pub source: BillFieldError,
    /// Whether it says that an order was paid, and not that money went back.
    pub is_payment: bool,
    /// The merchant whose money it is.
    pub mch_id: Option<MchId>,
    /// The order's number.
    pub no: Option<OrderNo>,
    /// The channel's number for the payment.
    pub transaction_id: Option<TransactionId>,
    /// The merchant's number for the refund.
    pub refund_no: Option<RefundNo>,
}

/// What is wrong with a field of a bill. May grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BillFieldError {
    /// It is empty, or the bill has no such column.
    #[error("it is missing")]
    Missing,
    /// It is none of the words that the channel documents.
    #[error("it is not a state that is known")]
    NotState,
    /// It is not a number of lines.
    #[error("it is not a count")]
    NotCount,
    /// It is not a decimal number.
    #[error("it is not a decimal number")]
    NotDecimal,
    /// A line without money is none.
    #[error("it is zero")]
    Zero,
    /// It is not an order number.
    #[error(transparent)]
    OrderNo(#[from] OrderNoError),
    /// It is not an identifier.
    #[error(transparent)]
    Id(#[from] IdError),
    /// It is not an amount.
    #[error(transparent)]
    Amount(#[from] FenError),
    /// It is not a service fee.
    #[error(transparent)]
    Fee(#[from] ServiceFeeError),
    /// It is not a currency.
    #[error(transparent)]
    Currency(#[from] CurrencyError),
    /// It is not a point in time.
    #[error(transparent)]
    Time(#[from] TimestampError),
}
