//! Thread of the engine. All calls of the driver run on it.

use std::future::Future;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};

use super::failure::Failure;
use super::pool::Pool;
use crate::engine::EngineError;
use crate::error::{StorageError, StorageErrorKind};

type Job = Box<dyn FnOnce(Rc<Pool>) + Send>;

/// Thread with its own tokio runtime.
pub(super) struct Worker {
    jobs: Mutex<Option<UnboundedSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    pub(super) fn start(links: Pool) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (jobs, waiting) = unbounded_channel();
        let thread = std::thread::Builder::new().name("orderstore-postgres".to_owned());
        let thread =
            thread.spawn(move || LocalSet::new().block_on(&runtime, work(links, waiting)))?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs `work` on the engine's thread and blocks the calling thread until it ends.
    pub(super) fn run<T, F>(
        &self,
        work: impl FnOnce(Rc<Pool>) -> F + Send + 'static,
    ) -> Result<T, EngineError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + 'static,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |links| {
            // Ignore a failed send, because it only means that the caller stopped waiting.
            spawn_local(async move { drop(sender.send(work(links).await)) });
        });
        let sent = self.jobs.lock().as_ref().map(|jobs| jobs.send(job));
        if !matches!(sent, Some(Ok(()))) {
            return Err(closed());
        }
        // No result arrives if the job panicked or the engine was closed. The job's statement may
        // have reached the server, so the outcome is unknown.
        let lost = |_| {
            let why = "the engine's thread ended the call without a result";
            EngineError::Unknown(StorageError::new(StorageErrorKind::Internal, why))
        };
        let result = receiver.recv().map_err(lost)?;
        result.map_err(Failure::into_engine_error)
    }

    /// Ends the thread. Jobs that still run are dropped.
    pub(super) fn end(&self) {
        drop(self.jobs.lock().take());
        if let Some(thread) = self.thread.lock().take() {
            // Ignore a panic of the thread, because it does not concern the caller of `end`.
            drop(thread.join());
        }
    }
}

async fn work(links: Pool, mut waiting: UnboundedReceiver<Job>) {
    let links = Rc::new(links);
    while let Some(job) = waiting.recv().await {
        job(Rc::clone(&links));
    }
}

fn closed() -> EngineError {
    let kind = StorageErrorKind::Internal;
    EngineError::Fatal(StorageError::new(kind, "the engine was closed"))
}
