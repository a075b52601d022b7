//! Engine whose store another process has open.

use std::ops::Range;
use std::path::{self, Path};

use serde::de::DeserializeOwned;

use super::message::{
    Cause, Failure, Front, Message, NoBackup, Opened, Refused, Request, State, StoreId, VERSION,
    id_of,
};
use super::{Transport, TransportError};
use crate::contract::{
    Counts, FeedCursor, FeedEvent, IndexPage, IndexQuery, Lookup, Mutation, StoredRecord, Verdict,
};
use crate::engine::{BackupReport, Engine, EngineError, EngineStats, Identity, Limits, Progress};
use crate::error::{Error, OpenError, StorageError, StorageErrorKind};
use crate::order::{Command, Event, Outcome, Record, Reply};
use crate::types::OrderNo;
use crate::verify::VerifyReport;

/// Maximum number of commands in one request. The largest command has about 1 MiB.
const GROUP_MAX: usize = 32;

/// Engine whose store another process has open. See the [module](super).
#[derive(Debug)]
pub struct RemoteEngine {
    transport: Box<dyn Transport>,
    opened: Opened,
}

/// Failure of a request.
enum Unanswered {
    Transport(TransportError),
    /// The request cannot be written.
    Unwritable(serde_json::Error),
    /// The answer cannot be read.
    Unreadable(serde_json::Error),
}

impl Unanswered {
    const fn is_sent(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_sent,
            Self::Unwritable(_) => false,
            Self::Unreadable(_) => true,
        }
    }

    fn into_cause(self) -> StorageError {
        match self {
            Self::Transport(error) => StorageError::new(StorageErrorKind::Io, error),
            Self::Unwritable(error) | Self::Unreadable(error) => {
                StorageError::new(StorageErrorKind::Internal, error)
            }
        }
    }
}

fn send<T: DeserializeOwned>(
    transport: &dyn Transport,
    store: Option<StoreId>,
    request: Request,
) -> Result<Result<T, Failure>, Unanswered> {
    let version = VERSION.to_owned();
    let message = Message {
        front: Front { version },
        store,
        request,
    };
    let message = serde_json::to_vec(&message).map_err(Unanswered::Unwritable)?;
    let answer = transport.call(message).map_err(Unanswered::Transport)?;
    serde_json::from_slice(&answer).map_err(Unanswered::Unreadable)
}

impl RemoteEngine {
    /// Connects to the store behind a transport.
    ///
    /// # Errors
    /// [`OpenError::Unavailable`] if the other process does not answer, or has another version.
    pub fn connect(transport: impl Transport) -> Result<Self, OpenError> {
        let transport: Box<dyn Transport> = Box::new(transport);
        let opened: Opened = ask(&*transport, None, Request::Open)
            .map_err(|error| OpenError::Unavailable(error.into_storage()))?;
        Ok(Self { transport, opened })
    }

    fn ask<T: DeserializeOwned>(&self, request: Request) -> Result<T, EngineError> {
        ask(&*self.transport, self.store(), request)
    }

    /// A restarted server may have another store open.
    const fn store(&self) -> Option<StoreId> {
        Some(id_of(self.opened.identity()))
    }

    fn state(&self) -> Result<State, EngineError> {
        self.ask(Request::State)
    }

    fn failure(&self, of: impl FnOnce(State) -> Option<Cause>) -> Option<StorageError> {
        self.state().ok().and_then(of).map(Into::into)
    }
}

/// Asks for something that changes no order.
fn ask<T: DeserializeOwned>(
    transport: &dyn Transport,
    store: Option<StoreId>,
    request: Request,
) -> Result<T, EngineError> {
    match send(transport, store, request) {
        Ok(answer) => answer.map_err(Into::into),
        Err(unanswered) => Err(EngineError::Retry(unanswered.into_cause())),
    }
}

impl Engine for RemoteEngine {
    fn get(&self, no: &OrderNo) -> Result<Option<Record>, EngineError> {
        self.ask(Request::Get(*no))
    }

    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<StoredRecord>>, EngineError> {
        self.ask(Request::Load(lookups.to_vec()))
    }

