//! Columns of a bill, identified by their header text.

use std::collections::BTreeMap;

use super::error::{BillError, BillFieldError};

/// Names of one column in a bill's header: the current name first, then the names in older bills.
#[derive(Debug)]
pub(super) struct Header {
    names: &'static [&'static str],
}

impl Header {
    pub(super) const fn of(names: &'static [&'static str]) -> Self {
        Self { names }
    }

    /// Returns the name of the column in current bills.
    pub(super) fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }
}

macro_rules! headers {
    ($($name:ident: $names:expr;)*) => {
        $(pub(super) const $name: Header = Header::of(&$names);)*

        /// All columns that the reader uses.
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
    BODY: ["商品名称"];
    ATTACH: ["商户数据包"];
    FEE: ["手续费"];
}

/// Position of each known column, and the number of all columns.
#[derive(Debug)]
pub(super) struct Columns {
    places: BTreeMap<&'static str, usize>,
    width: usize,
}

impl Columns {
    /// Reads a header line. It stores the `known` columns and ignores all others.
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

    /// Reads the header line of the bill, and checks that the required columns exist.
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

    /// Splits a line into cells at each comma that a backtick follows.
    ///
    /// The product name and the merchant's data are free text. If such a text contains a comma
    /// before a backtick, the line has too many cells. The reader does not use these two columns,
    /// so the function drops the extra cells there. All other columns then keep their positions.
    pub(super) fn part<'a>(&'a self, text: &'a str, line: u64) -> Result<Cells<'a>, BillError> {
        let bare = text.strip_prefix('`');
        let bare = bare.ok_or(BillError::NoBacktick { line })?;
        let mut cells: Vec<_> = bare.split(",`").collect();
        let (found, expected) = (cells.len(), self.width);
        match (found.checked_sub(expected), self.names_at()) {
            (Some(0), _) => {}
            (Some(extra), Some(names)) => {
                // Drop any cells of the free-text columns, because the reader does not use them.
                cells.drain(names..names + extra);
            }
            _ => {
                return Err(BillError::Width {
                    line,
                    found,
                    expected,
                });
            }
        }
        Ok(Cells {
            columns: self,
            cells,
            line,
        })
    }

    /// Returns the position of the first free-text column, whose text may contain extra commas.
    /// `None` if the bill has no such column, or has two that are not adjacent, because extra cells
    /// could then belong to either.
    fn names_at(&self) -> Option<usize> {
        let place = |header: &Header| self.places.get(header.name()).copied();
        match (place(&BODY), place(&ATTACH)) {
            (Some(body), Some(attach)) => (body.abs_diff(attach) == 1).then_some(body.min(attach)),
            (body, attach) => body.or(attach),
        }
    }

    /// Returns the number of cells that a line must have.
    pub(super) const fn width(&self) -> usize {
        self.width
    }
}

/// Cells of one line of a bill.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    columns: &'a Columns,
    cells: Vec<&'a str>,
    pub(super) line: u64,
}

impl Cells<'_> {
    /// Returns the text of a cell; empty if the bill does not have the column.
    pub(super) fn text(&self, header: &Header) -> &str {
        let place = self.columns.places.get(header.name());
        let cell = place.and_then(|place| self.cells.get(*place));
        cell.copied().unwrap_or_default()
    }

    /// Returns the text of a cell; `None` if it is empty or `0`, which the channel writes for
    /// "none".
    pub(super) fn given(&self, header: &Header) -> Option<&str> {
        let text = self.text(header);
        (!text.is_empty() && text != "0").then_some(text)
    }

    /// Parses a cell that must not be empty.
    pub(super) fn required<T, E: Into<BillFieldError>>(
        &self,
        header: &Header,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, BadField> {
        let text = self.text(header);
        if text.is_empty() {
            return Err(BadField::of(header, BillFieldError::Missing));
        }
        parse(text).map_err(|error| BadField::of(header, error.into()))
    }

    /// Parses a cell that may be empty or `0`. A malformed value is an error.
    pub(super) fn optional<T, E: Into<BillFieldError>>(
        &self,
        header: &Header,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, BadField> {
        let text = self.given(header);
        text.map(parse)
            .transpose()
            .map_err(|error| BadField::of(header, error.into()))
    }

    /// Parses a cell; `None` if it is empty, `0` or malformed.
    pub(super) fn lossy<T, E>(
        &self,
        header: &Header,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(self.given(header)?).ok()
    }

    /// Returns the first of two columns if the bill has it, otherwise the second.
    pub(super) fn first<'h>(&self, [first, second]: [&'h Header; 2]) -> &'h Header {
        if self.columns.has(first) {
            first
        } else {
            second
        }
    }
}

/// Error for an unusable cell: its column and the reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct BadField {
    pub(super) column: &'static str,
    pub(super) source: BillFieldError,
}

impl BadField {
    pub(super) fn of(header: &Header, source: BillFieldError) -> Self {
        let column = header.name();
        Self { column, source }
    }

    /// Converts to a bill error with this line number, for a cell that the sums need.
    pub(super) const fn at(self, line: u64) -> BillError {
        let Self { column, source } = self;
        BillError::Field {
            line,
            column,
            source,
        }
    }
}
