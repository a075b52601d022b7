//! One group: load, decide in order, write once, answer. No threads and no tickets here.
//!
//! - A refused command never disturbs its neighbours, nor does one whose record cannot be
//!   read or written.
//! - No answer leaves before the write that it rests on: answers that write nothing, such
//!   as a duplicate of a payment decided in the same group, wait as well.

use std::panic::{AssertUnwindSafe, catch_unwind};

use foldhash::HashSet;

use super::working_set::WorkingSet;
use super::{panicked, spans};
use crate::contract::{Mutation, Verdict};
use crate::engine::{Engine, EngineError};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::{Command, Outcome, Record, Reply};
use crate::rules::{Context, Policy, Shows, decide};
use crate::types::{OrderNo, Timestamp};

/// What became of one command.
pub(super) type Answer = Result<Reply<Outcome>, Error>;

/// What became of a group.
pub(super) struct Done {
    /// One answer for each command, in their order.
    pub(super) answers: Vec<Answer>,
    /// A write had begun and failed: nothing more may be written.
    pub(super) poison: Option<StorageError>,
}

/// How often commands are decided again because another writer was faster.
const TRIES: usize = 16;

/// The answers so far.
struct Progress {
    answers: Vec<Option<Answer>>,
    poison: Option<StorageError>,
}

/// A single record kept the round from being decided or written; nothing was.
struct RecordError(Error);

/// Runs groups against an engine.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
}

/// A decided command, waiting for the write.
struct Decided {
    answered: Reply<Outcome>,
    /// The record that the answer is about, and the others that it rests on.
    no: OrderNo,
    owners: Vec<OrderNo>,
}

impl Decided {
    fn rests_on(&self, lost: &HashSet<OrderNo>) -> bool {
        !lost.is_empty()
            && (lost.contains(&self.no) || self.owners.iter().any(|no| lost.contains(no)))
    }
}

impl Runner<'_> {
    pub(super) fn run(self, commands: &[Command]) -> Done {
        let mut done = Progress {
            answers: commands.iter().map(|_| None).collect(),
            poison: None,
        };
        self.retry_until_answered(commands, &mut done);
        let poisoned = done.poison.clone().map(Error::Poisoned);
        let missed = || poisoned.clone().unwrap_or_else(overtaken);
        let answer = |answer: Option<Answer>| answer.unwrap_or_else(|| Err(missed()));
        Done {
            answers: done.answers.into_iter().map(answer).collect(),
            poison: done.poison,
        }
    }

    /// Rounds until all is answered: together, without those whose record cannot be read;
    /// where one cannot be written, one command after the other.
    fn retry_until_answered(self, commands: &[Command], done: &mut Progress) {
        for _ in 0..TRIES {
            let open = done.open();
            if open.is_empty() {
                return;
            }
            if self.round(commands, &open, done).is_err()
                && !self.isolate_failures(commands, &open, done)
            {
                for place in open {
                    self.retry_alone(commands, place, done);
                }
                return;
            }
        }
    }

    /// Answers the commands that cannot even be decided alone; says whether there are any.
    fn isolate_failures(self, commands: &[Command], open: &[usize], done: &mut Progress) -> bool {
        let decide = |place: usize| self.decide_all(commands.get(place).into_iter());
        for place in open {
            if let Err(error) = decide(*place) {
                done.stop_if_fatal(&error);
                done.answer(*place, Some(Err(before_the_write(error))));
            }
        }
        done.open().len() < open.len()
    }

    /// Rounds until one command is answered, so that none behind it is decided first.
    fn retry_alone(self, commands: &[Command], place: usize, done: &mut Progress) {
        for _ in 0..TRIES {
            if done.poison.is_some() || !done.is_open(place) {
                return;
            }
            if let Err(RecordError(error)) = self.round(commands, &[place], done) {
                done.answer(place, Some(Err(error)));
            }
        }
    }

    /// Answers what can be answered of the open commands; what lost a race stays open.
    fn round(
        self,
        commands: &[Command],
        open: &[usize],
        done: &mut Progress,
    ) -> Result<(), RecordError> {
        let chosen = open.iter().filter_map(|place| commands.get(*place));
        let (decided, mutations) = match self.decide_all(chosen) {
            Ok(decided) => decided,
            Err(error) => {
                done.stop_if_fatal(&error);
                let spoilt = is_of_one_record(&error);
                return done.fail(open, spoilt, &before_the_write(error));
            }
        };
        match self.write(&mutations) {
            Ok(lost) => {
                for (place, decided) in open.iter().zip(decided) {
                    let stands = !decided.rests_on(&lost);
                    done.answer(*place, stands.then_some(Ok(decided.answered)));
                }
                Ok(())
            }
            Err(error) => {
                let spoilt = matches!(error, EngineError::Retry(_)) && is_of_one_record(&error);
                let stops = self.engine.limits().stops_at_unknown;
                match &error {
                    EngineError::Unknown(cause) if stops => done.poison = Some(cause.clone()),
                    EngineError::Fatal(cause) => done.poison = Some(cause.clone()),
                    _ => {}
                }
                done.fail(open, spoilt, &in_the_write(error))
            }
        }
    }

    /// The answers that the commands would get, were they written now.
    #[cfg(feature = "transfer")]
    pub(super) fn dry_run(self, commands: &[Command]) -> Result<Vec<Reply<Outcome>>, EngineError> {
        let (decided, _) = self.decide_all(commands.iter())?;
        Ok(decided.into_iter().map(|it| it.answered).collect())
    }

    /// A panic here, of the engine that reads or of whoever hears the spans of the commands,
    /// comes before anything is written.
    fn decide_all<'c>(
        self,
        commands: impl Iterator<Item = &'c Command> + Clone,
    ) -> Result<(Vec<Decided>, Vec<Mutation>), EngineError> {
        let decide = || self.decide_each(commands);
        let decided = catch_unwind(AssertUnwindSafe(decide));
        decided.unwrap_or_else(|_| Err(EngineError::Retry(panicked())))
    }

    fn decide_each<'c>(
        self,
        commands: impl Iterator<Item = &'c Command> + Clone,
    ) -> Result<(Vec<Decided>, Vec<Mutation>), EngineError> {
        let mut overlay = WorkingSet::load(self.engine, commands.clone())?;
        let decided: Result<Vec<Decided>, EngineError> = commands
            .map(|command| self.decide_one(&mut overlay, command))
            .collect();
        Ok((decided?, overlay.into_mutations()))
    }

    fn decide_one(
        self,
        overlay: &mut WorkingSet,
        command: &Command,
    ) -> Result<Decided, EngineError> {
        let owners = overlay.owners(self.engine, command)?;
        let context = Context {
            now: self.now,
            policy: self.policy,
            owners: &owners,
        };
        let record = overlay.record(&command.no);
        let mut decision = spans::command(command, || decide(record, command, &context));
        overlay.decided(command.no, &mut decision);
        let shown = match decision.shows {
            Shows::This => command.no,
            Shows::Owner(no) => no,
        };
        let owners = owners.iter().filter_map(|(_, owner)| owner.as_ref());
        Ok(Decided {
            answered: Reply {
                outcome: decision.outcome,
                order: overlay.record(&shown).and_then(Record::as_order).cloned(),
                acknowledge: decision.acknowledge,
            },
            no: command.no,
            owners: owners.map(Record::no).collect(),
        })
    }

    /// The numbers whose change was not taken because something else stands there.
    fn write(self, mutations: &[Mutation]) -> Result<HashSet<OrderNo>, EngineError> {
        if mutations.is_empty() {
            return Ok(HashSet::default());
        }
        // The caller of the group catches a panic here: it stops all writing on every engine.
        let verdicts = self.engine.apply(mutations)?;
        if verdicts.len() != mutations.len() {
            let why = "there is not one verdict for each change";
            let cause = StorageError::new(StorageErrorKind::Internal, why);
            return Err(EngineError::Unknown(cause));
        }
        let verdicts = verdicts.iter().zip(mutations);
        let lost = verdicts.filter(|(verdict, _)| **verdict != Verdict::Applied);
        Ok(lost.map(|(_, mutation)| mutation.no).collect())
    }
}

