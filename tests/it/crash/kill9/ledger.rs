//! Ledger of the child's reports. From it, the parent computes which commands the store must have.

use std::collections::{BTreeMap, BTreeSet};

use orderstore::testing::fixtures;
use orderstore::{Counts, Event, EventKind, FeedCursor, OrderNo, Status, Store, Timestamp};

use super::books::Books;
use super::script::{CALLERS, HOT, Script, clock, hot};

/// Record of all callers' commands and of their acknowledgements.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    pub(crate) seed: u64,
    pub(crate) round: u64,
    pub(crate) callers: Vec<Books>,
    /// Acknowledged annotations of the shared orders: the annotation's text by order number and
    /// version.
    pub(crate) hot: BTreeMap<(OrderNo, u64), String>,
}

impl Ledger {
    pub(crate) fn new(seed: u64) -> Self {
        let books = |caller| Books::new(Script { seed, caller });
        Self {
            seed,
            round: 0,
            callers: (0..CALLERS).map(books).collect(),
            hot: BTreeMap::new(),
        }
    }

    /// Creates the orders that all callers change.
    pub(crate) fn begin(store: &Store) {
        for n in 0..HOT {
            let made = store.create(hot(n), fixtures::new(100)).wait();
            assert!(made.is_ok(), "{made:?}");
        }
    }

