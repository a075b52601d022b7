//! Order numbers that cannot collide: 32 digits, `13 ms time | 3 node | 16 counter`.
//!
//! - Uniqueness comes from the counter alone. It is reserved in blocks, each durable
//!   before its first number is used: no clock, restart or crash can repeat a number, and
//!   a crash loses at most two blocks.
//! - The time makes numbers sort by age. It never decreases while the store is open; when
//!   the clock jumps back it stays put, and that is counted.
//! - The counter is hidden by a keyed bijection on 0..10^16, so that a number gives away
//!   no volume. That is concealment, not secrecy.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::value::{OrderNo, Timestamp};

/// Counters are below this: 16 decimal digits.
pub(crate) const COUNTERS: u64 = 10_000_000_000_000_000;

/// How many numbers one reservation takes.
pub(crate) const BLOCK: u64 = 65_536;

/// Hands out order numbers from reserved blocks.
#[derive(Debug)]
pub(crate) struct Generator {
    node: u16,
    cipher: Cipher,
    blocks: Mutex<Blocks>,
    clock_set_back: AtomicU64,
}

/// The block in use, the one behind it, and the latest time that a number bears.
#[derive(Debug, Default)]
struct Blocks {
    current: Range<u64>,
    spare: Option<Range<u64>>,
    time: u64,
    asked: bool,
    /// While the next block cannot be had, it is asked for anew when no more is left than
    /// this.
    ask_again_at: Option<u64>,
}

/// What came of asking for a number.
#[derive(Debug)]
pub(crate) struct Drawn {
    /// The number; `None` where no block is ready.
    pub(crate) no: Option<OrderNo>,
    /// The caller should have a block reserved: nobody else was asked to.
    pub(crate) wants_block: bool,
}

impl Generator {
    /// A generator for node digits `node` (0..=999), without a block yet.
    pub(crate) fn new(node: u16, key: [u8; 16]) -> Self {
        Self {
            node,
            cipher: Cipher::new(key),
            blocks: Mutex::default(),
            clock_set_back: AtomicU64::new(0),
        }
    }

    /// The next number, bearing the time of `clock` or the latest time already borne. The
    /// clock is read one number at a time: of two threads that had read it before, the
    /// slower one would look like a clock that jumped back.
    pub(crate) fn draw(&self, clock: impl FnOnce() -> Timestamp) -> Drawn {
        let mut blocks = self.blocks.lock();
        let now = clock();
        let counter = blocks.take();
        let time = blocks.time.max(now.as_u64());
        let set_back = blocks.time > now.as_u64();
        blocks.time = time;
        let wants_block = blocks.ask();
        drop(blocks);
        if set_back && counter.is_some() {
            self.clock_set_back.fetch_add(1, Ordering::Relaxed);
        }
        Drawn {
            no: counter.and_then(|counter| self.number(time, counter)),
            wants_block,
        }
    }

    /// Whether another block would have no place.
    pub(crate) fn is_stocked(&self) -> bool {
        let blocks = self.blocks.lock();
        blocks.spare.is_some() || blocks.left() > BLOCK / 2
    }

    /// Takes a reserved block in.
    pub(crate) fn supply(&self, block: Range<u64>) {
        let mut blocks = self.blocks.lock();
        blocks.asked = false;
        blocks.ask_again_at = None;
        if blocks.current.is_empty() {
            blocks.current = block;
        } else {
            blocks.spare = Some(block);
        }
    }

    /// The reservation that was asked for failed: ask again when some more are used.
    pub(crate) fn give_up(&self) {
        let mut blocks = self.blocks.lock();
        blocks.asked = false;
        blocks.ask_again_at = Some(blocks.left().saturating_sub(BLOCK / 64));
    }

    /// How many numbers bear an older clock's time because the clock had jumped back.
    pub(crate) fn clock_set_back(&self) -> u64 {
        self.clock_set_back.load(Ordering::Relaxed)
    }

    /// `None` once all counters are spent, which takes 10^16 numbers.
    fn number(&self, time: u64, counter: u64) -> Option<OrderNo> {
        let hidden = self.cipher.hide(counter)?;
        let mut digits = [0; 32];
        write_decimal(digits.get_mut(..13)?, time);
        write_decimal(digits.get_mut(13..16)?, u64::from(self.node));
        write_decimal(digits.get_mut(16..)?, hidden);
        OrderNo::from_bytes(&digits).ok()
    }
}

impl Blocks {
    fn take(&mut self) -> Option<u64> {
        if self.current.is_empty() {
            self.current = self.spare.take()?;
        }
        self.current.next()
    }

    const fn left(&self) -> u64 {
        self.current.end.saturating_sub(self.current.start)
    }

