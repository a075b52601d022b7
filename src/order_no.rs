//! Generator of unique order numbers. A number has 32 digits: 13 for the time in milliseconds, 3
//! for the node and 16 for the hidden counter.
//!
//! - Uniqueness: only the counter makes numbers unique. The engine reserves it in blocks, and each
//!   reservation is durable before the first number of its block is used. No clock change, restart
//!   or crash can therefore repeat a number.
//! - Loss: when the store closes or its process crashes, the unused numbers of at most two blocks
//!   and of the lanes are lost.
//! - Speed: each thread draws from a lane that few other threads use. A lane takes a run of 64
//!   counters from the current block at a time.
//! - Order: the time makes numbers sort by age. It never decreases while the store is open. If the
//!   clock jumps back, the time stays the same, and the generator counts the event.
//! - Concealment: a keyed permutation of 0..10^16 hides the counter, so that a number does not show
//!   the number of orders. The permutation is no encryption.

mod cipher;
mod lane;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

pub(crate) use self::cipher::COUNTERS;
use self::cipher::{Cipher, HALF};
use self::lane::{Lane, RUN};
use crate::process::Process;
use crate::types::{OrderNo, Timestamp};

/// Number of counter values that the store reserves at a time (one block).
pub(crate) const BLOCK: u64 = 65_536;

/// Number of lanes. A lane is a short run of counters that a few threads share.
const LANES: usize = 16;

/// Generator of order numbers from reserved blocks of counters.
///
/// [`Generator::draw`] takes a lock only for the first number of a run.
///
/// Blocks arrive in rising order, so `next` never decreases. [`Generator::use_block`] stores `next`
/// before `end`, and [`Generator::run`] reads `end` before `next`. A reader that sees an old `end`
/// therefore finds `next` at or above it and takes nothing. With the opposite order, a reader could
/// take counters between two blocks, which another process may have reserved.
#[derive(Debug)]
pub(crate) struct Generator {
    node: u16,
    cipher: Cipher,
    lanes: [CacheAligned<Lane>; LANES],
    /// Next counter of the current block that is not in a lane (run of counters for a few threads).
    next: CacheAligned<AtomicU64>,
    /// End (exclusive) of the current block of counters.
    end: AtomicU64,
    /// Counter at which a draw requests the next block. `u64::MAX` while a request is running or a
    /// spare block exists.
    ask_at: AtomicU64,
    /// Latest time in an issued number, in milliseconds since 1970.
    time: AtomicU64,
    clock_set_back: AtomicU64,
    /// Block to use when the current one is used up. A thread that replaces the current block holds
    /// this lock.
    spare: Mutex<Option<Range<u64>>>,
    process: Process,
}

/// Value on its own cache lines. A write to it does not evict other values from the caches of other
/// cores (false sharing).
#[derive(Debug, Default)]
#[repr(align(128))]
struct CacheAligned<T>(T);

/// Result of [`Generator::draw`].
#[derive(Debug)]
pub(crate) struct Drawn {
    /// Order number, or `None` if no reserved counter is left.
    pub(crate) no: Option<OrderNo>,
    /// Whether the caller must request the reservation of a block. True for one draw per block, and
    /// again after a failed reservation.
    pub(crate) wants_block: bool,
}

impl Generator {
    /// Creates a generator whose numbers contain the node number `node` (0..=999). It issues no
    /// number until [`add_block`](Self::add_block) gives it a block of reserved counters.
    pub(crate) fn new(node: u16, key: [u8; 16]) -> Self {
        Self {
            node,
            cipher: Cipher::new(key),
            lanes: Default::default(),
            next: CacheAligned(AtomicU64::new(0)),
            end: AtomicU64::new(0),
            ask_at: AtomicU64::new(0),
            time: AtomicU64::new(0),
            clock_set_back: AtomicU64::new(0),
            spare: Mutex::default(),
            process: Process::current(),
        }
    }

