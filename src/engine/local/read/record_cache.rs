//! Cache of values that were read from the B-tree: encoded records, and order numbers by row
//! number.
//!
//! - A cache belongs to one snapshot of the B-tree: a cached value equals the snapshot's value. The
//!   cache of the next snapshot takes over the records that did not change. Readers that still use
//!   the old snapshot then read these records from the B-tree.
//! - The order number of a row number never changes, so all snapshots share these entries.
//! - Records are cached as encoded bytes. A decoded record would be faster to return but takes four
//!   times the memory. The additional misses would cost more than the decoding.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use quick_cache::{UnitWeighter, Weighter, sync, unsync};

use crate::number::u64_of;
use crate::types::OrderNo;

/// Number of shards, each with its own lock. Readers of different records rarely wait for each
/// other.
const SHARDS: usize = 32;

/// Approximate overhead of a cached record, in bytes.
const RECORD_BYTES: usize = 128;

/// Approximate memory of a cached order number, in bytes.
const NUMBER_BYTES: usize = 72;

type Records = unsync::Cache<OrderNo, Arc<[u8]>, ByLength, RandomState>;
type Numbers = sync::Cache<u64, OrderNo, UnitWeighter, RandomState>;

/// Weight of a record: its length plus [`RECORD_BYTES`].
#[derive(Debug, Clone, Copy)]
struct ByLength;

impl Weighter<OrderNo, Arc<[u8]>> for ByLength {
    fn weight(&self, _: &OrderNo, bytes: &Arc<[u8]>) -> u64 {
        u64_of(bytes.len() + RECORD_BYTES)
    }
}

/// Record cache of one snapshot.
pub(crate) struct RecordCache {
    shards: Vec<Mutex<Records>>,
    shard_bytes: u64,
    hash: RandomState,
    numbers: Option<Arc<Numbers>>,
}

impl fmt::Debug for RecordCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordCache").finish_non_exhaustive()
    }
}

impl RecordCache {
    /// Creates a cache that stores nothing, for callers that must read the B-tree itself.
    pub(crate) fn off() -> Self {
        Self {
            shards: Vec::new(),
            shard_bytes: 0,
            hash: RandomState::default(),
            numbers: None,
        }
    }

    /// Creates a cache for `record_bytes` bytes of records and `number_bytes` bytes of order
    /// numbers.
    pub(crate) fn new(record_bytes: usize, number_bytes: usize) -> Self {
        let shard_bytes = u64_of(record_bytes / SHARDS);
        let count = number_bytes / NUMBER_BYTES;
        let weight = u64_of(count);
        let hash = RandomState::default();
        let numbers = Numbers::with(
            count,
            weight,
            UnitWeighter,
            hash.clone(),
            Default::default(),
        );
        Self {
            shards: (0..SHARDS).map(|_| empty(shard_bytes, &hash)).collect(),
            shard_bytes,
            hash,
            numbers: Some(Arc::new(numbers)),
        }
    }

    /// Returns the cached bytes of a record.
    pub(crate) fn record(&self, no: &OrderNo) -> Option<Arc<[u8]>> {
        self.shard(no)?.lock().get(no).cloned()
    }

    /// Caches the bytes of a record.
    pub(crate) fn keep_record(&self, no: OrderNo, bytes: &[u8]) {
        if let Some(shard) = self.shard(&no) {
            let bytes = Arc::from(bytes);
            shard.lock().insert(no, bytes);
        }
    }

    /// Returns the cached order number of the record with a row number.
    pub(crate) fn number(&self, row: u64) -> Option<OrderNo> {
        self.numbers.as_ref()?.get(&row)
    }

    /// Caches the order number of the record with a row number.
    pub(crate) fn keep_number(&self, row: u64, no: OrderNo) {
        if let Some(numbers) = &self.numbers {
            numbers.insert(row, no);
        }
    }

    /// Creates the cache of the next snapshot, in which the records `changed` differ. The cached
    /// records move to the new cache, except the changed ones. The order numbers are shared.
    pub(crate) fn for_next_snapshot<'a>(&self, changed: impl Iterator<Item = &'a OrderNo>) -> Self {
        let take = |shard: &Mutex<Records>| {
            let next = empty(self.shard_bytes, &self.hash);
            Mutex::new(std::mem::replace(&mut *shard.lock(), next.into_inner()))
        };
        let next = Self {
            shards: self.shards.iter().map(take).collect(),
            shard_bytes: self.shard_bytes,
            hash: self.hash.clone(),
            numbers: self.numbers.clone(),
        };
        for no in changed {
            if let Some(shard) = next.shard(no) {
                shard.lock().remove(no);
            }
        }
        next
    }

    /// Returns the shard of a record, chosen by the upper 16 bits of its hash.
    fn shard(&self, no: &OrderNo) -> Option<&Mutex<Records>> {
        let hash = self.hash.hash_one(no).rotate_left(16);
        // Never fails: the mask leaves 16 bits.
        let hash = usize::try_from(hash & 0xffff).unwrap_or_default();
        self.shards.get(hash.checked_rem(self.shards.len())?)
    }
}

fn empty(bytes: u64, hash: &RandomState) -> Mutex<Records> {
    // An estimate for the first allocation. The conversion never fails: `bytes` comes from a
    // `usize`.
    let expected = usize::try_from(bytes).unwrap_or_default() / 512;
    let records = Records::with(expected, bytes, ByLength, hash.clone(), Default::default());
    Mutex::new(records)
}

#[cfg(test)]
mod tests {
    use crate::engine::local::read::record_cache::*;
    use crate::engine::local::tests::no;

    #[test]
    fn next_record_cache_keeps_unchanged_records() {
        let old = RecordCache::new(1 << 20, 1 << 20);
        for n in 0..10 {
            old.keep_record(no(n), &[7; 100]);
            old.keep_number(n as u64, no(n));
        }
        let next = old.for_next_snapshot([no(3), no(77)].iter());
        for n in 0..10 {
            assert_eq!(next.record(&no(n)).is_some(), n != 3, "{n}");
            assert!(old.record(&no(n)).is_none());
            assert_eq!(next.number(n as u64), Some(no(n)));
        }
        old.keep_record(no(3), &[7; 100]);
        assert!(next.record(&no(3)).is_none());
    }

    #[test]
    fn record_cache_never_exceeds_byte_limit() {
        let whole = 4 << 20;
        let cache = RecordCache::new(whole, 0);
        (0..10_000).for_each(|n| cache.keep_record(no(n), &[7; 400]));
        let kept = (0..10_000)
            .filter(|n| cache.record(&no(*n)).is_some())
            .count();
        let most = whole / (RECORD_BYTES + 400);
        assert!((most / 2..=most).contains(&kept), "{kept} of {most}");
        cache.keep_record(no(10_001), &vec![7; whole]);
        assert!(cache.record(&no(10_001)).is_none());
    }

    #[test]
    fn disabled_record_cache_stores_nothing() {
        let cache = RecordCache::off();
        cache.keep_record(no(1), &[7; 100]);
        cache.keep_number(1, no(1));
        assert!(cache.record(&no(1)).is_none() && cache.number(1).is_none());
    }
}
