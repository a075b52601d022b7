//! The flow's other threads: what is long runs on one of them, one after another; reads of
//! an engine that waits for other machines run on a few, so that nothing long is before them.

use std::collections::VecDeque;

use super::Pipeline;
use super::sync::{Condvar, Mutex};
use crate::error::Error;

/// A job that completes its own reply and does not panic.
pub(super) type Job = Box<dyn FnOnce(&Pipeline) + Send>;

/// Jobs that wait for a thread of their kind.
#[derive(Default)]
pub(super) struct JobQueue {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closing: bool,
}

/// The most jobs that wait: each may hold its caller for minutes.
const MAX_JOBS: usize = 1024;

impl JobQueue {
    /// Queues what `prepare` makes of the job. A job that is not accepted comes back.
    pub(super) fn post<J>(&self, job: J, prepare: impl FnOnce(J) -> Job) -> Result<(), (Error, J)> {
        let mut state = self.state.lock();
        if state.closing {
            return Err((Error::ShutDown, job));
        }
        if state.jobs.len() >= MAX_JOBS {
            return Err((Error::Overloaded, job));
        }
        state.jobs.push_back(prepare(job));
        self.arrived.notify_one();
        Ok(())
    }

    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.arrived.notify_all();
    }

    /// The next job; `None` when all are done and no more will come.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closing {
                return None;
            }
            self.arrived.wait(&mut state);
        }
    }
}

impl Pipeline {
    /// The life of a thread that takes such jobs.
    pub(super) fn run_side(&self, side: &JobQueue) {
        while let Some(job) = side.next() {
            job(self);
        }
    }
}
