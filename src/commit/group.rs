//! One group of commands: load their records, decide the commands in order, write once, answer.
//!
//! This module does not use threads or tickets.
//!
//! - A refused command has no effect on the other commands of its group. A command whose record
//!   cannot be read or written has no effect on them either.
//! - Every answer waits for the write of its group, even the answer to a command that writes
//!   nothing. For example, the reply "duplicate" may refer to a payment in the same group. The
//!   reply must not arrive before that payment is durable.

use std::panic::{AssertUnwindSafe, catch_unwind};

use foldhash::HashSet;

use super::working_set::{Placed, WorkingSet};
use super::{panicked, spans};
use crate::contract::{Mutation, Verdict};
use crate::engine::{Engine, EngineError};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::{Command, Outcome, Record, Reply};
use crate::rules::{Context, Policy, ReplyOrder, Spare, decide_with};
use crate::types::{OrderNo, Timestamp};

/// Answer to one command: a reply with the outcome, or an error.
pub(super) type Answer = Result<Reply<Outcome>, Error>;

/// Answers of a group, and the error that poisons the store, if any.
pub(super) struct Done {
    /// Answers in the order of the commands, one for each.
    pub(super) answers: Vec<Answer>,
    /// Error that poisons the store: the store writes nothing more until it is opened again. `None`
    /// if the store can go on.
    pub(super) poison: Option<StorageError>,
}

impl Done {
    /// Answers of another process's store. That store decides whether it accepts more commands.
    fn forwarded(commands: &[Command], mut answers: Vec<Answer>) -> Self {
        // The engine must give one answer for each command. The outcome without an answer is unknown.
        let missing = || {
            let why = "the other process did not return one answer for each command";
            let cause = StorageError::new(StorageErrorKind::Internal, why);
            Err(Error::OutcomeUnknown(cause))
        };
        answers.resize_with(commands.len(), missing);
        Self {
            answers,
            poison: None,
        }
    }
}

/// Maximum number of rounds of a group, and then of each command that it left open. A round repeats
/// if another writer changed a record between the load and the write.
const TRIES: usize = 16;

/// Answers that the commands of a group have so far.
struct Progress<'a> {
    /// Answer of each command. `None` for an open command, which has no answer yet.
    answers: Vec<Option<Answer>>,
    poison: Option<StorageError>,
    memory: &'a mut GroupMemory,
}

/// Failure of a round because one record cannot be read or written. The round wrote nothing.
struct RecordError(Error);

/// Runs groups on an engine.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
}

/// Memory of a group, which the next group reuses.
#[derive(Default)]
pub(super) struct GroupMemory {
    records: WorkingSet,
    spare: Spare,
}

impl GroupMemory {
    /// Keeps the memory of mutations that the engine has written or refused.
    fn keep(&mut self, mutations: Vec<Mutation>) {
        for mutation in mutations {
            self.spare.keep_events(mutation.events);
            if let Some(before) = mutation.before {
                self.spare.keep_record(before.record);
            }
        }
    }
}

/// Decided command that waits for the write.
struct Decided {
    reply: Reply<Outcome>,
    /// Order number of the command.
    no: OrderNo,
    /// Order numbers of the other records that the decision has read.
    owners: Vec<OrderNo>,
}

impl Decided {
    /// Returns whether the decision read or changed one of these records.
    fn depends_on(&self, lost: &HashSet<OrderNo>) -> bool {
        !lost.is_empty()
            && (lost.contains(&self.no) || self.owners.iter().any(|no| lost.contains(no)))
    }
}

