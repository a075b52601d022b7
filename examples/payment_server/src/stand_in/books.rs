//! Records of the stand-in: trades, payments and refunds.
//!
//! Invariants:
//! - A trade moves from unpaid to paid or closed, once.
//! - The refunds of a trade never exceed its payment.

use std::collections::HashMap;
use std::fmt;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use orderstore::{OrderNo, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

/// All records of the stand-in.
pub(super) struct Books {
    /// Start time, the prefix of all numbers. Numbers of an earlier run are still in the merchant's
    /// store and must not repeat.
    started: Timestamp,
    trades: HashMap<String, Trade>,
    refunds: HashMap<String, Refund>,
    /// Number of transactions and refunds so far.
    numbered: u64,
}

/// State of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    NotPaid,
    Paid,
    Closed,
}

/// One order as the channel knows it.
#[derive(Clone)]
pub struct Trade {
    /// Merchant's order number.
    pub no: OrderNo,
    /// Amount to pay, in fen.
    pub total: u64,
    /// Transaction ID, if the trade was paid.
    pub transaction_id: Option<String>,
    /// Time of the payment.
    pub paid_at: Option<Timestamp>,
    /// Number of notifications sent.
    pub sent: u32,
    /// Number of notifications acknowledged.
    pub acknowledged: u32,
    pub(super) notify_url: String,
    ask: CallKind,
    state: State,
    given_back: u64,
    expires_at: Timestamp,
    prepays: u32,
}

/// Request for a prepay.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(super) struct CallKind {
    appid: String,
    mchid: String,
    description: String,
    pub(super) out_trade_no: String,
    time_expire: String,
    notify_url: String,
    amount: Amount,
    pub(super) payer: Payer,
}

#[derive(Clone, PartialEq, Eq, Deserialize)]
struct Amount {
    total: u64,
    currency: String,
}

#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Payer {
    pub(super) openid: String,
}

/// Request for a refund.
#[derive(Clone, Deserialize)]
pub(super) struct RefundAsk {
    transaction_id: String,
    pub(super) out_refund_no: String,
    notify_url: String,
    amount: RefundAmount,
}

#[derive(Clone, PartialEq, Eq, Deserialize)]
struct RefundAmount {
    refund: u64,
    total: u64,
}

/// Refund as the channel knows it.
#[derive(Clone)]
pub(super) struct Refund {
    pub(super) ask: RefundAsk,
    no: OrderNo,
    refund_id: String,
    success_at: Option<Timestamp>,
}

/// Rejection by the stand-in, in the form that the channel uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Error code.
    pub code: &'static str,
}

impl Refusal {
    pub(super) const UNKNOWN: Self = Self::new(404, "ORDER_NOT_EXIST");
    pub(super) const NO_REFUND: Self = Self::new(404, "RESOURCE_NOT_EXISTS");
    pub(super) const DOWN: Self = Self::new(500, "SYSTEM_ERROR");
    const PAID: Self = Self::new(400, "ORDERPAID");
    const CLOSED: Self = Self::new(400, "ORDER_CLOSED");
    const EXPIRED: Self = Self::new(400, "ORDER_EXPIRED");
    const REUSED: Self = Self::new(403, "OUT_TRADE_NO_USED");
    const MALFORMED: Self = Self::new(400, "PARAM_ERROR");
    const TOO_MUCH: Self = Self::new(403, "NOT_ENOUGH");

    const fn new(status: u16, code: &'static str) -> Self {
        Self { status, code }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl std::error::Error for Refusal {}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status);
        let body = json!({ "code": self.code, "message": self.code });
        (
            status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            Json(body),
        )
            .into_response()
    }
}

impl Books {
    pub(super) fn new(started: Timestamp) -> Self {
        Self {
            started,
            trades: HashMap::new(),
            refunds: HashMap::new(),
            numbered: 0,
        }
    }

    fn number(&self, kind: &str, number: u64) -> String {
        format!("{kind}{:013}{number:013}", self.started.as_millis())
    }

    /// Creates a prepay. Rejects an order number that an earlier request used with other data.
    pub(super) fn prepay(&mut self, ask: CallKind, now: Timestamp) -> Result<String, Refusal> {
        let trade = match self.trades.get_mut(&ask.out_trade_no) {
            Some(trade) => trade,
            None => {
                let trade = Trade::new(ask.clone())?;
                self.trades.entry(ask.out_trade_no.clone()).or_insert(trade)
            }
        };
        if trade.ask != ask {
            return Err(Refusal::REUSED);
        }
        trade.must_be_payable(now)?;
        trade.prepays += 1;
        Ok(format!("wx{}{:04}", trade.no.as_str(), trade.prepays))
    }

