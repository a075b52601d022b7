//! Reader of a bill: an iterator over its lines.

use std::fmt;
use std::io::BufRead;

use super::columns::{self as column, Columns};
use super::error::BillError;
use super::line::BillLine;
use super::lines::Lines;
use super::summary::{self, Summary, Tally};

/// Kind of lines that a bill contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BillKind {
    /// `ALL`: payments and refunds.
    #[default]
    All,
    /// `SUCCESS`: payments only.
    Success,
    /// `REFUND`: refunds only.
    Refund,
}

/// Reader for a trade bill: an iterator over [`BillLine`]s.
///
/// The input is the uncompressed bill of the channel: CSV in UTF-8, with or without a byte order
/// mark, and with CRLF or LF as line ends. The reader accepts any [`BufRead`], such as a
/// [`std::io::BufReader`] around a file, or a slice. The columns 商品名称 and 商户数据包 may contain
/// line ends, or a comma and a backtick.
///
/// # Errors of the iterator
/// - [`BillError::Line`]: a line cannot be used. The sums include it, and the iterator continues.
/// - [`BillError::Field`] and [`BillError::Width`] of a line: the iterator continues, but the
///   reader can no longer check the sums.
/// - Any other error is the last item.
///
/// The last line of a bill, the summary, contains the sums of the other lines. If the sums
/// disagree, the last item is an error. Do not act on any line before the iterator has ended
/// without an error.
///
/// ```
/// use orderstore::wechat::bill::{BillEntry, BillReader};
///
/// let bill = "\
/// 交易时间,商户号,特约商户号,微信订单号,商户订单号,交易状态,商品名称,手续费,订单金额
/// `2021-01-28 15:35:18,`1601959334,`0,`4200000910202101282955148400,`S20210128153505214586,`SUCCESS,`tea, black,`0.00006,`0.01
/// 总交易单数,手续费总金额,订单总金额
/// `1,`0.00006,`0.01
/// ";
/// let lines: Vec<_> = BillReader::new(bill.as_bytes())?.collect::<Result<_, _>>()?;
/// assert_eq!(lines.len(), 1);
/// assert_eq!(lines[0].mch_id.as_str(), "1601959334");
/// assert!(matches!(&lines[0].entry, BillEntry::Payment(paid) if paid.total.as_u64() == 1));
/// # Ok::<(), orderstore::wechat::bill::BillError>(())
/// ```
pub struct BillReader<R> {
    lines: Lines<R>,
    columns: Columns,
    tally: Tally,
    ended: bool,
}

/// Prints only the line number, because a bill contains personal data.
impl<R> fmt::Debug for BillReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BillReader")
            .field("line", &self.lines.line)
            .finish_non_exhaustive()
    }
}

impl<R: BufRead> BillReader<R> {
    /// Reads the header of a bill.
    ///
    /// # Errors
    /// - [`BillError::NotABill`]: the first line is not the header of a bill.
    /// - [`BillError::NoColumn`] and [`BillError::TwoColumns`]: the header cannot be used.
    /// - [`BillError::Encoding`]: the bill is not plain UTF-8 text.
    /// - [`BillError::Io`], [`BillError::LongLine`] and [`BillError::NotUtf8`]: the header cannot
    ///   be read.
    pub fn new(input: R) -> Result<Self, BillError> {
        let mut lines = Lines::new(input);
        let header = lines.next()?.ok_or(BillError::NotABill)?;
        let columns = Columns::of_lines(header)?;
        lines.width = columns.width();
        Ok(Self {
            lines,
            columns,
            tally: Tally::default(),
            ended: false,
        })
    }

    /// Returns the kind of lines in the bill, according to its columns.
    #[must_use]
    pub fn kind(&self) -> BillKind {
        let has = |header| self.columns.has(header);
        if has(&column::ASKED_AT) || has(&column::SUCCESS_AT) {
            BillKind::Refund
        } else if has(&column::REFUND_NO) {
            BillKind::All
        } else {
            BillKind::Success
        }
    }

    /// Reads the next line; `None` after a summary that agrees with the lines.
    fn read(&mut self) -> Result<Option<BillLine>, BillError> {
        let Some(text) = self.lines.next()? else {
            let line = self.lines.read();
            return Err(BillError::Incomplete { line });
        };
        if summary::begins(text) {
            let summary = Summary::of(text)?;
            return self.end(&summary).map(|()| None);
        }
        let text = text.to_owned();
        self.line(&text).map(Some)
    }

    fn line(&mut self, text: &str) -> Result<BillLine, BillError> {
        let cells = self.columns.part(text, self.lines.line)?;
        self.tally.add(&cells).map_err(|bad| bad.at(cells.line))?;
        BillLine::read(&cells).map_err(BillError::Line)
    }

    /// Reads the values of the summary, compares them with the lines, and expects the end.
    fn end(&mut self, summary: &Summary) -> Result<(), BillError> {
        let before = self.lines.line;
        let text = self.lines.next()?.map(str::to_owned);
        let text = text.ok_or(BillError::Incomplete { line: before })?;
        let line = self.lines.line;
        self.tally.check(&self.columns, summary, &text, line)?;
        match self.lines.next()? {
            Some(_) => Err(BillError::AfterSummary {
                line: self.lines.line,
            }),
            None => Ok(()),
        }
    }
}

impl<R: BufRead> Iterator for BillReader<R> {
    type Item = Result<BillLine, BillError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.read().transpose();
        match &item {
            Some(Ok(_) | Err(BillError::Line(_))) => {}
            Some(Err(error)) if error.is_of_one_line() => self.tally.miss_a_line(),
            _ => self.ended = true,
        }
        item
    }
}

impl BillError {
    /// Returns whether the error concerns only one line. The reader can continue, but the sums do
    /// not include this line.
    const fn is_of_one_line(&self) -> bool {
        matches!(self, Self::Field { .. } | Self::Width { .. })
    }
}
