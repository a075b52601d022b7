//! Commands of each caller by position. Parent and child compute them from the seed, so they
//! exchange none.

use orderstore::testing::{SeededRng, Sizes, fixtures};
use orderstore::{ChannelState, Command, CommandKind, Metadata, OrderNo, Timestamp};

/// Number of concurrent callers.
pub(crate) const CALLERS: usize = 4;

/// Number of orders that all callers annotate.
pub(crate) const HOT: u64 = 3;

/// Number of order numbers that are reserved for one caller.
const OWN: u64 = 1_000_000;

/// Sizes that cause a checkpoint and several segments within a few dozen commands.
pub(crate) const SIZES: Sizes = Sizes {
    memtable: 48 << 10,
    segment: 32 << 10,
};

/// Returns the number of an order that all callers change.
pub(crate) fn hot(n: u64) -> OrderNo {
    fixtures::order_no(90 * OWN + n)
}

/// Returns the fixed time of a round. The clock stands still while a child runs, so the parent
/// knows every timestamp.
pub(crate) fn clock(round: u64) -> Timestamp {
    fixtures::now().saturating_add(std::time::Duration::from_secs(60 * round))
}

/// Generator of the commands of one caller, from a seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) caller: usize,
}

impl Script {
    fn rng(self, what: u64, place: usize) -> SeededRng {
        let caller = (self.caller as u64) << 60;
        let mut seed = SeededRng::new(self.seed ^ caller ^ (what << 56));
        SeededRng::new(seed.next() ^ (place as u64).wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// Returns how many commands, beginning at position `place`, are sent as one batch.
    pub(crate) fn batch(self, place: usize) -> usize {
        [1, 1, 1, 2, 5, 17][self.rng(1, place).below(6)]
    }

    /// Returns the number of the `n`th order.
    pub(crate) fn order(self, n: u64) -> OrderNo {
        fixtures::order_no(self.number(n))
    }

    const fn number(self, n: u64) -> u64 {
        self.caller as u64 * OWN + n
    }

    /// Returns how many order numbers the commands before position `place` use.
    pub(crate) const fn orders(place: usize) -> u64 {
        place.div_ceil(4) as u64
    }

    /// Returns the command at position `place`: every fourth one creates an order, the others
    /// change one of the newest orders.
    pub(crate) fn command(self, place: usize) -> Command {
        let mut rng = self.rng(0, place);
        let newest = place / 4;
        let n = match place % 4 {
            0 => newest,
            _ => newest - rng.below(6.min(newest + 1)),
        };
        let n = self.number(n as u64);
        let ask = match place % 4 {
            0 => {
                let new = fixtures::new(100).reference(fixtures::reference(n / 2));
                CommandKind::Create(Box::new(new))
            }
            _ => any(n, &mut rng),
        };
        fixtures::command(n, ask)
    }
}

fn any(n: u64, rng: &mut SeededRng) -> CommandKind {
    match rng.below(8) {
        0..=2 => {
            let (second, fee) = (rng.below(2) as u64, 100 - rng.below(8) as u64 / 7);
            CommandKind::Confirm(Box::new(fixtures::payment(n + second, fee)))
        }
        3 => CommandKind::RecordPrepay(Box::new(fixtures::prepay(rng.below(3) as u64))),
        4 => CommandKind::RecordQuery(Box::new(ChannelState::NotPay)),
        5 => CommandKind::BeginClose,
        6 => CommandKind::Annotate {
            version: 1 + rng.below(3) as u64,
            metadata: Metadata::new(vec![b'm'; 1 + rng.below(2000)]).unwrap(),
        },
        _ => CommandKind::Hide,
    }
}
