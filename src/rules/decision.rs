//! What a decision needs, and what it says.

use super::index::UniqueKey;
use super::policy::Policy;
use crate::order::{Event, Outcome, Payment, Record};
use crate::value::{OrderNo, Timestamp};

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

    /// The order other than `no` that this transaction paid.
    pub(super) fn taken_by(&self, no: OrderNo, payment: &Payment) -> Option<OrderNo> {
        let owner = self.owner(&UniqueKey::transaction_of(payment))?.no();
        (owner != no).then_some(owner)
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
