//! Values of the tables: records and events with their links, and the values of `meta`.

use super::wire::{EncodeError, Input, Output, Stored, Undecodable};
use crate::contract::{Counts, StoredRecord};
use crate::order::{Event, EventKind, Record};
use crate::types::{OrderNo, Timestamp};

impl Stored for StoredRecord {
    fn encode(&self, to: &mut Output<'_>) -> Result<(), EncodeError> {
        let Self {
            record,
            row,
            last_seq,
        } = self;
        row.encode(to)?;
        last_seq.encode(to)?;
        record.encode(to)
    }

    fn decode(from: &mut Input<'_>) -> Result<Self, Undecodable> {
        Ok(Self {
            row: u64::decode(from)?,
            last_seq: u64::decode(from)?,
            record: Record::decode(from)?,
        })
    }
}

/// Link from an event to its record and to the record's previous event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventLink {
    /// First event of the record with this order number. Its sequence number is the record's
    /// row number.
    First(OrderNo),
    /// Row number of the record, and sequence number of the record's previous event.
    Later { row: u64, previous: u64 },
}

stored! {
    enum EventLink {
        0 => First(no),
        1 => Later { row, previous },
    }
}

/// Event as the tables store it. Only the first event of a record contains the order number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StoredEvent {
    pub(crate) origin: EventLink,
    version: u64,
    pub(crate) at: Timestamp,
    what: EventKind,
}

stored! { struct StoredEvent { origin, version, at, what } }

/// Encodes an event as a [`StoredEvent`], without a copy of it.
pub(in crate::format) fn encode_event(
    origin: &EventLink,
    event: &Event,
    to: &mut Output<'_>,
) -> Result<(), EncodeError> {
    // Skip `no`, because only the first event of a record needs the order number, and `origin`
    // contains it there.
    let Event {
        no: _,
        version,
        at,
        what,
    } = event;
    origin.encode(to)?;
    version.encode(to)?;
    at.encode(to)?;
    what.encode(to)
}

impl StoredEvent {
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Converts the stored event into an event of the order number `no`.
    pub(crate) fn of(self, no: OrderNo) -> Event {
        let Self {
            version, at, what, ..
        } = self;
        Event {
            no,
            version,
            at,
            what,
        }
    }
}

/// Identity of the store that a B-tree file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreMark {
    pub(crate) store_id: [u8; 16],
    pub(crate) incarnation: u64,
}

stored! { struct StoreMark { store_id, incarnation } }

/// Earlier incarnation of a store, whose feed this store continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ancestor {
    pub(crate) incarnation: u64,
    /// Sequence number of the last event that both feeds have.
    pub(crate) last_seq: u64,
}

stored! { struct Ancestor { incarnation, last_seq } }

/// Counters of a store, which every write updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// Sequence number of the last event.
    pub(crate) last_seq: u64,
    /// First value of the order-number counter that is not reserved yet.
    pub(crate) counter: u64,
    pub(crate) counts: Counts,
}

stored! { struct State { last_seq, counter, counts } }

stored! { struct Counts { by_status, unclaimed, open_anomalies } }

impl State {
    /// Counters of an empty store.
    pub(crate) const NEW: Self = Self {
        last_seq: 0,
        counter: 0,
        counts: Counts {
            by_status: [0; 6],
            unclaimed: 0,
            open_anomalies: 0,
        },
    };
}
