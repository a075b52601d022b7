//! A small shop on a simulated disk, and what must hold of it after each crash.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orderstore::testing::model::Model;
use orderstore::testing::{
    FaultInjection, Loss, ManualClock, SeededRng, SimulatedDisk, Sizes, Snapshot, fixtures,
};
use orderstore::{
    ChannelState, Command, CommandKind, Error, Event, Metadata, NewOrder, Order, Outcome, Policy,
    Reply, Store,
};

use super::ledger::{Ledger, Step, feed_of};

/// So many orders there are at most.
const ORDERS: u64 = 7;

pub(crate) fn dir() -> PathBuf {
    PathBuf::from(SimulatedDisk::ROOT).join("shop")
}

/// A store, what was sent to it, and what it must answer.
pub(crate) struct Shop {
    pub(crate) disk: SimulatedDisk,
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    model: Model,
    clock: ManualClock,
}

pub(crate) fn sizes(dice: &mut SeededRng) -> Sizes {
    Sizes {
        memtable: 4096 << dice.below(4),
        segment: 8192 << dice.below(3),
    }
}

pub(crate) fn open(
    disk: &SimulatedDisk,
    clock: &ManualClock,
    sizes: Sizes,
    makes: bool,
) -> Result<Store, Error> {
    let builder = Store::builder()
        .simulated(disk, sizes)
        .clock(clock.reader());
    if makes {
        builder.open_or_init(dir())
    } else {
        builder.open(dir())
    }
}

impl Shop {
    /// A new store. The marks say: 0, nothing was promised yet; else, one more than the
    /// steps that were acknowledged.
    pub(crate) fn init(disk: SimulatedDisk, sizes: Sizes) -> Result<Self, Error> {
        let clock = ManualClock::default();
        let store = open(&disk, &clock, sizes, true)?;
        disk.mark(1, 0);
        Ok(Self {
            disk,
            store,
            ledger: Ledger::default(),
            model: Model::new(Policy::default()),
            clock,
        })
    }

    /// Opens what a crash left, and checks it. `marks` are those of the crash.
    pub(crate) fn recover(
        disk: SimulatedDisk,
        sizes: Sizes,
        sent: &Ledger,
        marks: (usize, usize),
    ) -> Result<Self, String> {
        let clock = ManualClock::default();
        clock.advance(Duration::from_secs(sent.steps.len() as u64));
        disk.mark(marks.0, marks.1);
        let opened = open(&disk, &clock, sizes, marks.0 == 0);
        let store = opened.map_err(|error| format!("I1: it does not open: {error:?}"))?;
        let sent = sent.truncated(marks.1);
        let held = sent.held_by(&store, marks.0.saturating_sub(1))?;
        let ledger = sent.truncated(held);
        disk.mark(held + 1, held);
        let model = ledger.model();
        let shop = Self {
            disk,
            store,
            ledger,
            model,
            clock,
        };
        shop.check_records()?;
        Ok(shop)
    }

    /// Every record is what the model makes of the same commands.
    fn check_records(&self) -> Result<(), String> {
        for no in (0..ORDERS).map(fixtures::order_no) {
            let found = self
                .store
                .get(no)
                .wait()
                .map_err(|e| format!("{no}: {e:?}"))?;
            if found != self.model.order(no) {
                return Err(format!("I11: {no} is {found:?}"));
            }
        }
        let counts = self.store.counts().wait().map_err(|e| format!("{e:?}"))?;
        if counts != self.model.counts() {
            return Err(format!("I12: {counts:?} for {:?}", self.model.counts()));
        }
        Ok(())
    }

    /// The store's own look at everything, I3 to I12.
    pub(crate) fn verify(&self) -> Result<(), String> {
        let report = self.store.verify().wait();
        let report = report.map_err(|error| format!("verify: {error:?}"))?;
        if report.is_ok() {
            return Ok(());
        }
        let first = report.violations.iter().map(ToString::to_string);
        Err(first.collect::<Vec<_>>().join("; "))
    }

    /// Does something, hears the answer, and compares it with the model's.
    pub(crate) fn step(&mut self, dice: &mut SeededRng) -> Result<(), String> {
        self.disk.breathe();
        self.clock.advance(Duration::from_secs(1));
        match dice.below(24) {
            0 => self.draw_number(),
            1 => self
                .store
                .flush()
                .wait()
                .map_err(|error| format!("flush: {error:?}")),
            _ => {
                let count = 1 + dice.below(3);
                let commands = (0..count).map(|_| any_command(dice)).collect();
                self.run(commands)
            }
        }
    }

