//! Messages for refunds: requested, reported or refused by the channel.

use orderstore::{
    Currency, RefundDifference, RefundRecorded, RefundRefusal, RefundRefused, RefundRequested,
    RefundStatus, RefundUnanswered,
};

use super::{Message, Messages, said, show, unknown};

impl Messages for RefundRequested {
    fn said(&self, currency: Currency) -> Message {
        match self {
            RefundRequested::Requested => said!(
                done,
                self,
                "the money is reserved: request the refund from the channel now, under this number"
            ),
            RefundRequested::Exists => {
                said!(done, self, "a refund with the same facts already exists")
            }
            RefundRequested::Ended { code, attempts } => {
                let code = code.as_ref().map_or("no code", |code| code.as_str());
                said!(
                    not,
                    self,
                    "attempt {attempts} ended without success ({code}): request the next attempt, \
                     or, if an earlier success was returned, a new refund number"
                )
            }
            RefundRequested::ExistsWithDifferent { field } => said!(
                not,
                self,
                "a refund with this number exists, but its {} differs: use another number for \
                 another refund",
                name_of(*field)
            ),
            RefundRequested::NotPaid => said!(
                not,
                self,
                "the order has no payment of this transaction, or the transaction paid another \
                 order: check it with `orderstore show`"
            ),
            RefundRequested::Refused(refusal) => refusal.said(currency),
            RefundRequested::RecordFull => said!(
                not,
                self,
                "the record has reached its limit of refunds: nothing was written"
            ),
            RefundRequested::NotFound => {
                said!(
                    not,
                    self,
                    "the store has nothing under this order number: check the number, or search \
                     with `orderstore list`"
                )
            }
            _ => unknown(),
        }
    }
}

impl Messages for RefundRefusal {
    fn said(&self, currency: Currency) -> Message {
        match self {
            RefundRefusal::RefundedElsewhere { by } => said!(
                not,
                self,
                "order {by} has a refund of this transaction, under way or done: request other \
                 refunds of it there"
            ),
            RefundRefusal::RefundNoTaken { by } => said!(
                not,
                self,
                "order {by} already uses this refund number: use another number"
            ),
            RefundRefusal::Blocked => said!(
                not,
                self,
                "the channel reports that it revoked the payment: resolve that anomaly first"
            ),
            RefundRefusal::WindowOver => said!(
                not,
                self,
                "the payment is too old: the channel no longer refunds it"
            ),
            RefundRefusal::TooMany => said!(
                not,
                self,
                "the transaction has as many partial refunds as the channel allows"
            ),
            RefundRefusal::Exceeds { available } => said!(
                not,
                self,
                "the refund is larger than the amount left of the transaction: {}",
                show(*available, currency)
            ),
            _ => unknown(),
        }
    }
}

impl Messages for RefundRecorded {
    fn said(&self, currency: Currency) -> Message {
        match self {
            RefundRecorded::Moved { to } => {
                said!(done, self, "the refund is now {}", status(*to))
            }
            RefundRecorded::Adopted => said!(
                done,
                self,
                "the refund was requested elsewhere: the store recorded it with its order"
            ),
            RefundRecorded::Unclaimed => said!(
                not,
                self,
                "no order has this number: the store keeps the refund until the order is created"
            ),
            RefundRecorded::Duplicate => {
                said!(done, self, "the store already has this report")
            }
            RefundRecorded::Stale => said!(
                done,
                self,
                "the report changes nothing: the refund has ended in the meantime"
            ),
            RefundRecorded::MustQuery => said!(
                not,
                self,
                "the report may be outdated: query the refund at the channel; the query is due now"
            ),
            RefundRecorded::Disagrees { status: now } => said!(
                not,
                self,
                "the report contradicts the status {} in the store: the store recorded an anomaly, \
                 see `orderstore show`",
                status(*now)
            ),
            RefundRecorded::RefundedElsewhere { by } => said!(
                not,
                self,
                "the transaction belongs to order {by}: the store recorded an anomaly, see \
                 `orderstore show`"
            ),
            RefundRecorded::RefundNoTaken { by } => said!(
                not,
                self,
                "order {by} has a refund with this number: the store recorded an anomaly, see \
                 `orderstore show`"
            ),
            RefundRecorded::Differs { field } => said!(
                not,
                self,
                "the {} differs from the request: the store recorded an anomaly, see `orderstore \
                 show`",
                name_of(*field)
            ),
            RefundRecorded::Exceeds { available } => said!(
                not,
                self,
                "the refund is larger than the amount left ({}): the store recorded an anomaly, \
                 see `orderstore show`",
                show(*available, currency)
            ),
            RefundRecorded::RecordFull => said!(
                not,
                self,
                "the record has reached its limit of refunds or anomalies: nothing was written"
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
                self,
                "the reserved money is free again: to retry, request the next attempt under the \
                 same number"
            ),
            RefundRefused::Already => said!(done, self, "this attempt had already ended"),
            RefundRefused::NotRequested { status: now } => said!(
                not,
                self,
                "the channel had already accepted the refund, which is {}: query it at the channel",
                status(*now)
            ),
            RefundRefused::NotFound => said!(
                not,
                self,
                "the order has no such refund or attempt: check the numbers with \
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
                self,
                "the refund did not change: query the channel again when `orderstore due` lists it"
            ),
            RefundUnanswered::NotOpen { status: now } => said!(
                done,
                self,
                "the refund is {} and needs no query",
                status(*now)
            ),
            RefundUnanswered::NotFound => {
                said!(
                    not,
                    self,
                    "the order has no refund with this number: check the number with `orderstore \
                     show`"
                )
            }
            _ => unknown(),
        }
    }
}

/// Returns the status of a refund as in JSON.
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
