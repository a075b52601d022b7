//! Commands about payments and anomalies.

use orderstore::{
    AnomalyId, AnomalyRef, AppId, Channel, ChannelState, CommandKind, Confirmed, Currency, Fen,
    Label, MchId, Note, OpenId, Payment, Queried, RefundNo, Resolution, Resolved, Source,
    Timestamp, TradeState, TransactionId,
};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::amount::{exact, exact_or_null};
use super::{Arguments, without_arguments};
use crate::fields::Fields;

/// Records a payment that you have verified: by the signature of the notification, by a query, or
/// by the bill.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PaymentFact {
    /// The channel's number of the payment.
    transaction_id: TransactionId,
    /// Order total as the channel reports it: `total_fee`, not `cash_fee`. At least 1.
    #[serde(deserialize_with = "exact")]
    paid_fee: Fen,
    /// Time of the payment, by the channel's clock.
    time_end: Timestamp,
    /// Source of the payment fact.
    source: FactSource,
    /// Payment channel. Default: `wechat`.
    channel: Option<Channel>,
    /// Currency of the amounts. Default: `CNY`.
    #[serde(rename = "feeType")]
    currency: Option<Currency>,
    /// App in which the customer paid.
    appid: Option<AppId>,
    /// Merchant that received the payment.
    mch_id: Option<MchId>,
    /// User who paid.
    openid: Option<OpenId>,
    /// The channel's trade type, such as `JSAPI`.
    trade_type: Option<Label>,
    /// Bank or wallet that paid, such as `OTHERS`.
    bank_type: Option<Label>,
    /// Amount that the customer paid after coupons.
    #[serde(default, deserialize_with = "exact_or_null")]
    payer_total: Option<Fen>,
    /// Amount that the channel will settle with the merchant.
    #[serde(default, deserialize_with = "exact_or_null")]
    settlement_total: Option<Fen>,
}

/// Source of a payment fact.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum FactSource {
    /// Notification that the channel sent, with a checked signature.
    Callback {
        /// Id of the notification, if the protocol has one.
        #[serde(rename = "notifyId")]
        notify_id: Option<Label>,
    },
    /// Query of the order at the channel.
    Query,
    /// Trade bill of the channel.
    Bill,
    /// Manual entry by an operator.
    Operator,
}

impl From<FactSource> for Source {
    fn from(source: FactSource) -> Self {
        match source {
            FactSource::Callback { notify_id } => Self::Callback { notify_id },
            FactSource::Query => Self::Query,
            FactSource::Bill => Self::Bill,
            FactSource::Operator => Self::Operator,
        }
    }
}

impl PaymentFact {
    fn into_payment(self) -> Result<Payment, String> {
        let source = self.source.into();
        let payment = Payment::new(self.transaction_id, self.paid_fee, self.time_end, source);
        let mut payment = payment.map_err(|error| format!("`paidFee`: {error}"))?;
        payment.channel = self.channel.unwrap_or_default();
        payment.currency = self.currency.unwrap_or_default();
        payment.appid = self.appid;
        payment.mch_id = self.mch_id;
        payment.openid = self.openid;
        payment.trade_type = self.trade_type;
        payment.bank_type = self.bank_type;
        payment.payer_total = self.payer_total;
        payment.settlement_total = self.settlement_total;
        Ok(payment)
    }
}

impl Arguments for PaymentFact {
    type Outcome = Confirmed;

    fn into_kind(self) -> Result<CommandKind, String> {
        Ok(CommandKind::Confirm(Box::new(self.into_payment()?)))
    }
}

/// Records the channel's answer to a query of an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RecordQuery {
    /// Trade state that the channel reports.
    trade_state: TradeState,
    /// Payment of the order. Required for `SUCCESS` and `REFUND`, not allowed for the others.
    #[serde(default, deserialize_with = "object_or_null")]
    payment: Option<PaymentFact>,
}

/// Reads a payment or `null`. The derived reader would also take the values without their names, as
/// an array.
fn object_or_null<'de, D>(deserializer: D) -> Result<Option<PaymentFact>, D::Error>
where
    D: Deserializer<'de>,
{
    let fields = Option::<Fields<'de>>::deserialize(deserializer)?;
    let payment = fields.map(Fields::decode).transpose();
    payment.map_err(D::Error::custom)
}

impl RecordQuery {
    fn into_state(self) -> Result<ChannelState, String> {
        let payment = self.payment.map(PaymentFact::into_payment).transpose();
        let payment = payment.map_err(|error| format!("`payment`: {error}"))?;
        Ok(match (self.trade_state, payment) {
            (TradeState::Success, Some(payment)) => ChannelState::Success(payment),
            (TradeState::Refund, Some(payment)) => ChannelState::Refund(payment),
            (TradeState::Success | TradeState::Refund, None) => {
                return Err("missing field `payment`: this trade state needs it".to_owned());
            }
            (_, Some(_)) => {
                return Err("`payment`: only `SUCCESS` and `REFUND` have a payment".to_owned());
            }
            (TradeState::NotPay, None) => ChannelState::NotPay,
            (TradeState::UserPaying, None) => ChannelState::UserPaying,
            (TradeState::Accept, None) => ChannelState::Accept,
            (TradeState::Closed, None) => ChannelState::Closed,
            (TradeState::PayError, None) => ChannelState::PayError,
            (TradeState::Revoked, None) => ChannelState::Revoked,
            (TradeState::NoSuchOrder, None) => ChannelState::NoSuchOrder,
            _ => return Err("`tradeState`: this server does not know the state".to_owned()),
        })
    }
}

impl Arguments for RecordQuery {
    type Outcome = Queried;

    fn into_kind(self) -> Result<CommandKind, String> {
        Ok(CommandKind::RecordQuery(Box::new(self.into_state()?)))
    }
}

/// Records a person's decision about an anomaly.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Resolve {
    /// Number of the anomaly within the order.
    anomaly: AnomalyId,
    /// How often the anomaly had been reopened when the person saw it. Default: 0.
    reopenings: Option<u32>,
    /// Decision of the person.
    decision: Decision,
    /// Number of the refund to request. Required for `refund`, not allowed for the others.
    refund_no: Option<RefundNo>,
    /// Person's reason for the decision.
    note: Note,
}

/// A person's decision about an anomaly.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Decision {
    /// Accept the fact: for example, a late payment counts.
    Accept,
    /// Refund the whole payment of the anomaly.
    Refund,
    /// End the anomaly without any action.
    Dismiss,
}

impl Arguments for Resolve {
    type Outcome = Resolved;

    fn into_kind(self) -> Result<CommandKind, String> {
        let how = match (self.decision, self.refund_no) {
            (Decision::Refund, Some(refund_no)) => Resolution::Refund { refund_no },
            (Decision::Refund, None) => {
                return Err("missing field `refundNo`: a refund needs it".to_owned());
            }
            (_, Some(_)) => return Err("`refundNo`: only a refund has a number".to_owned()),
            (Decision::Accept, None) => Resolution::Accept,
            (Decision::Dismiss, None) => Resolution::Dismiss,
        };
        let anomaly = AnomalyRef {
            id: self.anomaly,
            reopenings: self.reopenings.unwrap_or_default(),
        };
        let note = self.note;
        Ok(CommandKind::Resolve { anomaly, how, note })
    }
}

without_arguments! {
    /// Records a query of an order without a usable answer.
    RecordUnanswered: Queried;
}