    pub(crate) fn draw_number(&mut self) -> Result<(), String> {
        let sent = self.ledger.steps.len();
        self.disk.mark(sent + 1, sent);
        let drawn = self.store.next_order_no().wait();
        let no = drawn.map_err(|error| format!("a number: {error:?}"))?;
        if self.ledger.numbers().contains(&no.as_str()[16..]) {
            return Err(format!("{no} was handed out before"));
        }
        self.ledger.steps.push(Step::Number(no));
        self.disk.mark(sent + 2, sent + 1);
        Ok(())
    }

    pub(crate) fn wait(&self, time: Duration) {
        self.clock.advance(time);
    }

    pub(crate) fn run(&mut self, commands: Vec<Command>) -> Result<(), String> {
        let (expected, heard) = self.send(commands);
        for (expected, heard) in expected.iter().zip(heard) {
            let heard = heard.map_err(|error| format!("a command: {error:?}"))?;
            if heard != *expected {
                return Err(format!("I4: {heard:?} for {expected:?}"));
            }
        }
        let steps = self.ledger.steps.len();
        self.disk.mark(steps + 1, steps);
        Ok(())
    }

    /// Sends commands together; what must be heard, and what is. The ledger holds them.
    pub(crate) fn send(
        &mut self,
        commands: Vec<Command>,
    ) -> (Vec<Heard>, Vec<Result<Heard, Error>>) {
        let now = self.clock.now();
        let before = self.model.feed().len();
        let model = &mut self.model;
        let expected = commands
            .iter()
            .map(|command| as_it_is(model.run(now, command)))
            .collect();
        let events: Vec<Event> = self.model.feed()[before..].to_vec();
        let steps = self.ledger.steps.len();
        self.ledger.steps.push(Step::Group {
            now,
            commands: commands.clone(),
            events,
        });
        self.disk.mark(steps + 1, steps + 1);
        let heard = match commands.as_slice() {
            [one] => vec![self.say(one)],
            _ => match self.store.submit_all(commands.clone()) {
                Ok(tickets) => tickets
                    .into_iter()
                    .map(|ticket| ticket.wait().map(as_it_is))
                    .collect(),
                Err(refused) => vec![Err(refused.reason); commands.len()],
            },
        };
        (expected, heard)
    }

    /// One command: on this thread where there is a verb for it.
    fn say(&self, command: &Command) -> Result<Heard, Error> {
        match &command.kind {
            CommandKind::Create(new) => {
                let made = self.store.create(command.no, (**new).clone()).wait();
                made.map(|answer| whole(answer, Outcome::Create))
            }
            CommandKind::Confirm(payment) => {
                let paid = self.store.confirm(command.no, (**payment).clone()).wait();
                paid.map(|answer| whole(answer, Outcome::Confirm))
            }
            _ => {
                let mut tickets = self.store.submit_all(vec![command.clone()])?;
                tickets.pop().unwrap().wait().map(as_it_is)
            }
        }
    }

    /// The step that was sent last was certainly not applied: it is taken back.
    pub(crate) fn take_back(&mut self) {
        self.ledger.steps.pop();
        self.model = self.ledger.model();
        let steps = self.ledger.steps.len();
        self.disk.mark(steps + 1, steps);
    }
}

/// What an answer says.
pub(crate) type Heard = (Outcome, Option<Arc<Order>>);

fn whole<O>(answer: Reply<O>, kind: fn(O) -> Outcome) -> Heard {
    (kind(answer.outcome), answer.order)
}

fn as_it_is(answer: Reply<Outcome>) -> Heard {
    (answer.outcome, answer.order)
}

/// A few orders, paid and paid again, closed and annotated.
pub(crate) fn any_command(dice: &mut SeededRng) -> Command {
    let n = dice.below(ORDERS as usize) as u64;
    let no = fixtures::order_no(n);
    let ask = match dice.below(12) {
        0..=3 => CommandKind::Create(Box::new(any_new(n))),
        4..=6 => CommandKind::Confirm(Box::new(fixtures::payment(n + dice.below(2) as u64, 100))),
        7 => CommandKind::RecordPrepay(Box::new(fixtures::prepay(dice.below(3) as u64))),
        8 => CommandKind::RecordQuery(Box::new(ChannelState::NotPay)),
        9 => CommandKind::BeginClose,
        10 => CommandKind::Annotate {
            version: 1 + dice.below(3) as u64,
            metadata: Metadata::new(vec![b'm'; 1 + dice.below(2000)]).unwrap(),
        },
        _ => CommandKind::Hide,
    };
    Command { no, kind: ask }
}

