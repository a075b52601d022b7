//! Commands of the store. Each command concerns one order number.

use serde::{Deserialize, Serialize};

use super::anomaly::{AnomalyRef, TradeState};
use super::import::Conflict;
use super::new_refund::NewRefund;
use super::payment::{Payment, Prepay};
use super::record::Order;
use super::refund::{RefundAttempt, RefundFact};
use crate::types::{
    AppId, Attach, Channel, Currency, Description, Fen, Label, MchId, Metadata, Note, OpenId,
    OrderNo, Reference, RefundNo, Timestamp, ValueError, positive,
};

/// Command for one order number. Large arguments are boxed to keep the queue of commands small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Number of the order.
    #[serde(rename = "outTradeNo")]
    pub no: OrderNo,
    /// Kind of the command, with its arguments.
    pub kind: CommandKind,
}

/// Kind of a command, with its arguments. The store has a method for each kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CommandKind {
    /// Creates an order: see `Store::create`.
    Create(Box<NewOrder>),
    /// Replaces the metadata of the order: see `Store::annotate`.
    Annotate {
        /// Version of the order that the caller has read.
        version: u64,
        /// New metadata of the order.
        metadata: Metadata,
    },
    /// Records the prepay that the channel returned: see `Store::record_prepay`.
    RecordPrepay(Box<Prepay>),
    /// Records a verified payment: see `Store::confirm`.
    Confirm(Box<Payment>),
    /// Records the channel's answer to a query of the order: see `Store::record_query`.
    RecordQuery(Box<ChannelState>),
    /// Records a query of the order without a usable answer: see `Store::record_unanswered`.
    RecordUnanswered,
    /// Begins to close the order: see `Store::begin_close`.
    BeginClose,
    /// Records the channel's reply to a close request: see `Store::record_close`.
    RecordClose(CloseReply),
    /// Stops closing the order, so that it can be paid again: see `Store::abort_close`.
    AbortClose,
    /// Resolves an anomaly as a person decided: see `Store::resolve`.
    Resolve {
        /// Anomaly to resolve, and how often it had been reopened when the person saw it.
        anomaly: AnomalyRef,
        /// Decision of the person about the anomaly.
        how: Resolution,
        /// Person's reason for the decision.
        note: Note,
    },
    /// Ends an unpaid order as a person decided: see `Store::end_order`.
    EndOrder {
        /// Person's reason to end the order.
        note: Note,
    },
    /// Hides an ended order from its user's list: see `Store::hide`.
    Hide,
    /// Shows a hidden order in its user's list again: see `Store::unhide`.
    Unhide,
    /// Reserves the amount of a refund, before the server requests the refund from the channel: see
    /// `Store::request_refund`.
    RequestRefund(Box<NewRefund>),
    /// Records the state of a refund that the channel reports: see `Store::record_refund`.
    RecordRefund(Box<RefundFact>),
    /// Records that the channel refused the request for a refund: see
    /// `Store::record_refund_refused`.
    RecordRefundRefused {
        /// Number and attempt of the refund.
        refund: RefundAttempt,
        /// Error code of the channel, such as `NOTENOUGH`.
        code: Label,
    },
    /// Records a query of a refund without a usable answer: see `Store::record_refund_unanswered`.
    RecordRefundUnanswered {
        /// Number of the refund that the server queried.
        refund_no: RefundNo,
    },
    /// Imports an order from another system: see `Store::import`.
    Import {
        /// Order as the source system has it.
        order: Box<Order>,
        /// Behaviour if an order with this number exists.
        conflict: Conflict,
    },
}

impl CommandKind {
    /// Returns the name of the store's method for this command, for logs.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Annotate { .. } => "annotate",
            Self::RecordPrepay(_) => "record_prepay",
            Self::Confirm(_) => "confirm",
            Self::RecordQuery(_) => "record_query",
            Self::RecordUnanswered => "record_unanswered",
            Self::BeginClose => "begin_close",
            Self::RecordClose(_) => "record_close",
            Self::AbortClose => "abort_close",
            Self::Resolve { .. } => "resolve",
            Self::EndOrder { .. } => "end_order",
            Self::Hide => "hide",
            Self::Unhide => "unhide",
            Self::RequestRefund(_) => "request_refund",
            Self::RecordRefund(_) => "record_refund",
            Self::RecordRefundRefused { .. } => "record_refund_refused",
            Self::RecordRefundUnanswered { .. } => "record_refund_unanswered",
            Self::Import { .. } => "import",
        }
    }
}

