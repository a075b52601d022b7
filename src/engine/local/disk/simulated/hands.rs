//! Who does the chores of a store on a simulated disk: one hand for each, which moves from
//! call to call as the dice say, and only while everybody else stands still.

use std::cell::{Cell, RefCell};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

use super::super::{Background, Executor, Task};
use super::rng::SeededRng;

thread_local! {
    /// What a hand waits for before each call; `None` on every other thread.
    static GATE: RefCell<Option<Gate>> = const { RefCell::new(None) };
    /// This thread does a chore itself.
    static IS_BUSY: Cell<bool> = const { Cell::new(false) };
}

struct Gate {
    arrived: Sender<()>,
    go: Receiver<()>,
}

/// A chore that was begun.
struct Hand {
    thread: JoinHandle<()>,
    go: Sender<()>,
    arrived: Receiver<()>,
}

impl Hand {
    fn begin(work: Arc<dyn Background>, chore: Task) -> Self {
        let (go, wait) = channel();
        let (arrive, arrived) = channel();
        let run = move || {
            let gate = Gate {
                arrived: arrive,
                go: wait,
            };
            GATE.set(Some(gate));
            work.run(chore);
            drop(work);
            GATE.set(None);
        };
        let thread = thread::spawn(run);
        let _ = arrived.recv();
        Self {
            thread,
            go,
            arrived,
        }
    }

    /// Lets it make a call, and waits until it is about to make the next. `None`: it is
    /// through.
    fn step(self) -> Option<Self> {
        if self.go.send(()).is_ok() && self.arrived.recv().is_ok() {
            return Some(self);
        }
        self.finish();
        None
    }

    fn finish(self) {
        drop(self.go);
        // It panicked: what it did not do is done by the next.
        drop(self.thread.join());
    }
}

#[derive(Default)]
struct Inner {
    work: Mutex<Option<Weak<dyn Background>>>,
    hands: Mutex<[Option<Hand>; 2]>,
    dice: Mutex<Option<SeededRng>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hands").finish_non_exhaustive()
    }
}

const CHORES: [Task; 2] = [Task::Flush, Task::Spare];

#[derive(Debug)]
pub(super) struct Hands {
    inner: Arc<Inner>,
}

impl Hands {
    pub(super) fn new(seed: u64) -> Self {
        let inner = Inner {
            dice: Mutex::new(Some(SeededRng::new(seed ^ 0x5eed))),
            ..Inner::default()
        };
        let inner = Arc::new(inner);
        Self { inner }
    }

    pub(super) fn crew(&self) -> Arc<dyn Executor> {
        Arc::<Inner>::clone(&self.inner)
    }

    /// Before a call: a hand waits for its turn, and others may let one have it.
    pub(super) fn pass(&self, may_yield: bool) {
        let is_hand = GATE.with_borrow(|gate| {
            let Some(gate) = gate else { return false };
            if gate.arrived.send(()).is_ok() {
                // Nobody is there to say: it goes on to its end.
                let _ = gate.go.recv();
            }
            true
        });
        if !is_hand && may_yield && !IS_BUSY.get() {
            self.inner.nudge();
        }
    }

    /// Between two commands.
    pub(super) fn breathe(&self) {
        for _ in 0..self.inner.below(3) {
            self.inner.nudge();
        }
        if self.inner.below(16) == 0
            && let Some(work) = self.inner.work()
        {
            work.run(Task::Idle);
        }
    }
}

impl Inner {
    fn below(&self, n: usize) -> usize {
        self.dice.lock().as_mut().map_or(0, |dice| dice.below(n))
    }

    fn work(&self) -> Option<Arc<dyn Background>> {
        self.work.lock().as_ref()?.upgrade()
    }

    fn take(&self, chore: Task) -> Option<Hand> {
        let place = usize::from(chore == Task::Spare);
        self.hands.lock().get_mut(place)?.take()
    }

    fn nudge(&self) {
        let place = self.below(4);
        let Some(chore) = CHORES.get(place).copied() else {
            return;
        };
        let mut hand = match self.take(chore) {
            Some(hand) => Some(hand),
            None => self
                .work()
                .filter(|work| work.wants(chore))
                .map(|work| Hand::begin(work, chore)),
        };
        for _ in 0..self.below(12) {
            hand = hand.and_then(Hand::step);
        }
        if let Some(place) = self.hands.lock().get_mut(place) {
            *place = hand;
        }
    }
}

impl Executor for Inner {
    fn adopt(&self, work: Weak<dyn Background>) {
        *self.work.lock() = Some(work);
    }

    fn finish(&self, chore: Task) {
        if let Some(hand) = self.take(chore) {
            hand.finish();
        }
        if let Some(work) = self.work()
            && work.wants(chore)
        {
            IS_BUSY.set(true);
            work.run(chore);
            IS_BUSY.set(false);
        }
    }

    fn dismiss(&self) {
        for chore in CHORES {
            if let Some(hand) = self.take(chore) {
                hand.finish();
            }
        }
    }
}
