//! Copies all orders from one engine to another.
//!
//! - The copy transfers events, in feed order. It computes the records from the events, and the
//!   target engine builds lists, keys and counts from the records.
//! - The copy never changes events that the target already has. An interrupted copy continues when
//!   the caller repeats it. A later copy adds the events that happened since.
//! - The copy never appends to a different history. To notice other writers, it compares the length
//!   of the target's feed with the number of events that it wrote itself.
//! - The copy reads every event of the source's feed. A gap in the feed is corruption.
//! - At the end, the copy compares every copied record with the source, then verifies the target.

mod change;

use std::collections::{HashMap, HashSet};

use self::change::Change;
use super::{CopyReport, Engine, EngineError, Progress, unreadable};
use crate::contract::{FeedCursor, Lookup, Mutation, StoredRecord, Verdict};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::number::u64_of;
use crate::order::Event;
use crate::types::OrderNo;

/// Maximum number of events that the copy reads and writes at a time (one portion).
const BATCH: usize = 1000;

/// Maximum number of attempts to write one portion while the target changes.
const TRIES: usize = 16;

/// Copies everything that `source` holds at the start of the call.
///
/// `progress` counts two steps per event: the copy of the event, and the comparison of its record.
pub(crate) fn copy(
    source: &dyn Engine,
    target: &dyn Engine,
    progress: &Progress,
) -> Result<CopyReport, Error> {
    if same(source, target) {
        return Err(Error::Invalid {
            what: "target",
            why: "the target is the source store itself".to_owned(),
        });
    }
    let mut copy = Copier::between(source, target, progress)?;
    copy.walk(Copier::copy_batch)?;
    let end = end_of(target)?;
    copy.walk(Copier::compare)?;
    let verified = target.verify().map_err(unreadable)?;
    Ok(CopyReport {
        before: place(source, copy.end),
        place: place(target, end),
        events: copy.events,
        records: copy.records,
        verified,
    })
}

fn same(source: &dyn Engine, target: &dyn Engine) -> bool {
    let (source, target) = (source.identity(), target.identity());
    source.store_id == target.store_id && source.incarnation == target.incarnation
}

fn place(engine: &dyn Engine, seq: u64) -> FeedCursor {
    let incarnation = engine.identity().incarnation;
    FeedCursor { incarnation, seq }
}

/// Returns the number of events in a feed.
fn end_of(engine: &dyn Engine) -> Result<u64, Error> {
    Ok(engine.feed_end().map_err(unreadable)?.seq)
}

struct Copier<'a> {
    source: &'a dyn Engine,
    target: &'a dyn Engine,
    /// Sequence number of the last event to copy.
    end: u64,
    /// Whether the target was empty at the start and only this copy has written to it since.
    is_alone: bool,
    progress: &'a Progress,
    steps: u64,
    events: u64,
    records: u64,
}

impl<'a> Copier<'a> {
    fn between(
        source: &'a dyn Engine,
        target: &'a dyn Engine,
        progress: &'a Progress,
    ) -> Result<Self, Error> {
        Ok(Self {
            source,
            target,
            end: end_of(source)?,
            is_alone: end_of(target)? == 0,
            progress,
            steps: 0,
            events: 0,
            records: 0,
        })
    }

    /// Reads the feed once and calls `each` for every portion.
    fn walk(&mut self, each: fn(&mut Self, &[Event]) -> Result<(), Error>) -> Result<(), Error> {
        let mut seq = 0;
        while seq < self.end {
            let portion = self.portion(seq)?;
            let read = u64_of(portion.len());
            seq += read;
            self.steps += read;
            each(self, &portion)?;
            let total = self.end.saturating_mul(2);
            self.progress.report(self.steps, total);
        }
        Ok(())
    }

    /// Reads the next events after the sequence number `seq`, which must be less than `end`. Fails
    /// if the feed has a gap.
    fn portion(&self, seq: u64) -> Result<Vec<Event>, Error> {
        // A number that does not fit into a `usize` is more than one portion: read a full portion.
        let left = usize::try_from(self.end - seq).unwrap_or(BATCH);
        let portion = self.source.events(place(self.source, seq), left.min(BATCH));
        let portion = portion.map_err(unreadable)?;
        let mut seqs = portion.iter().map(|entry| entry.cursor.seq).zip(seq + 1..);
        if portion.is_empty() || seqs.any(|(found, expected)| found != expected) {
            let why = "the feed of the source has a gap; verify the source store";
            return Err(Error::Unreadable(StorageError::corrupted(why)));
        }
        Ok(portion.into_iter().map(|entry| entry.event).collect())
    }

