//! Background jobs of the commit pipeline: two queues of jobs, and the threads that run them.
//!
//! - One thread runs the long jobs one after another, such as a backup.
//! - If the engine waits for other machines, a few more threads run the bounded reads, such as one
//!   page of a list. A bounded read therefore never waits for a long job.

use std::collections::VecDeque;

use super::Pipeline;
use crate::error::Error;
use crate::sync::{Condvar, Mutex};

/// Job for a background thread. The job delivers the reply to its caller, and does not panic.
pub(super) type Job = Box<dyn FnOnce(&Pipeline) + Send>;

/// Queue of jobs that wait for a background thread.
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

/// Maximum number of waiting jobs per queue. A full queue refuses further jobs at once.
const MAX_JOBS: usize = 1024;

impl JobQueue {
    /// Converts the job with `prepare` and queues it. Returns the job unchanged, with the reason,
    /// if the queue is closed or full.
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

    /// Closes the queue. The threads finish the waiting jobs and then end.
    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.arrived.notify_all();
    }

    /// Waits for the next job. Returns `None` once the queue is closed and empty.
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
    /// Runs the jobs of a queue on the current thread until the queue is closed and empty.
    pub(super) fn run_jobs(&self, queue: &JobQueue) {
        while let Some(job) = queue.next() {
            job(self);
        }
    }
}
