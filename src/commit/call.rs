//! Lazy call: an operation of the store with its arguments, before it runs.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Pipeline;
use super::oneshot::{Oneshot, Ticket, no_reply};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::{
    Annotated, CloseOutcome, Command, Confirmed, Created, Imported, Order, Outcome, Prepaid,
    Queried, RefundRecorded, RefundRefused, RefundRequested, RefundUnanswered, Reply, Resolved,
    Visible,
};
use crate::types::OrderNo;

/// Operation of the store with its arguments. The operation does not run until the caller waits for
/// the call, awaits it or submits it. A call that is dropped has no effect.
///
/// A call owns its arguments and can be sent to other threads and tasks. It does not keep the
/// store open: after the last clone of the store was dropped, the call returns
/// [`Error::ShutDown`].
#[must_use = "a call does nothing until it is waited for, awaited or submitted"]
pub struct Call<T> {
    pipeline: Arc<Pipeline>,
    kind: CallKind<T>,
}

/// Kind of a call: it determines the thread that runs the call, and the type of the reply.
enum CallKind<T> {
    /// A command. It runs in a group: the store queues it, decides it and makes it durable.
    Command(Command, fn(Reply<Outcome>) -> Result<T, Error>),
    /// A new order number, from the reserved block of numbers or from the next block.
    Number(fn(OrderNo) -> T),
    /// A read of one order. Unlike a [`Job`], this call needs no allocation.
    Get(OrderNo, fn(Option<Arc<Order>>) -> T),
    /// A read of bounded size. It runs on the caller's thread where the engine allows that.
    Read(Job<T>),
    /// A read or an operation of any length. It always runs on the pipeline's background thread.
    Long(Job<T>),
    /// A shutdown of the store.
    ShutDown(fn(()) -> T),
}

/// A closure that runs against the pipeline.
type Job<T> = Box<dyn FnOnce(&Pipeline) -> Result<T, Error> + Send + Sync>;

/// Type for the outcome of one kind of command, with a function that extracts it from [`Outcome`],
/// the enum of all outcomes.
pub(crate) trait CommandOutcome: Sized {
    fn from_outcome(outcome: Outcome) -> Option<Self>;
}

impl CommandOutcome for Outcome {
    fn from_outcome(outcome: Outcome) -> Option<Self> {
        Some(outcome)
    }
}

macro_rules! command_outcomes {
    ($($kind:ident: $outcome:ty,)+) => {$(
        impl CommandOutcome for $outcome {
            fn from_outcome(outcome: Outcome) -> Option<Self> {
                match outcome {
                    Outcome::$kind(outcome) => Some(outcome),
                    _ => None,
                }
            }
        }
    )+};
}

command_outcomes! {
    Create: Created,
    Annotate: Annotated,
    RecordPrepay: Prepaid,
    Confirm: Confirmed,
    RecordQuery: Queried,
    Close: CloseOutcome,
    RequestRefund: RefundRequested,
    RecordRefund: RefundRecorded,
    RefuseRefund: RefundRefused,
    RefundUnanswered: RefundUnanswered,
    Resolve: Resolved,
    Visibility: Visible,
    Import: Imported,
}

/// Returns the reply with the outcome of the command that was sent. The rules answer each kind of
/// command with one kind of outcome; another kind is a bug in them.
fn narrow<O: CommandOutcome>(reply: Reply<Outcome>) -> Result<Reply<O>, Error> {
    reply.try_map(O::from_outcome).ok_or_else(|| {
        let why = "the rules answered with the outcome of another kind of command";
        Error::OutcomeUnknown(StorageError::new(StorageErrorKind::Internal, why))
    })
}

/// Creates the call that sends one command.
pub(crate) fn command<O: CommandOutcome>(
    pipeline: Arc<Pipeline>,
    command: Command,
) -> Call<Reply<O>> {
    let kind = CallKind::Command(command, narrow);
    Call { pipeline, kind }
}

impl Call<OrderNo> {
    pub(crate) const fn number(pipeline: Arc<Pipeline>) -> Self {
        let kind = CallKind::Number(|no| no);
        Self { pipeline, kind }
    }
}

impl Call<Option<Arc<Order>>> {
    pub(crate) const fn get(pipeline: Arc<Pipeline>, no: OrderNo) -> Self {
        let kind = CallKind::Get(no, |order| order);
        Self { pipeline, kind }
    }
}

impl Call<()> {
    pub(crate) const fn shut_down(pipeline: Arc<Pipeline>) -> Self {
        let kind = CallKind::ShutDown(|()| ());
        Self { pipeline, kind }
    }
}

