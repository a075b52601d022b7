//! The engine's thread: all calls of the driver run on it, whoever asks.

use std::future::Future;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};

use super::failure::Failure;
use super::link::Links;
use crate::engine::EngineError;
use crate::error::{StorageError, StorageErrorKind};

type Job = Box<dyn FnOnce(Rc<Links>) + Send>;

/// A thread with a runtime of its own.
pub(super) struct Worker {
    jobs: Mutex<Option<UnboundedSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    pub(super) fn start(links: Links) -> std::io::Result<Self> {
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

    /// Runs there, while this thread waits.
    pub(super) fn run<T, F>(
        &self,
        work: impl FnOnce(Rc<Links>) -> F + Send + 'static,
    ) -> Result<T, EngineError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + 'static,
    {
        let (tell, told) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |links| {
            // Whoever has stopped waiting is not told.
            spawn_local(async move { drop(tell.send(work(links).await)) });
        });
        let sent = self.jobs.lock().as_ref().map(|jobs| jobs.send(job));
        if !matches!(sent, Some(Ok(()))) {
            return Err(closed());
        }
        // What was under way may have come as far as the server.
        let lost =
            |_| EngineError::Unknown(StorageError::new(StorageErrorKind::Internal, "a job died"));
        let told = told.recv().map_err(lost)?;
        told.map_err(Failure::told)
    }

    /// Ends the thread; what is under way on it is left.
    pub(super) fn end(&self) {
        drop(self.jobs.lock().take());
        if let Some(thread) = self.thread.lock().take() {
            // Its panics are nobody's here.
            drop(thread.join());
        }
    }
}

async fn work(links: Links, mut waiting: UnboundedReceiver<Job>) {
    let links = Rc::new(links);
    while let Some(job) = waiting.recv().await {
        job(Rc::clone(&links));
    }
}

fn closed() -> EngineError {
    let kind = StorageErrorKind::Internal;
    EngineError::Fatal(StorageError::new(kind, "the engine was closed"))
}