impl Command {
    /// Returns the approximate memory that the command takes in the queue, in bytes.
    #[must_use]
    pub fn footprint(&self) -> usize {
        let own = size_of::<Self>();
        own + match &self.kind {
            CommandKind::Create(new) => {
                size_of::<NewOrder>()
                    + 192
                    + new.metadata.as_bytes().len()
                    + new.description.as_bytes().len()
                    + new.attach.as_bytes().len()
            }
            CommandKind::Annotate { metadata, .. } => metadata.as_bytes().len(),
            CommandKind::RecordPrepay(prepay) => {
                size_of::<Prepay>() + prepay.value.as_bytes().len()
            }
            CommandKind::Confirm(_) | CommandKind::RecordQuery(_) => size_of::<Payment>() + 192,
            CommandKind::Resolve { note, .. } | CommandKind::EndOrder { note } => {
                note.as_bytes().len() + 64
            }
            CommandKind::RequestRefund(_) => size_of::<NewRefund>() + 128,
            CommandKind::RecordRefund(_) => size_of::<RefundFact>() + 192,
            CommandKind::RecordRefundRefused { .. }
            | CommandKind::RecordRefundUnanswered { .. } => 96,
            CommandKind::Import { order, .. } => order.footprint(),
            CommandKind::RecordUnanswered
            | CommandKind::BeginClose
            | CommandKind::RecordClose(_)
            | CommandKind::AbortClose
            | CommandKind::Hide
            | CommandKind::Unhide => 0,
        }
    }
}

/// Fields of an order to create.
///
/// Take the amount from the server's own price list, never from the client. The amount is an
/// integer in fen, not in yuan. Do not put names or phone numbers into any field.
///
/// ```
/// use orderstore::{AppId, Fen, NewOrder, OpenId};
///
/// let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("19.90")?)?
///     .openid(OpenId::parse("oZWaC4xeOVCUkip5njeEeXi1TEsk")?);
/// assert_eq!(new.total_fee().as_u64(), 1990);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct NewOrder {
    pub(crate) channel: Channel,
    pub(crate) appid: AppId,
    pub(crate) mch_id: Option<MchId>,
    pub(crate) openid: Option<OpenId>,
    #[serde(deserialize_with = "positive")]
    pub(crate) total_fee: Fen,
    pub(crate) currency: Currency,
    pub(crate) description: Description,
    pub(crate) attach: Attach,
    pub(crate) reference: Option<Reference>,
    pub(crate) metadata: Metadata,
    pub(crate) expires_at: Option<Timestamp>,
}

impl NewOrder {
    /// Creates the fields of an order in app `appid` over `total_fee`, payable in CNY through
    /// `wechat`.
    ///
    /// # Errors
    /// [`ValueError`] if `total_fee` is zero.
    pub fn new(appid: AppId, total_fee: Fen) -> Result<Self, ValueError> {
        if total_fee.is_zero() {
            return Err(ValueError::zero(
                "order total",
                "an order needs at least 1 fen",
            ));
        }
        Ok(Self {
            channel: Channel::WECHAT,
            appid,
            mch_id: None,
            openid: None,
            total_fee,
            currency: Currency::default(),
            description: Description::default(),
            attach: Attach::default(),
            reference: None,
            metadata: Metadata::default(),
            expires_at: None,
        })
    }

    /// Returns the fields with which `create` would create this order.
    pub(crate) fn of(order: &Order) -> Self {
        Self {
            channel: order.channel,
            appid: order.appid.clone(),
            mch_id: order.mch_id.clone(),
            openid: order.openid.clone(),
            total_fee: order.total_fee,
            currency: order.currency,
            description: order.description.clone(),
            attach: order.attach.clone(),
            reference: order.reference.clone(),
            metadata: order.metadata.clone(),
            expires_at: Some(order.expires_at),
        }
    }

