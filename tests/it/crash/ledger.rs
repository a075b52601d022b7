//! Ledger of the steps that were sent to a store and how many were acknowledged. From it, a test
//! computes what the store must contain after a crash.

use std::collections::BTreeSet;

use orderstore::testing::model::Model;
use orderstore::{Command, Event, FeedCursor, FeedEvent, OrderNo, Policy, Store, Timestamp};

/// Step of a test: a group of commands, or a request for an order number.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Commands that were sent as one group, the time of the group, and the expected events.
    Group {
        now: Timestamp,
        commands: Vec<Command>,
        events: Vec<Event>,
    },
    /// An order number that the store issued.
    Number(OrderNo),
}

impl Step {
    /// Returns whether the step adds no event to the feed.
    pub(crate) fn is_silent(&self) -> bool {
        self.events().is_empty()
    }

    fn events(&self) -> &[Event] {
        match self {
            Self::Group { events, .. } => events,
            Self::Number(_) => &[],
        }
    }
}

/// All steps that were sent, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) steps: Vec<Step>,
}

impl Ledger {
    pub(crate) fn truncated(&self, len: usize) -> Self {
        let steps = self.steps[..len].to_vec();
        Self { steps }
    }

    /// Returns a model after all recorded steps.
    pub(crate) fn model(&self) -> Model {
        let mut model = Model::new(Policy::default());
        for step in &self.steps {
            if let Step::Group { now, commands, .. } = step {
                for command in commands {
                    let _ = model.run(*now, command);
                }
            }
        }
        model
    }

    pub(crate) fn numbers(&self) -> BTreeSet<&str> {
        self.steps
            .iter()
            .filter_map(|step| match step {
                Step::Number(no) => Some(&no.as_str()[16..]),
                Step::Group { .. } => None,
            })
            .collect()
    }

    /// Returns how many of the steps the store contains, or the violated invariant: the first
    /// `acknowledged` steps must be in the store (I1), and its feed must contain nothing else (I2).
    pub(crate) fn held_by(&self, store: &Store, acknowledged: usize) -> Result<usize, String> {
        let feed = feed_of(store)?;
        // The feed must be the concatenation of the events of the first steps. A step without
        // events leaves no trace in the feed. It counts as stored if it was acknowledged or if
        // events of later steps are in the feed.
        let mut left = feed.as_slice();
        let mut held = 0;
        for step in &self.steps {
            let events = step.events();
            if left.len() < events.len()
                || (events.is_empty() && left.is_empty() && held >= acknowledged)
            {
                break;
            }
            let (own, rest) = left.split_at(events.len());
            if sorted(own) != sorted(events) {
                return Err(format!(
                    "I2: step {held} has the events {own:?} instead of {events:?}"
                ));
            }
            (left, held) = (rest, held + 1);
        }
        if !left.is_empty() {
            return Err(format!(
                "I2: {} events that no step sent: {left:?}",
                left.len()
            ));
        }
        if held < acknowledged {
            return Err(format!(
                "I1: {acknowledged} steps were acknowledged, {held} are in the store"
            ));
        }
        Ok(held)
    }
}

/// Sorts the events of one group, whose order in the feed is not defined.
pub(crate) fn sorted(events: &[Event]) -> Vec<&Event> {
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by_key(|event| (event.no, event.version));
    events
}

/// Returns all events of the feed.
pub(crate) fn feed_of(store: &Store) -> Result<Vec<Event>, String> {
    let read = store.events(FeedCursor::START, 1000).wait();
    let read: Vec<FeedEvent> =
        read.map_err(|error| format!("the feed cannot be read: {error:?}"))?;
    Ok(read.into_iter().map(|sequenced| sequenced.event).collect())
}
