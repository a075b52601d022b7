//! Payments, and prepays: the values with which a customer's app starts a payment.

use serde::{Deserialize, Serialize};

use crate::types::{
    AppId, Channel, Currency, Fen, Label, MchId, OpenId, PrepayValue, Timestamp, TransactionId,
    ValueError,
};

/// Verified fact: this transaction paid this amount at this time.
///
/// *Verified* means that the caller has the fact from the channel itself. Valid sources are a
/// notification with a checked signature and a decrypted body, the response to a query over
/// TLS, and a line of the channel's bill. A cloud callback over plain HTTP has no signature.
/// Treat it as a hint and query the channel.
///
/// Two payments are the same if they have the same channel and transaction. Optional fields
/// have no influence on that, and no missing optional field causes a rejection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Payment {
    /// The channel's number of the payment.
    pub transaction_id: TransactionId,
    /// Order total as the channel reports it: `total_fee`, not `cash_fee`, which coupons reduce.
    pub paid_fee: Fen,
    /// Time of the payment, by the channel's clock.
    pub time_end: Timestamp,
    /// Source of the payment fact: notification, query, bill, import or operator.
    pub source: Source,
    /// Payment channel. Default: `wechat`.
    pub channel: Channel,
    /// Currency of the amounts. Default: `CNY`.
    #[serde(rename = "feeType")]
    pub currency: Currency,
    /// App in which the customer paid. For a service provider, the app in the `sub_` field.
    pub appid: Option<AppId>,
    /// Merchant that received the payment. For a service provider, the merchant in the `sub_`
    /// field.
    pub mch_id: Option<MchId>,
    /// User who paid. For a service provider, the openid in the `sub_` field.
    pub openid: Option<OpenId>,
    /// The channel's trade type, such as `JSAPI`.
    pub trade_type: Option<Label>,
    /// Bank or wallet that paid, such as `OTHERS`.
    pub bank_type: Option<Label>,
    /// Amount that the customer paid after coupons.
    pub payer_total: Option<Fen>,
    /// Amount that the channel will settle with the merchant.
    pub settlement_total: Option<Fen>,
    /// Time when the store recorded the payment. The store sets it.
    pub recorded_at: Timestamp,
}

impl Payment {
    /// Creates a payment through `wechat` in CNY, without the optional fields.
    ///
    /// # Errors
    /// [`ValueError`] if `paid_fee` is zero.
    pub fn new(
        transaction_id: TransactionId,
        paid_fee: Fen,
        time_end: Timestamp,
        source: Source,
    ) -> Result<Self, ValueError> {
        if paid_fee.is_zero() {
            return Err(ValueError::zero(
                "payment amount",
                "a payment needs at least 1 fen",
            ));
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

    /// Returns whether `other` is the same payment: the same channel and transaction.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.channel == other.channel && self.transaction_id == other.transaction_id
    }
}

/// Source of a payment fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Source {
    /// Notification that the channel sent to the server.
    Callback {
        /// Id of the notification, if the protocol has one.
        #[serde(rename = "notifyId")]
        notify_id: Option<Label>,
    },
    /// Query of the order at the channel.
    Query,
    /// Trade bill of the channel.
    Bill,
    /// Import of an order from another system.
    Import,
    /// Manual entry by an operator.
    Operator,
}

impl Source {
    /// Notification from the channel without an id.
    pub const CALLBACK: Self = Self::Callback { notify_id: None };
}

/// Prepay: the value from the channel with which the customer's app starts the payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Prepay {
    /// Kind of the prepay, which determines its default lifetime.
    pub kind: PrepayKind,
    /// Value from the channel: a `prepay_id`, `code_url` or `h5_url`.
    pub value: PrepayValue,
    /// Time at which the prepay expires. In a command, `None` stands for the present time plus the
    /// default lifetime of the prepay's kind. The store always records a time, and shortens one
    /// that is later than the order's `expires_at`.
    pub valid_until: Option<Timestamp>,
    /// Time when the store recorded the prepay. The store sets it.
    pub recorded_at: Timestamp,
}

impl Prepay {
    /// Creates a prepay with the lifetime of its kind.
    #[must_use]
    pub const fn new(kind: PrepayKind, value: PrepayValue) -> Self {
        Self {
            kind,
            value,
            valid_until: None,
            recorded_at: Timestamp::EPOCH,
        }
    }

    /// Sets the time at which the prepay expires. Default: the lifetime of its kind after the store
    /// records the prepay.
    #[must_use]
    pub const fn valid_until(mut self, moment: Timestamp) -> Self {
        self.valid_until = Some(moment);
        self
    }
}

/// Kind of a WeChat prepay, with its lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum PrepayKind {
    /// `prepay_id` for mini programs and official accounts; lifetime two hours.
    Jsapi,
    /// `prepay_id` for mobile apps; lifetime two hours.
    App,
    /// `code_url` for QR codes; lifetime two hours.
    Native,
    /// `h5_url` for mobile browsers; lifetime five minutes.
    H5,
}