impl<T: Send + 'static> Call<T> {
    pub(crate) fn read(
        pipeline: Arc<Pipeline>,
        read: impl FnOnce(&Pipeline) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Self {
        let kind = CallKind::Read(Box::new(read));
        Self { pipeline, kind }
    }

    pub(crate) fn long(
        pipeline: Arc<Pipeline>,
        run: impl FnOnce(&Pipeline) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Self {
        let kind = CallKind::Long(Box::new(run));
        Self { pipeline, kind }
    }

    /// Runs the call and parks the thread until the reply arrives. Async tasks use `.await`
    /// instead.
    ///
    /// # Errors
    /// Each variant of [`Error`] states whether the command was applied.
    pub fn wait(self) -> Result<T, Error> {
        let Self { pipeline, kind } = self;
        let inline = pipeline.limits.on_callers_thread;
        let kind = match kind {
            // Skip the fork check: it is a system call, which takes longer than a read from memory.
            // In a forked child, the read does no harm to the parent's store.
            CallKind::Get(no, reply) if inline && pipeline.limits.never_waits_for_network => {
                return pipeline.read_here(|pipeline| pipeline.get(&no)).map(reply);
            }
            CallKind::Get(no, reply) if inline => {
                pipeline.check_process()?;
                return pipeline.read_here(|pipeline| pipeline.get(&no)).map(reply);
            }
            CallKind::Read(job) if inline => {
                pipeline.check_process()?;
                return pipeline.read_here(job);
            }
            CallKind::Number(reply) => {
                // Refuse the call in a forked child. Parent and child have copies of the same
                // block, and would give out the same order numbers.
                pipeline.check_process()?;
                if let Some(no) = pipeline.draw_number() {
                    return pipeline.check_open().map(|()| reply(no));
                }
                CallKind::Number(reply)
            }
            CallKind::Command(command, narrow) => match pipeline.lead(command) {
                Ok(reply) => return reply.and_then(narrow),
                Err(command) => CallKind::Command(command, narrow),
            },
            kind => kind,
        };
        Self { pipeline, kind }.submit()?.wait()
    }

    /// Submits the call and returns a ticket for its reply at once. A read that the engine allows
    /// on the caller's thread runs before this function returns.
    ///
    /// # Errors
    /// [`Rejected`] returns the call with the reason, for example: the queue is full, the store is
    /// shut down, or an earlier write failed.
    pub fn submit(self) -> Result<Ticket<T>, Rejected<Self>> {
        let Self { pipeline, kind } = self;
        match start(&pipeline, kind) {
            Ok(ticket) => Ok(ticket),
            Err((reason, kind)) => {
                let call = Self { pipeline, kind };
                Err(Rejected { reason, call })
            }
        }
    }
}

/// Sends the call to the thread that runs its kind.
fn start<T: Send + 'static>(
    pipeline: &Arc<Pipeline>,
    kind: CallKind<T>,
) -> Result<Ticket<T>, (Error, CallKind<T>)> {
    let inline = pipeline.limits.never_waits_for_network;
    match kind {
        CallKind::Command(command, narrow) => match pipeline.enqueue(command) {
            Ok(slot) => Ok(Ticket::of_command(slot, narrow)),
            Err((reason, command)) => Err((reason, CallKind::Command(command, narrow))),
        },
        CallKind::Number(reply) => Ok(pipeline.number(reply)),
        CallKind::Get(no, reply) if inline => {
            let read = pipeline.read_here(|pipeline| pipeline.get(&no));
            Ok(Ticket::done(read.map(reply)))
        }
        CallKind::Read(job) if inline => {
            let checked = pipeline.check_process();
            let read = checked.and_then(|()| pipeline.read_here(job));
            Ok(Ticket::done(read))
        }
        CallKind::Get(no, reply) => {
            let job: Job<T> = Box::new(move |pipeline| pipeline.get(&no).map(reply));
            let posted = pipeline.post(&pipeline.reads, job);
            posted.map_err(|(reason, _)| (reason, CallKind::Get(no, reply)))
        }
        CallKind::Read(job) => {
            let posted = pipeline.post(&pipeline.reads, job);
            posted.map_err(|(reason, job)| (reason, CallKind::Read(job)))
        }
        CallKind::Long(job) => {
            let posted = pipeline.post(&pipeline.long, job);
            posted.map_err(|(reason, job)| (reason, CallKind::Long(job)))
        }
        CallKind::ShutDown(reply) => {
            let slot = Oneshot::new();
            let own = Arc::clone(&slot);
            pipeline.shut_down(Box::new(move |ended| own.complete(ended.map(reply))));
            Ok(Ticket::of(slot))
        }
    }
}

impl<T> std::fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.kind {
            CallKind::Command(..) => "command",
            CallKind::Number(_) => "number",
            CallKind::Get(..) => "get",
            CallKind::Read(_) => "read",
            CallKind::Long(_) => "long read",
            CallKind::ShutDown(_) => "shutdown",
        };
        f.debug_struct("Call")
            .field("kind", &kind)
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> IntoFuture for Call<T> {
    type Output = Result<T, Error>;
    type IntoFuture = CallFuture<T>;

    fn into_future(self) -> CallFuture<T> {
        CallFuture(Progress::Unsent(self))
    }
}

/// Future of a call. The first poll submits the call, and may read from a local disk: see
/// [`Call::submit`]. No poll waits for a write. The future needs no particular runtime.
#[must_use = "a future does nothing until it is polled"]
#[derive(Debug)]
pub struct CallFuture<T>(Progress<T>);

#[derive(Debug)]
enum Progress<T> {
    Unsent(Call<T>),
    Waiting(Ticket<T>),
    Over,
}

impl<T: Send + 'static> Future for CallFuture<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut ticket = match std::mem::replace(&mut self.0, Progress::Over) {
            Progress::Unsent(call) => match call.submit() {
                Ok(ticket) => ticket,
                Err(rejected) => return Poll::Ready(Err(rejected.reason)),
            },
            Progress::Waiting(ticket) => ticket,
            Progress::Over => return Poll::Ready(Err(no_reply())),
        };
        let polled = Pin::new(&mut ticket).poll(context);
        if polled.is_pending() {
            self.0 = Progress::Waiting(ticket);
        }
        polled
    }
}

/// Call or batch that the store did not accept. It converts into [`Error`] with `?`.
#[derive(Debug, thiserror::Error)]
#[error("the store did not accept the call; nothing was done")]
#[non_exhaustive]
pub struct Rejected<C: std::fmt::Debug> {
    /// Reason why the store did not accept the call or the batch.
    #[source]
    pub reason: Error,
    /// The call or the batch, unchanged.
    pub call: C,
}

impl<C: std::fmt::Debug> From<Rejected<C>> for Error {
    fn from(rejected: Rejected<C>) -> Self {
        rejected.reason
    }
}
