//! Messages for creating and closing orders and for resolving anomalies.

use orderstore::{CloseOutcome, Created, Currency, Resolved};

use super::{Message, Messages, said, unknown};

impl Messages for Created {
    fn said(&self, _: Currency) -> Message {
        match self {
            Created::Created => said!(done, self, "the order was created"),
            Created::CreatedAndPaid => said!(
                done,
                self,
                "the order was created, and a waiting payment paid it"
            ),
            Created::Exists => said!(done, self, "an order with the same fields already exists"),
            Created::ExistsWithDifferent { field } => said!(
                not,
                self,
                "an order with this number exists, but its {} differs: compare it with \
                 `orderstore show`, or use another number",
                field.as_str()
            ),
            Created::ReferencePaid { no } => said!(
                not,
                self,
                "order {no} with the same reference is already paid: check that order"
            ),
            Created::ReferenceBusy { no, status } => said!(
                not,
                self,
                "order {no} ({status}) has the same reference, but other fields: use that order, \
                 or close it first"
            ),
            _ => unknown(),
        }
    }
}

impl Messages for CloseOutcome {
    fn said(&self, _: Currency) -> Message {
        match self {
            CloseOutcome::Closing => said!(
                done,
                self,
                "the order accepts no new prepay: ask the channel to close it when \
                 `orderstore due` lists it"
            ),
            CloseOutcome::Closed => said!(done, self, "the order is closed"),
            CloseOutcome::Reopened => said!(
                done,
                self,
                "the close is cancelled: the order waits for its payment again"
            ),
            CloseOutcome::Already => said!(
                done,
                self,
                "the order was already closing, closed or failed"
            ),
            CloseOutcome::AlreadyPaid => said!(
                not,
                self,
                "the order is paid: refund the money with `orderstore refund` instead"
            ),
            CloseOutcome::MustQuery => said!(
                not,
                self,
                "the reply proves nothing: query the order at the channel; the query is due now"
            ),
            CloseOutcome::StillPending => said!(
                not,
                self,
                "the order can still be paid: the channel does not know it yet, or could not answer"
            ),
            CloseOutcome::StillClosing => said!(
                not,
                self,
                "the order is not closed yet: ask the channel again when `orderstore due` lists it"
            ),
            CloseOutcome::NotClosing => said!(
                not,
                self,
                "the order is not being closed: there is no close to abort"
            ),
            CloseOutcome::OpenAnomaly => said!(
                not,
                self,
                "the order has an open anomaly: resolve it first with `orderstore resolve`"
            ),
            CloseOutcome::RefundUnderWay => said!(
                not,
                self,
                "a refund of the order is under way: wait until it ends"
            ),
            CloseOutcome::TooEarly { from } => said!(
                not,
                self,
                "the customer may still pay the order: it can be ended from {} on",
                from
            ),
            CloseOutcome::NotFound => said!(
                not,
                self,
                "the order does not exist: check the number, or search with `orderstore list`"
            ),
            _ => unknown(),
        }
    }
}

impl Messages for Resolved {
    fn said(&self, currency: Currency) -> Message {
        match self {
            Resolved::Resolved => said!(done, self, "the anomaly ended"),
            Resolved::Reexamined(confirmed) => {
                let of_payment = confirmed.said(currency);
                let sentence = of_payment.sentence;
                let message = said!(
                    done,
                    self,
                    "the anomaly ended, and the store checked its payment again: {sentence}"
                );
                Message {
                    done: of_payment.done,
                    ..message
                }
            }
            Resolved::Already => said!(
                done,
                self,
                "the anomaly had already ended by the same decision"
            ),
            Resolved::Different => said!(
                not,
                self,
                "the anomaly had already ended by another decision, which remains: see \
                 `orderstore show`"
            ),
            Resolved::NotAcceptable => said!(
                not,
                self,
                "the anomaly cannot be accepted: refund its money, or dismiss it"
            ),
            Resolved::NotRefundable => said!(
                not,
                self,
                "the anomaly has no money to refund: accept or dismiss it"
            ),
            Resolved::Refused(refusal) => refusal.said(currency),
            Resolved::RecordFull => said!(
                not,
                self,
                "the record has reached its limit of refunds or anomalies: nothing was written"
            ),
            Resolved::NotFound => said!(
                not,
                self,
                "the order or the anomaly does not exist, or --reopened is too large: `orderstore \
                 anomalies` lists the open anomalies"
            ),
            _ => unknown(),
        }
    }
}