    /// Draws the next number. The number contains the time of `clock`, or the latest time in an
    /// earlier number if that time is later.
    pub(crate) fn draw(&self, clock: impl Fn() -> Timestamp) -> Drawn {
        let lane = self.lane();
        let (counter, is_filled) = match lane.take() {
            Some(counter) => (Some(counter), false),
            None => (self.fill(lane), true),
        };
        Drawn {
            no: counter.and_then(|counter| self.number(self.time(clock), counter)),
            // `ask` must be the last step, because it marks the block as requested. If the clock
            // panicked after that, no caller would ever request the block.
            wants_block: is_filled && self.ask(),
        }
    }

    /// Returns whether the generator has a spare block, or more than half of the current block.
    pub(crate) fn has_enough(&self) -> bool {
        self.spare.lock().is_some() || self.left() > BLOCK / 2
    }

    /// Adds a reserved block: as the current block if the current one is used up, otherwise as the
    /// spare block.
    pub(crate) fn add_block(&self, block: Range<u64>) {
        let mut spare = self.spare.lock();
        if self.left() == 0 {
            self.use_block(&block);
        } else {
            *spare = Some(block);
            self.ask_at.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// Handles a failed reservation. The generator requests a block again after another `BLOCK /
    /// 64` counters.
    pub(crate) fn reservation_failed(&self) {
        let _changing = self.spare.lock();
        let least = self.left().saturating_sub(BLOCK / 64);
        let ask_at = self.end.load(Ordering::Relaxed).saturating_sub(least);
        self.ask_at.store(ask_at, Ordering::Relaxed);
    }

    /// Returns how many numbers repeat the time of an earlier number because the clock jumped back.
    pub(crate) fn clock_set_back(&self) -> u64 {
        self.clock_set_back.load(Ordering::Relaxed)
    }

    /// Returns the lane (run of counters for a few threads) of the calling thread.
    fn lane(&self) -> &Lane {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        // Use lane 0 while a thread ends, because its thread-local values no longer exist then.
        let thread = THREAD.try_with(|thread| *thread).unwrap_or_default();
        let [first, ..] = &self.lanes;
        &self.lanes.get(thread % LANES).unwrap_or(first).0
    }

    /// Fills an empty lane with a run of counters and returns the first counter. If no block is
    /// left, takes a counter from another lane instead.
    fn fill(&self, lane: &Lane) -> Option<u64> {
        // Refuse in a forked child, which has copies of the parent's blocks and would draw the same
        // numbers. The check is a system call, so it runs only when a lane needs a new run of
        // counters, not for each number. A child can therefore still draw the counters that were in
        // its lanes at the fork.
        if !self.process.is_current() {
            return None;
        }
        let taken = lane.fill(|| self.run().or_else(|| self.run_of_spare()));
        // If the block has no counter left, take one from another lane.
        taken.or_else(|| self.lanes.iter().find_map(|other| other.0.take()))
    }

    /// Takes a run of 1 to 64 counters from the current block.
    fn run(&self) -> Option<Range<u64>> {
        // `end` must be read before `next`: see the type's documentation.
        let end = self.end.load(Ordering::Acquire);
        let behind = |next: u64| next.saturating_add(RUN).min(end);
        let step = |next: u64| (next < end).then(|| behind(next));
        let taken = self
            .next
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, step);
        taken.ok().map(|next| next..behind(next))
    }

    /// Makes the spare block the current one and takes a run of counters from it.
    fn run_of_spare(&self) -> Option<Range<u64>> {
        let mut spare = self.spare.lock();
        // Before this thread got the lock, another thread may have replaced the block, so each
        // round tries the current block first. Other threads may also use up a new block before
        // this thread takes a run from it, so this is a loop.
        loop {
            if let Some(run) = self.run() {
                return Some(run);
            }
            self.use_block(&spare.take()?);
        }
    }

    /// Makes `block` the current block. The caller must hold the lock of `spare`, and the old block
    /// must be used up.
    fn use_block(&self, block: &Range<u64>) {
        let ask_at = block.end.saturating_sub(BLOCK / 2);
        self.ask_at.store(ask_at, Ordering::Relaxed);
        // `next` must be stored before `end`: see the type's documentation.
        self.next.0.store(block.start, Ordering::Release);
        self.end.store(block.end, Ordering::Release);
    }

    /// Returns the number of counters left in the current block.
    fn left(&self) -> u64 {
        let end = self.end.load(Ordering::Acquire);
        end.saturating_sub(self.next.0.load(Ordering::Acquire))
    }

    /// Returns whether the caller must request a block. After one call has returned true, all calls
    /// return false until a block arrives or the request fails.
    fn ask(&self) -> bool {
        if self.next.0.load(Ordering::Relaxed) < self.ask_at.load(Ordering::Relaxed) {
            return false;
        }
        let _changing = self.spare.lock();
        let is_due = self.next.0.load(Ordering::Relaxed) >= self.ask_at.load(Ordering::Relaxed);
        if is_due {
            self.ask_at.store(u64::MAX, Ordering::Relaxed);
        }
        is_due
    }

    /// Returns the time for the next number, in milliseconds. Counts the number if the clock was
    /// set back.
    fn time(&self, clock: impl Fn() -> Timestamp) -> u64 {
        let now = clock().as_u64();
        let mut latest = self.time.load(Ordering::Acquire);
        if latest < now {
            latest = self.time.fetch_max(now, Ordering::AcqRel).max(now);
        }
        // `latest` can be ahead of `now` for two reasons: the clock was set back, or this thread
        // paused after it read the clock. A second reading distinguishes them.
        if latest > now && clock().as_u64() < latest {
            self.clock_set_back.fetch_add(1, Ordering::Relaxed);
        }
        latest
    }

    /// Builds an order number. Returns `None` if the counter is 10^16 or more, because no number is
    /// left then.
    fn number(&self, time: u64, counter: u64) -> Option<OrderNo> {
        let front = time.saturating_mul(1_000) + u64::from(self.node);
        let [high, low] = self.cipher.hide(counter)?;
        let [front, middle] = [front / HALF, front % HALF];
        Some(OrderNo::of_digits([
            eight_digits(front),
            eight_digits(middle),
            eight_digits(high),
            eight_digits(low),
        ]))
    }
}

/// Returns the last eight decimal digits of `value` in ASCII.
///
/// Computes all digits in parallel in one 64-bit word: two fields of four digits, then four fields
/// of two, then eight fields of one. This replaces most of the divisions of the usual conversion.
const fn eight_digits(value: u64) -> [u8; 8] {
    let value = value % HALF;
    // Put the leading digits into the lowest bits, because the result is read in little-endian
    // order.
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    // Divide several numbers at once. A division by 100 is a multiplication by 10,486 / 2^20, which
    // is exact up to 9,999. A division by 10 is a multiplication by 103 / 2^10, which is exact up
    // to 99. No product overflows into the next number, and the masks remove the bits that the
    // shift moves in from there.
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x0f_000f_000f_000f;
    let ones = tens | ((twos - tens * 10) << 8);
    (ones | 0x3030_3030_3030_3030).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn ready(node: u16) -> Generator {
        let generator = Generator::new(node, *b"a key of 16 byte");
        generator.add_block(0..BLOCK);
        generator
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).unwrap()
    }

