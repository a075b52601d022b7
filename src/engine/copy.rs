//! Everything that one engine holds, into another.
//!
//! - What travels are events, in the order of the feed; records are folded from them anew, and
//!   lists, keys and counts made from the records by the engine that takes them.
//! - What the target has already is left as it is. A copy that was interrupted goes on when it
//!   is begun again, and a later one brings what happened since.
//! - Nothing is put onto a history that is another one.
//! - What was copied is read back and compared, record by record; then the target is verified.

use std::collections::HashMap;

use super::{
    Copied, Engine, EngineError, FeedCursor, Lookup, Mutation, Progress, Stored, Verdict, unread,
};
use crate::error::Error;
use crate::order::{Event, Record};
use crate::rules::{evolve, unique_keys};
use crate::value::OrderNo;

/// The most events that are read, and mutations that are written, at once.
const PORTION: usize = 1000;

/// Copies what `source` holds now. `progress` is told of twice as many steps as there are
/// events: each is copied, and its record compared.
pub(crate) fn copy(
    source: &dyn Engine,
    target: &dyn Engine,
    progress: Option<Progress>,
) -> Result<Copied, Error> {
    if same(source, target) {
        return Err(Error::Invalid {
            what: "target",
            why: "it is the store itself".to_owned(),
        });
    }
    let mut copy = Copy::between(source, target, progress)?;
    copy.walk(Copy::bring)?;
    copy.walk(Copy::compare)?;
    Ok(Copied {
        events: copy.events,
        records: copy.records,
        before: copy.cursor(copy.end),
        verified: target.verify().map_err(unread)?,
    })
}

fn same(source: &dyn Engine, target: &dyn Engine) -> bool {
    let (source, target) = (source.identity(), target.identity());
    source.store_id == target.store_id && source.incarnation == target.incarnation
}

