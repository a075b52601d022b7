//! A small store on a simulated disk, and the invariants that must hold after each crash.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orderstore::testing::model::Model;
use orderstore::testing::{
    FaultInjection, Loss, ManualClock, SeededRng, SimulatedDisk, Sizes, Snapshot, fixtures,
};
use orderstore::{
    Builder, ChannelState, Command, CommandKind, Error, Event, Metadata, NewOrder, Order, Outcome,
    Policy, Reply, Store,
};

use super::ledger::{Ledger, Step, feed_of};

/// Maximum number of orders.
const ORDERS: u64 = 7;

pub(crate) fn dir() -> PathBuf {
    PathBuf::from(SimulatedDisk::ROOT).join("shop")
}

/// A store, a ledger of all steps sent to it, and a model with the expected replies.
pub(crate) struct Shop {
    pub(crate) disk: SimulatedDisk,
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    model: Model,
    clock: ManualClock,
}

pub(crate) fn sizes(rng: &mut SeededRng) -> Sizes {
    Sizes {
        memtable: 4096 << rng.below(4),
        segment: 8192 << rng.below(3),
    }
}

/// Directory of the mirror.
pub(crate) fn mirror_dir() -> PathBuf {
    PathBuf::from(SimulatedDisk::ROOT).join("mirror")
}

/// Directories of a test store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dirs {
    One,
    /// With a mirror.
    Mirrored,
    /// With a mirror, which every command needs.
    Required,
}

/// How a test opens its store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) sizes: Sizes,
    pub(crate) dirs: Dirs,
}

impl From<Sizes> for Setting {
    fn from(sizes: Sizes) -> Self {
        Self {
            sizes,
            dirs: Dirs::One,
        }
    }
}

impl Setting {
    pub(crate) fn builder(self, disk: &SimulatedDisk) -> Builder {
        let builder = Store::builder().simulated(disk, self.sizes);
        match self.dirs {
            Dirs::One => builder,
            Dirs::Mirrored => builder.mirror(mirror_dir()),
            Dirs::Required => builder.mirror(mirror_dir()).require_both(true),
        }
    }
}

pub(crate) fn open(
    disk: &SimulatedDisk,
    clock: &ManualClock,
    setting: impl Into<Setting>,
    makes: bool,
) -> Result<Store, orderstore::OpenError> {
    open_with(setting.into().builder(disk), clock, makes)
}

fn open_with(
    builder: Builder,
    clock: &ManualClock,
    makes: bool,
) -> Result<Store, orderstore::OpenError> {
    let builder = builder.clock(clock.reader());
    if makes {
        builder.open_or_init(dir())
    } else {
        builder.open(dir())
    }
}

impl Shop {
    /// Creates a new store.
    ///
    /// Each snapshot carries two marks of the disk. The first is 0 until the store exists, and then
    /// the number of acknowledged steps plus 1. The second is the number of steps sent.
    pub(crate) fn init(disk: SimulatedDisk, setting: impl Into<Setting>) -> Result<Self, Error> {
        Self::init_with(disk, setting, |builder| builder)
    }

    /// Creates a new store with more settings.
    pub(crate) fn init_with(
        disk: SimulatedDisk,
        setting: impl Into<Setting>,
        with: impl FnOnce(Builder) -> Builder,
    ) -> Result<Self, Error> {
        let clock = ManualClock::default();
        let store = open_with(with(setting.into().builder(&disk)), &clock, true)?;
        disk.mark(1, 0);
        Ok(Self {
            disk,
            store,
            ledger: Ledger::default(),
            model: Model::new(Policy::default()),
            clock,
        })
    }

    /// Opens the disk after a crash and checks the store. `marks` are the disk's marks at the
    /// crash.
    pub(crate) fn recover(
        disk: SimulatedDisk,
        setting: impl Into<Setting>,
        sent: &Ledger,
        marks: (usize, usize),
    ) -> Result<Self, String> {
        Self::recover_with(disk, setting, sent, marks, |builder| builder)
    }

