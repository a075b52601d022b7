//! Reference engine in memory: ordered maps that are lost when the engine is dropped.
//!
//! Tests and examples use this engine, and tests compare the other engines with it. In this
//! engine, *durable* means visible to every reader.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};

use parking_lot::RwLock;

use super::{Engine, EngineError, Identity, Limits};
use crate::contract::{
    Counts, Direction, FeedCursor, FeedEvent, IndexPage, IndexQuery, IndexRow, Lookup, Mutation,
    Position, StoredRecord, Verdict,
};
use crate::error::{StorageError, StorageErrorKind};
use crate::number::u64_of;
use crate::order::{Event, Record};
use crate::rules::{Index, UniqueKey, index_entries, unique_keys};
use crate::types::{OrderNo, Timestamp};
use crate::verify::{Invariant, VerifyReport};

/// An engine that keeps all data in memory.
#[derive(Debug)]
pub struct MemoryEngine {
    identity: Identity,
    state: RwLock<Option<State>>,
}

#[derive(Default)]
struct State {
    records: BTreeMap<OrderNo, StoredRecord>,
    numbers: BTreeMap<u64, OrderNo>,
    lists: BTreeMap<Index, BTreeSet<Position>>,
    events: Vec<Event>,
    histories: BTreeMap<OrderNo, Vec<usize>>,
    counts: Counts,
    counter: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("records", &self.records.len())
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

impl MemoryEngine {
    /// Creates an empty engine with a random identity.
    ///
    /// # Errors
    /// Fails if the operating system provides no random bytes.
    pub fn new() -> Result<Self, StorageError> {
        Ok(Self {
            identity: Identity::draw()?,
            state: RwLock::new(Some(State::default())),
        })
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T, EngineError> {
        self.state.read().as_ref().map(look).ok_or_else(closed)
    }

    fn write<T>(&self, act: impl FnOnce(&mut State) -> T) -> Result<T, EngineError> {
        self.state.write().as_mut().map(act).ok_or_else(closed)
    }
}

fn closed() -> EngineError {
    EngineError::Fatal(StorageError::new(
        StorageErrorKind::Internal,
        "the engine was closed",
    ))
}

impl Engine for MemoryEngine {
    fn get(&self, no: &OrderNo) -> Result<Option<Record>, EngineError> {
        self.read(|state| state.records.get(no).map(|stored| stored.record.clone()))
    }

    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<StoredRecord>>, EngineError> {
        let find = |state: &State, lookup: &Lookup| match lookup {
            Lookup::No(no) => state.records.get(no).cloned(),
            Lookup::Owner(key) => state.owner(key).cloned(),
        };
        self.read(|state| lookups.iter().map(|lookup| find(state, lookup)).collect())
    }

    fn apply(&self, batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError> {
        self.write(|state| batch.iter().map(|mutation| state.apply(mutation)).collect())
    }

    fn scan(&self, query: &IndexQuery, limit: usize) -> Result<IndexPage, EngineError> {
        self.read(|state| state.scan(query, limit))
    }

    fn history(&self, no: &OrderNo) -> Result<Vec<Event>, EngineError> {
        self.read(|state| state.history(no).cloned().collect())
    }

    fn events(&self, after: FeedCursor, limit: usize) -> Result<Vec<FeedEvent>, EngineError> {
        let incarnation = self.identity.incarnation;
        EngineError::check_incarnation(after, incarnation)?;
        self.read(|state| {
            let first = usize::try_from(after.seq).ok();
            let rest = first.and_then(|first| state.events.get(first..));
            let rest = rest.ok_or(EngineError::BEYOND_END)?;
            let numbered = rest.iter().zip(after.seq + 1..).take(limit);
            let at = |seq| FeedCursor { incarnation, seq };
            Ok(numbered
                .map(|(event, seq)| FeedEvent::new(at(seq), event.clone()))
                .collect())
        })?
    }

    fn feed_end(&self) -> Result<FeedCursor, EngineError> {
        let incarnation = self.identity.incarnation;
        self.read(|state| FeedCursor {
            incarnation,
            seq: u64_of(state.events.len()),
        })
    }

    fn counts(&self) -> Result<Counts, EngineError> {
        self.read(|state| state.counts)
    }

    fn verify(&self) -> Result<VerifyReport, EngineError> {
        self.read(State::verify)
    }

    fn reserve(&self, count: u64) -> Result<Range<u64>, EngineError> {
        self.write(|state| {
            let first = state.counter;
            state.counter = first.checked_add(count).ok_or_else(|| {
                let why = "the order-number counter is used up";
                EngineError::Retry(StorageError::new(StorageErrorKind::TooLarge, why))
            })?;
            Ok(first..state.counter)
        })?
    }

    fn identity(&self) -> Identity {
        self.identity
    }

    fn limits(&self) -> Limits {
        Limits {
            batch: 8192,
            on_callers_thread: true,
            never_waits_for_network: true,
            stops_at_unknown: true,
            is_read_only: false,
        }
    }

    fn close(&self) -> Result<(), EngineError> {
        *self.state.write() = None;
        Ok(())
    }
}

impl State {
    fn apply(&mut self, mutation: &Mutation) -> Verdict {
        let found = self.records.get(&mutation.no);
        let version = |stored: &StoredRecord| (stored.row, stored.record.version());
        if found.map(version) != mutation.before.as_ref().map(version) {
            return Verdict::Mismatch;
        }
        if let Some((key, by)) = self.taken(mutation) {
            return Verdict::Taken { key, by };
        }
        self.replace(mutation);
        Verdict::Applied
    }

    fn taken(&self, mutation: &Mutation) -> Option<(UniqueKey, OrderNo)> {
        unique_keys(&mutation.after).find_map(|key| {
            let by = self.owner(&key)?.record.no();
            (by != mutation.no).then_some((key, by))
        })
    }

