//! Writes orders as rows of a spreadsheet.
//!
//! - Cells with text begin with a backtick. Without it, a spreadsheet would run text that begins
//!   with `=`, `+`, `-` or `@` as a formula, and would convert 32 digits to a float.
//! - Cells with amounts, counts and times have no prefix. A spreadsheet can sum and sort them.

use std::io::{self, Write};

use csv::{Terminator, Writer, WriterBuilder};

use crate::order::{Order, RefundStatus};
use crate::types::{Currency, Fen, Timestamp};

const MARK: &[u8] = "\u{feff}".as_bytes();

const HEADER: [&str; 15] = [
    "outTradeNo",
    "payStatus",
    "createTime",
    "timeEnd",
    "totalFee",
    "totalYuan",
    "refundFee",
    "refundYuan",
    "feeType",
    "transactionId",
    "appid",
    "mchId",
    "description",
    "openAnomalies",
    "deleteTime",
];

pub(super) struct Report<W: Write> {
    rows: Writer<W>,
}

impl<W: Write> Report<W> {
    pub(super) fn begin(mut output: W) -> io::Result<Self> {
        output.write_all(MARK)?;
        let mut builder = WriterBuilder::new();
        let mut rows = builder.terminator(Terminator::CRLF).from_writer(output);
        rows.write_record(HEADER)?;
        Ok(Self { rows })
    }

    pub(super) fn row(&mut self, order: &Order) -> io::Result<()> {
        Ok(self.rows.write_record(cells(order))?)
    }

    pub(super) fn end(mut self) -> io::Result<()> {
        self.rows.flush()
    }
}

fn cells(order: &Order) -> [String; HEADER.len()] {
    let mut back = order
        .refunds
        .iter()
        .filter(|refund| refund.status == RefundStatus::Success);
    let back = back.try_fold(Fen::ZERO, |sum, refund| sum.checked_add(refund.amount));
    let back = back.unwrap_or(Fen::MAX);
    let in_yuan = |fee: Fen| match order.currency {
        Currency::CNY => fee.yuan().to_string(),
        _ => String::new(),
    };
    [
        text(order.no.as_str()),
        text(order.status.as_str()),
        time(Some(order.create_time)),
        time(order.paid_at()),
        order.total_fee.as_u64().to_string(),
        in_yuan(order.total_fee),
        back.as_u64().to_string(),
        in_yuan(back),
        text(order.currency.as_str()),
        text(
            order
                .transaction_id()
                .map(|id| id.as_str())
                .unwrap_or_default(),
        ),
        text(order.appid.as_str()),
        text(
            order
                .mch_id
                .as_ref()
                .map(|id| id.as_str())
                .unwrap_or_default(),
        ),
        text(order.description.as_str()),
        order.open_anomalies().count().to_string(),
        time(order.hidden_at),
    ]
}

fn text(text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!("`{text}"),
    }
}

fn time(moment: Option<Timestamp>) -> String {
    moment.map_or_else(String::new, |moment| moment.beijing().to_string())
}
