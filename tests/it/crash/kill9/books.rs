//! What the parent knows of one caller: all it sends, and how much of it was answered.

use orderstore::testing::model::Model;
use orderstore::{Event, Policy, Timestamp};

use super::child::version_of;
use super::script::Script;
use crate::crash::ledger::sorted;

/// One caller's books.
#[derive(Debug, Clone)]
pub(crate) struct Books {
    pub(crate) script: Script,
    /// When each of the commands that the store holds was decided.
    times: Vec<Timestamp>,
    /// What they come to.
    pub(crate) model: Model,
    /// What the feed showed of them.
    feed: Vec<Event>,
    /// So many were answered.
    pub(crate) answered: usize,
    /// The versions that the answers since the last kill showed.
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

    /// How many commands the store holds.
    pub(crate) const fn held(&self) -> usize {
        self.times.len()
    }

    /// An answer, in the order of the commands.
    pub(crate) fn answer(&mut self, place: usize, shown: &str) {
        // A child that tells too early tells again when it has the answer.
        if place == self.answered {
            self.answered += 1;
            self.shown.push(shown.to_owned());
        } else {
            assert!(place < self.answered, "{place} was answered too early");
        }
    }

    /// The answer is taken to have shown another version.
    pub(crate) fn show(&mut self, place: usize, version: &str) {
        let since = place - self.held();
        self.shown[since] = version.to_owned();
    }

    /// How many may have been sent: a caller goes on when all of a batch is answered.
    fn sent(&self) -> usize {
        let mut end = self.held();
        while end <= self.answered {
            end += self.script.batch(end);
        }
        end
    }

    /// I1, I2, I3, I4: the caller's part of the feed is what was answered, and of the rest
    /// the first so many. `now` is when it was decided.
    pub(crate) fn settle(&mut self, feed: &[Event], now: Timestamp) -> Result<(), String> {
        let Some(mut rest) = feed.strip_prefix(self.feed.as_slice()) else {
            return Err(self.breach("I1", "what was there before is not there as it was"));
        };
        let sent = self.sent();
        let before = self.held();
        while self.held() < self.answered || !rest.is_empty() {
            let end = self.held() + self.script.batch(self.held());
            if end > sent {
                return Err(self.breach("I2", &format!("nobody sent {rest:?}")));
            }
            rest = self.take_batch(rest, end, now)?;
            if self.held() < end {
                break;
            }
        }
        if !rest.is_empty() {
            return Err(self.breach("I3", &format!("half of a command is there: {rest:?}")));
        }
        self.feed = feed.to_vec();
        self.check_shown(before, now)?;
        self.answered = self.held();
        self.shown.clear();
        Ok(())
    }

    /// Takes as many of the commands before `end` in as `feed` tells of; what it tells
    /// beyond them.
    fn take_batch<'f>(
        &mut self,
        feed: &'f [Event],
        end: usize,
        now: Timestamp,
    ) -> Result<&'f [Event], String> {
        let begin = self.held();
        let known = self.model.feed().len();
        // Where the model's feed stands after each of them.
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
        let fewest = self.answered.clamp(begin, end) - begin;
        let Some(taken) = (fewest..=end - begin).rev().find(is_there) else {
            let why = format!("{} were answered, and {feed:?} is there", self.answered);
            return Err(self.breach("I1", &why));
        };
        let rest = &feed[ends[taken]..];
        self.times.extend(std::iter::repeat_n(now, taken));
        if taken < end - begin {
            self.model = self.rebuilt();
        }
        Ok(rest)
    }

    /// A model of what is held, and no more.
    fn rebuilt(&self) -> Model {
        let mut model = Model::new(Policy::default());
        for (place, now) in self.times.iter().enumerate() {
            let _ = model.run(*now, &self.script.command(place));
        }
        model
    }

    /// Every answer showed the version that the model comes to.
    fn check_shown(&self, before: usize, now: Timestamp) -> Result<(), String> {
        let mut past = Self::new(self.script);
        past.times = self.times[..before].to_vec();
        let mut model = past.rebuilt();
        for (place, shown) in (before..).zip(&self.shown) {
            let expected = version_of(&model.run(now, &self.script.command(place)));
            if *shown != expected && shown != "?" {
                let why = format!("{place} showed version {shown} in the place of {expected}");
                return Err(self.breach("I7", &why));
            }
        }
        Ok(())
    }

    fn breach(&self, invariant: &str, why: &str) -> String {
        format!(
            "{invariant}: caller {}, {} held: {why}",
            self.script.caller,
            self.held()
        )
    }
}
