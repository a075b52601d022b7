//! Filter over the hashes of one sorted run. It is a blocked Bloom filter.
//!
//! - A filter answers whether a run may hold a key with a certain hash. It never answers "no" for a
//!   hash that the run holds. For about one in a hundred other hashes it answers "yes".
//! - All bits of a hash are in one block of 64 bytes, so a lookup touches one cache line.
//! - The bytes of a filter are stored beside its run. A later version that selects other bits for a
//!   hash must not read old filters: it would miss keys. [`Filter::decode`] refuses incomplete or
//!   changed bytes.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::format::tables::Table;
use crate::number::{u64_of, usize_of};

/// Words of 64 bits in a block.
const WORDS: usize = 8;
const BLOCK_BYTES: usize = WORDS * size_of::<u64>();

/// Number of hashes for each block: 10.7 bits for each hash.
const HASHES_PER_BLOCK: usize = 48;

/// Number of bits that a hash sets in its block.
const BITS: u32 = 6;

/// Number of bits of a hash that select one bit of a block, which has 2^9 = 512 bits.
const BIT_LEN: u32 = 9;

/// Bytes of the checksum before the blocks.
const HEAD: usize = 4;

/// Set of hashes that may contain too much, but never too little.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter {
    blocks: Vec<[u64; WORDS]>,
}

impl Filter {
    /// Creates a filter for `count` hashes. More hashes make more wrong answers of "yes".
    pub(super) fn new(count: usize) -> Self {
        let blocks = count.div_ceil(HASHES_PER_BLOCK).max(1);
        Self {
            blocks: vec![[0; WORDS]; blocks],
        }
    }

    pub(super) fn add(&mut self, hash: u64) {
        let at = self.block_of(hash);
        if let Some(block) = self.blocks.get_mut(at) {
            let words = block.iter_mut().zip(mask(hash));
            words.for_each(|(word, bits)| *word |= bits);
        }
    }

    /// Returns false if the run certainly has no key with this hash.
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        let block = self.blocks.get(self.block_of(hash));
        // A missing block cannot happen. It would mean "unknown", which is "may".
        block.is_none_or(|block| {
            let bits = block.iter().zip(mask(hash));
            bits.fold(true, |all, (word, bits)| all & (word & bits == bits))
        })
    }

    /// Memory of the filter, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES
    }

    /// Index of the block for a hash: the upper half of the hash, scaled to the number of blocks.
    fn block_of(&self, hash: u64) -> usize {
        // No overflow: 2^32 blocks would be a filter of 256 GiB.
        let scaled = (hash >> 32) * u64_of(self.blocks.len());
        // Never fails: the result is less than the number of blocks.
        usize_of(u32::try_from(scaled >> 32).unwrap_or_default())
    }

    /// The filter as bytes: the CRC-32 of the blocks, then the blocks. All numbers are
    /// little-endian.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEAD];
        let words = self.blocks.iter().flatten();
        words.for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        let sum = crc32fast::hash(bytes.get(HEAD..).unwrap_or_default());
        if let Some(head) = bytes.first_chunk_mut() {
            *head = sum.to_le_bytes();
        }
        bytes
    }

    /// Reads a filter. `None` if the bytes are not those of a complete filter.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (sum, words) = bytes.split_first_chunk()?;
        if words.is_empty() || crc32fast::hash(words) != u32::from_le_bytes(*sum) {
            return None;
        }
        let (blocks, rest) = words.as_chunks::<BLOCK_BYTES>();
        let block = |bytes: &[u8; BLOCK_BYTES]| {
            let mut words = bytes.as_chunks().0.iter().copied().map(u64::from_le_bytes);
            std::array::from_fn(|_| words.next().unwrap_or_default())
        };
        rest.is_empty().then(|| Self {
            blocks: blocks.iter().map(block).collect(),
        })
    }
}

/// Filters that stay in memory from one snapshot to the next, by index and number of the run.
#[derive(Debug)]
pub(super) struct Filters {
    pub(super) known: Mutex<HashMap<(Table, u64), Arc<Filter>>>,
    /// Maximum memory of all filters, in bytes.
    pub(super) bytes_max: usize,
}

impl Filters {
    pub(super) fn new(bytes_max: usize) -> Self {
        let known = Mutex::default();
        Self { known, bytes_max }
    }

    /// Returns false if a run certainly has no key with this hash.
    pub(super) fn may_hold(&self, table: Table, id: u64, hash: u64) -> bool {
        let known = self.known.lock();
        let filter = known.get(&(table, id));
        filter.is_none_or(|filter| filter.may_hold(hash))
    }
}

/// Bits of a hash in its block.
fn mask(hash: u64) -> [u64; WORDS] {
    // The highest bits of a hash select its block, so they are alike within a block. The
    // multiplication by 2^64 / golden ratio spreads the other bits over the bits taken here.
    let mut rest = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut mask = [0; WORDS];
    for _ in 0..BITS {
        // The three highest bits select the word, the next six the bit in it.
        let (word, bit) = (rest >> 61, rest >> 55 & 63);
        if let Some(word) = usize::try_from(word).ok().and_then(|at| mask.get_mut(at)) {
            *word |= 1 << bit;
        }
        rest <<= BIT_LEN;
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::local::disk::SeededRng;

    fn hashes(seed: u64, count: usize) -> Vec<u64> {
        let mut rng = SeededRng::new(seed);
        (0..count).map(|_| rng.next()).collect()
    }

    fn filter(hashes: &[u64]) -> Filter {
        let mut filter = Filter::new(hashes.len());
        hashes.iter().for_each(|hash| filter.add(*hash));
        filter
    }

    #[test]
    fn filter_holds_every_hash_and_few_others() {
        for count in [0, 1, 48, 49, 20_000] {
            let added = hashes(1, count);
            let filter = filter(&added);
            assert!(added.iter().all(|hash| filter.may_hold(*hash)), "{count}");
            let others = hashes(2, 20_000);
            let wrong = others.iter().filter(|hash| filter.may_hold(**hash));
            assert!(wrong.count() < 400, "{count}");
            assert_eq!(Filter::decode(&filter.encode()), Some(filter));
        }
    }

    #[test]
    fn equal_hashes_are_one_entry() {
        let filter = filter(&[7; 1000]);
        assert!(filter.may_hold(7) && !filter.may_hold(8));
    }

    #[test]
    fn incomplete_or_changed_bytes_are_no_filter() {
        let bytes = filter(&hashes(1, 100)).encode();
        for len in 0..bytes.len() {
            assert_eq!(Filter::decode(&bytes[..len]), None, "{len} bytes");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Filter::decode(&changed), None, "byte {at}");
        }
    }

    /// If this test fails, the filters in existing files miss keys.
    #[test]
    fn stored_bits_of_a_hash_never_change() {
        let mut filter = Filter::new(3 * HASHES_PER_BLOCK);
        filter.add(0x0123_4567_89ab_cdef);
        filter.add(0xfedc_ba98_7654_3210);
        let bytes = filter.encode();
        let bits =
            (0..8 * (bytes.len() - HEAD)).filter(|bit| bytes[HEAD + bit / 8] >> (bit % 8) & 1 == 1);
        let bits: Vec<usize> = bits.collect();
        let expected = [
            25, 78, 317, 349, 362, 377, 1194, 1208, 1235, 1262, 1268, 1526,
        ];
        assert_eq!(bits, expected);
    }
}