    /// Returns the amount to pay.
    #[must_use]
    pub const fn total_fee(&self) -> Fen {
        self.total_fee
    }

    /// Sets the payment channel. Default: `wechat`.
    pub fn channel(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    /// Sets the merchant that receives the payment. With a service provider, use the `sub_`
    /// merchant.
    pub fn mch_id(mut self, mch_id: MchId) -> Self {
        self.mch_id = Some(mch_id);
        self
    }

    /// Sets the user who creates the order. A payment by another user becomes an anomaly.
    pub fn openid(mut self, openid: OpenId) -> Self {
        self.openid = Some(openid);
        self
    }

    /// Sets the currency. Default: CNY.
    pub fn currency(mut self, currency: Currency) -> Self {
        self.currency = currency;
        self
    }

    /// Sets the description that the customer reads on the bill.
    pub fn description(mut self, description: Description) -> Self {
        self.description = description;
        self
    }

    /// Sets the text that the channel returns in the notification.
    pub fn attach(mut self, attach: Attach) -> Self {
        self.attach = attach;
        self
    }

    /// Sets the merchant's own id of the purchase. At most one payable or paid order can have
    /// it, so a double tap does not create two orders.
    pub fn reference(mut self, reference: Reference) -> Self {
        self.reference = Some(reference);
        self
    }

    /// Sets the metadata: bytes of the caller, which the store does not interpret.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Sets the time until which the customer can pay. Default: the time of creation plus
    /// `Policy::expires_after` (7 days). Send the same time to the channel as `time_expire`. The
    /// order does not close by itself at that time.
    pub fn expires_at(mut self, moment: Timestamp) -> Self {
        self.expires_at = Some(moment);
        self
    }
}

/// Result of a query of an order at the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ChannelState {
    /// `SUCCESS`: this payment paid the order.
    Success(Payment),
    /// `REFUND`: this payment paid the order, and at least part of it was refunded since.
    Refund(Payment),
    /// `NOTPAY`: the customer has not paid the order yet.
    NotPay,
    /// `USERPAYING`: the customer is entering the password.
    UserPaying,
    /// `ACCEPT`: the channel accepted the payment and has not yet deducted the money.
    Accept,
    /// `CLOSED`: the order is closed at the channel.
    Closed,
    /// `PAYERROR`: the payment failed, but the channel may still charge the order.
    PayError,
    /// `REVOKED`: the order was revoked at the channel.
    Revoked,
    /// `ORDERNOTEXIST`: the channel does not know the order.
    NoSuchOrder,
}

impl ChannelState {
    /// Returns the trade state without the payment.
    #[must_use]
    pub const fn trade_state(&self) -> TradeState {
        match self {
            Self::Success(_) => TradeState::Success,
            Self::Refund(_) => TradeState::Refund,
            Self::NotPay => TradeState::NotPay,
            Self::UserPaying => TradeState::UserPaying,
            Self::Accept => TradeState::Accept,
            Self::Closed => TradeState::Closed,
            Self::PayError => TradeState::PayError,
            Self::Revoked => TradeState::Revoked,
            Self::NoSuchOrder => TradeState::NoSuchOrder,
        }
    }

    /// Returns the payment, if the state has one.
    #[must_use]
    pub const fn payment(&self) -> Option<&Payment> {
        match self {
            Self::Success(payment) | Self::Refund(payment) => Some(payment),
            _ => None,
        }
    }
}

/// Reply of the channel to a request to close an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CloseReply {
    /// The channel reports success. WeChat API v3 also reports success for an order number that it
    /// never saw.
    Closed,
    /// `ORDERPAID`: the customer has paid the order in the meantime.
    OrderPaid,
    /// `ORDERNOTEXIST`: the channel does not know the order.
    NoSuchOrder,
    /// No usable reply: system error, frequency limit or time-out.
    Retry,
}

/// A person's decision about an anomaly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Resolution {
    /// Accept the fact: for example, a late payment counts, or another payer is correct.
    Accept,
    /// Refund the whole payment of the anomaly.
    Refund {
        /// Number of the refund to request.
        refund_no: RefundNo,
    },
    /// End the anomaly without any action.
    Dismiss,
}
