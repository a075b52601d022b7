//! Executor for the background tasks of a store on a simulated disk.
//!
//! Each task runs in its own thread, a "hand". A hand advances by one disk call at a time. The
//! seed selects when. All other threads wait meanwhile.

use std::cell::{Cell, RefCell};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

use super::super::{Background, Executor, Task};
use super::rng::SeededRng;

thread_local! {
    /// Gate at which a hand waits before each call; `None` on all other threads.
    static GATE: RefCell<Option<Gate>> = const { RefCell::new(None) };
    /// Whether this thread runs a task itself.
    static IS_BUSY: Cell<bool> = const { Cell::new(false) };
}

/// The hand's ends of its two channels.
struct Gate {
    arrived: Sender<()>,
    go: Receiver<()>,
}

/// Thread that runs a task step by step.
struct TaskThread {
    thread: JoinHandle<()>,
    go: Sender<()>,
    arrived: Receiver<()>,
}

impl TaskThread {
    /// Starts a task and waits until it is about to make its first call.
    fn begin(work: Arc<dyn Background>, task: Task) -> Self {
        let (go, wait) = channel();
        let (arrive, arrived) = channel();
        let run = move || {
            let gate = Gate {
                arrived: arrive,
                go: wait,
            };
            GATE.set(Some(gate));
            work.run(task);
            drop(work);
            GATE.set(None);
        };
        let thread = thread::spawn(run);
        // Without this wait, the new thread and the caller would run at the same time. The order
        // of their calls would not be deterministic.
        let _ = arrived.recv();
        Self {
            thread,
            go,
            arrived,
        }
    }

    /// Lets the hand make one call, and waits until it is about to make the next. Returns `None`
    /// when the task has ended.
    fn step(self) -> Option<Self> {
        if self.go.send(()).is_ok() && self.arrived.recv().is_ok() {
            return Some(self);
        }
        self.finish();
        None
    }

    /// Lets the hand run to its end.
    fn finish(self) {
        // The hand no longer waits at the gate once this end of the channel is gone.
        drop(self.go);
        // If the task panicked, the next run does its remaining work.
        drop(self.thread.join());
    }
}

#[derive(Default)]
struct Inner {
    work: Mutex<Option<Weak<dyn Background>>>,
    hands: Mutex<[Option<TaskThread>; 2]>,
    dice: Mutex<Option<SeededRng>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hands").finish_non_exhaustive()
    }
}

const TASKS: [Task; 2] = [Task::Checkpoint, Task::Preallocate];

/// All hands of a simulated disk.
#[derive(Debug)]
pub(super) struct Scheduler {
    inner: Arc<Inner>,
}

impl Scheduler {
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

    /// Runs before each call. A hand waits at its gate. Any other thread may advance a hand if
    /// `may_yield` is true.
    pub(super) fn pass(&self, may_yield: bool) {
        let is_hand = GATE.with_borrow(|gate| {
            let Some(gate) = gate else { return false };
            if gate.arrived.send(()).is_ok() {
                // An error means that `finish` dropped the other end: the hand runs to its end.
                let _ = gate.go.recv();
            }
            true
        });
        // A thread that runs a task itself must not advance a hand. It could start a hand for
        // the same task, and the task would run twice at the same time.
        if !is_hand && may_yield && !IS_BUSY.get() {
            self.inner.nudge();
        }
    }

    /// Runs between two commands: may advance hands, and sometimes appends the idle mark.
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
        self.dice.lock().as_mut().map_or(0, |rng| rng.below(n))
    }

    fn work(&self) -> Option<Arc<dyn Background>> {
        self.work.lock().as_ref()?.upgrade()
    }

    fn take(&self, task: Task) -> Option<TaskThread> {
        let index = usize::from(task == Task::Preallocate);
        self.hands.lock().get_mut(index)?.take()
    }

    /// Advances a random task by up to 11 calls, or does nothing (in half of the cases).
    fn nudge(&self) {
        let index = self.below(4);
        let Some(task) = TASKS.get(index).copied() else {
            return;
        };
        let mut hand = match self.take(task) {
            Some(hand) => Some(hand),
            None => self
                .work()
                .filter(|work| work.has_work(task))
                .map(|work| TaskThread::begin(work, task)),
        };
        for _ in 0..self.below(12) {
            hand = hand.and_then(TaskThread::step);
        }
        if let Some(slot) = self.hands.lock().get_mut(index) {
            *slot = hand;
        }
    }
}

impl Executor for Inner {
    fn adopt(&self, work: Weak<dyn Background>) {
        *self.work.lock() = Some(work);
    }

    fn run_to_end(&self, task: Task) {
        if let Some(hand) = self.take(task) {
            hand.finish();
        }
        if let Some(work) = self.work()
            && work.has_work(task)
        {
            IS_BUSY.set(true);
            work.run(task);
            IS_BUSY.set(false);
        }
    }

    fn finish_all(&self) {
        for task in TASKS {
            if let Some(hand) = self.take(task) {
                hand.finish();
            }
        }
    }
}
