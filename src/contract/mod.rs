//! Values that a store and its engines exchange. [`crate::engine`] explains the contract.

mod counts;
mod feed;

use serde::{Deserialize, Serialize};

pub use self::counts::Counts;
pub use self::feed::{FeedCursor, FeedCursorError, FeedEvent};
use crate::number::usize_of;
use crate::order::{Event, Record, Refund};
use crate::rules::{Index, KeyChanges, UniqueKey};
use crate::types::{OrderNo, Timestamp};

/// Key by which an engine looks up one record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Lookup {
    /// Looks up the record with this order number.
    No(OrderNo),
    /// Looks up the record that owns this unique key.
    Owner(UniqueKey),
}

/// Record with the numbers that the engine assigned to it.
///
/// The rules ignore these numbers. The store returns them unchanged to the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredRecord {
    /// The order, or the payments and refunds that wait for an order.
    pub record: Record,
    /// Row number, which the engine assigns and interprets.
    pub row: u64,
    /// Sequence number of the record's last event in an engine that reads a history backwards from
    /// it; 0 in the others. It changes only together with the record's version.
    pub last_seq: u64,
}

/// Change of one record, which the engine applies completely or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    /// Order number of the record.
    pub no: OrderNo,
    /// Required current state; `None` requires that the record does not exist.
    pub before: Option<StoredRecord>,
    /// Result of [`Engine::read_mark`](crate::engine::Engine::read_mark) before `before` was
    /// loaded. While the mark is still the current one, the engine does not need to compare
    /// `before` with the stored record. `None`: the engine must compare them.
    pub read_mark: Option<u64>,
    /// New state of the record.
    pub after: Record,
    /// Events that lead to the new state, in order.
    pub events: Vec<Event>,
}

impl Mutation {
    /// Returns the unique keys that the record claims and frees.
    pub(crate) fn key_changes(&self) -> KeyChanges {
        let before = self.before.as_ref().map(|stored| &stored.record);
        KeyChanges::between(before, &self.after)
    }
}

/// Result of a mutation in the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The engine applied the mutation, and the change is durable.
    Applied,
    /// The current state of the record differs from the required one.
    Mismatch,
    /// Another record owns a key that the new state claims.
    Taken {
        /// Unique key that the new state claims.
        key: UniqueKey,
        /// Order number of the record that owns the key.
        by: OrderNo,
    },
}

/// Direction in which an index is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// Oldest entries first.
    Forward,
    /// Newest entries first.
    Backward,
}

/// Position of an entry within an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// Time of the entry.
    pub time: Timestamp,
    /// Row number of the entry's record.
    pub row: u64,
    /// Number that distinguishes several entries of one record in the same index.
    pub sub: u32,
}

/// Query for the entries of an index within a time range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexQuery {
    /// Index to read.
    pub index: Index,
    /// Earliest time of the entries, inclusive.
    pub from: Timestamp,
    /// Latest time of the entries, inclusive.
    pub until: Timestamp,
    /// Direction of the read: oldest or newest entries first.
    pub direction: Direction,
    /// Position after which the read starts, in its direction; exclusive.
    pub after: Option<Position>,
}

/// Entries of one read of an index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexPage {
    /// Entries, in the direction of the read.
    pub rows: Vec<IndexRow>,
    /// Whether more entries follow the last one.
    pub more: bool,
}

/// Entry of an index with its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexRow {
    /// Position of the entry within its index.
    pub position: Position,
    /// Record that the entry belongs to.
    pub record: Record,
}

impl IndexRow {
    /// Returns the refund of an entry in an index of refunds.
    pub(crate) fn refund(&self) -> Option<&Refund> {
        // In an index of refunds, `sub` is the position of the refund in the record plus 1.
        let index = usize_of(self.position.sub.checked_sub(1)?);
        self.record.refunds().get(index)
    }
}
