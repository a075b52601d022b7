//! What the last loads found, kept for the batch that is decided on it: whoever writes next
//! need not look everything up a second time.
//!
//! What was found holds as long as nothing was written since before it was looked up.

use foldhash::{HashMap, HashMapExt};
use parking_lot::Mutex;

use crate::contract::Lookup;
use crate::format::codec::Held;
use crate::rules::UniqueKey;
use crate::types::OrderNo;

/// The most that is kept: what the largest group looks up, and some. Groups that write nothing
/// would heap up what they found.
const KEPT_MAX: usize = 65_536;

/// Records and owners that were looked up; a record that is `None` is not there.
#[derive(Debug, Default)]
pub(in crate::engine::local) struct Found {
    /// How many writes there had been before the first look.
    written: u64,
    held: HashMap<OrderNo, Option<Held>>,
    owners: HashMap<UniqueKey, Option<OrderNo>>,
}

impl Found {
    fn since(written: u64) -> Self {
        Self {
            written,
            held: HashMap::new(),
            owners: HashMap::new(),
        }
    }

    fn len(&self) -> usize {
        self.held.len().saturating_add(self.owners.len())
    }

    fn keep(&mut self, lookup: &Lookup, held: Option<&Held>) {
        match lookup {
            Lookup::No(no) => drop(self.held.insert(*no, held.cloned())),
            Lookup::Owner(key) => {
                let owner = held.map(|held| held.stored.record.no());
                self.owners.insert(key.clone(), owner);
                if let (Some(no), Some(held)) = (owner, held) {
                    self.held.insert(no, Some(held.clone()));
                }
            }
        }
    }

    /// What stands under a number, if that was looked up; each is to be had once.
    pub(in crate::engine::local) fn take_held(&mut self, no: &OrderNo) -> Option<Option<Held>> {
        self.held.remove(no)
    }

    /// The owner of a key, if that was looked up.
    pub(in crate::engine::local) fn owner(&self, key: &UniqueKey) -> Option<&Option<OrderNo>> {
        self.owners.get(key)
    }
}

/// What was found since the last write.
#[derive(Debug, Default)]
pub(in crate::engine::local) struct Loaded {
    found: Mutex<Option<Found>>,
}

impl Loaded {
    /// Keeps what lookups found that began when so much had been written.
    pub(in crate::engine::local) fn keep(
        &self,
        written: u64,
        lookups: &[Lookup],
        held: &[Option<Held>],
    ) {
        let mut found = self.found.lock();
        let found = match &mut *found {
            Some(found) if found.written == written && found.len() < KEPT_MAX => found,
            stale => stale.insert(Found::since(written)),
        };
        for (lookup, held) in lookups.iter().zip(held) {
            found.keep(lookup, held.as_ref());
        }
    }

    /// What was found, if nothing was written since.
    pub(in crate::engine::local) fn take(&self, written: u64) -> Found {
        let found = self.found.lock().take();
        found
            .filter(|found| found.written == written)
            .unwrap_or_else(|| Found::since(written))
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::local::tests::no;
    use crate::engine::local::write::loaded::*;

    #[test]
    fn groups_that_write_nothing_heap_up_no_more_than_the_largest_group_finds() {
        let loaded = Loaded::default();
        for group in 0..100 {
            let lookups: Vec<_> = (0..5_000)
                .map(|place| Lookup::No(no(group * 5_000 + place)))
                .collect();
            loaded.keep(7, &lookups, &vec![None; lookups.len()]);
        }
        assert!(loaded.take(7).len() < KEPT_MAX + 5_000);
    }
}
