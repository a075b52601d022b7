//! What can be asked of the store, one order number at a time.

use thiserror::Error;

use super::anomaly::{AnomalyRef, TradeState};
use super::import::Conflict;
use super::new_refund::NewRefund;
use super::payment::{Payment, Prepay};
use super::record::Order;
use super::refund::{RefundAttempt, RefundFact};
use crate::types::{
    AppId, Attach, Channel, Currency, Description, Fen, Label, MchId, Metadata, Note, OpenId,
    OrderNo, Reference, RefundNo, Timestamp,
};

/// A command: which number, and what is asked of it. Large arguments are boxed, so that a
/// queue of commands stays small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The order's number.
    pub no: OrderNo,
    /// What is asked.
    pub kind: CommandKind,
}

/// What is asked of one order number. The store has a verb for each.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandKind {
    /// See `Store::create`.
    Create(Box<NewOrder>),
    /// See `Store::annotate`.
    Annotate {
        /// The version that the caller has read.
        version: u64,
        /// The bytes to keep.
        metadata: Metadata,
    },
    /// See `Store::record_prepay`.
    RecordPrepay(Box<Prepay>),
    /// See `Store::confirm`.
    Confirm(Box<Payment>),
    /// See `Store::record_query`.
    RecordQuery(Box<ChannelState>),
    /// See `Store::record_unanswered`.
    RecordUnanswered,
    /// See `Store::begin_close`.
    BeginClose,
    /// See `Store::record_close`.
    RecordClose(CloseReply),
    /// See `Store::abort_close`.
    AbortClose,
    /// See `Store::resolve`.
    Resolve {
        /// Which anomaly, and which of its openings.
        anomaly: AnomalyRef,
        /// The decision.
        how: Resolution,
        /// Why, in a person's words.
        note: Note,
    },
    /// See `Store::end_order`.
    EndOrder {
        /// Why, in a person's words.
        note: Note,
    },
    /// See `Store::hide`.
    Hide,
    /// See `Store::unhide`.
    Unhide,
    /// See `Store::request_refund`.
    RequestRefund(Box<NewRefund>),
    /// See `Store::record_refund`.
    RecordRefund(Box<RefundFact>),
    /// See `Store::record_refund_refused`.
    RecordRefundRefused {
        /// Which, and which attempt.
        refund: RefundAttempt,
        /// The channel's code, such as `NOTENOUGH`.
        code: Label,
    },
    /// See `Store::record_refund_unanswered`.
    RecordRefundUnanswered {
        /// Which.
        refund_no: RefundNo,
    },
    /// See `Store::import`.
    Import {
        /// The order as it stands in the other books.
        order: Box<Order>,
        /// What to do where the number is known.
        conflict: Conflict,
    },
}