    /// Returns the trade if it can be paid.
    pub(super) fn payable(&mut self, no: OrderNo, now: Timestamp) -> Result<&mut Trade, Refusal> {
        let trade = self.trades.get_mut(no.as_str()).ok_or(Refusal::UNKNOWN)?;
        trade.must_be_payable(now)?;
        Ok(trade)
    }

    /// Records the payment of a trade.
    pub(super) fn pay(&mut self, no: OrderNo, now: Timestamp) -> Result<Trade, Refusal> {
        let number = self.numbered + 1;
        let transaction_id = self.number("42", number);
        let trade = self.payable(no, now)?;
        trade.state = State::Paid;
        trade.transaction_id = Some(transaction_id);
        trade.paid_at = Some(now);
        let paid = trade.clone();
        self.numbered = number;
        Ok(paid)
    }

    /// Closes a trade, or returns the reason why it cannot be closed. An unknown number is answered
    /// like a closed trade, as the real channel does.
    pub(super) fn close(&mut self, no: &str) -> Result<(), Refusal> {
        let Some(trade) = self.trades.get_mut(no) else {
            return Ok(());
        };
        if trade.state == State::Paid {
            return Err(Refusal::PAID);
        }
        trade.state = State::Closed;
        Ok(())
    }

    /// Begins a refund, and returns whether it is new. A repeated request under one number is the
    /// same refund.
    pub(super) fn refund(&mut self, ask: RefundAsk) -> Result<(Refund, bool), Refusal> {
        if let Some(known) = self.refunds.get(&ask.out_refund_no) {
            let same =
                known.ask.amount == ask.amount && known.ask.transaction_id == ask.transaction_id;
            return if same {
                Ok((known.clone(), false))
            } else {
                Err(Refusal::MALFORMED)
            };
        }
        let number = self.numbered + 1;
        let refund_id = self.number("50", number);
        let paid_by = Some(&ask.transaction_id);
        let mut trades = self.trades.values_mut();
        let trade = trades.find(|trade| trade.transaction_id.as_ref() == paid_by);
        let trade = trade.ok_or(Refusal::NO_REFUND)?;
        let left = trade.total - trade.given_back;
        if ask.amount.refund == 0 || ask.amount.total != trade.total {
            return Err(Refusal::MALFORMED);
        }
        if ask.amount.refund > left {
            return Err(Refusal::TOO_MUCH);
        }
        trade.given_back += ask.amount.refund;
        self.numbered = number;
        let refund = Refund {
            no: trade.no,
            refund_id,
            success_at: None,
            ask,
        };
        self.refunds
            .insert(refund.ask.out_refund_no.clone(), refund.clone());
        Ok((refund, true))
    }

    /// Marks a refund as successful.
    pub(super) fn finish(&mut self, refund_no: &str, now: Timestamp) -> Option<Refund> {
        let refund = self.refunds.get_mut(refund_no)?;
        refund.success_at.get_or_insert(now);
        Some(refund.clone())
    }

    pub(super) fn refund_of(&self, refund_no: &str) -> Option<Refund> {
        self.refunds.get(refund_no).cloned()
    }

    pub(super) fn trade(&self, no: OrderNo) -> Option<Trade> {
        self.trades.get(no.as_str()).cloned()
    }

    pub(super) fn trades(&self) -> Vec<Trade> {
        self.trades.values().cloned().collect()
    }

    pub(super) fn given_back(&self) -> u64 {
        self.trades.values().map(|trade| trade.given_back).sum()
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.trades
            .values()
            .filter(|trade| trade.acknowledged > 0)
            .count()
    }

    /// Counts a sent notification, and its acknowledgement if there was one.
    pub(super) fn sent(&mut self, no: OrderNo, acknowledged: bool) {
        if let Some(trade) = self.trades.get_mut(no.as_str()) {
            trade.sent += 1;
            trade.acknowledged += u32::from(acknowledged);
        }
    }
}

