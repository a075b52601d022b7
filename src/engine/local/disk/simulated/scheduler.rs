//! Executor for the background tasks of a store on a simulated disk.
//!
//! Each task runs in its own task thread. A task thread advances by one disk call at a time, when
//! the seed selects it. All other threads wait meanwhile.

use std::cell::{Cell, RefCell};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

use super::super::{Background, Executor, Task};
use super::rng::SeededRng;

thread_local! {
    /// Channels with which a task thread stops before each call; `None` on all other threads.
    static STOP: RefCell<Option<Stop>> = const { RefCell::new(None) };
    /// Whether this thread now runs a task to its end for a waiting caller.
    static IS_BUSY: Cell<bool> = const { Cell::new(false) };
}

/// Channel ends of a task thread. Before each disk call, it sends `arrived` and waits for `go`.
struct Stop {
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
            let stop = Stop {
                arrived: arrive,
                go: wait,
            };
            STOP.set(Some(stop));
            work.run(task);
            drop(work);
            STOP.set(None);
        };
        let thread = thread::spawn(run);
        // Wait until the task is about to make its first call. If both threads ran at the same
        // time, the order of their calls would not be deterministic.
        let _ = arrived.recv();
        Self {
            thread,
            go,
            arrived,
        }
    }

    /// Lets the task make one call, and waits until it is about to make the next. Returns `None`
    /// when the task has ended.
    fn step(self) -> Option<Self> {
        if self.go.send(()).is_ok() && self.arrived.recv().is_ok() {
            return Some(self);
        }
        self.finish();
        None
    }

    /// Lets the task run to its end.
    fn finish(self) {
        // Drop the sender, so that the task thread no longer waits before each disk call.
        drop(self.go);
        // Ignore a panic of the task, because the task does the rest of its work when it next runs.
        drop(self.thread.join());
    }
}

#[derive(Default)]
struct Inner {
    work: Mutex<Option<Weak<dyn Background>>>,
    threads: Mutex<[Option<TaskThread>; 2]>,
    rng: Mutex<Option<SeededRng>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

const TASKS: [Task; 2] = [Task::Checkpoint, Task::Preallocate];

/// All task threads of a simulated disk.
#[derive(Debug)]
pub(super) struct Scheduler {
    inner: Arc<Inner>,
}

impl Scheduler {
    pub(super) fn new(seed: u64) -> Self {
        let inner = Inner {
            rng: Mutex::new(Some(SeededRng::new(seed ^ 0x5eed))),
            ..Inner::default()
        };
        let inner = Arc::new(inner);
        Self { inner }
    }

    pub(super) fn executor(&self) -> Arc<dyn Executor> {
        Arc::<Inner>::clone(&self.inner)
    }

    /// Runs before each disk call. A task thread waits here until it may make the call. Any other
    /// thread may advance a task thread if `may_yield` is true.
    pub(super) fn pass(&self, may_yield: bool) {
        let is_task_thread = STOP.with_borrow(|stop| {
            let Some(stop) = stop else { return false };
            if stop.arrived.send(()).is_ok() {
                // `recv` fails after `finish` has dropped the sender. The task thread then runs on
                // without stops.
                let _ = stop.go.recv();
            }
            true
        });
        // Advance no task on a thread that runs a task itself. It could start another thread for
        // the same task, and the task would run twice at the same time.
        if !is_task_thread && may_yield && !IS_BUSY.get() {
            self.inner.advance_random_task();
        }
    }

    /// Advances random tasks, or none, and sometimes appends the idle mark. A test calls this
    /// between two commands.
    pub(super) fn run_some_tasks(&self) {
        for _ in 0..self.inner.below(3) {
            self.inner.advance_random_task();
        }
        if self.inner.below(16) == 0
            && let Some(work) = self.inner.work()
        {
            work.run(Task::Idle);
        }
        if let Some(work) = self.inner.work()
            && work.has_work(Task::Ship)
            && self.inner.below(4) == 0
        {
            work.run(Task::Ship);
        }
    }
}

impl Inner {
    fn below(&self, n: usize) -> usize {
        self.rng.lock().as_mut().map_or(0, |rng| rng.below(n))
    }

    fn work(&self) -> Option<Arc<dyn Background>> {
        self.work.lock().as_ref()?.upgrade()
    }

    fn take(&self, task: Task) -> Option<TaskThread> {
        let index = TASKS.iter().position(|own| *own == task)?;
        self.threads.lock().get_mut(index)?.take()
    }

    /// Advances a random task by up to 11 calls, or does nothing (in half of the cases).
    fn advance_random_task(&self) {
        let index = self.below(4);
        let Some(task) = TASKS.get(index).copied() else {
            return;
        };
        let mut thread = match self.take(task) {
            Some(thread) => Some(thread),
            None => self
                .work()
                .filter(|work| work.has_work(task))
                .map(|work| TaskThread::begin(work, task)),
        };
        for _ in 0..self.below(12) {
            thread = thread.and_then(TaskThread::step);
        }
        if let Some(slot) = self.threads.lock().get_mut(index) {
            *slot = thread;
        }
    }
}

impl Executor for Inner {
    fn adopt(&self, work: Weak<dyn Background>) {
        *self.work.lock() = Some(work);
    }

    fn run_to_end(&self, task: Task) {
        if let Some(thread) = self.take(task) {
            thread.finish();
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
            if let Some(thread) = self.take(task) {
                thread.finish();
            }
        }
    }
}
