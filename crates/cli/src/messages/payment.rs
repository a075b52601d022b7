//! Messages for payments and for queries of an order.

use orderstore::{Confirmed, Currency, IdentityField, Queried};

use super::{Message, Messages, said, show, unknown};

impl Messages for Confirmed {
    fn said(&self, currency: Currency) -> Message {
        match self {
            Confirmed::Applied => said!(done, self, "the payment paid the order"),
            Confirmed::Duplicate => {
                said!(done, self, "the store already has this payment")
            }
            Confirmed::Unclaimed => said!(
                not,
                self,
                "no order has this number: the store keeps the payment until the order is created"
            ),
            Confirmed::TransactionTaken { by } => said!(
                not,
                self,
                "the transaction already paid order {by}: the payment is now an anomaly"
            ),
            Confirmed::GivenBack { by } => said!(
                not,
                self,
                "order {by} has a refund of this transaction: the payment is now an anomaly"
            ),
            Confirmed::IdentityMismatch { field } => said!(
                not,
                self,
                "the {} of the payment differs from that of the order: the payment is now an \
                 anomaly",
                identity(*field)
            ),
            Confirmed::AmountMismatch { expected, .. } => said!(
                not,
                self,
                "the order total is {}, but another amount or currency was paid: the payment is \
                 now an anomaly",
                show(*expected, currency)
            ),
            Confirmed::DoublePayment => said!(
                not,
                self,
                "another transaction already paid the order: the payment is now an anomaly, and a \
                 refund is due"
            ),
            Confirmed::Late => said!(
                not,
                self,
                "the order had ended before the payment and is now latePaid: accept or refund it"
            ),
            Confirmed::RecordFull => said!(
                not,
                self,
                "the record has reached its limit of anomalies or waiting payments: nothing was \
                 written"
            ),
            _ => unknown(),
        }
    }
}

impl Messages for Queried {
    fn said(&self, currency: Currency) -> Message {
        match self {
            Queried::Payment(confirmed) => confirmed.said(currency),
            Queried::RefundUnknown(_) => said!(
                not,
                self,
                "the channel reports a refund that the store does not know: the store recorded an \
                 anomaly, see `orderstore show`"
            ),
            Queried::StillPending => said!(done, self, "the order is not paid yet"),
            Queried::StillClosing => {
                said!(done, self, "the order is still being closed")
            }
            Queried::Moved { to } => said!(done, self, "the order is now {to}"),
            Queried::Stale => said!(
                done,
                self,
                "the report changes nothing: the order was paid or ended in the meantime"
            ),
            Queried::Already => {
                said!(done, self, "the order was already closed or failed")
            }
            Queried::Reversed => said!(
                not,
                self,
                "the channel revoked the payment of the order: the store recorded an anomaly, see \
                 `orderstore show`"
            ),
            Queried::ChannelDisagrees { .. } => said!(
                not,
                self,
                "the channel reports a state that a paid order cannot have: the store recorded an \
                 anomaly, see `orderstore show`"
            ),
            Queried::NotFound => said!(
                not,
                self,
                "the order does not exist: check the number, or search with `orderstore list`"
            ),
            Queried::RecordFull => said!(
                not,
                self,
                "the record has reached its limit of anomalies: nothing was written"
            ),
            _ => unknown(),
        }
    }
}

const fn identity(field: IdentityField) -> &'static str {
    match field {
        IdentityField::Channel => "channel",
        IdentityField::Appid => "app",
        IdentityField::MchId => "merchant",
        IdentityField::Openid => "user",
        _ => "identity",
    }
}
