//! Reads the feed.

use super::view::ReadView;
use crate::contract::{FeedCursor, FeedEvent};
use crate::engine::EngineError;
use crate::engine::local::failure::unread;
use crate::error::StorageError;
use crate::format::codec;
use crate::format::codec::{Ancestor, EventLink};
use crate::format::keys;
use crate::format::tables::Table;
use crate::number::u64_of;
use crate::order::Event;
use crate::types::Timestamp;

impl ReadView {
    /// Returns the event with a sequence number.
    pub(crate) fn event(&self, seq: u64) -> Result<Event, StorageError> {
        let chained = self.chained(seq, codec::read_event)?;
        let no = match chained.origin {
            EventLink::First(no) => no,
            EventLink::Later { row, .. } => self.number(row)?,
        };
        Ok(chained.of(no))
    }

    /// Returns the time of the last event in the store.
    pub(crate) fn last_event_at(&self) -> Result<Option<Timestamp>, StorageError> {
        match self.state()?.last_seq {
            0 => Ok(None),
            last => Ok(Some(self.event(last)?.at)),
        }
    }

    /// Returns at most `limit` events after a feed cursor.
    pub(crate) fn events(
        &self,
        incarnation: u64,
        after: FeedCursor,
        limit: usize,
    ) -> Result<Vec<FeedEvent>, EngineError> {
        EngineError::check_incarnation(after, incarnation)
            .or_else(|unknown| self.check_ancestor(incarnation, after, unknown))?;
        let last = self.state().map_err(unread)?.last_seq;
        if after.seq > last {
            return Err(EngineError::BEYOND_END);
        }
        // A limit beyond the end reads to the end.
        let until = after.seq.saturating_add(u64_of(limit)).min(last);
        let read = |seq| {
            let cursor = FeedCursor { incarnation, seq };
            Ok(FeedEvent::new(cursor, self.event(seq)?))
        };
        let seqs = (after.seq..until).map(|seq| seq + 1);
        seqs.map(read).collect::<Result<_, _>>().map_err(unread)
    }

    /// Fails unless a cursor of an earlier incarnation names a place that both feeds have. `unknown` is the
    /// error for a cursor of a store that is no ancestor.
    fn check_ancestor(
        &self,
        incarnation: u64,
        after: FeedCursor,
        unknown: EngineError,
    ) -> Result<(), EngineError> {
        let ancestors = self.ancestors().map_err(unread)?;
        let ancestor = ancestors
            .iter()
            .find(|ancestor| ancestor.incarnation == after.incarnation);
        match ancestor.map(|ancestor| ancestor.last_seq) {
            None => Err(unknown),
            Some(seq) if after.seq > seq => {
                let last = FeedCursor { incarnation, seq };
                let why = format!(
                    "it is from an earlier store, and this store lacks the events of that store after \
                     {last}; check what was done with them, then go on from there"
                );
                Err(EngineError::Cursor(why.into()))
            }
            Some(_) => Ok(()),
        }
    }

    /// Returns the earlier incarnations of the store, oldest first.
    pub(crate) fn ancestors(&self) -> Result<Vec<Ancestor>, StorageError> {
        let found = self
            .snapshot
            .get(Table::Meta, keys::ANCESTORS, codec::read_ancestors)?;
        Ok(found.unwrap_or_default())
    }
}
