//! What a decision needs, and what it says.

use super::index::UniqueKey;
use super::policy::Policy;
use crate::order::{Event, Outcome, Payment, Record};
use crate::types::{Channel, OrderNo, Timestamp, TransactionId};

/// What a decision needs to know besides the record and the command.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The store's clock, read once per group.
    pub now: Timestamp,
    /// The shop's own numbers.
    pub policy: &'a Policy,
    /// The owners of the keys that [`needs`](super::needs) named, as they stand before this command. A
    /// key that is not listed counts as free.
    pub owners: &'a [(UniqueKey, Option<Record>)],
}

impl Context<'_> {
    pub(super) fn owner(&self, key: &UniqueKey) -> Option<&Record> {
        let found = self.owners.iter().find(|(owned, _)| owned == key);
        found.and_then(|(_, owner)| owner.as_ref())
    }

    /// Whose money this transaction is, where that is another record than `no`.
    pub(super) fn claimed_elsewhere(
        &self,
        no: OrderNo,
        channel: Channel,
        transaction: &TransactionId,
    ) -> Option<Claim> {
        let key = UniqueKey::Transaction(channel, transaction.clone());
        let owner = self.owner(&key).filter(|owner| owner.no() != no)?;
        let paid = owner.as_order().and_then(|order| order.payment.as_ref());
        let is_it = |paid: &Payment| paid.channel == channel && paid.transaction_id == *transaction;
        Some(if paid.is_some_and(is_it) {
            Claim::Paid(owner.no())
        } else {
            Claim::Refunded(owner.no())
        })
    }
}

/// How another record claims a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is paid by it.
    Paid(OrderNo),
    /// It gives its money back.
    Refunded(OrderNo),
}

impl Claim {
    pub(super) const fn by(self) -> OrderNo {
        match self {
            Self::Paid(by) | Self::Refunded(by) => by,
        }
    }
}

/// What happens when a command meets a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What happens, in order; empty where nothing changes.
    pub events: Vec<Event>,
    /// The record after the events; `None` where nothing changes.
    pub after: Option<Record>,
    /// What the caller hears.
    pub outcome: Outcome,
    /// Whether the channel may be told "received".
    pub acknowledge: bool,
    /// Whose order the caller is shown.
    pub shows: Shows,
}

/// Whose order an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// The command's own.
    This,
    /// Another one's.
    Owner(OrderNo),
}