impl Progress {
    /// The places of the commands that have no answer yet; none once a write has failed.
    fn open(&self) -> Vec<usize> {
        let places = (0..self.answers.len()).filter(|place| self.is_open(*place));
        places.filter(|_| self.poison.is_none()).collect()
    }

    fn is_open(&self, place: usize) -> bool {
        self.answers.get(place).is_some_and(Option::is_none)
    }

    fn answer(&mut self, place: usize, answer: Option<Answer>) {
        if let Some(room) = self.answers.get_mut(place) {
            *room = answer;
        }
    }

    /// Notes that the engine takes no writes any more, before it was asked for one.
    fn stop_if_fatal(&mut self, error: &EngineError) {
        if let EngineError::Fatal(cause) = error
            && !is_of_one_record(error)
        {
            self.poison = Some(cause.clone());
        }
    }

    /// The round failed for all of `open`; where one record spoilt it, they are to be
    /// tried alone.
    fn fail(&mut self, open: &[usize], spoilt: bool, error: &Error) -> Result<(), RecordError> {
        if spoilt {
            return Err(RecordError(error.clone()));
        }
        for place in open {
            self.answer(*place, Some(Err(error.clone())));
        }
        Ok(())
    }
}

/// The failure may be that of a single record, which its neighbours need not share.
fn is_of_one_record(error: &EngineError) -> bool {
    let cause = error.cause();
    cause.is_some_and(|cause| is_kind_of_one(cause.kind()))
}

const fn is_kind_of_one(kind: StorageErrorKind) -> bool {
    matches!(
        kind,
        StorageErrorKind::Corrupted | StorageErrorKind::TooLarge
    )
}

/// Nothing of the group was written yet: certainly not applied.
pub(super) fn before_the_write(error: EngineError) -> Error {
    match error {
        EngineError::Fatal(cause) if !is_kind_of_one(cause.kind()) => Error::Poisoned(cause),
        error => error.into_error(|cause| match cause.kind() {
            StorageErrorKind::DiskFull => Error::DiskFull,
            StorageErrorKind::Corrupted => Error::Unreadable(cause),
            _ => Error::NotApplied(cause),
        }),
    }
}

pub(super) fn in_the_write(error: EngineError) -> Error {
    match error {
        EngineError::Unknown(cause) => Error::OutcomeUnknown(cause),
        EngineError::Fatal(cause) => Error::Poisoned(cause),
        error => before_the_write(error),
    }
}

fn overtaken() -> Error {
    Error::NotApplied(StorageError::new(
        StorageErrorKind::Internal,
        "other writers were faster, again and again",
    ))
}
