//! The reply to a command.

use std::sync::Arc;

use super::answer::{
    Annotated, CloseAnswer, Confirmed, Created, Prepaid, Queried, Resolved, Visible,
};
use super::import::{ImportRefusal, Imported};
use super::record::Order;
use super::refund_answer::{RefundRecorded, RefundRefused, RefundRequested, RefundUnanswered};

/// What became of a command, and the order as it stands after it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Reply<O> {
    /// What became of the command.
    pub outcome: O,
    /// The order as it stands after the command; where the outcome speaks of another
    /// order (a shared reference), that one; `None` where there is no order.
    pub order: Option<Arc<Order>>,
    pub(crate) acknowledge: bool,
}

impl<O> Reply<O> {
    /// Whether the channel may be told "received": true only if the fact is durable *and*
    /// stands with its order. It is no function of the outcome alone.
    #[must_use]
    pub const fn should_acknowledge(&self) -> bool {
        self.acknowledge
    }

    pub(crate) fn try_map<P>(self, map: impl FnOnce(O) -> Option<P>) -> Option<Reply<P>> {
        Some(Reply {
            outcome: map(self.outcome)?,
            order: self.order,
            acknowledge: self.acknowledge,
        })
    }
}

/// What became of any command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Of `create`.
    Create(Created),
    /// Of `annotate`.
    Annotate(Annotated),
    /// Of `record_prepay`.
    RecordPrepay(Prepaid),
    /// Of `confirm`.
    Confirm(Confirmed),
    /// Of `record_query` and `record_unanswered`.
    RecordQuery(Queried),
    /// Of `begin_close`, `record_close`, `abort_close` and `end_order`.
    Close(CloseAnswer),
    /// Of `resolve`.
    Resolve(Resolved),
    /// Of `hide` and `unhide`.
    Visibility(Visible),
    /// Of `request_refund`.
    RequestRefund(RefundRequested),
    /// Of `record_refund`.
    RecordRefund(RefundRecorded),
    /// Of `record_refund_refused`.
    RefuseRefund(RefundRefused),
    /// Of `record_refund_unanswered`.
    RefundUnanswered(RefundUnanswered),
    /// Of `import`.
    Import(Imported),
}

impl Outcome {
    /// The fact was refused for want of room in its record, and stands nowhere.
    pub(crate) const fn is_record_full(&self) -> bool {
        matches!(
            self,
            Self::Confirm(Confirmed::RecordFull)
                | Self::RecordQuery(Queried::RecordFull | Queried::Payment(Confirmed::RecordFull))
                | Self::Resolve(Resolved::RecordFull)
                | Self::RequestRefund(RefundRequested::RecordFull)
                | Self::RecordRefund(RefundRecorded::RecordFull)
                | Self::Import(Imported::Refused(ImportRefusal::RecordFull))
        )
    }
}