    /// Opens the disk like [`Shop::recover`], with more settings.
    pub(crate) fn recover_with(
        disk: SimulatedDisk,
        setting: impl Into<Setting>,
        sent: &Ledger,
        marks: (usize, usize),
        with: impl FnOnce(Builder) -> Builder,
    ) -> Result<Self, String> {
        let clock = ManualClock::default();
        clock.advance(Duration::from_secs(sent.steps.len() as u64));
        disk.mark(marks.0, marks.1);
        // Mark 0 means that the creation of the store was not acknowledged, so the store may be
        // missing. With any other mark, a store that does not open is a violation.
        let builder = with(setting.into().builder(&disk));
        let opened = open_with(builder, &clock, marks.0 == 0);
        let store = opened.map_err(|error| format!("I1: the store does not open: {error:?}"))?;
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

    /// Compares every record and the counts with the model.
    fn check_records(&self) -> Result<(), String> {
        for no in (0..ORDERS).map(fixtures::order_no) {
            let found = self
                .store
                .get(no)
                .wait()
                .map_err(|e| format!("{no}: {e:?}"))?;
            if found != self.model.order(no) {
                return Err(format!("I11: order {no} differs from the model: {found:?}"));
            }
        }
        let counts = self.store.counts().wait().map_err(|e| format!("{e:?}"))?;
        if counts != self.model.counts() {
            return Err(format!(
                "I12: the counts are {counts:?} instead of {:?}",
                self.model.counts()
            ));
        }
        Ok(())
    }

    /// Runs the store's own verification of the invariants I3 to I12.
    pub(crate) fn verify(&self) -> Result<(), String> {
        let report = self.store.verify().wait();
        let report = report.map_err(|error| format!("the store cannot be verified: {error:?}"))?;
        if report.is_ok() {
            return Ok(());
        }
        let first = report.violations.iter().map(ToString::to_string);
        Err(first.collect::<Vec<_>>().join("; "))
    }

    /// Runs one random step and compares its reply with the reply of the model.
    pub(crate) fn step(&mut self, rng: &mut SeededRng) -> Result<(), String> {
        self.disk.run_some_tasks();
        self.clock.advance(Duration::from_secs(1));
        match rng.below(24) {
            0 => self.draw_number(),
            1 => self
                .store
                .checkpoint()
                .wait()
                .map_err(|error| format!("the checkpoint failed: {error:?}")),
            _ => {
                let count = 1 + rng.below(3);
                let commands = (0..count).map(|_| any_command(rng)).collect();
                self.run(commands)
            }
        }
    }

    pub(crate) fn draw_number(&mut self) -> Result<(), String> {
        let sent = self.ledger.steps.len();
        self.disk.mark(sent + 1, sent);
        let drawn = self.store.next_order_no().wait();
        let no = drawn.map_err(|error| format!("no order number: {error:?}"))?;
        if self.ledger.numbers().contains(&no.as_str()[16..]) {
            return Err(format!("{no} was issued twice"));
        }
        self.ledger.steps.push(Step::Number(no));
        self.disk.mark(sent + 2, sent + 1);
        Ok(())
    }

    pub(crate) fn wait(&self, time: Duration) {
        self.clock.advance(time);
    }

    pub(crate) fn run(&mut self, commands: Vec<Command>) -> Result<(), String> {
        let (expected, replies) = self.send(commands);
        for (expected, reply) in expected.iter().zip(replies) {
            let reply = reply.map_err(|error| format!("a command failed: {error:?}"))?;
            if reply != *expected {
                return Err(format!("I4: {reply:?} instead of {expected:?}"));
            }
        }
        let steps = self.ledger.steps.len();
        self.disk.mark(steps + 1, steps);
        Ok(())
    }

    /// Sends commands as one group and records them in the ledger. Returns the expected and the
    /// actual replies.
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
        let replies = match commands.as_slice() {
            [single] => vec![self.say(single)],
            _ => match self.store.submit_all(commands.clone()) {
                Ok(tickets) => tickets
                    .into_iter()
                    .map(|ticket| ticket.wait().map(as_it_is))
                    .collect(),
                Err(refused) => vec![Err(refused.reason); commands.len()],
            },
        };
        (expected, replies)
    }

    /// Runs one command: `create` and `confirm` through their own methods, others as a batch of
    /// one.
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

    /// Removes the last step from the ledger, because it was certainly not applied.
    pub(crate) fn take_back(&mut self) {
        self.ledger.steps.pop();
        self.model = self.ledger.model();
        let steps = self.ledger.steps.len();
        self.disk.mark(steps + 1, steps);
    }
}

/// Outcome and order of a reply.
pub(crate) type Heard = (Outcome, Option<Arc<Order>>);

fn whole<O>(answer: Reply<O>, kind: fn(O) -> Outcome) -> Heard {
    (kind(answer.outcome), answer.order)
}

fn as_it_is(answer: Reply<Outcome>) -> Heard {
    (answer.outcome, answer.order)
}

