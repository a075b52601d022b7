//! Cache of the latest lookups of key owners. The store decides commands on these results, so the
//! write of the same commands needs no second lookup.
//!
//! A result is valid until the first write after the start of its lookup.

use foldhash::HashMap;
use parking_lot::Mutex;

use crate::contract::{Lookup, StoredRecord};
use crate::rules::UniqueKey;
use crate::types::OrderNo;

/// Number of kept owners from which the next lookup first drops all of them, so the cache may
/// exceed it by one lookup. Without the limit, groups that write nothing would add owners until the
/// memory is full.
const KEPT_MAX: usize = 65_536;

/// Owners of unique keys that were looked up; `None` for a key without an owner.
pub(crate) type KnownOwners = HashMap<UniqueKey, Option<OrderNo>>;

/// Owners that were looked up since the last write.
#[derive(Debug, Default)]
pub(crate) struct OwnerCache {
    found: Mutex<Option<(u64, KnownOwners)>>,
}

impl OwnerCache {
    /// Keeps the owners that lookups found. `mark` is the engine's read mark from before the
    /// lookups. If a write changed the mark since the kept results were read, or if there are too
    /// many, first drops those results.
    pub(crate) fn keep(&self, mark: u64, lookups: &[Lookup], found: &[Option<StoredRecord>]) {
        let mut kept = self.found.lock();
        let (_, owners) = match &mut *kept {
            Some(kept) if kept.0 == mark && kept.1.len() < KEPT_MAX => kept,
            stale => stale.insert((mark, KnownOwners::default())),
        };
        owners.reserve(lookups.len());
        let results = lookups.iter().zip(found);
        owners.extend(results.filter_map(|(lookup, stored)| match lookup {
            Lookup::No(_) => None,
            Lookup::Owner(key) => {
                let owner = stored.as_ref().map(|stored| stored.record.no());
                Some((key.clone(), owner))
            }
        }));
    }

    /// Takes all kept owners if no write has changed them: `mark` is the current read mark. Returns
    /// none if a write happened after the lookups began.
    pub(crate) fn take(&self, mark: u64) -> KnownOwners {
        let kept = self.found.lock().take();
        let current = kept.filter(|(of, _)| *of == mark);
        current.map(|(_, owners)| owners).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::local::write::owner_cache::*;
    use crate::types::Reference;

    #[test]
    fn owner_cache_without_writes_stays_bounded() {
        let cache = OwnerCache::default();
        let lookup = |n: usize| {
            let reference = Reference::parse(&format!("R-{n}")).unwrap();
            Lookup::Owner(UniqueKey::Reference(reference))
        };
        for group in 0..100 {
            let lookups: Vec<_> = (0..5_000).map(|n| lookup(group * 5_000 + n)).collect();
            cache.keep(7, &lookups, &vec![None; lookups.len()]);
        }
        assert!(cache.take(7).len() < KEPT_MAX + 5_000);
    }
}