    fn apply(&self, _: &[Mutation]) -> Result<Vec<Verdict>, EngineError> {
        let why = "the process that has the store open takes commands, and no decided changes";
        let cause = StorageError::new(StorageErrorKind::Internal, why).permanent();
        Err(EngineError::Retry(cause))
    }

    fn execute(&self, commands: &[Command]) -> Option<Vec<Result<Reply<Outcome>, Error>>> {
        let request = Request::Execute(commands.to_vec());
        let sent = send(&*self.transport, self.store(), request);
        let answers: Vec<Result<Reply<Outcome>, Refused>> = match sent {
            Ok(Ok(answers)) => answers,
            // The other process has not read the request.
            Ok(Err(failure)) => {
                let cause = EngineError::from(failure).into_storage();
                return Some(vec![Err(Error::NotApplied(cause)); commands.len()]);
            }
            Err(unanswered) => {
                let error = match unanswered.is_sent() {
                    true => Error::OutcomeUnknown(unanswered.into_cause()),
                    false => Error::NotApplied(unanswered.into_cause()),
                };
                return Some(vec![Err(error); commands.len()]);
            }
        };
        let answers = answers.into_iter();
        Some(answers.map(|answer| answer.map_err(Into::into)).collect())
    }

    fn scan(&self, query: &IndexQuery, limit: usize) -> Result<IndexPage, EngineError> {
        self.ask(Request::Scan(query.clone(), limit))
    }

    fn history(&self, no: &OrderNo) -> Result<Vec<Event>, EngineError> {
        self.ask(Request::History(*no))
    }

    fn events(&self, after: FeedCursor, limit: usize) -> Result<Vec<FeedEvent>, EngineError> {
        self.ask(Request::Events(after, limit))
    }

    fn feed_end(&self) -> Result<FeedCursor, EngineError> {
        self.ask(Request::FeedEnd)
    }

    fn counts(&self) -> Result<Counts, EngineError> {
        self.ask(Request::Counts)
    }

    fn verify(&self) -> Result<VerifyReport, EngineError> {
        self.ask(Request::Verify)
    }

    fn reserve(&self, count: u64) -> Result<Range<u64>, EngineError> {
        self.ask(Request::Reserve(count))
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        self.ask(Request::Checkpoint)
    }

    fn backup(&self, dir: &Path, _: Option<Progress>) -> Result<BackupReport, Error> {
        let failed = |source| Error::NotBackedUp {
            dir: dir.to_owned(),
            source,
        };
        // The other process may have another working directory.
        let full = path::absolute(dir).map_err(|error| failed(error.into()))?;
        let made: Result<_, NoBackup> = self
            .ask(Request::Backup(full))
            .map_err(|error| failed(error.into_storage()))?;
        made.map_err(|why| why.into_error(dir.to_owned()))
    }

    fn stats(&self) -> EngineStats {
        self.state().map(|state| state.stats).unwrap_or_default()
    }

    /// Also tells that the other process does not answer.
    fn retrying_failure(&self) -> Option<StorageError> {
        match self.state() {
            Ok(state) => state.writing.map(Into::into),
            Err(error) => Some(error.into_storage()),
        }
    }

    fn mirror_failure(&self) -> Option<StorageError> {
        self.failure(|state| state.mirror)
    }

    fn standby_failure(&self) -> Option<StorageError> {
        self.failure(|state| state.standby)
    }

    fn archive_failure(&self) -> Option<StorageError> {
        self.failure(|state| state.archive)
    }

    fn identity(&self) -> Identity {
        self.opened.identity()
    }

    fn limits(&self) -> Limits {
        Limits {
            // A request must not become too large.
            batch: self.opened.limits.batch.min(GROUP_MAX),
            on_callers_thread: true,
            never_waits_for_network: false,
            // The other process answers each command, whatever became of the one before.
            stops_at_unknown: false,
            ..self.opened.limits
        }
    }

    /// Leaves the store open in the other process.
    fn close(&self) -> Result<(), EngineError> {
        Ok(())
    }
}