impl Runner<'_> {
    /// Runs a group. The caller must hold the commit lock.
    pub(super) fn run(self, commands: &[Command], memory: &mut GroupMemory) -> Done {
        if let Some(answers) = self.engine.execute(commands) {
            return Done::forwarded(commands, answers);
        }
        let mut done = Progress {
            answers: commands.iter().map(|_| None).collect(),
            poison: None,
            memory,
        };
        self.retry_until_answered(commands, &mut done);
        let poisoned = done.poison.clone().map(Error::Poisoned);
        let unanswered = || poisoned.clone().unwrap_or_else(too_many_races);
        let answer = |answer: Option<Answer>| answer.unwrap_or_else(|| Err(unanswered()));
        Done {
            answers: done.answers.into_iter().map(answer).collect(),
            poison: done.poison,
        }
    }

    /// Runs rounds of the whole group while each of them answers a command, at most [`TRIES`]. Then
    /// runs the commands that are still open one by one.
    fn retry_until_answered(self, commands: &[Command], done: &mut Progress<'_>) {
        for _ in 0..TRIES {
            let open = done.open();
            // One bad record must not fail the other commands of the group. `isolate_failures`
            // finds the commands whose records cannot be read, and answers them with the error; the
            // others are then tried again. If all records can be read, the engine cannot write one
            // of them and does not name it.
            if self.round(commands, &open, done).is_err() {
                self.isolate_failures(commands, &open, done);
            }
            // Stop if the round answered no command, because the next one would fail like it.
            let left = done.open().len();
            if left == 0 || left == open.len() {
                break;
            }
        }
        for place in done.open() {
            self.retry_alone(commands, place, done);
        }
    }

    /// Decides each open command alone, and answers those that fail.
    fn isolate_failures(self, commands: &[Command], open: &[usize], done: &mut Progress<'_>) {
        for place in open {
            let alone = commands.get(*place).into_iter();
            if let Err(error) = self.decide_all(alone, done.memory) {
                done.poison_if_fatal(&error);
                done.answer(*place, Some(Err(before_the_write(error))));
            }
        }
    }

    /// Runs rounds of one command until it has an answer, at most [`TRIES`]. The next command must
    /// wait for the answer, so that no command overtakes an earlier one.
    fn retry_alone(self, commands: &[Command], place: usize, done: &mut Progress<'_>) {
        for _ in 0..TRIES {
            if done.poison.is_some() || !done.is_open(place) {
                return;
            }
            if let Err(RecordError(error)) = self.round(commands, &[place], done) {
                done.answer(place, Some(Err(error)));
            }
        }
    }

    /// Decides the open commands, writes their mutations once, and answers them. If another writer
    /// changed a record of a command in the meantime, the command stays open.
    ///
    /// # Errors
    /// [`RecordError`] if a single record may be the cause. The commands then stay open.
    fn round(
        self,
        commands: &[Command],
        open: &[usize],
        done: &mut Progress<'_>,
    ) -> Result<(), RecordError> {
        let chosen = open.iter().filter_map(|place| commands.get(*place));
        let (decided, mutations) = match self.decide_all(chosen, done.memory) {
            Ok(decided) => decided,
            Err(error) => {
                done.poison_if_fatal(&error);
                let is_isolable = is_of_one_record(&error);
                return done.fail(open, is_isolable, &before_the_write(error));
            }
        };
        let Some(mutations) = mutations else {
            // Decide again in two parts, so that each command still comes after the earlier ones.
            let (first, rest) = open.split_at(open.len() / 2);
            self.round(commands, first, done)?;
            return self.round(commands, rest, done);
        };
        match self.write(&mutations) {
            // On a shared database, another process may have changed some records after they were
            // loaded. `lost` contains these records: the engine refused their mutations, and
            // applied the others. A decision that depends on a lost record used an outdated state,
            // so its command stays open and is decided again.
            Ok(lost) => {
                for (place, decided) in open.iter().zip(decided) {
                    let is_valid = !decided.depends_on(&lost);
                    done.answer(*place, is_valid.then_some(Ok(decided.reply)));
                }
                done.memory.keep(mutations);
                Ok(())
            }
            Err(error) => {
                // Only `Retry` means that nothing was written and that the engine still accepts
                // writes. After any other error, the store must not try the commands again.
                let is_retry = matches!(error, EngineError::Retry(_));
                let is_isolable = is_retry && is_of_one_record(&error);
                // After a write with unknown outcome, some engines cannot trust their own data any
                // more. The store then writes nothing until it is opened again. A PostgreSQL
                // cluster can go on: each of its mutations checks the stored version.
                let stops = self.engine.limits().stops_at_unknown;
                match &error {
                    EngineError::Unknown(cause) if stops => done.poison = Some(cause.clone()),
                    EngineError::Fatal(cause) => done.poison = Some(cause.clone()),
                    _ => {}
                }
                done.fail(open, is_isolable, &in_the_write(error))
            }
        }
    }

    /// Returns the replies that the commands would get now. Writes nothing.
    #[cfg(feature = "transfer")]
    pub(super) fn dry_run(self, commands: &[Command]) -> Result<Vec<Reply<Outcome>>, EngineError> {
        let (decided, _) = self.decide_all(commands.iter(), &mut GroupMemory::default())?;
        Ok(decided.into_iter().map(|decided| decided.reply).collect())
    }

    /// Decides the commands in order. Returns the decisions and the mutations to write; `None` if no order
    /// of the mutations works. One command alone always has mutations.
    ///
    /// The engine may panic while it reads, and the subscriber of the tracing spans while it gets a
    /// span. Both happen before the write, so a panic becomes "nothing was written".
    fn decide_all<'c>(
        self,
        commands: impl Iterator<Item = &'c Command>,
        memory: &mut GroupMemory,
    ) -> Result<(Vec<Decided>, Option<Vec<Mutation>>), EngineError> {
        let decide = || {
            let placed = memory.records.load(self.engine, commands)?;
            let mut decided = Vec::with_capacity(placed.len());
            for placed in &placed {
                decided.push(self.decide_one(placed, memory)?);
            }
            Ok((decided, memory.records.take_mutations()))
        };
        let decided = catch_unwind(AssertUnwindSafe(decide));
        decided.unwrap_or_else(|_| Err(EngineError::Retry(panicked())))
    }

    /// Decides one command on the state after the earlier commands of the group.
    fn decide_one(
        self,
        placed: &Placed<'_>,
        GroupMemory { records, spare }: &mut GroupMemory,
    ) -> Result<Decided, EngineError> {
        let command = placed.command;
        records.collect_owners(self.engine, placed)?;
        let context = Context {
            now: self.now,
            policy: self.policy,
            owners: records.owners(),
        };
        let record = records.record(placed);
        let mut decision =
            spans::command(command, || decide_with(record, command, &context, spare));
        let owners = context
            .owners
            .iter()
            .filter_map(|(_, owner)| owner.as_ref());
        let owners = owners.map(Record::no).collect();
        records.apply_decision(placed, &mut decision);
        let shown = match decision.reply_order {
            ReplyOrder::This => records.record(placed),
            ReplyOrder::Owner(no) => records.find(&no),
        };
        Ok(Decided {
            reply: Reply {
                outcome: decision.outcome,
                order: shown.and_then(Record::as_order).cloned(),
                acknowledge: decision.acknowledge,
            },
            no: command.no,
            owners,
        })
    }

    /// Writes the mutations. Returns the order numbers of the mutations that the engine refused,
    /// because another writer changed the record or another record owns a key.
    fn write(self, mutations: &[Mutation]) -> Result<HashSet<OrderNo>, EngineError> {
        if mutations.is_empty() {
            self.engine.check_serving()?;
            return Ok(HashSet::default());
        }
        // The engine may panic before or after its write, so the outcome is unknown. For every
        // engine, `run_unless_panicked` catches the panic and poisons the store.
        let verdicts = self.engine.apply(mutations)?;
        if verdicts.len() != mutations.len() {
            let why = "the engine did not return one verdict for each mutation";
            let cause = StorageError::new(StorageErrorKind::Internal, why);
            return Err(EngineError::Unknown(cause));
        }
        let verdicts = verdicts.iter().zip(mutations);
        let lost = verdicts.filter(|(verdict, _)| **verdict != Verdict::Applied);
        Ok(lost.map(|(_, mutation)| mutation.no).collect())
    }
}