    #[test]
    fn order_number_contains_time_node_and_hidden_counter() {
        let no = ready(42).draw(|| at(1_647_839_289_398)).no.unwrap();
        assert_eq!(no.as_str().len(), 32);
        assert_eq!(&no.as_str()[..16], "1647839289398042");
        assert!(no.as_str().bytes().all(|b| b.is_ascii_digit()));
        let oldest = ready(7).draw(|| Timestamp::EPOCH).no.unwrap();
        assert_eq!(&oldest.as_str()[..16], "0000000000000007");
    }

    #[test]
    fn consecutive_numbers_hide_the_counter() {
        let generator = ready(0);
        let draw = || {
            generator.draw(|| at(1)).no.unwrap().as_str()[16..]
                .parse::<i64>()
                .unwrap()
        };
        let hidden: Vec<i64> = (0..1000).map(|_| draw()).collect();
        let steps: HashSet<i64> = hidden.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(steps.len(), 999, "a step occurs twice");
        let rising = hidden.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!((400..600).contains(&rising), "{rising} of 999 rise");
    }

    #[test]
    fn eight_digit_formatter_matches_standard_format() {
        let some = (0..HALF).step_by(997).chain(HALF - 20_000..HALF);
        for value in (0..20_000).chain(some) {
            let digits = eight_digits(value);
            assert_eq!(str::from_utf8(&digits).unwrap(), format!("{value:08}"));
        }
    }