impl CommandKind {
    /// The name of the verb, as the store's method is called; for logs.
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
    /// About how many bytes the command holds in the queue.
    #[must_use]
    pub fn footprint(&self) -> usize {
        let own = size_of::<Self>();
        own + match &self.kind {
            CommandKind::Create(new) => {
                size_of::<NewOrder>()
                    + 192
                    + new.metadata.as_bytes().len()
                    + new.description.as_str().len()
                    + new.attach.as_str().len()
            }
            CommandKind::Annotate { metadata, .. } => metadata.as_bytes().len(),
            CommandKind::RecordPrepay(prepay) => size_of::<Prepay>() + prepay.value.as_str().len(),
            CommandKind::Confirm(_) | CommandKind::RecordQuery(_) => size_of::<Payment>() + 192,
            CommandKind::Resolve { note, .. } | CommandKind::EndOrder { note } => {
                note.as_str().len() + 64
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

/// A new order.
///
/// The amount comes from the server's own price list, never from the client; it is integer
/// fen, never yuan. No field is a place for names or phone numbers.
///
/// ```
/// use orderstore::{AppId, Fen, NewOrder, OpenId};
///
/// let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("19.90")?)?
///     .openid(OpenId::parse("oZWaC4xeOVCUkip5njeEeXi1TEsk")?);
/// assert_eq!(new.total_fee().as_u64(), 1990);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct NewOrder {
    pub(crate) channel: Channel,
    pub(crate) appid: AppId,
    pub(crate) mch_id: Option<MchId>,
    pub(crate) openid: Option<OpenId>,
    pub(crate) total_fee: Fen,
    pub(crate) currency: Currency,
    pub(crate) description: Description,
    pub(crate) attach: Attach,
    pub(crate) reference: Option<Reference>,
    pub(crate) metadata: Metadata,
    pub(crate) expires_at: Option<Timestamp>,
}

/// Why an order cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NewOrderError {
    /// An order asks for at least one fen.
    #[error("an order of 0 fen cannot be paid")]
    NothingToPay,
}

impl NewOrder {
    /// An order in `appid` for `total_fee`, payable in CNY through `wechat`.
    ///
    /// # Errors
    /// [`NewOrderError::NothingToPay`] where `total_fee` is zero.
    pub fn new(appid: AppId, total_fee: Fen) -> Result<Self, NewOrderError> {
        if total_fee.is_zero() {
            return Err(NewOrderError::NothingToPay);
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

    /// What would have to be created for this order to be there.
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

    /// What is to be paid.
    #[must_use]
    pub const fn total_fee(&self) -> Fen {
        self.total_fee
    }

    /// Where it is to be paid, instead of `wechat`.
    pub fn channel(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    /// The merchant it is to be paid to; with a service provider, the `sub_` one.
    pub fn mch_id(mut self, mch_id: MchId) -> Self {
        self.mch_id = Some(mch_id);
        self
    }

    /// Who makes it; a payment by anybody else becomes an anomaly.
    pub fn openid(mut self, openid: OpenId) -> Self {
        self.openid = Some(openid);
        self
    }

    /// The currency, instead of CNY.
    pub fn currency(mut self, currency: Currency) -> Self {
        self.currency = currency;
        self
    }

    /// What the customer reads on the bill.
    pub fn description(mut self, description: Description) -> Self {
        self.description = description;
        self
    }

    /// What the channel hands back with the notification.
    pub fn attach(mut self, attach: Attach) -> Self {
        self.attach = attach;
        self
    }

    /// The shop's own order id: at most one payable or paid order bears it, so that a
    /// double tap cannot make two.
    pub fn reference(mut self, reference: Reference) -> Self {
        self.reference = Some(reference);
        self
    }

    /// The caller's own bytes.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The last moment to pay, instead of seven days from now. Send the channel the same
    /// as `time_expire`. Passing it closes nothing by itself.
    pub fn expires_at(mut self, moment: Timestamp) -> Self {
        self.expires_at = Some(moment);
        self
    }
}

/// What the channel said when it was asked about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelState {
    /// `SUCCESS`: it was paid, by this payment.
    Success(Payment),
    /// `REFUND`: it was paid by this payment, and at least partly refunded since.
    Refund(Payment),
    /// `NOTPAY`: not paid yet.
    NotPay,
    /// `USERPAYING`: the customer is typing the password.
    UserPaying,
    /// `ACCEPT`: accepted, waiting for the deduction.
    Accept,
    /// `CLOSED`.
    Closed,
    /// `PAYERROR`: the payment failed; the order may yet be charged.
    PayError,
    /// `REVOKED`.
    Revoked,
    /// The channel knows no such order (`ORDERNOTEXIST`).
    NoSuchOrder,
}

impl ChannelState {
    /// The state without the payment.
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

    /// The payment, where the state carries one.
    #[must_use]
    pub const fn payment(&self) -> Option<&Payment> {
        match self {
            Self::Success(payment) | Self::Refund(payment) => Some(payment),
            _ => None,
        }
    }
}

/// What the channel said when it was asked to close an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReply {
    /// It says that it closed it. WeChat's v3 says so of a number that it never saw, too.
    Closed,
    /// `ORDERPAID`: it was paid in the meantime.
    OrderPaid,
    /// `ORDERNOTEXIST`: it knows no such order.
    NoSuchOrder,
    /// It could not say: system error, frequency limit, time-out.
    Retry,
}

/// What a person decides about an anomaly.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolution {
    /// The fact is right: a late payment counts, a payer with another identity is fine.
    Accept,
    /// Give the anomaly's money back under this number.
    Refund {
        /// The refund's number.
        refund_no: RefundNo,
    },
    /// Nothing is to be done.
    Dismiss,
}