/// How many events a feed has: a cursor beyond its end is refused.
fn end_of(engine: &dyn Engine) -> Result<u64, Error> {
    let incarnation = engine.identity().incarnation;
    let is_within = |seq| match engine.events(FeedCursor { incarnation, seq }, 1) {
        Ok(_) => Ok(true),
        Err(EngineError::Cursor(_)) => Ok(false),
        Err(error) => Err(unread(error)),
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

struct Copy<'a> {
    source: &'a dyn Engine,
    target: &'a dyn Engine,
    /// The last event that is copied.
    end: u64,
    /// The target was empty: whatever it has of a record is this copy's work.
    is_fresh: bool,
    progress: Option<Progress>,
    steps: u64,
    events: u64,
    records: u64,
}

impl<'a> Copy<'a> {
    fn between(
        source: &'a dyn Engine,
        target: &'a dyn Engine,
        progress: Option<Progress>,
    ) -> Result<Self, Error> {
        Ok(Self {
            source,
            target,
            end: end_of(source)?,
            is_fresh: end_of(target)? == 0,
            progress,
            steps: 0,
            events: 0,
            records: 0,
        })
    }

    fn cursor(&self, seq: u64) -> FeedCursor {
        let incarnation = self.source.identity().incarnation;
        FeedCursor { incarnation, seq }
    }

    /// Goes through the feed once, portion by portion.
    fn walk(&mut self, each: fn(&mut Self, Vec<Event>) -> Result<(), Error>) -> Result<(), Error> {
        let mut seq = 0;
        while seq < self.end {
            let left = usize::try_from(self.end - seq).unwrap_or(PORTION);
            let portion = self.source.events(self.cursor(seq), left.min(PORTION));
            let portion = portion.map_err(unread)?;
            let Some(last) = portion.last() else { break };
            self.steps = self
                .steps
                .saturating_add(last.cursor.seq.saturating_sub(seq));
            seq = last.cursor.seq;
            each(self, portion.into_iter().map(|it| it.event).collect())?;
            if let Some(tell) = self.progress {
                tell(self.steps, self.end.saturating_mul(2));
            }
        }
        Ok(())
    }

    /// Puts events into the target that it does not have. Whoever lets a key go is written
    /// before anybody who may take it.
    fn bring(&mut self, portion: Vec<Event>) -> Result<(), Error> {
        let mut run = self.begin(&portion)?;
        for (place, event) in portion.into_iter().enumerate() {
            let Some(change) = run.get_mut(&event.no) else {
                continue;
            };
            if change.push(event, place)? {
                self.write(&mut run)?;
            }
        }
        self.write(&mut run)
    }

    /// What the target has of the records of a portion.
    fn begin(&self, portion: &[Event]) -> Result<HashMap<OrderNo, Change>, Error> {
        let last = last_versions(portion);
        let numbers: Vec<_> = last.keys().copied().collect();
        let found = load(self.target, &numbers)?;
        let mut run = HashMap::with_capacity(numbers.len());
        for (no, stored) in numbers.into_iter().zip(found) {
            let has = stored.as_ref().map_or(0, |stored| stored.record.version());
            if !self.is_fresh && has > 0 && last.get(&no) > Some(&has) {
                self.check_history(no, has)?;
            }
            run.insert(no, Change::of(stored));
        }
        Ok(run)
    }

    /// What the target has of a record must be how it began at the source.
    fn check_history(&self, no: OrderNo, version: u64) -> Result<(), Error> {
        let there = self.target.history(&no).map_err(unread)?;
        let here = self.source.history(&no).map_err(unread)?;
        if u64::try_from(there.len()) == Ok(version) && here.starts_with(&there) {
            return Ok(());
        }
        Err(Error::Differs { no })
    }

    /// Writes what changed, and leaves the run as what stands then.
    fn write(&mut self, run: &mut HashMap<OrderNo, Change>) -> Result<(), Error> {
        let changed = run.values_mut().filter(|change| !change.events.is_empty());
        let mut changed: Vec<_> = changed.collect();
        changed.sort_unstable_by_key(|change| change.place);
        let mutations: Vec<_> = changed.into_iter().filter_map(Change::mutation).collect();
        for batch in mutations.chunks(self.target.limits().batch.max(1)) {
            let verdicts = self.target.apply(batch).map_err(unwritten)?;
            for (mutation, verdict) in batch.iter().zip(verdicts) {
                if verdict != Verdict::Applied {
                    return Err(Error::Differs { no: mutation.no });
                }
                self.events = self.events.saturating_add(count(mutation.events.len()));
            }
        }
        let numbers: Vec<_> = mutations.iter().map(|mutation| mutation.no).collect();
        let stand = load(self.target, &numbers)?;
        run.extend(numbers.into_iter().zip(stand.into_iter().map(Change::of)));
        Ok(())
    }

    /// Looks at each record of a portion. One that goes on at the source meanwhile has come at
    /// least as far in the target as what was copied.
    fn compare(&mut self, portion: Vec<Event>) -> Result<(), Error> {
        let last = last_versions(&portion);
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

fn load(engine: &dyn Engine, numbers: &[OrderNo]) -> Result<Vec<Option<Stored>>, Error> {
    let lookups: Vec<_> = numbers.iter().copied().map(Lookup::No).collect();
    engine.load(&lookups).map_err(unread)
}

fn unwritten(error: EngineError) -> Error {
    match error {
        EngineError::Unknown(cause) => Error::OutcomeUnknown(cause),
        error => error.told(Error::NotApplied),
    }
}

/// What becomes of one record.
struct Change {
    /// Where its first new event stands in the portion.
    place: usize,
    before: Option<Stored>,
    after: Option<Record>,
    events: Vec<Event>,
}

impl Change {
    fn of(before: Option<Stored>) -> Self {
        let after = before.as_ref().map(|stored| stored.record.clone());
        Self {
            place: 0,
            before,
            after,
            events: Vec::new(),
        }
    }

    fn version(&self) -> u64 {
        self.after.as_ref().map_or(0, Record::version)
    }

    /// Folds an event that is new; says whether the record let a key go.
    fn push(&mut self, event: Event, place: usize) -> Result<bool, Error> {
        if event.version <= self.version() {
            return Ok(false);
        }
        if event.version != self.version().saturating_add(1) {
            return Err(Error::Differs { no: event.no });
        }
        let next = evolve(self.after.as_ref(), &event);
        let kept: Vec<_> = unique_keys(&next).collect();
        let had = self.after.iter().flat_map(unique_keys);
        let lets_go = had.filter(|key| !kept.contains(key)).count() > 0;
        if self.events.is_empty() {
            self.place = place;
        }
        self.after = Some(next);
        self.events.push(event);
        Ok(lets_go)
    }

    fn mutation(&mut self) -> Option<Mutation> {
        let after = self.after.take()?;
        Some(Mutation {
            no: after.no(),
            before: self.before.take(),
            after,
            events: std::mem::take(&mut self.events),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::MemoryEngine;
    use crate::store::Store;
    use crate::testing::SharedEngine;
    use crate::testing::fixtures::{new, now, order_no};
    use crate::value::Metadata;

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
            let mut copy = Copy::between(source, target, None).unwrap();
            copy.walk(Copy::compare).map(|()| copy.records)
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
