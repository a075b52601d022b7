//! Of refunds: asked for, told of, refused by the channel.

use orderstore::{
    Currency, RefundDifference, RefundRecorded, RefundRefused, RefundRequested, RefundStatus,
    RefundUnanswered,
};

use super::{Message, Messages, said, show, unknown};

impl Messages for RefundRequested {
    fn said(&self, currency: Currency) -> Message {
        match self {
            RefundRequested::Requested => said!(
                done,
                "requested",
                "its money is reserved: ask the channel for it now, under this number"
            ),
            RefundRequested::Exists => said!(done, "exists", "it was there, with the same facts"),
            RefundRequested::Ended { code, attempts } => {
                let code = code.as_ref().map_or("", |code| code.as_str());
                said!(
                    not,
                    "ended",
                    "attempt {attempts} ended without success {code}: request the next attempt"
                )
            }
            RefundRequested::RefundedElsewhere { by } => said!(
                not,
                "refundedElsewhere",
                "money of this transaction goes back, or went back, from the order {by}"
            ),
            RefundRequested::ExistsWithDifferent { field } => said!(
                not,
                "existsWithDifferent",
                "another refund is there under this number: its {} differs; another refund takes \
                 another number",
                name_of(*field)
            ),
            RefundRequested::RefundNoTaken { by } => said!(
                not,
                "refundNoTaken",
                "the number is in use in the order {by}: take another number"
            ),
            RefundRequested::NotPaid => said!(
                not,
                "notPaid",
                "no payment of this transaction is known here, or it paid another order: compare it \
                 with `orderstore show`"
            ),
            RefundRequested::Blocked => said!(
                not,
                "blocked",
                "the channel says that it revoked the payment: resolve that anomaly first"
            ),
            RefundRequested::WindowOver => said!(
                not,
                "windowOver",
                "it was paid too long ago: the channel gives nothing back any more"
            ),
            RefundRequested::TooMany => said!(
                not,
                "tooMany",
                "the channel gives one transaction back in no more parts"
            ),
            RefundRequested::Exceeds { available } => said!(
                not,
                "exceeds",
                "not so much is left of the transaction: {}",
                show(*available, currency)
            ),
            RefundRequested::RecordFull => said!(
                not,
                "recordFull",
                "the record holds as many refunds as it may; nothing was written"
            ),
            RefundRequested::NotFound => {
                said!(
                    not,
                    "notFound",
                    "nothing is known under this number: compare it, or search with \
                     `orderstore list`"
                )
            }
            _ => unknown(),
        }
    }
}

impl Messages for RefundRecorded {
    fn said(&self, currency: Currency) -> Message {
        match self {
            RefundRecorded::Moved { to } => {
                said!(done, "moved", "the refund stands as {} now", status(*to))
            }
            RefundRecorded::Adopted => said!(
                done,
                "adopted",
                "a refund that was not asked for here: kept with its order"
            ),
            RefundRecorded::Unclaimed => said!(
                not,
                "unclaimed",
                "no order bears this number: the refund is kept, and waits for it"
            ),
            RefundRecorded::Duplicate => said!(done, "duplicate", "the store knows this already"),
            RefundRecorded::Stale => {
                said!(done, "stale", "old news of a refund that has ended since")
            }
            RefundRecorded::MustQuery => said!(
                not,
                "mustQuery",
                "it may be old: ask the channel how the refund stands; it is due now"
            ),
            RefundRecorded::Disagrees { status: now } => said!(
                not,
                "disagrees",
                "the refund is {} here: kept as an anomaly",
                status(*now)
            ),
            RefundRecorded::RefundedElsewhere { by } => said!(
                not,
                "refundedElsewhere",
                "the transaction's money is that of the order {by}: kept as an anomaly"
            ),
            RefundRecorded::RefundNoTaken { by } => said!(
                not,
                "refundNoTaken",
                "the number is that of a refund of the order {by}: kept as an anomaly"
            ),
            RefundRecorded::Differs { field } => said!(
                not,
                "differs",
                "it was asked for with another {}: kept as an anomaly",
                name_of(*field)
            ),
            RefundRecorded::Exceeds { available } => said!(
                not,
                "exceeds",
                "more went back than was left ({}): kept as an anomaly",
                show(*available, currency)
            ),
            RefundRecorded::RecordFull => said!(
                not,
                "recordFull",
                "the record holds as many refunds or anomalies as it may; nothing was written"
            ),
            _ => unknown(),
        }
    }
}

impl Messages for RefundRefused {
    fn said(&self, _: Currency) -> Message {
        match self {
            RefundRefused::Closed => said!(
                done,
                "closed",
                "its money is free again; to try again, request the next attempt of the same number"
            ),
            RefundRefused::Already => said!(done, "already", "this attempt had ended already"),
            RefundRefused::NotRequested { status: now } => said!(
                not,
                "notRequested",
                "the channel had taken it, it is {}: ask the channel how it stands",
                status(*now)
            ),
            RefundRefused::NotFound => said!(
                not,
                "notFound",
                "there is no such refund under this order's number: compare both with \
                 `orderstore show`"
            ),
            _ => unknown(),
        }
    }
}

impl Messages for RefundUnanswered {
    fn said(&self, _: Currency) -> Message {
        match self {
            RefundUnanswered::PutOff => said!(
                done,
                "putOff",
                "the refund stays as it is: `due` says when to ask the channel again"
            ),
            RefundUnanswered::NotOpen { status: now } => said!(
                done,
                "notOpen",
                "the refund waits for no answer: it is {}",
                status(*now)
            ),
            RefundUnanswered::NotFound => said!(
                not,
                "notFound",
                "there is no such refund under this order's number"
            ),
            _ => unknown(),
        }
    }
}

/// How far a refund is, as JSON writes it.
pub(crate) const fn status(status: RefundStatus) -> &'static str {
    match status {
        RefundStatus::Requested => "requested",
        RefundStatus::Processing => "processing",
        RefundStatus::Success => "success",
        RefundStatus::Closed => "closed",
        RefundStatus::Abnormal => "abnormal",
        RefundStatus::Returned => "returned",
    }
}

const fn name_of(field: RefundDifference) -> &'static str {
    match field {
        RefundDifference::Channel => "channel",
        RefundDifference::TransactionId => "transactionId",
        RefundDifference::Amount => "amount",
        _ => "fact",
    }
}
