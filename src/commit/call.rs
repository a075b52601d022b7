//! A call that was not made yet: wait for it, await it, or hand it over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Pipeline;
use super::oneshot::{Oneshot, Ticket};
use super::reply::{AnyReply, Extract, wrong_reply};
use crate::error::Error;
use crate::order::Command;
use crate::types::OrderNo;

/// A verb of the store with its arguments. Nothing happens until it is waited for,
/// awaited or submitted; dropped unused, nothing happened.
///
/// It owns what it needs and can be sent to other threads and tasks. It does not keep the
/// store open: after the last clone of the store is gone it answers
/// [`Error::ShutDown`].
#[must_use = "a call does nothing until it is waited for, awaited or submitted"]
pub struct Call<T> {
    flow: Arc<Pipeline>,
    kind: CallKind,
    hear: Extract<T>,
}

/// What is asked, by the lane it takes.
pub(crate) enum CallKind {
    /// Through the queue, decided and made durable with its group.
    Command(Command),
    /// From the block at hand, or through the committer where there is none.
    Number,
    /// A point read, without allocation.
    Get(OrderNo),
    /// A read that is bounded: on the caller's thread where that waits, or the engine is
    /// quick.
    Read(Job),
    /// Something long: always on the flow's own thread.
    Long(Job),
    /// The end.
    ShutDown,
}

/// Something to run against the engine.
pub(crate) type Job = Box<dyn FnOnce(&Pipeline) -> Result<AnyReply, Error> + Send + Sync>;

impl<T> Call<T> {
    pub(crate) const fn new(flow: Arc<Pipeline>, ask: CallKind, hear: Extract<T>) -> Self {
        Self {
            flow,
            kind: ask,
            hear,
        }
    }

    /// Makes the call and parks the thread until the answer is here. Not for async tasks:
    /// `.await` it there.
    ///
    /// # Errors
    /// See [`Error`] for what each says of the data.
    pub fn wait(self) -> Result<T, Error> {
        let inline = self.flow.limits.on_callers_thread;
        let said = match self.kind {
            // What is read from memory needs none of the threads that a fork leaves behind, and
            // to ask which process this is would take longer than the read.
            CallKind::Get(no) if inline && self.flow.limits.is_quick => {
                self.flow.read_here(|flow| flow.get(&no))
            }
            CallKind::Get(no) if inline => {
                let checked = self.flow.check_process();
                checked.and_then(|()| self.flow.read_here(|flow| flow.get(&no)))
            }
            CallKind::Read(job) if inline => {
                let checked = self.flow.check_process();
                checked.and_then(|()| self.flow.read_here(job))
            }
            // Two processes that share a run would hand out the same numbers.
            CallKind::Number => {
                self.flow.check_process()?;
                match self.flow.number_at_hand() {
                    Some(no) => self.flow.open().map(|()| AnyReply::Number(no)),
                    None => return self.submit()?.wait(),
                }
            }
            CallKind::Command(command) => match self.flow.lead(command) {
                Ok(said) => said,
                Err(command) => {
                    let ask = CallKind::Command(command);
                    return Self { kind: ask, ..self }.submit()?.wait();
                }
            },
            ask => return Self { kind: ask, ..self }.submit()?.wait(),
        };
        said.and_then(|said| (self.hear)(said).ok_or_else(wrong_reply))
    }

    /// Hands the call over and comes back at once with the right to its answer. A read
    /// that the engine allows on the caller's thread is done on the spot.
    ///
    /// # Errors
    /// [`Rejected`] gives the call back, with the reason: the queue is full, the store was
    /// shut down, or an earlier write failed.
    pub fn submit(self) -> Result<Ticket<T>, Rejected<Self>> {
        let Self {
            flow,
            kind: ask,
            hear,
        } = self;
        match flow.start(ask) {
            Ok(slot) => Ok(Ticket::new(slot, hear)),
            Err((reason, ask)) => {
                let call = Self {
                    flow,
                    kind: ask,
                    hear,
                };
                Err(Rejected { reason, call })
            }
        }
    }
}

impl Pipeline {
    /// Puts the call on its lane.
    fn start(self: &Arc<Self>, ask: CallKind) -> Result<Arc<Oneshot>, (Error, CallKind)> {
        let inline = self.limits.is_quick;
        match ask {
            CallKind::Command(command) => self
                .enqueue(command)
                .map_err(|(reason, command)| (reason, CallKind::Command(command))),
            CallKind::Number => Ok(self.number()),
            CallKind::Get(no) if inline => Ok(Oneshot::done(self.read_here(|flow| flow.get(&no)))),
            CallKind::Read(job) if inline => {
                let checked = self.check_process();
                Ok(Oneshot::done(checked.and_then(|()| self.read_here(job))))
            }
            CallKind::Get(no) => {
                let job: Job = Box::new(move |flow| flow.get(&no));
                self.post(&self.reads, job)
                    .map_err(|(reason, _)| (reason, CallKind::Get(no)))
            }
            CallKind::Read(job) => self
                .post(&self.reads, job)
                .map_err(|(reason, job)| (reason, CallKind::Read(job))),
            CallKind::Long(job) => self
                .post(&self.long, job)
                .map_err(|(reason, job)| (reason, CallKind::Long(job))),
            CallKind::ShutDown => Ok(self.shut_down()),
        }
    }
}

impl<T> std::fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match &self.kind {
            CallKind::Command(_) => "command",
            CallKind::Number => "number",
            CallKind::Get(_) => "get",
            CallKind::Read(_) => "read",
            CallKind::Long(_) => "long read",
            CallKind::ShutDown => "shutdown",
        };
        f.debug_struct("Call")
            .field("ask", &what)
            .finish_non_exhaustive()
    }
}

impl<T> IntoFuture for Call<T> {
    type Output = Result<T, Error>;
    type IntoFuture = CallFuture<T>;

    fn into_future(self) -> CallFuture<T> {
        CallFuture(Progress::Asked(self))
    }
}

/// A call that is being awaited. It enters the queue at its first poll, and a poll never
/// blocks. It is tied to no runtime.
#[must_use = "a future does nothing until it is polled"]
#[derive(Debug)]
pub struct CallFuture<T>(Progress<T>);

#[derive(Debug)]
enum Progress<T> {
    Asked(Call<T>),
    Waiting(Ticket<T>),
    Over,
}

impl<T> Future for CallFuture<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut ticket = match std::mem::replace(&mut self.0, Progress::Over) {
            Progress::Asked(call) => match call.submit() {
                Ok(ticket) => ticket,
                Err(refused) => return Poll::Ready(Err(refused.reason)),
            },
            Progress::Waiting(ticket) => ticket,
            Progress::Over => return Poll::Ready(Err(wrong_reply())),
        };
        let polled = Pin::new(&mut ticket).poll(context);
        if polled.is_pending() {
            self.0 = Progress::Waiting(ticket);
        }
        polled
    }
}

/// What was not taken, given back. It turns into [`Error`] with `?`.
#[derive(Debug, thiserror::Error)]
#[error("the call was not taken")]
#[non_exhaustive]
pub struct Rejected<C: std::fmt::Debug> {
    /// Why.
    #[source]
    pub reason: Error,
    /// What was to be taken.
    pub call: C,
}

impl<C: std::fmt::Debug> From<Rejected<C>> for Error {
    fn from(refused: Rejected<C>) -> Self {
        refused.reason
    }
}
