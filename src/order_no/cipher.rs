//! Keyed permutation that hides the counter in order numbers.

/// Number of different counters: 10^16, for 16 decimal digits.
pub(crate) const COUNTERS: u64 = HALF * HALF;

/// Number of values of each half of a counter: 10^8, for 8 decimal digits.
pub(super) const HALF: u64 = 100_000_000;

/// Keyed permutation of `0..COUNTERS`: a Feistel network of 6 rounds.
///
/// Each half has eight decimal digits. The rounds add modulo `HALF` instead of using XOR, so that
/// each half of the result also has eight decimal digits. A round keeps one half and adds a
/// function of it to the other half. Each round can therefore be inverted, and different counters
/// give different results.
#[derive(Debug)]
pub(super) struct Cipher {
    keys: [u64; Cipher::ROUNDS],
}

impl Cipher {
    const ROUNDS: usize = 6;

    pub(super) fn new(key: [u8; 16]) -> Self {
        let key = u128::from_le_bytes(key);
        let halves = [key & u128::from(u64::MAX), key >> 64];
        let [mut low, high] = halves.map(|half| u64::try_from(half).unwrap_or_default());
        // Each round key depends on the previous one and on both halves of the key.
        let keys = std::array::from_fn(|_| {
            low = mix(low ^ high);
            low
        });
        Self { keys }
    }

    /// Applies the permutation to a counter. Returns the two halves of the result, each below
    /// `HALF`. `None` if the counter is not below `COUNTERS`.
    pub(super) fn hide(&self, counter: u64) -> Option<[u64; 2]> {
        if counter >= COUNTERS {
            return None;
        }
        let (mut left, mut right) = (counter / HALF, counter % HALF);
        for key in self.keys {
            // Both terms are below `HALF`, so one subtraction reduces the sum modulo `HALF`.
            let sum = left + scatter(right, key);
            (left, right) = (right, sum.checked_sub(HALF).unwrap_or(sum));
        }
        Some([left, right])
    }
}

/// Round function of the cipher: returns a number below `HALF` that depends on every bit of `half`
/// and `key`.
const fn scatter(half: u64, key: u64) -> u64 {
    let product = (half ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // Scale the upper 32 bits of the product to 0..HALF without a division.
    ((product >> 32) * HALF) >> 32
}

/// The finalizer of splitmix64: every bit of the input reaches every bit of the output.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn counter_cipher_is_injective_and_stays_in_range() {
        let cipher = Cipher::new(*b"another key 16 b");
        let edge = COUNTERS - 50_000..COUNTERS;
        let hidden: HashSet<[u64; 2]> = (0..50_000)
            .chain(edge)
            .filter_map(|c| cipher.hide(c))
            .collect();
        assert_eq!(hidden.len(), 100_000);
        assert!(hidden.iter().flatten().all(|half| *half < HALF));
        assert_eq!(cipher.hide(COUNTERS), None);
    }
}