/// Returns a random command: a few orders are created, paid twice, closed and annotated.
pub(crate) fn any_command(rng: &mut SeededRng) -> Command {
    let n = rng.below(ORDERS as usize) as u64;
    let no = fixtures::order_no(n);
    let ask = match rng.below(12) {
        0..=3 => CommandKind::Create(Box::new(any_new(n))),
        4..=6 => CommandKind::Confirm(Box::new(fixtures::payment(n + rng.below(2) as u64, 100))),
        7 => CommandKind::RecordPrepay(Box::new(fixtures::prepay(rng.below(3) as u64))),
        8 => CommandKind::RecordQuery(Box::new(ChannelState::NotPay)),
        9 => CommandKind::BeginClose,
        10 => CommandKind::Annotate {
            version: 1 + rng.below(3) as u64,
            metadata: Metadata::new(vec![b'm'; 1 + rng.below(2000)]).unwrap(),
        },
        _ => CommandKind::Hide,
    };
    Command { no, kind: ask }
}

fn any_new(n: u64) -> NewOrder {
    fixtures::new(100).reference(fixtures::reference(n % 5))
}

/// Settings and result of a test that opens every disk state that crashes may leave.
pub(crate) struct Tour {
    pub(crate) sizes: Sizes,
    pub(crate) sabotage: Option<FaultInjection>,
    /// Maximum number of consecutive crashes. Each happens during the recovery from the crash
    /// before it.
    pub(crate) depth: usize,
    /// Number of snapshots of one run that the test checks.
    pub(crate) width: usize,
    pub(crate) images: usize,
}

impl Tour {
    /// Derives from the snapshots of a run every disk state that a crash may leave, and checks
    /// each.
    pub(crate) fn follow(
        &mut self,
        sent: &Ledger,
        mut snapshots: Vec<Snapshot>,
        depth: usize,
        rng: &mut SeededRng,
    ) -> Result<(), String> {
        let width = if depth == 0 { self.width } else { 2 };
        for _ in 0..width {
            if snapshots.is_empty() {
                break;
            }
            let snapshot = snapshots.swap_remove(rng.below(snapshots.len()));
            let loss = match rng.below(7) {
                0 => None,
                n => Some(Loss::ALL[n - 1]),
            };
            self.image(sent, &snapshot, loss, depth, rng)
                .map_err(|why| {
                    format!(
                        "{why}\nafter {loss:?} at call {}, depth {depth}",
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
        rng: &mut SeededRng,
    ) -> Result<(), String> {
        let seed = rng.next();
        let disk = match loss {
            None => snapshot.kill(seed),
            Some(loss) => snapshot.lose_power(loss, seed),
        };
        disk.inject_fault(self.sabotage);
        let goes_on = depth + 1 < self.depth && rng.one_in(2);
        let before = disk.snapshot();
        if goes_on {
            disk.snapshot_one_in(1 + rng.below(12));
        }
        self.images += 1;
        let mut shop = Shop::recover(disk, self.sizes, sent, snapshot.marks)?;
        // Take the snapshots of the recovery. They are checked against all steps sent before the
        // crash, because a second recovery may find more steps than this one.
        let inside = shop.disk.take_snapshots();
        if rng.one_in(4) {
            self.same_again(&shop, &before, sent, snapshot.marks)?;
        }
        if goes_on {
            for _ in 0..rng.below(8) {
                shop.step(rng)?;
            }
        }
        if rng.one_in(2) {
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
            self.follow(sent, inside, depth + 1, rng)?;
            self.follow(&ledger, behind, depth + 1, rng)?;
        }
        Ok(())
    }

    /// Checks I16: reopening the same disk gives the same contents.
    fn same_again(
        &self,
        shop: &Shop,
        before: &Snapshot,
        sent: &Ledger,
        marks: (usize, usize),
    ) -> Result<(), String> {
        let again = Shop::recover(before.kill(1), self.sizes, sent, marks)?;
        if feed_of(&again.store)? != feed_of(&shop.store)? {
            return Err("I16: a second open returns another feed".to_owned());
        }
        again.verify()
    }

    /// Runs `steps` steps in a new store and checks every disk that a crash may leave.
    pub(crate) fn run(&mut self, steps: usize, rng: &mut SeededRng) -> Result<(), String> {
        let disk = SimulatedDisk::new(rng.next());
        disk.inject_fault(self.sabotage);
        disk.snapshot_one_in(1 + rng.below(6));
        let made = Shop::init(disk, self.sizes);
        let mut shop = made.map_err(|error| format!("the store cannot be created: {error:?}"))?;
        for _ in 0..steps {
            shop.step(rng)?;
        }
        if rng.one_in(2) {
            shop.verify()?;
            shop.store
                .shutdown()
                .wait()
                .map_err(|e| format!("the shutdown failed: {e:?}"))?;
        }
        let Shop {
            disk,
            store,
            ledger,
            ..
        } = shop;
        drop(store);
        let snapshots = disk.take_snapshots();
        self.follow(&ledger, snapshots, 0, rng)
    }
}
