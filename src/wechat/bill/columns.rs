//! Where the columns of a bill are, found by their headers.

use std::collections::BTreeMap;

use super::error::{BillError, BillFieldError};
use crate::value::Fen;

/// A column by its header, with the names it had in older bills.
#[derive(Debug)]
pub(super) struct Header {
    names: &'static [&'static str],
}

impl Header {
    pub(super) const fn of(names: &'static [&'static str]) -> Self {
        Self { names }
    }

    /// Its newest name.
    pub(super) fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }
}

macro_rules! headers {
    ($($name:ident: $names:expr;)*) => {
        $(pub(super) const $name: Header = Header::of(&$names);)*

        /// Every column that is read.
        const ALL: &[&Header] = &[$(&$name),*];
    };
}

headers! {
    TIME: ["交易时间"];
    APPID: ["公众账号ID"];
    MCH: ["商户号"];
    SUB_MCH: ["特约商户号", "子商户号"];
    TRANSACTION: ["微信订单号"];
    NO: ["商户订单号"];
    OPENID: ["用户标识"];
    TRADE_TYPE: ["交易类型"];
    STATE: ["交易状态"];
    BANK: ["付款银行"];
    CURRENCY: ["货币种类"];
    TOTAL: ["订单金额"];
    SETTLEMENT: ["应结订单金额", "总金额"];
    COUPON: ["代金券金额", "代金券或立减优惠金额", "企业红包金额"];
    ASKED_AT: ["退款申请时间"];
    SUCCESS_AT: ["退款成功时间"];
    REFUND_ID: ["微信退款单号"];
    REFUND_NO: ["商户退款单号"];
    ASKED_REFUND: ["申请退款金额"];
    REFUND: ["退款金额"];
    COUPON_REFUND: ["充值券退款金额", "代金券或立减优惠退款金额", "企业红包退款金额"];
    REFUND_STATUS: ["退款状态"];
    FEE: ["手续费"];
}

/// Which columns there are, and where.
#[derive(Debug)]
pub(super) struct Columns {
    places: BTreeMap<&'static str, usize>,
    width: usize,
}

impl Columns {
    /// Reads a header in which `known` are the columns that have a meaning.
    pub(super) fn of(text: &str, known: &[&Header]) -> Result<Self, BillError> {
        let mut columns = Self {
            places: BTreeMap::new(),
            width: 0,
        };
        for (place, cell) in text.split(',').enumerate() {
            columns.width = place + 1;
            let cell = cell.trim();
            let cell = cell.strip_prefix('`').unwrap_or(cell);
            let header = known.iter().find(|header| header.names.contains(&cell));
            let Some(column) = header.map(|header| header.name()) else {
                continue;
            };
            if columns.places.insert(column, place).is_some() {
                return Err(BillError::TwoColumns { column });
            }
        }
        Ok(columns)
    }

    /// Reads the header of the lines.
    pub(super) fn of_lines(text: &str) -> Result<Self, BillError> {
        let columns = Self::of(text, ALL)?;
        if columns.places.len() < 3 {
            return Err(BillError::NotABill);
        }
        for needed in [&TIME, &MCH, &TRANSACTION, &NO, &STATE] {
            columns.needs(needed)?;
        }
        if !columns.has(&TOTAL) && !columns.has(&ASKED_REFUND) {
            columns.needs(&SETTLEMENT)?;
        }
        Ok(columns)
    }

    fn needs(&self, header: &Header) -> Result<(), BillError> {
        let column = header.name();
        if self.has(header) {
            return Ok(());
        }
        Err(BillError::NoColumn { column })
    }

    pub(super) fn has(&self, header: &Header) -> bool {
        self.places.contains_key(header.name())
    }

    /// Parts a line at comma and backtick: a comma alone may stand in a name.
    pub(super) fn part<'a>(&'a self, text: &'a str, line: u64) -> Result<Cells<'a>, BillError> {
        let bare = text.strip_prefix('`');
        let bare = bare.ok_or(BillError::NoBacktick { line })?;
        let cells: Vec<_> = bare.split(",`").collect();
        let (found, expected) = (cells.len(), self.width);
        if found != expected {
            return Err(BillError::Width {
                line,
                found,
                expected,
            });
        }
        Ok(Cells {
            columns: self,
            cells,
            line,
        })
    }
}

/// The fields of one line.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    columns: &'a Columns,
    cells: Vec<&'a str>,
    pub(super) line: u64,
}

impl Cells<'_> {
    /// The text in a column; empty where there is no such column.
    pub(super) fn text(&self, header: &Header) -> &str {
        let place = self.columns.places.get(header.name());
        let cell = place.and_then(|place| self.cells.get(*place));
        cell.copied().unwrap_or_default()
    }

    /// The text in a column; `None` where it is empty or `0`, as the channel writes "none".
    pub(super) fn given(&self, header: &Header) -> Option<&str> {
        let text = self.text(header);
        (!text.is_empty() && text != "0").then_some(text)
    }

    /// What must stand in a column, by its own rule.
    pub(super) fn required<T, E: Into<BillFieldError>>(
        &self,
        header: &Header,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, BillError> {
        let text = self.text(header);
        if text.is_empty() {
            return Err(self.refuse(header, BillFieldError::Missing));
        }
        parse(text).map_err(|error| self.refuse(header, error.into()))
    }

    /// What may stand in a column, by its own rule.
    pub(super) fn optional<T, E: Into<BillFieldError>>(
        &self,
        header: &Header,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, BillError> {
        let text = self.given(header);
        text.map(parse)
            .transpose()
            .map_err(|error| self.refuse(header, error.into()))
    }

    /// An amount; zero where there is none.
    pub(super) fn amount(&self, header: &Header) -> Result<Fen, BillError> {
        Ok(self.optional(header, Fen::parse_yuan)?.unwrap_or_default())
    }

    /// The amount in the first of these columns that the bill has.
    pub(super) fn first_amount(&self, headers: [&Header; 2]) -> Result<Fen, BillError> {
        let [first, second] = headers;
        let header = if self.columns.has(first) {
            first
        } else {
            second
        };
        let amount = self.required(header, Fen::parse_yuan)?;
        if amount.is_zero() {
            return Err(self.refuse(header, BillFieldError::Zero));
        }
        Ok(amount)
    }

    pub(super) fn refuse(&self, header: &Header, source: BillFieldError) -> BillError {
        BillError::Field {
            line: self.line,
            column: header.name(),
            source,
        }
    }
}