fn any_new(n: u64) -> NewOrder {
    fixtures::new(100).reference(fixtures::reference(n % 5))
}

/// What one exploration may do, and what it did.
pub(crate) struct Tour {
    pub(crate) sizes: Sizes,
    pub(crate) sabotage: Option<FaultInjection>,
    /// How deep crashes may stand on crashes.
    pub(crate) depth: usize,
    /// How many snapshots of one run are followed.
    pub(crate) width: usize,
    pub(crate) images: usize,
}

impl Tour {
    /// Follows the snapshots of a run into what each may become.
    pub(crate) fn follow(
        &mut self,
        sent: &Ledger,
        mut snapshots: Vec<Snapshot>,
        depth: usize,
        dice: &mut SeededRng,
    ) -> Result<(), String> {
        let width = if depth == 0 { self.width } else { 2 };
        for _ in 0..width {
            if snapshots.is_empty() {
                break;
            }
            let snapshot = snapshots.swap_remove(dice.below(snapshots.len()));
            let loss = match dice.below(7) {
                0 => None,
                n => Some(Loss::ALL[n - 1]),
            };
            self.image(sent, &snapshot, loss, depth, dice)
                .map_err(|why| {
                    format!(
                        "{why}\nbehind {loss:?} at call {}, depth {depth}",
                        snapshot.call
                    )
                })?;
        }
        Ok(())
    }

    fn image(
        &mut self,
        sent: &Ledger,
        snapshot: &Snapshot,
        loss: Option<Loss>,
        depth: usize,
        dice: &mut SeededRng,
    ) -> Result<(), String> {
        let seed = dice.next();
        let disk = match loss {
            None => snapshot.kill(seed),
            Some(loss) => snapshot.lose_power(loss, seed),
        };
        disk.build_in(self.sabotage);
        let goes_on = depth + 1 < self.depth && dice.one_in(2);
        let before = disk.snapshot();
        if goes_on {
            disk.sample(1 + dice.below(12));
        }
        self.images += 1;
        let mut shop = Shop::recover(disk, self.sizes, sent, snapshot.marks)?;
        // What was sent before, not what is held now, tells what these may hold.
        let inside = shop.disk.take_snapshots();
        if dice.one_in(4) {
            self.same_again(&shop, &before, sent, snapshot.marks)?;
        }
        if goes_on {
            for _ in 0..dice.below(8) {
                shop.step(dice)?;
            }
        }
        if dice.one_in(2) {
            shop.verify()?;
        }
        let Shop {
            disk,
            store,
            ledger,
            ..
        } = shop;
        drop(store);
        if goes_on {
            let behind = disk.take_snapshots();
            self.follow(sent, inside, depth + 1, dice)?;
            self.follow(&ledger, behind, depth + 1, dice)?;
        }
        Ok(())
    }

    /// I16: the same disk, opened again, says the same.
    fn same_again(
        &self,
        shop: &Shop,
        before: &Snapshot,
        sent: &Ledger,
        marks: (usize, usize),
    ) -> Result<(), String> {
        let again = Shop::recover(before.kill(1), self.sizes, sent, marks)?;
        if feed_of(&again.store)? != feed_of(&shop.store)? {
            return Err("I16: a second opening finds something else".to_owned());
        }
        again.verify()
    }

    /// A run of so many steps in a new store, and everything that may come of it.
    pub(crate) fn run(&mut self, steps: usize, dice: &mut SeededRng) -> Result<(), String> {
        let disk = SimulatedDisk::new(dice.next());
        disk.build_in(self.sabotage);
        disk.sample(1 + dice.below(6));
        let made = Shop::init(disk, self.sizes);
        let mut shop = made.map_err(|error| format!("init: {error:?}"))?;
        for _ in 0..steps {
            shop.step(dice)?;
        }
        if dice.one_in(2) {
            shop.verify()?;
            shop.store
                .shutdown()
                .wait()
                .map_err(|e| format!("shutdown: {e:?}"))?;
        }
        let Shop {
            disk,
            store,
            ledger,
            ..
        } = shop;
        drop(store);
        let snapshots = disk.take_snapshots();
        self.follow(&ledger, snapshots, 0, dice)
    }
}
