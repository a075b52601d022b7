//! Order numbers that cannot collide: 32 digits, `13 ms time | 3 node | 16 counter`.
//!
//! - Uniqueness comes from the counter alone. It is reserved in blocks, each durable
//!   before its first number is used: no clock, restart or crash can repeat a number, and
//!   a crash loses at most two blocks and what lies in the lanes.
//! - Threads draw side by side, each from a lane that seldom anybody else uses, into which
//!   runs of a block are put.
//! - The time makes numbers sort by age. It never decreases while the store is open; when
//!   the clock jumps back it stays put, and that is counted.
//! - The counter is hidden by a keyed bijection on 0..10^16, so that a number gives away
//!   no volume. That is concealment, not secrecy.

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

/// How many numbers one reservation takes.
pub(crate) const BLOCK: u64 = 65_536;

/// In how many lanes threads draw side by side.
const LANES: usize = 16;

/// Hands out order numbers from reserved blocks.
///
/// Drawing takes no lock but for one number of a run. Blocks come in rising order, so that
/// `next` only ever rises; it is set to a block before `end` is, and so what is below an `end`
/// that was read before it is of a reserved block.
#[derive(Debug)]
pub(crate) struct Generator {
    node: u16,
    cipher: Cipher,
    lanes: [Alone<Lane>; LANES],
    /// The next counter that no lane has.
    next: Alone<AtomicU64>,
    /// Where its block ends.
    end: AtomicU64,
    /// From this counter on, another block is wanted that nobody has asked for.
    ask_at: AtomicU64,
    /// The latest time that a number bears.
    time: AtomicU64,
    clock_set_back: AtomicU64,
    /// The block behind the one in use. Held while blocks are changed.
    spare: Mutex<Option<Range<u64>>>,
    process: Process,
}

