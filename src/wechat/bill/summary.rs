//! Check of a bill's summary against its lines.

use super::columns::{self as column, BadField, Cells, Columns, Header};
use super::error::{BillError, BillFieldError};
use super::fee::ServiceFee;

macro_rules! headers {
    ($($name:ident: $names:expr;)*) => {
        $(const $name: Header = Header::of(&$names);)*

        /// All columns of the summary that the reader checks.
        const ALL: &[&Header] = &[$(&$name),*];
    };
}

headers! {
    COUNT: ["总交易单数"];
    SETTLEMENT: ["应结订单总金额", "总交易额"];
    REFUND: ["退款总金额", "总退款金额"];
    COUPON_REFUND: ["充值券退款总金额", "总代金券或立减优惠退款金额", "总企业红包退款金额"];
    FEE: ["手续费总金额"];
    TOTAL: ["订单总金额"];
    ASKED_REFUND: ["申请退款总金额"];
}

/// Pairs of columns: an amount of each line, and the sum of these amounts in the summary.
const SUMS: [(&Header, &Header); 5] = [
    (&column::SETTLEMENT, &SETTLEMENT),
    (&column::REFUND, &REFUND),
    (&column::COUPON_REFUND, &COUPON_REFUND),
    (&column::TOTAL, &TOTAL),
    (&column::ASKED_REFUND, &ASKED_REFUND),
];

/// Returns whether a line is the header of the summary.
pub(super) fn begins(text: &str) -> bool {
    text.trim_start_matches('`').starts_with(COUNT.name())
}

/// Number of lines so far, and the sums of their amounts in hundred-thousandths.
///
/// The sums ignore the currency, because the channel also adds up the amounts of all currencies.
/// They have 128 bits, so that they never overflow.
#[derive(Debug, Default)]
pub(super) struct Tally {
    count: u64,
    sums: [i128; SUMS.len()],
    fee: i128,
    /// Whether the sums lack an unreadable line. The comparison with the summary is then skipped.
    incomplete: bool,
}

impl Tally {
    /// Marks the sums as incomplete, because a line is unreadable.
    pub(super) const fn miss_a_line(&mut self) {
        self.incomplete = true;
    }

    /// Adds a line to the sums. If one of its amounts is malformed, the sums do not change.
    pub(super) fn add(&mut self, cells: &Cells<'_>) -> Result<(), BadField> {
        let mut sums = self.sums;
        for (sum, (of_line, _)) in sums.iter_mut().zip(SUMS) {
            *sum += decimal(cells, of_line)?;
        }
        let fee = cells.optional(&column::FEE, ServiceFee::parse)?;
        self.fee += i128::from(fee.unwrap_or_default().as_i64());
        self.sums = sums;
        self.count += 1;
        Ok(())
    }

    /// Compares the sums with the summary. It skips a column that the lines or the summary do not
    /// have.
    pub(super) fn check(
        &self,
        lines: &Columns,
        summary: &Summary,
        text: &str,
        line: u64,
    ) -> Result<(), BillError> {
        let cells = summary.0.part(text, line)?;
        let bad = |bad: BadField| bad.at(line);
        let count = cells.required(&COUNT, |text| {
            text.parse::<u64>().map_err(|_| BillFieldError::NotCount)
        });
        let count = count.map_err(bad)?;
        let both = |of_line: &Header, of_all: &Header| lines.has(of_line) && summary.0.has(of_all);
        let mut differ = (count != self.count).then_some(&COUNT);
        for (sum, (of_line, of_all)) in self.sums.iter().zip(SUMS) {
            let expected = decimal(&cells, of_all).map_err(bad)?;
            if both(of_line, of_all) && *sum != expected {
                differ = differ.or(Some(of_all));
            }
        }
        let fee = cells.optional(&FEE, ServiceFee::parse).map_err(bad)?;
        let fee = fee.unwrap_or_default();
        if both(&column::FEE, &FEE) && self.fee != i128::from(fee.as_i64()) {
            differ = differ.or(Some(&FEE));
        }
        match differ {
            Some(header) if !self.incomplete => Err(BillError::Summary {
                line,
                column: header.name(),
            }),
            _ => Ok(()),
        }
    }
}

/// Parses a decimal number in hundred-thousandths; zero if the cell is empty.
fn decimal(cells: &Cells<'_>, header: &Header) -> Result<i128, BadField> {
    let parse = |text: &str| ServiceFee::parse(text).map_err(|_| BillFieldError::NotDecimal);
    let number = cells.optional(header, parse)?;
    Ok(i128::from(number.unwrap_or_default().as_i64()))
}

/// Columns of the summary.
#[derive(Debug)]
pub(super) struct Summary(Columns);

impl Summary {
    pub(super) fn of(text: &str) -> Result<Self, BillError> {
        Columns::of(text, ALL).map(Self)
    }
}