impl Progress<'_> {
    /// Returns the positions of the open commands. Returns none once the store is poisoned.
    fn open(&self) -> Vec<usize> {
        let mut open: Vec<usize> = (0..self.answers.len()).collect();
        open.retain(|place| self.poison.is_none() && self.is_open(*place));
        open
    }

    fn is_open(&self, place: usize) -> bool {
        self.answers.get(place).is_some_and(Option::is_none)
    }

    /// Sets the answer of a command. `None` leaves it open.
    fn answer(&mut self, place: usize, answer: Option<Answer>) {
        if let Some(slot) = self.answers.get_mut(place) {
            *slot = answer;
        }
    }

    /// Poisons the store if a failed read shows that the engine accepts no more writes. Corruption
    /// of a single record does not poison the store.
    fn poison_if_fatal(&mut self, error: &EngineError) {
        if let EngineError::Fatal(cause) = error
            && !is_of_one_record(error)
        {
            self.poison = Some(cause.clone());
        }
    }

    /// Ends a failed round. If a single record may be the cause (`is_isolable`), leaves all
    /// commands open and returns the error, so that the caller can isolate the failing command.
    /// Otherwise answers every open command with the error.
    fn fail(
        &mut self,
        open: &[usize],
        is_isolable: bool,
        error: &Error,
    ) -> Result<(), RecordError> {
        if is_isolable {
            return Err(RecordError(error.clone()));
        }
        for place in open {
            self.answer(*place, Some(Err(error.clone())));
        }
        Ok(())
    }
}

/// Returns whether the failure may concern a single record only. The other commands of the group
/// may then succeed.
fn is_of_one_record(error: &EngineError) -> bool {
    let cause = error.cause();
    cause.is_some_and(|cause| is_record_kind(cause.kind()))
}

const fn is_record_kind(kind: StorageErrorKind) -> bool {
    matches!(
        kind,
        StorageErrorKind::Corrupted | StorageErrorKind::TooLarge
    )
}

/// Converts an engine error that occurred before the write. The command was certainly not applied.
pub(super) fn before_the_write(error: EngineError) -> Error {
    match error {
        EngineError::Fatal(cause) if !is_record_kind(cause.kind()) => Error::Poisoned(cause),
        error => error.into_error(|cause| match cause.kind() {
            StorageErrorKind::DiskFull => Error::DiskFull,
            StorageErrorKind::Corrupted => Error::Unreadable(cause),
            _ => Error::NotApplied(cause),
        }),
    }
}

/// Converts an engine error that occurred in the write. Only [`Error::OutcomeUnknown`] means that
/// the command may be applied.
pub(super) fn in_the_write(error: EngineError) -> Error {
    match error {
        EngineError::Unknown(cause) => Error::OutcomeUnknown(cause),
        EngineError::Fatal(cause) => Error::Poisoned(cause),
        error => before_the_write(error),
    }
}

fn too_many_races() -> Error {
    Error::NotApplied(StorageError::new(
        StorageErrorKind::Internal,
        "in every attempt, another writer changed the record or owned a key of it; try again",
    ))
}
