//! The flow's other threads: what is long runs on one of them, one after another; reads of
//! an engine that waits for other machines run on a few, so that nothing long is before them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::call::Job;
use super::oneshot::Oneshot;
use super::sync::{Condvar, Mutex};
use super::{Pipeline, panicked};
use crate::error::Error;

/// Jobs that wait for a thread of their kind.
#[derive(Default)]
pub(super) struct JobQueue {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<(Job, Arc<Oneshot>)>,
    closing: bool,
}

/// The most jobs that wait: each may hold its caller for minutes.
const MAX_JOBS: usize = 1024;

impl JobQueue {
    pub(super) fn post(&self, job: Job) -> Result<Arc<Oneshot>, (Error, Job)> {
        let mut state = self.state.lock();
        if state.closing {
            return Err((Error::ShutDown, job));
        }
        if state.jobs.len() >= MAX_JOBS {
            return Err((Error::Overloaded, job));
        }
        let slot = Oneshot::new();
        state.jobs.push_back((job, Arc::clone(&slot)));
        self.arrived.notify_one();
        Ok(slot)
    }

    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.arrived.notify_all();
    }

    /// The next job; `None` when all are done and no more will come.
    fn next(&self) -> Option<(Job, Arc<Oneshot>)> {
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
        while let Some((job, slot)) = side.next() {
            let said = catch_unwind(AssertUnwindSafe(|| job(self)));
            slot.complete(said.unwrap_or_else(|_| Err(Error::Unreadable(panicked()))));
        }
    }
}
