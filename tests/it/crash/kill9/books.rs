//! Parent's record of one caller: the commands that it sends, and how many were acknowledged.

use orderstore::testing::model::Model;
use orderstore::{Event, Policy, Timestamp};

use super::child::version_of;
use super::script::Script;
use crate::crash::ledger::sorted;

/// Commands and replies of one caller.
#[derive(Debug, Clone)]
pub(crate) struct Books {
    pub(crate) script: Script,
    /// Time of decision of each of the caller's commands that the store contains.
    times: Vec<Timestamp>,
    /// Model that has run the caller's commands that the store contains.
    pub(crate) model: Model,
    /// Feed events of the caller's commands that the store contains.
    feed: Vec<Event>,
    /// Number of acknowledged commands.
    pub(crate) answered: usize,
    /// Order versions in the replies since the last kill.
    shown: Vec<String>,
}

impl Books {
    pub(crate) fn new(script: Script) -> Self {
        Self {
            script,
            times: vec![],
            model: Model::new(Policy::default()),
            feed: vec![],
            answered: 0,
            shown: vec![],
        }
    }

    /// Returns the number of this caller's commands that the store contains.
    pub(crate) const fn held(&self) -> usize {
        self.times.len()
    }

    /// Records a reply. Replies arrive in the order of the commands.
    pub(crate) fn answer(&mut self, place: usize, shown: &str) {
        // In a self-test, the child may report a command before its reply and again after it.
        // Ignore the second report.
        if place == self.answered {
            self.answered += 1;
            self.shown.push(shown.to_owned());
        } else {
            assert!(
                place < self.answered,
                "command {place} was acknowledged too early"
            );
        }
    }

    /// Replaces the order version in a recorded reply, for a self-test.
    pub(crate) fn show(&mut self, place: usize, version: &str) {
        let since = place - self.held();
        self.shown[since] = version.to_owned();
    }

    /// Maximum number of commands that the caller can have sent. The caller sends a batch only
    /// after the previous one is acknowledged.
    fn sent(&self) -> usize {
        let mut end = self.held();
        while end <= self.answered {
            end += self.script.batch(end);
        }
        end
    }

    /// Checks the caller's part of the feed (I1 to I4): all acknowledged commands, then a prefix of
    /// the others. `now` is their decision time.
    pub(crate) fn settle(&mut self, feed: &[Event], now: Timestamp) -> Result<(), String> {
        let Some(mut rest) = feed.strip_prefix(self.feed.as_slice()) else {
            return Err(self.breach("I1", "earlier events are missing or changed"));
        };
        let sent = self.sent();
        let before = self.held();
        while self.held() < self.answered || !rest.is_empty() {
            let end = self.held() + self.script.batch(self.held());
            if end > sent {
                return Err(self.breach("I2", &format!("events that no caller sent: {rest:?}")));
            }
            rest = self.take_batch(rest, end, now)?;
            if self.held() < end {
                break;
            }
        }
        if !rest.is_empty() {
            return Err(self.breach("I3", &format!("a command is stored only in part: {rest:?}")));
        }
        self.feed = feed.to_vec();
        self.check_shown(before, now)?;
        self.answered = self.held();
        self.shown.clear();
        Ok(())
    }

    /// Records which commands before `end` have their events in `feed`. Returns the rest of the
    /// feed.
    fn take_batch<'f>(
        &mut self,
        feed: &'f [Event],
        end: usize,
        now: Timestamp,
    ) -> Result<&'f [Event], String> {
        let begin = self.held();
        let known = self.model.feed().len();
        // `ends[n]` is the number of new events after the first `n` commands.
        let mut ends = vec![0];
        for place in begin..end {
            let _ = self.model.run(now, &self.script.command(place));
            ends.push(self.model.feed().len() - known);
        }
        let told = &self.model.feed()[known..];
        let is_there = |len: &usize| {
            let own = feed.get(..ends[*len]);
            own.is_some_and(|own| sorted(own) == sorted(&told[..ends[*len]]))
        };
        // Try the longest prefix of the batch first, down to the acknowledged part. Commands
        // without events leave no trace in the feed, so the longest match is the right one.
        let fewest = self.answered.clamp(begin, end) - begin;
        let Some(taken) = (fewest..=end - begin).rev().find(is_there) else {
            let why = format!(
                "{} commands were acknowledged, but the feed has {feed:?}",
                self.answered
            );
            return Err(self.breach("I1", &why));
        };
        let rest = &feed[ends[taken]..];
        self.times.extend(std::iter::repeat_n(now, taken));
        if taken < end - begin {
            self.model = self.rebuilt();
        }
        Ok(rest)
    }

    /// Returns a new model that has run the caller's commands that the store contains.
    fn rebuilt(&self) -> Model {
        let mut model = Model::new(Policy::default());
        for (place, now) in self.times.iter().enumerate() {
            let _ = model.run(*now, &self.script.command(place));
        }
        model
    }

    /// Checks that every reply had the order version that the model expects.
    fn check_shown(&self, before: usize, now: Timestamp) -> Result<(), String> {
        let mut past = Self::new(self.script);
        past.times = self.times[..before].to_vec();
        let mut model = past.rebuilt();
        for (place, shown) in (before..).zip(&self.shown) {
            let expected = version_of(&model.run(now, &self.script.command(place)));
            if *shown != expected && shown != "?" {
                let why = format!("reply {place} has version {shown} instead of {expected}");
                return Err(self.breach("I7", &why));
            }
        }
        Ok(())
    }

    fn breach(&self, invariant: &str, why: &str) -> String {
        format!(
            "{invariant}: caller {} with {} stored commands: {why}",
            self.script.caller,
            self.held()
        )
    }
}