    /// Whether a block is wanted that nobody has asked for: half is used, none is spare.
    fn ask(&mut self) -> bool {
        let due = self.ask_again_at.unwrap_or(BLOCK / 2);
        let wanted = !self.asked && self.spare.is_none() && self.left() <= due;
        self.asked |= wanted;
        wanted
    }
}

/// The last digits of `value`, as many as there is room for: eight at a time, which do not
/// wait for one another.
fn write_decimal(room: &mut [u8], mut value: u64) {
    for eight in room.rchunks_mut(8) {
        let part = value % 100_000_000;
        value /= 100_000_000;
        let mut scale = 1;
        for digit in eight.iter_mut().rev() {
            *digit = b'0'.wrapping_add(((part / scale) % 10).to_le_bytes()[0]);
            scale *= 10;
        }
    }
}

/// A keyed bijection on `0..COUNTERS`: a Feistel network over 54 bits, walked until it
/// lands inside (1.8 steps on average, since 2^54 is 1.8 times as much).
#[derive(Debug)]
struct Cipher {
    keys: [u64; Cipher::ROUNDS],
}

impl Cipher {
    const ROUNDS: usize = 6;
    const HALF: u32 = 27;
    const MASK: u64 = (1 << Self::HALF) - 1;

    fn new(key: [u8; 16]) -> Self {
        let key = u128::from_le_bytes(key);
        let halves = [key & u128::from(u64::MAX), key >> 64];
        let [mut low, high] = halves.map(|half| u64::try_from(half).unwrap_or_default());
        let keys = std::array::from_fn(|_| {
            low = mix(low ^ high);
            low
        });
        Self { keys }
    }

    fn hide(&self, counter: u64) -> Option<u64> {
        if counter >= COUNTERS {
            return None;
        }
        let mut hidden = self.permute(counter);
        while hidden >= COUNTERS {
            hidden = self.permute(hidden);
        }
        Some(hidden)
    }

    fn permute(&self, value: u64) -> u64 {
        let (mut left, mut right) = (value >> Self::HALF, value & Self::MASK);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & Self::MASK));
        }
        left << Self::HALF | right
    }
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

    fn ready(node: u16) -> Generator {
        let generator = Generator::new(node, *b"a key of 16 byte");
        generator.supply(0..BLOCK);
        generator
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).unwrap()
    }

    #[test]
    fn a_number_is_time_node_and_hidden_counter() {
        let no = ready(42).draw(|| at(1_647_839_289_398)).no.unwrap();
        assert_eq!(no.as_str().len(), 32);
        assert_eq!(&no.as_str()[..16], "1647839289398042");
        assert!(no.as_str().bytes().all(|b| b.is_ascii_digit()));
    }

    #[test]
    fn the_cipher_is_a_bijection_and_stays_inside() {
        let cipher = Cipher::new(*b"another key 16 b");
        let edge = COUNTERS - 50_000..COUNTERS;
        let hidden: HashSet<u64> = (0..50_000)
            .chain(edge)
            .filter_map(|c| cipher.hide(c))
            .collect();
        assert_eq!(hidden.len(), 100_000);
        assert!(hidden.iter().all(|hidden| *hidden < COUNTERS));
        assert_eq!(cipher.hide(COUNTERS), None);
    }

    #[test]
    fn consecutive_numbers_show_no_count() {
        let generator = ready(0);
        let draw = || {
            generator.draw(|| at(1)).no.unwrap().as_str()[16..]
                .parse::<i64>()
                .unwrap()
        };
        let hidden: Vec<i64> = (0..1000).map(|_| draw()).collect();
        let steps: HashSet<i64> = hidden.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(steps.len(), 999, "no step between neighbours occurs twice");
        let rising = hidden.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!((400..600).contains(&rising), "{rising} of 999 rise");
    }

    #[test]
    fn a_clock_that_jumps_back_leaves_the_time_where_it_was_and_is_counted() {
        let generator = ready(0);
        let first = generator.draw(|| at(2_000_000_000_000)).no.unwrap();
        let second = generator.draw(|| at(1_999_996_400_000)).no.unwrap();
        assert_eq!(first.as_str()[..13], second.as_str()[..13]);
        assert_ne!(first, second);
        assert_eq!(generator.clock_set_back(), 1);
    }

    #[test]
    fn a_block_is_asked_for_once_when_half_is_used() {
        let generator = ready(0);
        let asked = (0..BLOCK)
            .filter(|_| generator.draw(|| at(1)).wants_block)
            .count();
        assert_eq!(asked, 1);
        let dry = generator.draw(|| at(1));
        assert!(dry.no.is_none() && !dry.wants_block);
        generator.give_up();
        assert!(generator.draw(|| at(1)).wants_block);
        generator.supply(BLOCK..2 * BLOCK);
        assert!(generator.draw(|| at(1)).no.is_some());
    }
}
