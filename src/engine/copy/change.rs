//! Change of one record during a copy between stores: the events that the target lacks, from one
//! portion of the source's feed, and the record after these events.

use crate::contract::{Mutation, StoredRecord};
use crate::error::Error;
use crate::order::{Event, Record};
use crate::rules::{KeyChanges, evolve};

/// State of one record in the target, and the events of the portion that the target lacks.
pub(super) struct Change {
    /// Index of the record's first new event in the portion.
    pub(super) place: usize,
    before: Option<StoredRecord>,
    pub(super) after: Option<Record>,
    pub(super) events: Vec<Event>,
}

impl Change {
    pub(super) fn of(before: Option<StoredRecord>) -> Self {
        let after = before.as_ref().map(|stored| stored.record.clone());
        Self {
            place: 0,
            before,
            after,
            events: Vec::new(),
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.after.as_ref().map_or(0, Record::version)
    }

    /// Calculates the effect of an event on the record, without storing it. Returns `None` if the
    /// target already has the event. Fails with [`Error::Differs`] if an earlier event is missing.
    pub(super) fn step(&self, event: &Event) -> Result<Option<Step>, Error> {
        if event.version <= self.version() {
            return Ok(None);
        }
        if event.version - 1 != self.version() {
            return Err(Error::Differs { no: event.no });
        }
        let record = evolve(self.after.clone(), event);
        let keys = KeyChanges::between(self.after.as_ref(), &record);
        Ok(Some(Step { record, keys }))
    }

    pub(super) fn take(&mut self, event: Event, after: Record, place: usize) {
        if self.events.is_empty() {
            self.place = place;
        }
        self.after = Some(after);
        self.events.push(event);
    }

    pub(super) fn mutation(&mut self) -> Option<Mutation> {
        let after = self.after.take()?;
        Some(Mutation {
            no: after.no(),
            before: self.before.take(),
            read_mark: None,
            after,
            events: std::mem::take(&mut self.events),
        })
    }
}

/// Effect of one event on a record.
pub(super) struct Step {
    pub(super) record: Record,
    pub(super) keys: KeyChanges,
}
