//! Input and output of `decide`.

use super::index::UniqueKey;
use super::policy::Policy;
use crate::order::{Event, Outcome, Payment, Record};
use crate::types::{Channel, OrderNo, Timestamp, TransactionId};

/// Input of a decision, apart from the record and the command.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Time by the store's clock, which is read once per group of commands.
    pub now: Timestamp,
    /// Settings of the rules, chosen by the merchant.
    pub policy: &'a Policy,
    /// Owners of the keys that [`needs`](super::needs) returned, as they were before this command.
    /// A key that is not in the list counts as a key without an owner.
    pub owners: &'a [(UniqueKey, Option<Record>)],
}

impl Context<'_> {
    pub(super) fn owner(&self, key: &UniqueKey) -> Option<&Record> {
        let found = self.owners.iter().find(|(owned, _)| owned == key);
        found.and_then(|(_, owner)| owner.as_ref())
    }

    /// Returns the record other than `no` that this transaction paid, or that refunds the
    /// transaction; `None` if there is none.
    pub(super) fn claimed_elsewhere(
        &self,
        no: OrderNo,
        channel: Channel,
        transaction: &TransactionId,
    ) -> Option<Claim> {
        let key = UniqueKey::Transaction(channel, transaction.clone());
        let owner = self.owner(&key).filter(|owner| owner.no() != no)?;
        let paid = owner.as_order().and_then(|order| order.payment.as_ref());
        let is_same =
            |paid: &Payment| paid.channel == channel && paid.transaction_id == *transaction;
        Some(if paid.is_some_and(is_same) {
            Claim::Paid(owner.no())
        } else {
            Claim::Refunded(owner.no())
        })
    }
}

/// Claim of another record on a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// The transaction paid the order with this number.
    Paid(OrderNo),
    /// Refunds in that record have reserved or paid back money of the transaction.
    Refunded(OrderNo),
}

impl Claim {
    pub(super) const fn by(self) -> OrderNo {
        match self {
            Self::Paid(by) | Self::Refunded(by) => by,
        }
    }
}

/// Result of applying a command to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Events to write, in order; empty if nothing changes.
    pub events: Vec<Event>,
    /// Record after the events; `None` if nothing changes.
    pub after: Option<Record>,
    /// Outcome of the command for the caller.
    pub outcome: Outcome,
    /// Whether the caller may acknowledge the command to the channel. If not, the channel
    /// should repeat its notification.
    pub acknowledge: bool,
    /// Order that the reply to the command contains.
    pub reply_order: ReplyOrder,
}

/// Order that the reply to a command contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyOrder {
    /// The order that the command names.
    This,
    /// Another order, which owns the reference that the command names.
    Owner(OrderNo),
}
