//! Of orders: created, closed, and their anomalies resolved.

use orderstore::{CloseAnswer, Created, Currency, Resolved};

use super::{Message, Messages, name_of, said, show, unknown};

impl Messages for Created {
    fn said(&self, _: Currency) -> Message {
        match self {
            Created::Created => said!(done, "created", "the order was created"),
            Created::CreatedAndPaid => said!(
                done,
                "createdAndPaid",
                "the order was created, and a payment that had waited for it paid it"
            ),
            Created::Exists => said!(done, "exists", "it was there, with the same fields"),
            Created::ExistsWithDifferent { field } => said!(
                not,
                "existsWithDifferent",
                "another order is there under this number: its {} differs; compare it with \
                 `orderstore show`, or take another number",
                name_of(*field)
            ),
            Created::ReferencePaid { no } => said!(
                not,
                "referencePaid",
                "the reference was paid already, by the order {no}: look at that one"
            ),
            Created::ReferenceBusy { no, status } => said!(
                not,
                "referenceBusy",
                "another order with other fields bears the reference: {no} ({status}); use that one, or \
                 close it first"
            ),
            _ => unknown(),
        }
    }
}

impl Messages for CloseAnswer {
    fn said(&self, _: Currency) -> Message {
        match self {
            CloseAnswer::Closing => said!(
                done,
                "closing",
                "no new prepay from now on: ask the channel to close it when `due` says so"
            ),
            CloseAnswer::Closed => said!(done, "closed", "the order is closed"),
            CloseAnswer::Reopened => said!(done, "reopened", "it can be paid again"),
            CloseAnswer::Already => said!(done, "already", "it was so already"),
            CloseAnswer::AlreadyPaid => said!(
                not,
                "alreadyPaid",
                "it has been paid: give the money back with `orderstore refund` instead"
            ),
            CloseAnswer::MustQuery => said!(
                not,
                "mustQuery",
                "the reply proves nothing: ask the channel how the order stands; it is due now"
            ),
            CloseAnswer::StillPending => said!(
                not,
                "stillPending",
                "the channel does not know it yet: it can still be paid"
            ),
            CloseAnswer::StillClosing => said!(
                not,
                "stillClosing",
                "it is not closed yet: `due` says when to ask again"
            ),
            CloseAnswer::NotClosing => said!(
                not,
                "notClosing",
                "it is not being closed: `orderstore begin-close` comes first"
            ),
            CloseAnswer::OpenAnomaly => said!(
                not,
                "openAnomaly",
                "an anomaly of it is open: resolve that first"
            ),
            CloseAnswer::RefundUnderWay => said!(
                not,
                "refundUnderWay",
                "a refund of it is under way: wait for its end"
            ),
            CloseAnswer::TooEarly { from } => said!(
                not,
                "tooEarly",
                "it may still be paid: it can be ended from {} on",
                from
            ),
            CloseAnswer::NotFound => said!(
                not,
                "notFound",
                "there is no such order: compare the number, or search with `orderstore list`"
            ),
            _ => unknown(),
        }
    }
}

impl Messages for Resolved {
    fn said(&self, currency: Currency) -> Message {
        match self {
            Resolved::Resolved => said!(done, "resolved", "the anomaly ended"),
            Resolved::Reexamined(confirmed) => {
                let of_payment = confirmed.said(currency);
                let sentence = of_payment.sentence;
                let said = said!(
                    done,
                    "reexamined",
                    "the anomaly ended, and its payment was looked at again: {sentence}"
                );
                Message {
                    done: of_payment.done,
                    ..said
                }
            }
            Resolved::Already => said!(done, "already", "it had ended by the same decision"),
            Resolved::Different => said!(
                not,
                "different",
                "it had ended by another decision, which stands: see `orderstore show`"
            ),
            Resolved::NotAcceptable => said!(
                not,
                "notAcceptable",
                "an anomaly of this kind cannot be accepted: refund its money, or dismiss it"
            ),
            Resolved::NotRefundable => said!(
                not,
                "notRefundable",
                "there is no money in this anomaly that could go back: accept or dismiss it"
            ),
            Resolved::RefundedElsewhere { by } => said!(
                not,
                "refundedElsewhere",
                "money of this transaction goes back, or went back, from the order {by}"
            ),
            Resolved::RefundNoTaken { by } => said!(
                not,
                "refundNoTaken",
                "the refund's number is in use in the order {by}: take another number"
            ),
            Resolved::Blocked => said!(
                not,
                "blocked",
                "the channel says that it revoked the payment: resolve that first"
            ),
            Resolved::WindowOver => said!(
                not,
                "windowOver",
                "it was paid too long ago: the channel gives nothing back any more"
            ),
            Resolved::TooMany => said!(
                not,
                "tooMany",
                "the channel gives one transaction back in no more parts"
            ),
            Resolved::Exceeds { available } => said!(
                not,
                "exceeds",
                "not so much is left of the transaction: {}",
                show(*available, currency)
            ),
            Resolved::RecordFull => said!(
                not,
                "recordFull",
                "the record holds as many refunds or anomalies as it may; nothing was written"
            ),
            Resolved::NotFound => said!(
                not,
                "notFound",
                "there is no such record, or no such anomaly in it: `orderstore anomalies` lists all"
            ),
            _ => unknown(),
        }
    }
}
