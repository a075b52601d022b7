//! Wakes the readers of the feed when it may have new events.

use std::sync::Arc;
use std::time::Duration;

use super::Pipeline;
use super::committer::named;
use super::oneshot::{Oneshot, Ticket};
use crate::error::{Error, StorageError};
use crate::sync::{Mutex, thread};

/// Interval at which a waiting reader looks at the feed if others write.
const INTERVAL: Duration = Duration::from_millis(250);

/// Smallest number of waiting readers at which abandoned ones are removed.
const PRUNE_MIN: usize = 64;

/// Readers of the feed that wait for new events.
#[derive(Default)]
pub(super) struct Watch {
    readers: Mutex<Readers>,
}

#[derive(Default)]
struct Readers {
    slots: Vec<Arc<Oneshot<()>>>,
    /// Number of slots at which the slots of readers that gave up are removed.
    prune_at: usize,
    /// Whether a thread wakes the readers after the interval.
    is_timed: bool,
}

impl Watch {
    fn join(&self) -> Ticket<()> {
        let slot = Oneshot::new();
        let mut readers = self.readers.lock();
        let mut left = Vec::new();
        if readers.slots.len() >= readers.prune_at {
            // A reader that gave up has dropped its ticket. Dropping its waker is foreign code, so
            // that happens after the lock is released.
            let slots = std::mem::take(&mut readers.slots).into_iter();
            (readers.slots, left) = slots.partition(|slot| Arc::strong_count(slot) > 1);
            // Twice as many: then a join costs a constant time on average.
            readers.prune_at = readers.slots.len().saturating_mul(2).max(PRUNE_MIN);
        }
        readers.slots.push(Arc::clone(&slot));
        drop(readers);
        drop(left);
        Ticket::of(slot)
    }

    /// Wakes every reader. The caller must hold no lock: a waker is foreign code.
    pub(super) fn wake(&self, result: &Result<(), Error>) {
        let slots = {
            let mut readers = self.readers.lock();
            readers.prune_at = 0;
            std::mem::take(&mut readers.slots)
        };
        for slot in slots {
            slot.complete(result.clone());
        }
    }
}

impl Pipeline {
    /// Returns a ticket that gets its reply when the feed may have new events, or when the store
    /// shuts down. Take the ticket before you read the feed, so that no event is missed.
    pub(crate) fn next_change(self: &Arc<Self>) -> Result<Ticket<()>, Error> {
        self.check_process()?;
        let ticket = self.watch.join();
        // A shutdown that began before the join has already woken the readers.
        self.check_open()?;
        if !self.limits.never_waits_for_network || self.limits.is_read_only {
            self.start_interval()?;
        }
        Ok(ticket)
    }

    /// Wakes the readers of the feed after a write.
    pub(crate) fn wake_readers(&self) {
        self.watch.wake(&Ok(()));
    }

    /// Starts a thread that wakes the readers after the interval, unless one is running.
    fn start_interval(self: &Arc<Self>) -> Result<(), Error> {
        if std::mem::replace(&mut self.watch.readers.lock().is_timed, true) {
            return Ok(());
        }
        let pipeline = Arc::downgrade(self);
        let started = named("feed").spawn(move || {
            thread::sleep(INTERVAL);
            if let Some(pipeline) = pipeline.upgrade() {
                pipeline.watch.readers.lock().is_timed = false;
                pipeline.wake_readers();
            }
        });
        started.map(drop).map_err(|error| {
            self.watch.readers.lock().is_timed = false;
            let error = Error::Unreadable(StorageError::from(error));
            // Other readers may wait for this thread.
            self.watch.wake(&Err(error.clone()));
            error
        })
    }
}
