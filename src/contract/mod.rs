//! The values that a store and its engines exchange. [`crate::engine`] explains the contract.

mod counts;
mod feed;

pub use self::counts::Counts;
pub use self::feed::{FeedCursor, FeedCursorError, FeedEvent};
use crate::order::{Event, Record};
use crate::rules::{Index, UniqueKey};
use crate::types::{OrderNo, Timestamp};

/// What a lookup asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// The record under this number.
    No(OrderNo),
    /// The record that owns this key.
    Owner(UniqueKey),
}

/// A record, and the engine's own number for it: outside the fold, handed back unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// The record.
    pub record: Record,
    /// The engine's number.
    pub row: u64,
}

/// One record's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    /// Whose.
    pub no: OrderNo,
    /// What must stand now; `None`: nothing may.
    pub before: Option<StoredRecord>,
    /// What stands after it.
    pub after: Record,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// What became of a mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is durable.
    Applied,
    /// Something else stands under the number.
    Mismatch,
    /// Another record owns a key.
    Taken {
        /// The key.
        key: UniqueKey,
        /// Its owner.
        by: OrderNo,
    },
}

/// Which way a list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Oldest first.
    Forward,
    /// Newest first.
    Backward,
}

/// A place in a list. The list itself is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The entry's time.
    pub time: Timestamp,
    /// The record's row.
    pub row: u64,
    /// Tells several places of one record apart.
    pub sub: u32,
}

/// A stretch of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexQuery {
    /// The list.
    pub index: Index,
    /// The earliest time, inclusive.
    pub from: Timestamp,
    /// The latest time, inclusive.
    pub until: Timestamp,
    /// Which way.
    pub direction: Direction,
    /// Begin behind this place, in the direction of reading.
    pub after: Option<Position>,
}

/// A part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexPage {
    /// The places, in the order of reading.
    pub rows: Vec<IndexRow>,
    /// There are more behind the last one.
    pub more: bool,
}

/// One place in a list and what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRow {
    /// The place.
    pub position: Position,
    /// The record.
    pub record: Record,
}
