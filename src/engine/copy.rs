//! Everything that one engine holds, into another.
//!
//! - What travels are events, in the order of the feed; records are folded from them anew, and
//!   lists, keys and counts made from the records by the engine that takes them.
//! - What the target has already is left as it is. A copy that was interrupted goes on when it
//!   is begun again, and a later one brings what happened since.
//! - Nothing is put onto a history that is another one. A target that others write to
//!   meanwhile is told from one that has nothing but this copy's work by its feed.
//! - Every event of the feed is seen: a gap in it is damage, and no end.
//! - What was copied is read back and compared, record by record; then the target is verified.

mod change;

use std::collections::{HashMap, HashSet};

use self::change::Change;
use super::{CopyReport, Engine, EngineError, Progress, unreadable};
use crate::contract::{FeedCursor, Lookup, Mutation, StoredRecord, Verdict};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::Event;
use crate::types::OrderNo;

/// The most events that are read, and mutations that are written, at once.
const PORTION: usize = 1000;

/// How often a portion is brought again of which a part was to be decided again.
const TRIES: usize = 16;

/// Copies what `source` holds now. `progress` is told of twice as many steps as there are
/// events: each is copied, and its record compared.
pub(crate) fn copy(
    source: &dyn Engine,
    target: &dyn Engine,
    progress: Option<Progress>,
) -> Result<CopyReport, Error> {
    if same(source, target) {
        return Err(Error::Invalid {
            what: "target",
            why: "it is the store itself".to_owned(),
        });
    }
    let mut copy = Copier::between(source, target, progress)?;
    copy.walk(Copier::bring)?;
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

/// How many events a feed has: a cursor beyond its end is refused.
fn end_of(engine: &dyn Engine) -> Result<u64, Error> {
    let is_within = |seq| match engine.events(place(engine, seq), 1) {
        Ok(_) => Ok(true),
        Err(EngineError::Cursor(_)) => Ok(false),
        Err(error) => Err(unreadable(error)),
    };
    let (mut within, mut beyond) = (0_u64, 1_u64);
    while is_within(beyond)? {
        (within, beyond) = (beyond, beyond.saturating_mul(2));
    }
    while beyond - within > 1 {
        let middle = within.midpoint(beyond);
        if is_within(middle)? {
            within = middle;
        } else {
            beyond = middle;
        }
    }
    Ok(within)
}

struct Copier<'a> {
    source: &'a dyn Engine,
    target: &'a dyn Engine,
    /// The last event that is copied.
    end: u64,
    /// The target was empty, and whatever it has is this copy's work.
    is_alone: bool,
    progress: Option<Progress>,
    steps: u64,
    events: u64,
    records: u64,
}

