//! Of payments: what was confirmed, and what the channel says of an order.

use orderstore::{Confirmed, Currency, IdentityField, Queried};

use super::{Message, Messages, said, show, unknown};

impl Messages for Confirmed {
    fn said(&self, currency: Currency) -> Message {
        match self {
            Confirmed::Applied => said!(done, "applied", "the order is paid by it"),
            Confirmed::Duplicate => {
                said!(done, "duplicate", "the store knows this payment already")
            }
            Confirmed::Unclaimed => said!(
                not,
                "unclaimed",
                "no order bears this number: the payment is kept, and waits for it"
            ),
            Confirmed::TransactionTaken { by } => said!(
                not,
                "transactionTaken",
                "the transaction paid the order {by}: kept as an anomaly"
            ),
            Confirmed::GivenBack { by } => said!(
                not,
                "givenBack",
                "money of this transaction goes back from the order {by}: kept as an anomaly"
            ),
            Confirmed::IdentityMismatch { field } => said!(
                not,
                "identityMismatch",
                "another {} paid: kept as an anomaly",
                identity(*field)
            ),
            Confirmed::AmountMismatch { expected, .. } => said!(
                not,
                "amountMismatch",
                "the order asks for {}, and something else was paid: kept as an anomaly",
                show(*expected, currency)
            ),
            Confirmed::DoublePayment => said!(
                not,
                "doublePayment",
                "another transaction had paid the order: kept as an anomaly, a refund is due"
            ),
            Confirmed::Late => said!(
                not,
                "late",
                "the order had ended: it is latePaid now, and a person must accept or refund it"
            ),
            Confirmed::RecordFull => said!(
                not,
                "recordFull",
                "the record holds as many anomalies as it may; nothing was written"
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
                "refundUnknown",
                "the channel says refunded, and no refund is known: kept as an anomaly"
            ),
            Queried::StillPending => said!(done, "stillPending", "it is not paid yet"),
            Queried::StillClosing => said!(done, "stillClosing", "it is still being closed"),
            Queried::Moved { to } => said!(done, "moved", "the order stands as {to} now"),
            Queried::Stale => said!(
                done,
                "stale",
                "old news of an order that has been paid since"
            ),
            Queried::Already => said!(done, "already", "the order had ended so already"),
            Queried::Reversed => said!(
                not,
                "reversed",
                "the channel revoked a payment that stands here: kept as an anomaly"
            ),
            Queried::ChannelDisagrees { .. } => said!(
                not,
                "channelDisagrees",
                "the channel says what cannot be of a paid order: kept as an anomaly"
            ),
            Queried::NotFound => said!(
                not,
                "notFound",
                "there is no such order: compare the number, or search with `orderstore list`"
            ),
            Queried::RecordFull => said!(
                not,
                "recordFull",
                "the record holds as many anomalies as it may; nothing was written"
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
