//! Search for the end of the change feed.
//!
//! The store has no call for it, but a cursor counts the events before it. A read of one event after
//! a cursor shows whether the cursor is before the end. The search doubles its step until it has
//! passed the end, and then halves it. The first search in a billion events needs about 60 reads.
//! Later searches begin at the end that the last scrape found.

use orderstore::{Error, FeedCursor, Store};

use super::reading::{log, read};

/// Returns the number of events in the feed, and stores its end in `known`. `None` if a read failed.
pub(super) fn find(store: &Store, known: &mut Option<FeedCursor>) -> Option<u64> {
    let Some(from) = still_valid(store, known.take())? else {
        return Some(0);
    };
    let is_inside = |seq| is_inside(store, FeedCursor { seq, ..from });
    let seq = end_after(from.seq, is_inside)?;
    *known = Some(FeedCursor { seq, ..from });
    Some(seq)
}

/// Returns the known cursor if it is still in the feed, or else the cursor after the first event.
/// The result is `Some(None)` if the feed has no events.
fn still_valid(store: &Store, known: Option<FeedCursor>) -> Option<Option<FeedCursor>> {
    if let Some(known) = known {
        // A standby can begin to follow another incarnation. Then the known cursor is useless. The
        // event before it shows that: for a cursor at the end of the feed there is no event after.
        let seq = known.seq.saturating_sub(1);
        if is_inside(store, FeedCursor { seq, ..known })? {
            return Some(Some(known));
        }
    }
    let first = read(store.events(FeedCursor::START, 1))?;
    Some(first.first().map(|first| first.cursor))
}

/// Returns whether there is an event after the cursor.
fn is_inside(store: &Store, cursor: FeedCursor) -> Option<bool> {
    match store.events(cursor, 1).wait() {
        Ok(events) => Some(!events.is_empty()),
        Err(Error::InvalidCursor { .. }) => Some(false),
        Err(error) => {
            log(&error);
            None
        }
    }
}

/// Returns the lowest position from `from` on that is not inside the feed.
fn end_after(from: u64, is_inside: impl Fn(u64) -> Option<bool>) -> Option<u64> {
    // All positions below `low` are inside the feed, and `high` is not.
    let (mut low, mut step) = (from, 0_u64);
    let mut high = loop {
        let probe = low.saturating_add(step);
        if !is_inside(probe)? {
            break probe;
        }
        low = probe.saturating_add(1);
        step = step.saturating_mul(2).saturating_add(1);
    };
    while low < high {
        let middle = low + (high - low) / 2;
        if is_inside(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn search_finds_end_with_few_reads() {
        for end in (1..70).chain([1_000, 65_536, 1_000_000_000, u64::MAX - 1]) {
            for from in [1, end / 2, end.saturating_sub(1), end] {
                let from = from.max(1);
                let reads = Cell::new(0);
                let is_inside = |seq| {
                    reads.set(reads.get() + 1);
                    Some(seq < end)
                };
                assert_eq!(end_after(from, is_inside), Some(end), "from {from}");
                assert!(reads.get() <= 200, "{} reads to {end}", reads.get());
            }
        }
        assert_eq!(end_after(1, |_| None), None);
    }
}
