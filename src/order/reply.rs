//! Reply to a command: the outcome and the order after the command.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::import::{ImportRefusal, Imported};
use super::outcome::{
    Annotated, CloseOutcome, Confirmed, Created, Prepaid, Queried, Resolved, Visible,
};
use super::record::Order;
use super::refund_outcome::{RefundRecorded, RefundRefused, RefundRequested, RefundUnanswered};

/// Outcome of a command, with the order in its state after the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct Reply<O> {
    /// Outcome of the command.
    pub outcome: O,
    /// Order in its state after the command. If another order owns the reference of a new order,
    /// this is that other order. `None` if there is no order.
    pub order: Option<Arc<Order>>,
    pub(crate) acknowledge: bool,
}

impl<O> Reply<O> {
    /// Returns whether the server may acknowledge the channel's notification. The result is `true`
    /// only if the fact is durable *and* recorded with its order. The outcome alone does not
    /// determine the result.
    #[must_use]
    pub const fn should_acknowledge(&self) -> bool {
        self.acknowledge
    }

    /// Returns the order after the command. A reply of `create` always has one.
    ///
    /// # Errors
    /// [`NoOrder`] if there is no order.
    ///
    /// ```
    /// # use orderstore::{AppId, Fen, NewOrder, Store};
    /// # let store = Store::memory()?;
    /// let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// let no = store.next_order_no().wait()?;
    /// let order = store.create(no, new).wait()?.into_order()?;
    /// assert_eq!(order.no, no);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_order(self) -> Result<Arc<Order>, NoOrder> {
        self.order.ok_or(NoOrder)
    }

    pub(crate) fn try_map<P>(self, map: impl FnOnce(O) -> Option<P>) -> Option<Reply<P>> {
        Some(Reply {
            outcome: map(self.outcome)?,
            order: self.order,
            acknowledge: self.acknowledge,
        })
    }
}

/// Error for a reply without an order: no order has this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reply has no order: no order has this number")]
#[non_exhaustive]
pub struct NoOrder;

/// Outcome of a command of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Outcome {
    /// Outcome of `create`.
    Create(Created),
    /// Outcome of `annotate`.
    Annotate(Annotated),
    /// Outcome of `record_prepay`.
    RecordPrepay(Prepaid),
    /// Outcome of `confirm`.
    Confirm(Confirmed),
    /// Outcome of `record_query` and `record_unanswered`.
    RecordQuery(Queried),
    /// Outcome of `begin_close`, `record_close`, `abort_close` and `end_order`.
    Close(CloseOutcome),
    /// Outcome of `resolve`.
    Resolve(Resolved),
    /// Outcome of `hide` and `unhide`.
    Visibility(Visible),
    /// Outcome of `request_refund`.
    RequestRefund(RefundRequested),
    /// Outcome of `record_refund`.
    RecordRefund(RefundRecorded),
    /// Outcome of `record_refund_refused`.
    RefuseRefund(RefundRefused),
    /// Outcome of `record_refund_unanswered`.
    RefundUnanswered(RefundUnanswered),
    /// Outcome of `import`.
    Import(Imported),
}

impl Outcome {
    /// Returns whether the store rejected the fact because its record is full. The fact is then not
    /// stored anywhere.
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
