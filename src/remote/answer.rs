//! Answers to the requests of remote handles.

use serde::Serialize;

use super::message::{
    Cause, Failure, Front, Message, NoBackup, Opened, Refused, Request, State, VERSION, id_of,
};
use crate::commit::Health;
use crate::engine::{Engine, EngineError};
use crate::error::{StorageError, StorageErrorKind, with_causes};
use crate::order::{Command, Outcome, Reply};
use crate::order_no::BLOCK;
use crate::store::Store;

/// Maximum number of rows or events in one answer.
const ROWS_MAX: usize = 1000;

/// Request of a [`RemoteEngine`](super::RemoteEngine), as it arrived.
#[derive(Debug)]
pub struct Received(Result<Message, String>);

impl Received {
    /// Reads a request. The answer to one that cannot be read says so.
    #[must_use]
    pub fn read(request: &[u8]) -> Self {
        Self(read(request))
    }

    /// Returns whether the answer takes as long as the store is large: a verification, a backup or a
    /// checkpoint. Such a request should not wait together with others.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.0
            .as_ref()
            .is_ok_and(|message| message.request.is_long())
    }

    /// Answers the request. Blocks until the answer is there.
    #[must_use]
    pub fn answer(self, store: &Store) -> Vec<u8> {
        let answer = match self.0 {
            Err(why) => refuse(why),
            Ok(message) => answer(store, message),
        };
        // Every answer is made of values that JSON can hold.
        answer.unwrap_or_default()
    }
}

fn answer(store: &Store, message: Message) -> Option<Vec<u8>> {
    if message
        .store
        .is_some_and(|asked| asked != id_of(store.identity()))
    {
        let why = "the process has another store open now: open the store again";
        return refuse(why.to_owned());
    }
    let request = match message.request {
        Request::Execute(commands) => return encode(&Ok(execute(store, commands))),
        request => request,
    };
    let is_long = request.is_long();
    // The store knows that it is poisoned, and not its engine.
    let poison = match matches!(request, Request::State).then(|| store.health()) {
        Some(Health::Poisoned(cause)) => Some(cause),
        _ => None,
    };
    let run = move |engine: &dyn Engine| of_engine(engine, request, poison);
    match store.with_engine(is_long, run).wait() {
        Ok(answer) => answer,
        Err(error) => refuse(with_causes(&error)),
    }
}

fn read(request: &[u8]) -> Result<Message, String> {
    let unreadable = |error: serde_json::Error| format!("the request cannot be read: {error}");
    let front: Front = serde_json::from_slice(request).map_err(unreadable)?;
    if front.version != VERSION {
        let found = front.version;
        return Err(format!(
            "this program has version {found}, and the process that has the store open has version \
             {VERSION}: use the same version"
        ));
    }
    serde_json::from_slice(request).map_err(unreadable)
}

fn encode<T: Serialize>(answer: &Result<T, Failure>) -> Option<Vec<u8>> {
    serde_json::to_vec(answer).ok()
}

fn refuse(why: String) -> Option<Vec<u8>> {
    let cause = StorageError::new(StorageErrorKind::Internal, why);
    encode::<()>(&Err(EngineError::Retry(cause).into()))
}

fn execute(store: &Store, commands: Vec<Command>) -> Vec<Result<Reply<Outcome>, Refused>> {
    let count = commands.len();
    match store.submit_all(commands) {
        Ok(tickets) => tickets
            .into_iter()
            .map(|ticket| ticket.wait().map_err(Into::into))
            .collect(),
        Err(rejected) => (0..count)
            .map(|_| Err(rejected.reason.clone().into()))
            .collect(),
    }
}

fn of_engine(
    engine: &dyn Engine,
    request: Request,
    poison: Option<StorageError>,
) -> Option<Vec<u8>> {
    fn done<T: Serialize>(read: Result<T, EngineError>) -> Option<Vec<u8>> {
        encode(&read.map_err(Into::into))
    }
    let cause = |failure: Option<StorageError>| failure.as_ref().map(Cause::of);
    match request {
        Request::Open => done(Ok(Opened::of(engine.identity(), engine.limits()))),
        Request::Get(no) => done(engine.get(&no)),
        Request::Load(lookups) => done(engine.load(&lookups)),
        Request::Scan(query, limit) => done(engine.scan(&query, limit.min(ROWS_MAX))),
        Request::History(no) => done(engine.history(&no)),
        Request::Events(after, limit) => done(engine.events(after, limit.min(ROWS_MAX))),
        Request::FeedEnd => done(engine.feed_end()),
        Request::Counts => done(engine.counts()),
        Request::Verify => done(engine.verify()),
        Request::Reserve(count) if count > BLOCK => refuse("too many order numbers".to_owned()),
        Request::Reserve(count) => done(engine.reserve(count)),
        Request::Checkpoint => done(engine.checkpoint()),
        Request::Backup(dir) => done(Ok(engine.backup(&dir, None).map_err(NoBackup::from))),
        Request::State => done(Ok(State {
            stats: engine.stats(),
            writing: cause(poison.or_else(|| engine.retrying_failure())),
            mirror: cause(engine.mirror_failure()),
            standby: cause(engine.standby_failure()),
            archive: cause(engine.archive_failure()),
        })),
        // The store runs commands, and not its engine.
        Request::Execute(_) => refuse("no command".to_owned()),
    }
}