    fn owner(&self, key: &UniqueKey) -> Option<&StoredRecord> {
        let list = self.lists.get(&key.index())?;
        let owner = list.iter().next_back()?;
        let stored = self.stored(owner.row)?;
        unique_keys(&stored.record)
            .any(|owned| owned == *key)
            .then_some(stored)
    }

    fn stored(&self, row: u64) -> Option<&StoredRecord> {
        self.records.get(self.numbers.get(&row)?)
    }

    fn replace(&mut self, mutation: &Mutation) {
        let before = mutation.before.as_ref();
        let next_row = self.numbers.last_key_value().map_or(1, |(row, _)| row + 1);
        let row = before.map_or(next_row, |stored| stored.row);
        if let Some(stored) = before {
            self.unlist(&stored.record, row);
        }
        self.list(&mutation.after, row);
        let before = before.map(|stored| &stored.record);
        self.counts = self.counts.after(before, &mutation.after);
        self.numbers.insert(row, mutation.no);
        let record = mutation.after.clone();
        let stored = StoredRecord {
            record,
            row,
            last_seq: 0,
        };
        self.records.insert(mutation.no, stored);
        for event in &mutation.events {
            let history = self.histories.entry(mutation.no).or_default();
            history.push(self.events.len());
            self.events.push(event.clone());
        }
    }

    fn list(&mut self, record: &Record, row: u64) {
        for entry in index_entries(record) {
            let position = position(entry.time, row, entry.sub);
            self.lists.entry(entry.index).or_default().insert(position);
        }
    }

    fn unlist(&mut self, record: &Record, row: u64) {
        for entry in index_entries(record) {
            if let Some(list) = self.lists.get_mut(&entry.index) {
                list.remove(&position(entry.time, row, entry.sub));
            }
        }
    }

    fn scan(&self, query: &IndexQuery, limit: usize) -> IndexPage {
        let Some(list) = self.lists.get(&query.index) else {
            return IndexPage::default();
        };
        let Some(bounds) = bounds(query) else {
            return IndexPage::default();
        };
        let places = list.range(bounds).copied();
        let mut places: Box<dyn Iterator<Item = Position>> = match query.direction {
            Direction::Forward => Box::new(places),
            Direction::Backward => Box::new(places.rev()),
        };
        let at = |position: Position| {
            let record = self.stored(position.row)?.record.clone();
            Some(IndexRow { position, record })
        };
        IndexPage {
            rows: places.by_ref().take(limit).filter_map(at).collect(),
            more: places.next().is_some(),
        }
    }

    fn history(&self, no: &OrderNo) -> impl Iterator<Item = &Event> {
        let places = self.histories.get(no).into_iter().flatten();
        places.filter_map(|place| self.events.get(*place))
    }

    fn verify(&self) -> VerifyReport {
        let mut report = VerifyReport::default();
        let mut counts = Counts::default();
        let mut expected = 0;
        for (no, stored) in &self.records {
            let events: Vec<Event> = self.history(no).cloned().collect();
            report.check_record(&stored.record, &events);
            counts = counts.after(None, &stored.record);
            expected += self.check_places(stored, &mut report);
        }
        report.entries = self.lists.values().map(|list| u64_of(list.len())).sum();
        if report.entries != expected {
            let what = format!(
                "the lists have {} entries instead of {expected}",
                report.entries
            );
            report.add_violation(Invariant::I5, None, what);
        }
        if counts != self.counts {
            report.add_violation(
                Invariant::I12,
                None,
                "the counts differ from those of all records",
            );
        }
        report
    }

    /// Returns the number of list entries that the record must have. Reports each missing list
    /// entry, and each unique key of the record that another record owns.
    fn check_places(&self, stored: &StoredRecord, report: &mut VerifyReport) -> u64 {
        let entries = index_entries(&stored.record);
        let no = Some(stored.record.no());
        for entry in &entries {
            let place = position(entry.time, stored.row, entry.sub);
            let list = self.lists.get(&entry.index);
            if !list.is_some_and(|list| list.contains(&place)) {
                report.add_violation(Invariant::I5, no, "a list entry of the record is missing");
            }
        }
        for key in unique_keys(&stored.record) {
            if self.owner(&key).map(|owner| owner.record.no()) != no {
                report.add_violation(Invariant::I6, no, "another record owns this record's key");
            }
        }
        u64_of(entries.len())
    }
}

const fn position(time: Timestamp, row: u64, sub: u32) -> Position {
    Position { time, row, sub }
}

/// Returns the range of a list that a query reads, or `None` if the range is empty.
fn bounds(query: &IndexQuery) -> Option<(Bound<Position>, Bound<Position>)> {
    let first = position(query.from, 0, 0);
    let last = position(query.until, u64::MAX, u32::MAX);
    let (lower, upper) = match (query.after, query.direction) {
        (None, _) => (Bound::Included(first), Bound::Included(last)),
        (Some(after), Direction::Forward) if after < first => {
            (Bound::Included(first), Bound::Included(last))
        }
        (Some(after), Direction::Backward) if after > last => {
            (Bound::Included(first), Bound::Included(last))
        }
        (Some(after), Direction::Forward) => (Bound::Excluded(after), Bound::Included(last)),
        (Some(after), Direction::Backward) => (Bound::Included(first), Bound::Excluded(after)),
    };
    // Check for an empty range first, because `BTreeSet::range` panics if the start is after the
    // end.
    let is_empty = match (lower, upper) {
        (Bound::Excluded(lower), Bound::Included(upper)) => lower >= upper,
        (Bound::Included(lower), Bound::Excluded(upper)) => lower >= upper,
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        _ => true,
    };
    (!is_empty).then_some((lower, upper))
}