impl Trade {
    fn new(ask: CallKind) -> Result<Self, Refusal> {
        let no = OrderNo::parse(&ask.out_trade_no).map_err(|_| Refusal::MALFORMED)?;
        let expires_at = Timestamp::parse_rfc3339(&ask.time_expire);
        if ask.amount.total == 0 {
            return Err(Refusal::MALFORMED);
        }
        Ok(Self {
            no,
            total: ask.amount.total,
            transaction_id: None,
            paid_at: None,
            sent: 0,
            acknowledged: 0,
            notify_url: ask.notify_url.clone(),
            state: State::NotPaid,
            given_back: 0,
            expires_at: expires_at.map_err(|_| Refusal::MALFORMED)?,
            prepays: 0,
            ask,
        })
    }

    fn must_be_payable(&self, now: Timestamp) -> Result<(), Refusal> {
        match self.state {
            State::Paid => Err(Refusal::PAID),
            State::Closed => Err(Refusal::CLOSED),
            State::NotPaid if self.expires_at <= now => Err(Refusal::EXPIRED),
            State::NotPaid => Ok(()),
        }
    }

    /// Returns whether the trade was paid.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.state == State::Paid
    }

    /// Returns the trade in the channel's JSON.
    pub(super) fn to_json(&self) -> Value {
        let state = match self.state {
            State::NotPaid => "NOTPAY",
            State::Closed => "CLOSED",
            State::Paid if self.given_back > 0 => "REFUND",
            State::Paid => "SUCCESS",
        };
        let mut json = json!({
            "appid": self.ask.appid,
            "mchid": self.ask.mchid,
            "out_trade_no": self.no.as_str(),
            "trade_state": state,
            "trade_state_desc": state,
            "payer": { "openid": self.ask.payer.openid },
        });
        if let (Some(paid), Some(json)) = (self.to_paid_json(), json.as_object_mut()) {
            json.extend(paid);
        }
        json
    }

    fn to_paid_json(&self) -> Option<serde_json::Map<String, Value>> {
        let paid = json!({
            "transaction_id": self.transaction_id.as_ref()?,
            "trade_type": "JSAPI",
            "bank_type": "OTHERS",
            "success_time": self.paid_at?.to_string(),
            "amount": {
                "total": self.total,
                "payer_total": self.total,
                "currency": self.ask.amount.currency,
                "payer_currency": self.ask.amount.currency,
            },
        });
        paid.as_object().cloned()
    }

    /// Returns the payment in the form of the cloud's event.
    pub(super) fn to_cloud_event(&self) -> Option<Value> {
        let beijing = self.paid_at?.beijing().to_string();
        let digits: String = beijing.chars().filter(char::is_ascii_digit).collect();
        Some(json!({
            "returnCode": "SUCCESS",
            "resultCode": "SUCCESS",
            "appid": self.ask.appid,
            "mchId": self.ask.mchid,
            "openid": self.ask.payer.openid,
            "isSubscribe": "N",
            "tradeType": "JSAPI",
            "bankType": "OTHERS",
            "totalFee": self.total,
            "feeType": self.ask.amount.currency,
            "cashFee": self.total,
            "transactionId": self.transaction_id.as_ref()?,
            "outTradeNo": self.no.as_str(),
            "timeEnd": digits,
        }))
    }
}

impl fmt::Debug for Trade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trade")
            .field("no", &self.no)
            .field("state", &self.state)
            .field("total", &self.total)
            .field("sent", &self.sent)
            .field("acknowledged", &self.acknowledged)
            .finish_non_exhaustive()
    }
}

impl Refund {
    pub(super) fn no(&self) -> OrderNo {
        self.no
    }

    pub(super) fn notify_url(&self) -> &str {
        &self.ask.notify_url
    }

    /// Returns the refund in the channel's JSON. Answers and notifications use different names for
    /// the status.
    pub(super) fn to_json(&self, status_name: &str) -> Value {
        let status = if self.success_at.is_some() {
            "SUCCESS"
        } else {
            "PROCESSING"
        };
        json!({
            "refund_id": self.refund_id,
            "out_refund_no": self.ask.out_refund_no,
            "transaction_id": self.ask.transaction_id,
            "out_trade_no": self.no.as_str(),
            "success_time": self.success_at.map(|at| at.to_string()),
            status_name: status,
            "amount": {
                "total": self.ask.amount.total,
                "refund": self.ask.amount.refund,
                "currency": "CNY",
            },
        })
    }
}