    /// Records the reports of a child.
    pub(crate) fn hear(&mut self, words: &[String]) -> Result<(), String> {
        for word in words {
            let parts: Vec<&str> = word.split(' ').collect();
            match parts.as_slice() {
                ["done", caller, place, shown] => {
                    let caller: usize = caller.parse().unwrap();
                    self.callers[caller].answer(place.parse().unwrap(), shown);
                }
                ["hot", no, version, text] => {
                    let no = OrderNo::parse(no).unwrap();
                    let version = version.parse().unwrap();
                    let told = self.hot.insert((no, version), (*text).to_owned());
                    if told.is_some_and(|told| told != *text) {
                        return Err(format!("I7: {no} received version {version} twice"));
                    }
                }
                ["opening" | "open"] => {}
                _ => return Err(format!("I14: the child reported {word}")),
            }
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        clock(self.round)
    }

    /// Checks that the store has all acknowledged commands and nothing that was not sent. Then
    /// begins the next round.
    pub(crate) fn check(&mut self, store: &Store) -> Result<(), String> {
        let mut feeds = self.feeds(store)?;
        let now = self.now();
        for (books, feed) in self.callers.iter_mut().zip(&mut feeds.callers) {
            books.settle(feed, now)?;
        }
        self.check_hot(&feeds.hot)?;
        self.check_records(store)?;
        self.check_counts(store)?;
        verify(store)?;
        self.round += 1;
        Ok(())
    }

    /// Splits the feed by caller. Events of shared orders go to a separate list.
    fn feeds(&self, store: &Store) -> Result<Feeds, String> {
        let mut feeds = Feeds {
            callers: vec![vec![]; CALLERS],
            hot: vec![],
        };
        for event in feed_of(store)? {
            match self.cause(event.no) {
                Some(Cause::Caller(caller)) => feeds.callers[caller].push(event),
                Some(Cause::All) => feeds.hot.push(event),
                None => return Err(format!("I2: event that no caller sent: {event:?}")),
            }
        }
        Ok(feeds)
    }

    fn cause(&self, no: OrderNo) -> Option<Cause> {
        if (0..HOT).any(|n| hot(n) == no) {
            return Some(Cause::All);
        }
        let caller = self.callers.iter().position(|books| {
            let (first, last) = (books.script.order(0), books.script.order(999_999));
            (first..=last).contains(&no)
        });
        caller.map(Cause::Caller)
    }

    /// Checks the shared orders. Every acknowledged annotation is in the reported version, no text
    /// occurs twice, and each caller has at most one annotation that was not acknowledged.
    fn check_hot(&self, feed: &[Event]) -> Result<(), String> {
        let mut there = BTreeMap::new();
        for event in feed {
            match &event.what {
                EventKind::Created(_) => {}
                EventKind::Annotated(metadata) => {
                    let text = String::from_utf8_lossy(metadata.as_bytes()).into_owned();
                    there.insert((event.no, event.version), text);
                }
                _ => return Err(format!("I2: event that no caller sent: {event:?}")),
            }
        }
        for (place, text) in &self.hot {
            if there.get(place) != Some(text) {
                let found = there.get(place);
                return Err(format!(
                    "I1: annotation {place:?} was {text} and is {found:?}"
                ));
            }
        }
        let texts: BTreeSet<&String> = there.values().collect();
        if texts.len() != there.len() {
            return Err("I4: an annotation is in the feed twice".to_owned());
        }
        let mut unanswered = BTreeSet::new();
        for (place, text) in &there {
            let who = text.rsplit_once('-').map(|(who, _)| who);
            if !self.hot.contains_key(place) && !unanswered.insert(who) {
                return Err(format!(
                    "I2: caller {who:?} has more than one unacknowledged annotation"
                ));
            }
        }
        Ok(())
    }

    /// Compares every record and every history with the model of the same commands.
    fn check_records(&self, store: &Store) -> Result<(), String> {
        for books in &self.callers {
            let mut histories: BTreeMap<OrderNo, Vec<&Event>> = BTreeMap::new();
            for event in books.model.feed() {
                histories.entry(event.no).or_default().push(event);
            }
            for n in 0..Script::orders(books.held()) + 20 {
                let no = books.script.order(n);
                let found = store.get(no).wait().map_err(|e| format!("{no}: {e:?}"))?;
                if found != books.model.order(no) {
                    return Err(format!("I11: order {no} differs from the model: {found:?}"));
                }
                let history = store.history(no).wait();
                let history = history.map_err(|e| format!("{no}: {e:?}"))?;
                let expected = histories.remove(&no).unwrap_or_default();
                if !history.iter().eq(expected) {
                    return Err(format!(
                        "I11: the history of {no} differs from the model: {history:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    fn check_counts(&self, store: &Store) -> Result<(), String> {
        let found = store.counts().wait().map_err(|e| format!("{e:?}"))?;
        let counts: Vec<Counts> = self.callers.iter().map(|b| b.model.counts()).collect();
        for status in Status::ALL {
            let hot = if status == Status::Pending { HOT } else { 0 };
            let sum: u64 = counts.iter().map(|counts| counts.of(status)).sum();
            if found.of(status) != sum + hot {
                return Err(format!(
                    "I12: {} orders of {status:?}, unlike the model",
                    found.of(status)
                ));
            }
        }
        let sums = counts.iter().fold((0, 0), |(unclaimed, open), counts| {
            (unclaimed + counts.unclaimed, open + counts.open_anomalies)
        });
        if (found.unclaimed, found.open_anomalies) != sums {
            return Err(format!("I12: the counts differ from the model: {found:?}"));
        }
        Ok(())
    }
}

/// Sender of an event: one caller, or any of them for a shared order.
enum Cause {
    Caller(usize),
    All,
}

struct Feeds {
    callers: Vec<Vec<Event>>,
    hot: Vec<Event>,
}

fn feed_of(store: &Store) -> Result<Vec<Event>, String> {
    let mut feed = vec![];
    let mut after = FeedCursor::START;
    loop {
        let page = store.events(after, 1000).wait();
        let page = page.map_err(|error| format!("the feed cannot be read: {error:?}"))?;
        let Some(last) = page.last() else {
            return Ok(feed);
        };
        after = last.cursor;
        feed.extend(page.into_iter().map(|sequenced| sequenced.event));
    }
}

fn verify(store: &Store) -> Result<(), String> {
    let report = store.verify().wait();
    let report = report.map_err(|error| format!("the store cannot be verified: {error:?}"))?;
    if report.is_ok() {
        return Ok(());
    }
    let all: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    Err(all.join("; "))
}