    /// Writes the events of a portion that the target does not have yet.
    fn copy_batch(&mut self, portion: &[Event]) -> Result<(), Error> {
        for _ in 0..TRIES {
            if self.try_to_bring(portion)? {
                return Ok(());
            }
        }
        let why = "other writers or connection failures stopped every attempt; repeat the copy";
        let cause = StorageError::new(StorageErrorKind::Internal, why);
        Err(Error::NotApplied(cause))
    }

    /// Writes the missing events of a portion. Returns false if the target changed meanwhile: the
    /// caller must try the portion again.
    fn try_to_bring(&mut self, portion: &[Event]) -> Result<bool, Error> {
        // `run` merges all events of one record into one mutation, at the position of the first
        // event. Merging can move the claim of a unique key before its release by another record,
        // and the target would then refuse the mutation as `Taken`. Therefore write `run` before
        // adding a step that claims a key released in `run`.
        let (mut run, mut freed) = (self.begin(portion)?, HashSet::new());
        for (place, event) in portion.iter().enumerate() {
            let step = run.get(&event.no).map(|change| change.step(event));
            let Some(step) = step.transpose()?.flatten() else {
                continue;
            };
            if step.keys.claimed.iter().any(|key| freed.contains(key)) {
                if !self.write(&mut run)? {
                    return Ok(false);
                }
                freed.clear();
            }
            freed.extend(step.keys.freed);
            if let Some(change) = run.get_mut(&event.no) {
                change.take(event.clone(), step.record, place);
            }
        }
        self.write(&mut run)
    }

    /// Loads the target's state of every record in a portion. If other writers may have changed
    /// a record, checks that its history is a prefix of the source's history.
    fn begin(&mut self, portion: &[Event]) -> Result<HashMap<OrderNo, Change>, Error> {
        let last = last_versions(portion);
        let numbers: Vec<_> = last.keys().copied().collect();
        let found = load(self.target, &numbers)?;
        // Check for other writers after the load. The events of every loaded record are then in the
        // feed, so the check sees them. A check before the load could miss a write between the two
        // calls, and the copy would append to the history of another writer.
        self.is_alone = self.is_alone && self.wrote_all_there_is()?;
        let mut run = HashMap::with_capacity(numbers.len());
        for (no, stored) in numbers.into_iter().zip(found) {
            let has = stored.as_ref().map_or(0, |stored| stored.record.version());
            if !self.is_alone && has > 0 && last.get(&no) > Some(&has) {
                self.check_history(no, has)?;
            }
            run.insert(no, Change::of(stored));
        }
        Ok(run)
    }

