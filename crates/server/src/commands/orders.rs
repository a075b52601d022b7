//! Commands that create, change and end an order.

use orderstore::{
    Annotated, AppId, Attach, Channel, CloseOutcome, CloseReply, CommandKind, Created, Currency,
    Description, Fen, MchId, Metadata, NewOrder, Note, OpenId, Prepaid, Prepay, PrepayKind,
    PrepayValue, Reference, Timestamp, Visible,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::amount::exact;
use super::{Arguments, without_arguments};

/// Creates an order. Take the amount from your own price list, never from the customer's request.
/// If a payment waits for the order, it pays the order at once.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateOrder {
    /// App in which the order is created.
    appid: AppId,
    /// Amount to pay, in the currency's minor unit (fen for CNY). At least 1.
    #[serde(deserialize_with = "exact")]
    total_fee: Fen,
    /// Payment channel. Default: `wechat`.
    channel: Option<Channel>,
    /// Merchant that receives the payment.
    mch_id: Option<MchId>,
    /// User who creates the order. A payment by another user becomes an anomaly.
    #[serde(rename = "_openid")]
    openid: Option<OpenId>,
    /// Currency. Default: `CNY`.
    #[serde(rename = "feeType")]
    currency: Option<Currency>,
    /// Description that the customer reads on the bill.
    description: Option<Description>,
    /// Text that the channel returns in the notification.
    attach: Option<Attach>,
    /// Your own id of the purchase. At most one payable or paid order can have it.
    reference: Option<Reference>,
    /// Your own data, up to 4096 bytes.
    metadata: Option<Metadata>,
    /// Time until which the customer can pay. Default: seven days after the creation.
    expires_at: Option<Timestamp>,
}

impl Arguments for CreateOrder {
    type Outcome = Created;

    fn into_kind(self) -> Result<CommandKind, String> {
        let new = NewOrder::new(self.appid, self.total_fee);
        let mut new = new
            .map_err(|error| format!("`totalFee`: {error}"))?
            .channel(self.channel.unwrap_or_default())
            .currency(self.currency.unwrap_or_default())
            .description(self.description.unwrap_or_default())
            .attach(self.attach.unwrap_or_default())
            .metadata(self.metadata.unwrap_or_default());
        if let Some(mch_id) = self.mch_id {
            new = new.mch_id(mch_id);
        }
        if let Some(openid) = self.openid {
            new = new.openid(openid);
        }
        if let Some(reference) = self.reference {
            new = new.reference(reference);
        }
        if let Some(moment) = self.expires_at {
            new = new.expires_at(moment);
        }
        Ok(CommandKind::Create(Box::new(new)))
    }
}

/// Replaces the metadata of an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Annotate {
    /// Version of the order that you have read.
    version: u64,
    /// New metadata of the order, up to 4096 bytes.
    metadata: Metadata,
}

impl Arguments for Annotate {
    type Outcome = Annotated;

    fn into_kind(self) -> Result<CommandKind, String> {
        let Self { version, metadata } = self;
        Ok(CommandKind::Annotate { version, metadata })
    }
}

/// Records the prepay that the channel returned, such as a `prepay_id`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RecordPrepay {
    /// Kind of the prepay, which determines its default lifetime.
    kind: PrepayKind,
    /// Value from the channel: a `prepay_id`, `code_url` or `h5_url`.
    value: PrepayValue,
    /// Time at which the prepay expires. Default: the lifetime of its kind from now.
    valid_until: Option<Timestamp>,
}

impl Arguments for RecordPrepay {
    type Outcome = Prepaid;

    fn into_kind(self) -> Result<CommandKind, String> {
        let mut prepay = Prepay::new(self.kind, self.value);
        prepay.valid_until = self.valid_until;
        Ok(CommandKind::RecordPrepay(Box::new(prepay)))
    }
}

/// Records the channel's reply to a request to close an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordClose {
    /// Reply of the channel.
    reply: ReplyToClose,
}

/// Reply of the channel to a request to close an order.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ReplyToClose {
    /// The channel reports that it closed the order.
    Closed,
    /// `ORDERPAID`: the customer has paid the order in the meantime.
    OrderPaid,
    /// `ORDERNOTEXIST`: the channel does not know the order.
    NoSuchOrder,
    /// No usable reply, such as a system error or a time-out.
    Retry,
}

impl Arguments for RecordClose {
    type Outcome = CloseOutcome;

    fn into_kind(self) -> Result<CommandKind, String> {
        Ok(CommandKind::RecordClose(match self.reply {
            ReplyToClose::Closed => CloseReply::Closed,
            ReplyToClose::OrderPaid => CloseReply::OrderPaid,
            ReplyToClose::NoSuchOrder => CloseReply::NoSuchOrder,
            ReplyToClose::Retry => CloseReply::Retry,
        }))
    }
}

/// Ends an unpaid order as a person decided.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndOrder {
    /// Person's reason to end the order.
    note: Note,
}

impl Arguments for EndOrder {
    type Outcome = CloseOutcome;

    fn into_kind(self) -> Result<CommandKind, String> {
        Ok(CommandKind::EndOrder { note: self.note })
    }
}

without_arguments! {
    /// Begins to close an order. The order accepts no new prepay after this command.
    BeginClose: CloseOutcome;
    /// Stops closing an order, so that it can be paid again.
    AbortClose: CloseOutcome;
    /// Hides an ended order from its user's list.
    Hide: Visible;
    /// Shows a hidden order in its user's list again.
    Unhide: Visible;
}
