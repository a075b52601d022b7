//! Money that arrived, and the invitation to pay it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::types::{
    AppId, Channel, Currency, Fen, Label, MchId, OpenId, PrepayValue, Timestamp, TransactionId,
};

/// A verified fact: this transaction paid this amount at this time.
///
/// *Verified* means that the caller knows it from the channel itself: a notification whose
/// signature was checked and whose body was decrypted, an answer to an active query over
/// TLS, or a line of the channel's bill. A cloud callback that arrives over plain HTTP
/// carries no signature: it is a hint, on which the server should query the channel.
///
/// Two payments are the same if they name the same channel and transaction. What is
/// optional never decides that, and never makes a payment refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Payment {
    /// The channel's number for the payment.
    pub transaction_id: TransactionId,
    /// The order's total as the channel states it: `total_fee`, never `cash_fee`, which
    /// coupons make smaller.
    pub paid_fee: Fen,
    /// When the customer paid, by the channel's clock.
    pub time_end: Timestamp,
    /// How the fact reached us.
    pub source: Source,
    /// Where it was paid; `wechat` unless said otherwise.
    pub channel: Channel,
    /// The money's currency; `CNY` unless said otherwise.
    #[serde(rename = "feeType")]
    pub currency: Currency,
    /// The app it was paid in. Where a service provider is involved: the `sub_` one.
    pub appid: Option<AppId>,
    /// The merchant it was paid to. Where a service provider is involved: the `sub_` one.
    pub mch_id: Option<MchId>,
    /// Who paid. Where a service provider is involved: the `sub_` one.
    pub openid: Option<OpenId>,
    /// The channel's trade type, such as `JSAPI`.
    pub trade_type: Option<Label>,
    /// The bank or wallet that paid, such as `OTHERS`.
    pub bank_type: Option<Label>,
    /// What the customer's own purse gave, after coupons.
    pub payer_total: Option<Fen>,
    /// What the channel will settle with the merchant.
    pub settlement_total: Option<Fen>,
    /// When the store kept it; the store writes it.
    pub recorded_at: Timestamp,
}

/// Why a [`Payment`] cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PaymentError {
    /// Nobody pays nothing.
    #[error("a payment of 0 fen is none")]
    NothingPaid,
}

impl Payment {
    /// A payment by its three facts and where they come from.
    ///
    /// # Errors
    /// [`PaymentError::NothingPaid`] where `paid_fee` is zero.
    pub fn new(
        transaction_id: TransactionId,
        paid_fee: Fen,
        time_end: Timestamp,
        source: Source,
    ) -> Result<Self, PaymentError> {
        if paid_fee.is_zero() {
            return Err(PaymentError::NothingPaid);
        }
        Ok(Self {
            transaction_id,
            paid_fee,
            time_end,
            source,
            channel: Channel::WECHAT,
            currency: Currency::default(),
            appid: None,
            mch_id: None,
            openid: None,
            trade_type: None,
            bank_type: None,
            payer_total: None,
            settlement_total: None,
            recorded_at: Timestamp::EPOCH,
        })
    }

    /// Whether `other` is the same payment: the same channel and transaction.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.channel == other.channel && self.transaction_id == other.transaction_id
    }
}

/// How a money fact reached the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Source {
    /// The channel called us.
    Callback {
        /// The notification's own id, where the protocol has one.
        #[serde(rename = "notifyId")]
        notify_id: Option<Label>,
    },
    /// We asked the channel.
    Query,
    /// The channel's trade bill.
    Bill,
    /// Another system's books.
    Import,
    /// A person's word.
    Operator,
}

impl Source {
    /// A callback without an id of its own.
    pub const CALLBACK: Self = Self::Callback { notify_id: None };
}

/// What the channel handed out so that the customer can pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Prepay {
    /// The kind of invitation, which says how long it lives.
    pub kind: PrepayKind,
    /// What the channel calls it: `prepay_id`, `code_url` or `h5_url`.
    pub value: PrepayValue,
    /// From when on it is useless. `None` when asked: the kind's own span from now. The
    /// store always fills it in, and never past the order's `expires_at`.
    pub valid_until: Option<Timestamp>,
    /// When the store kept it; the store writes it.
    pub recorded_at: Timestamp,
}

impl Prepay {
    /// An invitation that lives as long as its kind does.
    #[must_use]
    pub const fn new(kind: PrepayKind, value: PrepayValue) -> Self {
        Self {
            kind,
            value,
            valid_until: None,
            recorded_at: Timestamp::EPOCH,
        }
    }

    /// The same, with a life of its own.
    #[must_use]
    pub const fn valid_until(mut self, moment: Timestamp) -> Self {
        self.valid_until = Some(moment);
        self
    }
}

/// The ways in which WeChat takes a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum PrepayKind {
    /// Mini programs and official accounts: a `prepay_id`, two hours.
    Jsapi,
    /// Apps: a `prepay_id`, two hours.
    App,
    /// QR codes: a `code_url`, two hours.
    Native,
    /// Browsers: an `h5_url`, five minutes.
    H5,
}
