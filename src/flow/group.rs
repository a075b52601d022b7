//! One group: load, decide in order, write once, answer. No threads and no tickets here.
//!
//! - A refused command never disturbs its neighbours, nor does one whose record cannot be
//!   read or written.
//! - No answer leaves before the write that it rests on: answers that write nothing, such
//!   as a duplicate of a payment decided in the same group, wait as well.

use std::collections::HashSet;

use super::overlay::Overlay;
use crate::engine::{Engine, EngineError, Mutation, Verdict};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::{Answered, Command, Outcome, Record};
use crate::rules::{Context, Policy, Shows, decide};
use crate::value::{OrderNo, Timestamp};

/// What became of one command.
pub(super) type Answer = Result<Answered<Outcome>, Error>;

/// What became of a group.
pub(super) struct Done {
    /// One answer for each command, in their order.
    pub(super) answers: Vec<Answer>,
    /// A write had begun and failed: nothing more may be written.
    pub(super) poison: Option<StorageError>,
}

/// How often commands are decided again because another writer was faster.
const TRIES: usize = 16;

/// Runs groups against an engine.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
}

/// A decided command, waiting for the write.
struct Decided {
    answered: Answered<Outcome>,
    /// The records that the answer rests on.
    rests_on: Vec<OrderNo>,
}

impl Runner<'_> {
    pub(super) fn run(self, commands: &[Command]) -> Done {
        let mut answers: Vec<Option<Answer>> = commands.iter().map(|_| None).collect();
        let mut poison = None;
        for _ in 0..TRIES {
            let places = answers.iter().zip(0..);
            let open: Vec<usize> = places
                .filter(|(a, _)| a.is_none())
                .map(|(_, i)| i)
                .collect();
            if open.is_empty() || poison.is_some() {
                break;
            }
            poison = self.round(commands, &open, &mut answers);
        }
        let answer = |answer: Option<Answer>| answer.unwrap_or_else(|| Err(overtaken()));
        Done {
            answers: answers.into_iter().map(answer).collect(),
            poison,
        }
    }

    /// Answers what can be answered of the open commands; what lost a race stays open.
    fn round(
        self,
        commands: &[Command],
        open: &[usize],
        answers: &mut [Option<Answer>],
    ) -> Option<StorageError> {
        let chosen = || open.iter().filter_map(|place| commands.get(*place));
        match self.decide_all(chosen()) {
            Ok((decided, mutations)) => {
                let (settled, poison) = self.write(decided, &mutations);
                for (place, answer) in open.iter().zip(settled) {
                    fill(answers, *place, answer);
                }
                poison
            }
            Err(error) if open.len() > 1 && is_of_one(&error) => open
                .iter()
                .find_map(|place| self.round(commands, &[*place], answers)),
            Err(error) => {
                for place in open {
                    fill(answers, *place, Some(Err(before_the_write(error.clone()))));
                }
                None
            }
        }
    }

    fn decide_all<'c>(
        self,
        commands: impl Iterator<Item = &'c Command> + Clone,
    ) -> Result<(Vec<Decided>, Vec<Mutation>), EngineError> {
        let mut overlay = Overlay::load(self.engine, commands.clone())?;
        let decided: Result<Vec<Decided>, EngineError> = commands
            .map(|command| self.decide_one(&mut overlay, command))
            .collect();
        Ok((decided?, overlay.into_mutations()))
    }

    fn decide_one(self, overlay: &mut Overlay, command: &Command) -> Result<Decided, EngineError> {
        let owners = overlay.owners(self.engine, command)?;
        let context = Context {
            now: self.now,
            policy: self.policy,
            owners: &owners,
        };
        let mut decision = decide(overlay.record(&command.no), command, &context);
        overlay.decided(command.no, &mut decision);
        let shown = match decision.shows {
            Shows::This => command.no,
            Shows::Owner(no) => no,
        };
        let owners = owners.iter().filter_map(|(_, owner)| owner.as_ref());
        Ok(Decided {
            answered: Answered {
                outcome: decision.outcome,
                order: overlay.record(&shown).and_then(Record::as_order).cloned(),
                acknowledge: decision.acknowledge,
            },
            rests_on: std::iter::once(command.no)
                .chain(owners.map(Record::no))
                .collect(),
        })
    }

    /// One answer for each decision; none for those that are to be decided again.
    fn write(
        self,
        decided: Vec<Decided>,
        mutations: &[Mutation],
    ) -> (Vec<Option<Answer>>, Option<StorageError>) {
        if mutations.is_empty() {
            return (
                decided.into_iter().map(|d| Some(Ok(d.answered))).collect(),
                None,
            );
        }
        match self.engine.apply(mutations) {
            Ok(verdicts) => {
                let lost = lost(mutations, &verdicts);
                let answer = |decided: Decided| {
                    let stands = !decided.rests_on.iter().any(|no| lost.contains(no));
                    stands.then_some(Ok(decided.answered))
                };
                (decided.into_iter().map(answer).collect(), None)
            }
            Err(error) => {
                let poison = match &error {
                    EngineError::Unknown(cause) | EngineError::Fatal(cause) => Some(cause.clone()),
                    EngineError::Retry(_) | EngineError::Cursor(_) => None,
                };
                let error = in_the_write(error);
                (
                    decided.iter().map(|_| Some(Err(error.clone()))).collect(),
                    poison,
                )
            }
        }
    }
}

fn fill(answers: &mut [Option<Answer>], place: usize, answer: Option<Answer>) {
    if let Some(room) = answers.get_mut(place) {
        *room = answer;
    }
}

/// The numbers whose change was not taken because something else stands there.
fn lost(mutations: &[Mutation], verdicts: &[Verdict]) -> HashSet<OrderNo> {
    let verdicts = verdicts.iter().zip(mutations);
    let lost = verdicts.filter(|(verdict, _)| **verdict != Verdict::Applied);
    lost.map(|(_, mutation)| mutation.no).collect()
}

/// The failure may be that of a single record, which its neighbours need not share.
fn is_of_one(error: &EngineError) -> bool {
    match error {
        EngineError::Retry(cause) | EngineError::Unknown(cause) | EngineError::Fatal(cause) => {
            matches!(
                cause.kind(),
                StorageErrorKind::Corrupted | StorageErrorKind::TooLarge
            )
        }
        EngineError::Cursor(_) => false,
    }
}

/// Nothing of the group was written yet: certainly not applied.
pub(super) fn before_the_write(error: EngineError) -> Error {
    match error {
        EngineError::Retry(cause) | EngineError::Unknown(cause) | EngineError::Fatal(cause) => {
            match cause.kind() {
                StorageErrorKind::DiskFull => Error::DiskFull,
                StorageErrorKind::Corrupted => Error::Unreadable(cause),
                _ => Error::NotApplied(cause),
            }
        }
        EngineError::Cursor(why) => Error::InvalidCursor { why },
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
