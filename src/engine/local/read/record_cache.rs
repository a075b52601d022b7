//! What was read of the base and may soon be read again: the bytes of records, and the
//! numbers of rows.
//!
//! - It belongs to one snapshot of the base: whoever reads that snapshot reads the same here.
//!   With the next one go only the records that did not change; readers of the old one who are
//!   still under way find the rest in the base.
//! - The number of a row never changes, and goes with every snapshot.
//! - Records are kept as the base has them. Decoded they would be quicker at hand, but take
//!   four times as much: what is not at hand costs more than decoding ever does.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use quick_cache::{UnitWeighter, Weighter, sync, unsync};

use crate::types::OrderNo;

/// Readers of different records seldom wait for one another.
const SHARDS: usize = 32;

/// What a record takes besides its bytes, by and large.
const RECORD_BYTES: usize = 128;

/// What the number of a row takes, by and large.
const NUMBER_BYTES: usize = 72;

type Records = unsync::Cache<OrderNo, Arc<[u8]>, ByLength, RandomState>;
type Numbers = sync::Cache<u64, OrderNo, UnitWeighter, RandomState>;

/// Weighs a record by its bytes.
#[derive(Debug, Clone, Copy)]
struct ByLength;

impl Weighter<OrderNo, Arc<[u8]>> for ByLength {
    fn weight(&self, _: &OrderNo, bytes: &Arc<[u8]>) -> u64 {
        let weight = bytes.len().saturating_add(RECORD_BYTES);
        u64::try_from(weight).unwrap_or(u64::MAX)
    }
}

/// The hot part of one snapshot.
pub(in crate::engine::local) struct RecordCache {
    shards: Vec<Mutex<Records>>,
    shard_bytes: u64,
    hash: RandomState,
    numbers: Option<Arc<Numbers>>,
}

impl fmt::Debug for RecordCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hot").finish_non_exhaustive()
    }
}

impl RecordCache {
    /// Keeps nothing: for those who must read the base itself.
    pub(in crate::engine::local) fn off() -> Self {
        Self {
            shards: Vec::new(),
            shard_bytes: 0,
            hash: RandomState::default(),
            numbers: None,
        }
    }

    /// Keeps records of so many bytes, and numbers of so many.
    pub(in crate::engine::local) fn new(record_bytes: usize, number_bytes: usize) -> Self {
        let shard_bytes = u64::try_from(record_bytes / SHARDS).unwrap_or(u64::MAX);
        let count = number_bytes / NUMBER_BYTES;
        let weight = u64::try_from(count).unwrap_or(u64::MAX);
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

    /// The bytes of the record under a number.
    pub(in crate::engine::local) fn record(&self, no: &OrderNo) -> Option<Arc<[u8]>> {
        self.shard(no)?.lock().get(no).cloned()
    }

    /// Keeps the bytes of a record.
    pub(in crate::engine::local) fn keep_record(&self, no: OrderNo, bytes: &[u8]) {
        if let Some(shard) = self.shard(&no) {
            let bytes = Arc::from(bytes);
            shard.lock().insert(no, bytes);
        }
    }

    pub(in crate::engine::local) fn number(&self, row: u64) -> Option<OrderNo> {
        self.numbers.as_ref()?.get(&row)
    }

    /// Keeps the number of a row.
    pub(in crate::engine::local) fn keep_number(&self, row: u64, no: OrderNo) {
        if let Some(numbers) = &self.numbers {
            numbers.insert(row, no);
        }
    }

    /// What the next snapshot goes on with, in which these records changed.
    pub(in crate::engine::local) fn handed_on<'a>(
        &self,
        changed: impl Iterator<Item = &'a OrderNo>,
    ) -> Self {
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

    fn shard(&self, no: &OrderNo) -> Option<&Mutex<Records>> {
        let hash = self.hash.hash_one(no).rotate_left(16);
        let hash = usize::try_from(hash & 0xffff).unwrap_or_default();
        self.shards.get(hash.checked_rem(self.shards.len())?)
    }
}

fn empty(bytes: u64, hash: &RandomState) -> Mutex<Records> {
    let expected = usize::try_from(bytes).unwrap_or(usize::MAX) / 512;
    let records = Records::with(expected, bytes, ByLength, hash.clone(), Default::default());
    Mutex::new(records)
}

#[cfg(test)]
mod tests {
    use crate::engine::local::read::record_cache::*;
    use crate::engine::local::tests::no;

    #[test]
    fn the_next_snapshot_goes_on_with_what_did_not_change_and_the_old_one_with_nothing() {
        let old = RecordCache::new(1 << 20, 1 << 20);
        for n in 0..10 {
            old.keep_record(no(n), &[7; 100]);
            old.keep_number(n as u64, no(n));
        }
        let next = old.handed_on([no(3), no(77)].iter());
        for n in 0..10 {
            assert_eq!(next.record(&no(n)).is_some(), n != 3, "{n}");
            assert!(old.record(&no(n)).is_none());
            assert_eq!(next.number(n as u64), Some(no(n)));
        }
        old.keep_record(no(3), &[7; 100]);
        assert!(next.record(&no(3)).is_none());
    }

    #[test]
    fn it_holds_no_more_than_it_may() {
        let whole = 4 << 20;
        let hot = RecordCache::new(whole, 0);
        (0..10_000).for_each(|n| hot.keep_record(no(n), &[7; 400]));
        let kept = (0..10_000)
            .filter(|n| hot.record(&no(*n)).is_some())
            .count();
        let most = whole / (RECORD_BYTES + 400);
        assert!((most / 2..=most).contains(&kept), "{kept} of {most}");
        hot.keep_record(no(10_001), &vec![7; whole]);
        assert!(hot.record(&no(10_001)).is_none());
    }

    #[test]
    fn what_is_off_keeps_nothing() {
        let hot = RecordCache::off();
        hot.keep_record(no(1), &[7; 100]);
        hot.keep_number(1, no(1));
        assert!(hot.record(&no(1)).is_none() && hot.number(1).is_none());
    }
}
