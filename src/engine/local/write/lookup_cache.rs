//! Cache of the latest lookup results. The store decides commands on these results, so the write of
//! the same commands needs no second lookup.
//!
//! A result is valid until the first write after the start of its lookup.

use foldhash::{HashMap, HashMapExt};
use parking_lot::Mutex;

use crate::contract::Lookup;
use crate::format::codec::StoredOrder;
use crate::rules::UniqueKey;
use crate::types::OrderNo;

/// Number of kept results at which the next lookup first drops all of them. The lookups of the
/// largest group stay below this number. Without the limit, groups that write nothing would add
/// results until the memory is full.
const KEPT_MAX: usize = 65_536;

/// Records and key owners that were looked up. `None`: there is no such record or owner.
#[derive(Debug, Default)]
pub(crate) struct LookupResults {
    /// Value of the write counter when the lookups began.
    written: u64,
    held: HashMap<OrderNo, Option<StoredOrder>>,
    owners: HashMap<UniqueKey, Option<OrderNo>>,
}

impl LookupResults {
    fn since(written: u64) -> Self {
        Self {
            written,
            held: HashMap::new(),
            owners: HashMap::new(),
        }
    }

    fn len(&self) -> usize {
        self.held.len() + self.owners.len()
    }

    fn keep(&mut self, lookup: &Lookup, held: Option<&StoredOrder>) {
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

    /// Takes the lookup result for an order number out of the cache. The outer `None` means that no
    /// result is cached. The inner `None` means that no such record exists.
    pub(crate) fn take_held(&mut self, no: &OrderNo) -> Option<Option<StoredOrder>> {
        self.held.remove(no)
    }

    /// Returns the owner of a unique key, if it was looked up.
    pub(crate) fn owner(&self, key: &UniqueKey) -> Option<&Option<OrderNo>> {
        self.owners.get(key)
    }
}

/// Results of the lookups since the last write.
#[derive(Debug, Default)]
pub(crate) struct LookupCache {
    found: Mutex<Option<LookupResults>>,
}

impl LookupCache {
    /// Keeps the results `held` of `lookups`. `written` is the number of writes when the lookups
    /// began. Drops older results first if a write came between: it may have changed them.
    pub(crate) fn keep(&self, written: u64, lookups: &[Lookup], held: &[Option<StoredOrder>]) {
        let mut found = self.found.lock();
        let found = match &mut *found {
            Some(found) if found.written == written && found.len() < KEPT_MAX => found,
            stale => stale.insert(LookupResults::since(written)),
        };
        for (lookup, held) in lookups.iter().zip(held) {
            found.keep(lookup, held.as_ref());
        }
    }

    /// Takes all kept results if no write has changed them: `written` is the current number of
    /// writes. Returns no results if a write happened after the lookups began.
    pub(crate) fn take(&self, written: u64) -> LookupResults {
        let found = self.found.lock().take();
        found
            .filter(|found| found.written == written)
            .unwrap_or_else(|| LookupResults::since(written))
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::local::tests::no;
    use crate::engine::local::write::lookup_cache::*;

    #[test]
    fn lookup_cache_without_writes_stays_bounded() {
        let loaded = LookupCache::default();
        for group in 0..100 {
            let lookups: Vec<_> = (0..5_000)
                .map(|place| Lookup::No(no(group * 5_000 + place)))
                .collect();
            loaded.keep(7, &lookups, &vec![None; lookups.len()]);
        }
        assert!(loaded.take(7).len() < KEPT_MAX + 5_000);
    }
}