/// A value on cache lines of its own: who writes it takes nothing else out of the others'
/// caches.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Alone<T>(T);

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
            lanes: Default::default(),
            next: Alone(AtomicU64::new(0)),
            end: AtomicU64::new(0),
            ask_at: AtomicU64::new(0),
            time: AtomicU64::new(0),
            clock_set_back: AtomicU64::new(0),
            spare: Mutex::default(),
            process: Process::current(),
        }
    }

    /// The next number, bearing the time of `clock` or the latest time already borne.
    pub(crate) fn draw(&self, clock: impl Fn() -> Timestamp) -> Drawn {
        let lane = self.lane();
        let (counter, is_filled) = match lane.take() {
            Some(counter) => (Some(counter), false),
            None => (self.fill(lane), true),
        };
        Drawn {
            no: counter.and_then(|counter| self.number(self.time(clock), counter)),
            // At last: a clock that panics leaves nobody who should ask and does not.
            wants_block: is_filled && self.ask(),
        }
    }

    /// Whether another block would have no place.
    pub(crate) fn is_stocked(&self) -> bool {
        self.spare.lock().is_some() || self.left() > BLOCK / 2
    }

    /// Takes a reserved block in.
    pub(crate) fn supply(&self, block: Range<u64>) {
        let mut spare = self.spare.lock();
        if self.left() == 0 {
            self.use_block(&block);
        } else {
            *spare = Some(block);
            self.ask_at.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// The reservation that was asked for failed: ask again when some more are used.
    pub(crate) fn give_up(&self) {
        let _changing = self.spare.lock();
        let least = self.left().saturating_sub(BLOCK / 64);
        let ask_at = self.end.load(Ordering::Relaxed).saturating_sub(least);
        self.ask_at.store(ask_at, Ordering::Relaxed);
    }

    /// How many numbers bear an older clock's time because the clock had jumped back.
    pub(crate) fn clock_set_back(&self) -> u64 {
        self.clock_set_back.load(Ordering::Relaxed)
    }

    /// The lane of this thread.
    fn lane(&self) -> &Lane {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        // A thread that is ending has forgotten its own.
        let thread = THREAD.try_with(|thread| *thread).unwrap_or_default();
        let [first, ..] = &self.lanes;
        &self.lanes.get(thread % LANES).unwrap_or(first).0
    }

    /// A number for a lane that was empty: the first of another run, as a rule.
    fn fill(&self, lane: &Lane) -> Option<u64> {
        // The numbers of a forked process are its parent's, too. To ask costs a system call, and
        // so a run that was taken before the fork is not kept from it.
        if !self.process.is_current() {
            return None;
        }
        let taken = lane.fill(|| self.run().or_else(|| self.run_of_spare()));
        // The last ones may lie in others' lanes.
        taken.or_else(|| self.lanes.iter().find_map(|other| other.0.take()))
    }

    /// A run of the block in use, of one number at least.
    fn run(&self) -> Option<Range<u64>> {
        let end = self.end.load(Ordering::Acquire);
        let behind = |next: u64| next.saturating_add(RUN).min(end);
        let step = |next: u64| (next < end).then(|| behind(next));
        let taken = self
            .next
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, step);
        taken.ok().map(|next| next..behind(next))
    }

    /// Where the block in use is spent: of the one behind it.
    fn run_of_spare(&self) -> Option<Range<u64>> {
        let mut spare = self.spare.lock();
        // Somebody may have changed blocks meanwhile, and many may have drawn since.
        loop {
            if let Some(run) = self.run() {
                return Some(run);
            }
            self.use_block(&spare.take()?);
        }
    }

    /// Only where the block in use is spent, and only by who holds the spare one.
    fn use_block(&self, block: &Range<u64>) {
        let ask_at = block.end.saturating_sub(BLOCK / 2);
        self.ask_at.store(ask_at, Ordering::Relaxed);
        self.next.0.store(block.start, Ordering::Release);
        self.end.store(block.end, Ordering::Release);
    }

    fn left(&self) -> u64 {
        let end = self.end.load(Ordering::Acquire);
        end.saturating_sub(self.next.0.load(Ordering::Acquire))
    }

    /// Whether a block is wanted: one of all those who find that out is told so.
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

    /// The time that the next number bears. A clock was set back if it is behind a time that
    /// was read from it before; a thread that was slow to come here is not told from that
    /// but by reading it again.
    fn time(&self, clock: impl Fn() -> Timestamp) -> u64 {
        let now = clock().as_u64();
        let mut latest = self.time.load(Ordering::Acquire);
        if latest < now {
            latest = self.time.fetch_max(now, Ordering::AcqRel).max(now);
        }
        if latest > now && clock().as_u64() < latest {
            self.clock_set_back.fetch_add(1, Ordering::Relaxed);
        }
        latest
    }

    /// `None` once all counters are spent, which takes 10^16 numbers.
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

/// The last eight decimal digits, all of them worked out side by side in one word: first two
/// lanes of four digits, then four of two, then eight of one.
const fn eight_digits(value: u64) -> [u8; 8] {
    let value = value % HALF;
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    // A hundredth of up to 9,999, and a tenth of up to 99, as multiples of a power of two.
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
        let oldest = ready(7).draw(|| Timestamp::EPOCH).no.unwrap();
        assert_eq!(&oldest.as_str()[..16], "0000000000000007");
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
    fn eight_digits_are_the_decimal_ones() {
        let some = (0..HALF).step_by(997).chain(HALF - 20_000..HALF);
        for value in (0..20_000).chain(some) {
            let digits = eight_digits(value);
            assert_eq!(str::from_utf8(&digits).unwrap(), format!("{value:08}"));
        }
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
    fn threads_that_draw_across_blocks_share_no_number_and_leave_none_out() {
        let generator = Generator::new(1, *b"a key of 16 byte");
        let reserved = AtomicU64::new(0);
        let reserve = || {
            // Blocks are not next to each other: others reserve, too.
            let start = reserved.fetch_add(3 * BLOCK, Ordering::SeqCst);
            generator.supply(start..start + BLOCK);
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
            // More threads than lanes: some share one.
            let threads: Vec<_> = (0..24).map(|_| scope.spawn(draw)).collect();
            let drawn = threads.into_iter().flat_map(|one| one.join().unwrap());
            drawn.collect::<Vec<_>>()
        });
        let taken = drawn.iter().collect::<HashSet<_>>();
        assert_eq!(taken.len(), 480_000);
        let blocks = reserved.load(Ordering::SeqCst) / (3 * BLOCK);
        let counters = (0..blocks).flat_map(|block| 3 * BLOCK * block..(3 * block + 1) * BLOCK);
        let all: HashSet<_> = counters.filter_map(|c| generator.number(1, c)).collect();
        assert!(
            taken.iter().all(|no| all.contains(*no)),
            "a number of no block"
        );
        let in_lane = |lane: &Alone<Lane>| std::iter::from_fn(|| lane.0.take()).count() as u64;
        let in_lanes = generator.lanes.iter().map(in_lane).sum::<u64>();
        let in_spare = generator.spare.lock().as_ref().map_or(0, |_| BLOCK);
        let left = generator.left() + in_lanes + in_spare;
        assert_eq!(taken.len() as u64 + left, blocks * BLOCK);
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
