//! What each caller sends, by place: child and parent know it, and need not tell each other.

use orderstore::testing::{SeededRng, Sizes, fixtures};
use orderstore::{ChannelState, Command, CommandKind, Metadata, OrderNo, Timestamp};

/// So many callers send at once.
pub(crate) const CALLERS: usize = 4;

/// So many orders are annotated by all of them.
pub(crate) const HOT: u64 = 3;

/// So many order numbers each caller has for itself.
const OWN: u64 = 1_000_000;

/// Small enough for a flush and several segments within a few dozen commands.
pub(crate) const SIZES: Sizes = Sizes {
    memtable: 48 << 10,
    segment: 32 << 10,
};

/// The number of an order that all callers change.
pub(crate) fn hot(n: u64) -> OrderNo {
    fixtures::order_no(90 * OWN + n)
}

/// The clock stands while a child runs, so that its parent knows every stamp.
pub(crate) fn clock(round: u64) -> Timestamp {
    fixtures::now().saturating_add(std::time::Duration::from_secs(60 * round))
}

/// One caller's commands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) caller: usize,
}

impl Script {
    fn dice(self, what: u64, place: usize) -> SeededRng {
        let caller = (self.caller as u64) << 60;
        let mut seed = SeededRng::new(self.seed ^ caller ^ (what << 56));
        SeededRng::new(seed.next() ^ (place as u64).wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// How many commands from `place` on are handed over together.
    pub(crate) fn batch(self, place: usize) -> usize {
        [1, 1, 1, 2, 5, 17][self.dice(1, place).below(6)]
    }

    /// The number of the `n`th order.
    pub(crate) fn order(self, n: u64) -> OrderNo {
        fixtures::order_no(self.number(n))
    }

    const fn number(self, n: u64) -> u64 {
        self.caller as u64 * OWN + n
    }

    /// How many order numbers the commands before `place` speak of.
    pub(crate) const fn orders(place: usize) -> u64 {
        place.div_ceil(4) as u64
    }

    /// A new order, and three commands to one of the newest.
    pub(crate) fn command(self, place: usize) -> Command {
        let mut dice = self.dice(0, place);
        let newest = place / 4;
        let n = match place % 4 {
            0 => newest,
            _ => newest - dice.below(6.min(newest + 1)),
        };
        let n = self.number(n as u64);
        let ask = match place % 4 {
            0 => {
                let new = fixtures::new(100).reference(fixtures::reference(n / 2));
                CommandKind::Create(Box::new(new))
            }
            _ => any(n, &mut dice),
        };
        fixtures::command(n, ask)
    }
}

fn any(n: u64, dice: &mut SeededRng) -> CommandKind {
    match dice.below(8) {
        0..=2 => {
            let (second, fee) = (dice.below(2) as u64, 100 - dice.below(8) as u64 / 7);
            CommandKind::Confirm(Box::new(fixtures::payment(n + second, fee)))
        }
        3 => CommandKind::RecordPrepay(Box::new(fixtures::prepay(dice.below(3) as u64))),
        4 => CommandKind::RecordQuery(Box::new(ChannelState::NotPay)),
        5 => CommandKind::BeginClose,
        6 => CommandKind::Annotate {
            version: 1 + dice.below(3) as u64,
            metadata: Metadata::new(vec![b'm'; 1 + dice.below(2000)]).unwrap(),
        },
        _ => CommandKind::Hide,
    }
}