    #[test]
    fn clock_set_back_repeats_time_and_is_counted() {
        let generator = ready(0);
        let first = generator.draw(|| at(2_000_000_000_000)).no.unwrap();
        let second = generator.draw(|| at(1_999_996_400_000)).no.unwrap();
        assert_eq!(first.as_str()[..13], second.as_str()[..13]);
        assert_ne!(first, second);
        assert_eq!(generator.clock_set_back(), 1);
    }

    #[test]
    fn concurrent_order_number_draws_never_repeat_counter() {
        let generator = Generator::new(1, *b"a key of 16 byte");
        let reserved = AtomicU64::new(0);
        let reserve = || {
            // Leave gaps between the blocks, as if other processes had reserved the blocks in
            // between.
            let start = reserved.fetch_add(3 * BLOCK, Ordering::SeqCst);
            generator.add_block(start..start + BLOCK);
        };
        let drawn = std::thread::scope(|scope| {
            let draw = || {
                let mut drawn = Vec::new();
                while drawn.len() < 20_000 {
                    let next = generator.draw(|| at(1));
                    drawn.extend(next.no);
                    if next.wants_block {
                        reserve();
                    }
                }
                drawn
            };
            // There are more threads than lanes, so some threads share a lane.
            let threads: Vec<_> = (0..24).map(|_| scope.spawn(draw)).collect();
            let drawn = threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap());
            drawn.collect::<Vec<_>>()
        });
        let taken = drawn.iter().collect::<HashSet<_>>();
        assert_eq!(taken.len(), 480_000);
        let blocks = reserved.load(Ordering::SeqCst) / (3 * BLOCK);
        let counters = (0..blocks).flat_map(|block| 3 * BLOCK * block..(3 * block + 1) * BLOCK);
        let all: HashSet<_> = counters.filter_map(|c| generator.number(1, c)).collect();
        assert!(
            taken.iter().all(|no| all.contains(*no)),
            "a number has a counter outside the reserved blocks"
        );
        let in_lane =
            |lane: &CacheAligned<Lane>| std::iter::from_fn(|| lane.0.take()).count() as u64;
        let in_lanes = generator.lanes.iter().map(in_lane).sum::<u64>();
        let in_spare = generator.spare.lock().as_ref().map_or(0, |_| BLOCK);
        let left = generator.left() + in_lanes + in_spare;
        assert_eq!(taken.len() as u64 + left, blocks * BLOCK);
    }

    #[test]
    fn half_used_number_block_requests_next_block_once() {
        let generator = ready(0);
        let asked = (0..BLOCK)
            .filter(|_| generator.draw(|| at(1)).wants_block)
            .count();
        assert_eq!(asked, 1);
        let dry = generator.draw(|| at(1));
        assert!(dry.no.is_none() && !dry.wants_block);
        generator.reservation_failed();
        assert!(generator.draw(|| at(1)).wants_block);
        generator.add_block(BLOCK..2 * BLOCK);
        assert!(generator.draw(|| at(1)).no.is_some());
    }
}