    /// Returns whether the target's feed contains no events except those of this copy.
    fn wrote_all_there_is(&self) -> Result<bool, Error> {
        match self.target.events(place(self.target, self.events), 1) {
            Ok(others) => Ok(others.is_empty()),
            Err(EngineError::Cursor(_)) => Ok(false),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Checks that the target's history of a record is a prefix of the source's history.
    fn check_history(&self, no: OrderNo, version: u64) -> Result<(), Error> {
        let there = self.target.history(&no).map_err(unreadable)?;
        let here = self.source.history(&no).map_err(unreadable)?;
        if u64_of(there.len()) == version && here.starts_with(&there) {
            return Ok(());
        }
        Err(Error::Differs { no })
    }

    /// Writes the changes of `run`, then reloads the written records into `run`. Returns false if
    /// the target did not apply all of them: the caller must load the portion's records again.
    fn write(&mut self, run: &mut HashMap<OrderNo, Change>) -> Result<bool, Error> {
        let changed = run.values_mut().filter(|change| !change.events.is_empty());
        let mut changed: Vec<_> = changed.collect();
        changed.sort_unstable_by_key(|change| change.place);
        let mutations: Vec<_> = changed.into_iter().filter_map(Change::mutation).collect();
        for batch in mutations.chunks(self.target.limits().batch.max(1)) {
            if !self.apply(batch)? {
                return Ok(false);
            }
        }
        let numbers: Vec<_> = mutations.iter().map(|mutation| mutation.no).collect();
        // Reload the records, because later mutations need their row numbers in `before`. The
        // comparison below also detects a writer that changed a record right after `apply`.
        let stored = load(self.target, &numbers)?;
        let is_own = |(mutation, stored): (&Mutation, &Option<StoredRecord>)| {
            let record = stored.as_ref().map(|stored| &stored.record);
            record == Some(&mutation.after)
        };
        if !mutations.iter().zip(&stored).all(is_own) {
            return Ok(false);
        }
        run.extend(numbers.into_iter().zip(stored.into_iter().map(Change::of)));
        Ok(true)
    }

    fn apply(&mut self, batch: &[Mutation]) -> Result<bool, Error> {
        let verdicts = self.target.apply(batch).map_err(unwritten)?;
        let (mut is_whole, mut taken) = (verdicts.len() == batch.len(), None);
        for (mutation, verdict) in batch.iter().zip(verdicts) {
            match verdict {
                Verdict::Applied => {
                    self.events += u64_of(mutation.events.len());
                }
                Verdict::Mismatch => is_whole = false,
                Verdict::Taken { .. } => taken = Some(mutation.no),
            }
        }
        taken.map_or(Ok(is_whole), |no| Err(Error::Differs { no }))
    }

    /// Compares each record of a portion in both stores.
    ///
    /// The source may have changed a record since the copy began. The target's version must then be
    /// at least the copied version, and at most the source's version.
    fn compare(&mut self, portion: &[Event]) -> Result<(), Error> {
        let last = last_versions(portion);
        let numbers: Vec<_> = last.keys().copied().collect();
        let here = load(self.source, &numbers)?.into_iter().map(Change::of);
        let there = load(self.target, &numbers)?.into_iter().map(Change::of);
        for ((no, copied), (here, there)) in last.into_iter().zip(here.zip(there)) {
            let (source, target) = (here.version(), there.version());
            let is_changed = target == source && there.after != here.after;
            if target < copied || target > source || is_changed {
                return Err(Error::Differs { no });
            }
            // Count a record only in the portion that contains its last copied event.
            self.records += u64::from(target == copied);
        }
        Ok(())
    }
}

/// Returns the last version of each record in a portion.
fn last_versions(portion: &[Event]) -> HashMap<OrderNo, u64> {
    portion
        .iter()
        .map(|event| (event.no, event.version))
        .collect()
}

fn load(engine: &dyn Engine, numbers: &[OrderNo]) -> Result<Vec<Option<StoredRecord>>, Error> {
    let lookups: Vec<_> = numbers.iter().copied().map(Lookup::No).collect();
    engine.load(&lookups).map_err(unreadable)
}

fn unwritten(error: EngineError) -> Error {
    match error {
        EngineError::Unknown(cause) => Error::OutcomeUnknown(cause),
        error => error.into_error(Error::NotApplied),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::MemoryEngine;
    use crate::store::Store;
    use crate::testing::SharedEngine;
    use crate::testing::fixtures::{new, now, order_no};
    use crate::types::Metadata;

    /// Creates an engine with one order of `amount` fen and `notes` annotations.
    fn engine(amount: u64, notes: u64) -> SharedEngine {
        let engine = SharedEngine::new(Box::new(MemoryEngine::new().unwrap()));
        let store = Store::builder().clock(now).engine(engine.again()).unwrap();
        let _ = store.create(order_no(1), new(amount)).wait().unwrap();
        for version in 1..=notes {
            let note = Metadata::new(version.to_string()).unwrap();
            let _ = store.annotate(order_no(1), version, note).wait().unwrap();
        }
        store.shutdown().wait().unwrap();
        engine.again()
    }

    #[test]
    fn copy_comparison_finds_each_kind_of_difference() {
        let compared = |source: &SharedEngine, target: &SharedEngine| {
            let progress = Progress::new(|_, _| ());
            let mut copy = Copier::between(source, target, &progress).unwrap();
            copy.walk(Copier::compare).map(|()| copy.records)
        };
        let source = engine(100, 1);
        let empty = SharedEngine::new(Box::new(MemoryEngine::new().unwrap()));
        for other in [empty, engine(100, 0), engine(100, 2), engine(200, 1)] {
            let result = compared(&source, &other);
            assert!(matches!(result, Err(Error::Differs { no }) if no == order_no(1)));
        }
        assert_eq!(compared(&source, &engine(100, 1)).unwrap(), 1);
    }
}