impl<'a> Copier<'a> {
    fn between(
        source: &'a dyn Engine,
        target: &'a dyn Engine,
        progress: Option<Progress>,
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

    /// Goes through the feed once, portion by portion.
    fn walk(&mut self, each: fn(&mut Self, &[Event]) -> Result<(), Error>) -> Result<(), Error> {
        let mut seq = 0;
        while seq < self.end {
            let portion = self.portion(seq)?;
            let read = count(portion.len());
            seq = seq.saturating_add(read);
            self.steps = self.steps.saturating_add(read);
            each(self, &portion)?;
            if let Some(tell) = self.progress {
                tell(self.steps, self.end.saturating_mul(2));
            }
        }
        Ok(())
    }

    /// The events behind a place in the feed, which is not at its end.
    fn portion(&self, seq: u64) -> Result<Vec<Event>, Error> {
        let left = usize::try_from(self.end - seq).unwrap_or(PORTION);
        let portion = self
            .source
            .events(place(self.source, seq), left.min(PORTION));
        let portion = portion.map_err(unreadable)?;
        let mut seqs = portion.iter().map(|it| it.cursor.seq).zip(seq + 1..);
        if portion.is_empty() || seqs.any(|(is, ought)| is != ought) {
            let why = "the feed of the source has a gap";
            return Err(Error::Unreadable(StorageError::corrupted(why)));
        }
        Ok(portion.into_iter().map(|it| it.event).collect())
    }

    /// Puts events into the target that it does not have.
    fn bring(&mut self, portion: &[Event]) -> Result<(), Error> {
        for _ in 0..TRIES {
            if self.try_to_bring(portion)? {
                return Ok(());
            }
        }
        let why = "the target was written to by others, or cut off, again and again";
        let cause = StorageError::new(StorageErrorKind::Internal, why);
        Err(Error::NotApplied(cause))
    }

    /// Says whether all of it is there now. Whoever lets a key go is written before anybody
    /// takes it.
    fn try_to_bring(&mut self, portion: &[Event]) -> Result<bool, Error> {
        let (mut run, mut freed) = (self.begin(portion)?, HashSet::new());
        for (place, event) in portion.iter().enumerate() {
            let step = run.get(&event.no).map(|change| change.step(event));
            let Some(step) = step.transpose()?.flatten() else {
                continue;
            };
            if step.taken.iter().any(|key| freed.contains(key)) {
                if !self.write(&mut run)? {
                    return Ok(false);
                }
                freed.clear();
            }
            freed.extend(step.freed);
            if let Some(change) = run.get_mut(&event.no) {
                change.take(event.clone(), step.record, place);
            }
        }
        self.write(&mut run)
    }

    /// What the target has of the records of a portion.
    fn begin(&mut self, portion: &[Event]) -> Result<HashMap<OrderNo, Change>, Error> {
        let last = last_versions(portion);
        let numbers: Vec<_> = last.keys().copied().collect();
        let found = load(self.target, &numbers)?;
        // Behind the look: what was found is in the feed by now, whoever wrote it.
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

    /// The target's feed ends behind the events that this copy put there.
    fn wrote_all_there_is(&self) -> Result<bool, Error> {
        match self.target.events(place(self.target, self.events), 1) {
            Ok(others) => Ok(others.is_empty()),
            Err(EngineError::Cursor(_)) => Ok(false),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// What the target has of a record must be how it began at the source.
    fn check_history(&self, no: OrderNo, version: u64) -> Result<(), Error> {
        let there = self.target.history(&no).map_err(unreadable)?;
        let here = self.source.history(&no).map_err(unreadable)?;
        if u64::try_from(there.len()) == Ok(version) && here.starts_with(&there) {
            return Ok(());
        }
        Err(Error::Differs { no })
    }

    /// Writes what changed, and leaves the run as what stands then. Says whether all of it was
    /// taken; what was not is to be decided again, on what the target has by then.
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
        let stand = load(self.target, &numbers)?;
        let is_own = |(mutation, stands): (&Mutation, &Option<StoredRecord>)| {
            let stands = stands.as_ref().map(|stored| &stored.record);
            stands == Some(&mutation.after)
        };
        if !mutations.iter().zip(&stand).all(is_own) {
            return Ok(false);
        }
        run.extend(numbers.into_iter().zip(stand.into_iter().map(Change::of)));
        Ok(true)
    }

    fn apply(&mut self, batch: &[Mutation]) -> Result<bool, Error> {
        let verdicts = self.target.apply(batch).map_err(unwritten)?;
        let (mut is_whole, mut taken) = (verdicts.len() == batch.len(), None);
        for (mutation, verdict) in batch.iter().zip(verdicts) {
            match verdict {
                Verdict::Applied => {
                    self.events = self.events.saturating_add(count(mutation.events.len()));
                }
                Verdict::Mismatch => is_whole = false,
                Verdict::Taken { .. } => taken = Some(mutation.no),
            }
        }
        taken.map_or(Ok(is_whole), |no| Err(Error::Differs { no }))
    }

    /// Looks at each record of a portion. One that goes on at the source meanwhile has come at
    /// least as far in the target as what was copied.
    fn compare(&mut self, portion: &[Event]) -> Result<(), Error> {
        let last = last_versions(portion);
        let numbers: Vec<_> = last.keys().copied().collect();
        let here = load(self.source, &numbers)?.into_iter().map(Change::of);
        let there = load(self.target, &numbers)?.into_iter().map(Change::of);
        for ((no, copied), (here, there)) in last.into_iter().zip(here.zip(there)) {
            let (is, has) = (here.version(), there.version());
            if has < copied || has > is || (has == is && there.after != here.after) {
                return Err(Error::Differs { no });
            }
            // Its last event is in one portion.
            self.records = self.records.saturating_add(u64::from(has == copied));
        }
        Ok(())
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// The records of a portion, and the last version that it brings each of them to.
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

    /// An engine with one order of this amount, which was annotated so often.
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
    fn what_is_missing_behind_or_ahead_or_another_one_is_found_when_it_is_compared() {
        let compared = |source: &SharedEngine, target: &SharedEngine| {
            let mut copy = Copier::between(source, target, None).unwrap();
            copy.walk(Copier::compare).map(|()| copy.records)
        };
        let source = engine(100, 1);
        let empty = SharedEngine::new(Box::new(MemoryEngine::new().unwrap()));
        for other in [empty, engine(100, 0), engine(100, 2), engine(200, 1)] {
            let told = compared(&source, &other);
            assert!(matches!(told, Err(Error::Differs { no }) if no == order_no(1)));
        }
        assert_eq!(compared(&source, &engine(100, 1)).unwrap(), 1);
    }
}
