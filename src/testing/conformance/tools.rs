//! Fixtures for the conformance cases: [`Decider`] decides commands for an engine, and
//! [`StoreFixture`] is a store with a manual clock.

use std::cell::RefCell;
use std::sync::Arc;
use std::thread;

use super::Harness;
use crate::contract::{
    Counts, Direction, IndexQuery, IndexRow, Lookup, Mutation, Position, StoredRecord, Verdict,
};
use crate::engine::Engine;
use crate::order::{
    AnomalyId, ChannelState, Command, Confirmed, Created, NewOrder, Order, Outcome, Payment,
    Queried, Reply, Status,
};
use crate::query::{Page, PageRequest};
use crate::rules::{Context, Index, Policy, UniqueKey, decide, needs};
use crate::store::Builder;
use crate::store::Store;
use crate::testing::{ManualClock, fixtures};
use crate::types::{OrderNo, Timestamp};

/// Fixture that decides commands on the state in an engine, with the rules that a store uses.
/// `draft` and `drafts` only return the mutations; `run` and `create_many` apply them, too.
pub(super) struct Decider<'e> {
    pub(super) engine: &'e dyn Engine,
    pub(super) now: Timestamp,
}

impl<'e> Decider<'e> {
    pub(super) fn at(engine: &'e dyn Engine) -> Self {
        let now = fixtures::now();
        Self { engine, now }
    }

    pub(super) fn stored(&self, no: OrderNo) -> Option<StoredRecord> {
        self.find(Lookup::No(no))
    }

    pub(super) fn owner(&self, key: &UniqueKey) -> Option<OrderNo> {
        let owner = self.find(Lookup::Owner(key.clone()));
        owner.map(|stored| stored.record.no())
    }

    fn find(&self, lookup: Lookup) -> Option<StoredRecord> {
        let mut found = self.engine.load(&[lookup]).unwrap();
        assert_eq!(found.len(), 1, "one result per lookup");
        found.pop().flatten()
    }

    /// Decides a command. Returns its mutation, or `None` if the command changes nothing.
    pub(super) fn draft(&self, command: &Command) -> Option<Mutation> {
        let before = self.stored(command.no);
        let record = before.as_ref().map(|stored| &stored.record);
        let owner = |key: UniqueKey| {
            let owner = self.find(Lookup::Owner(key.clone()));
            (key, owner.map(|stored| stored.record))
        };
        let owners: Vec<_> = needs(command, record).map(owner).collect();
        let policy = Policy::default();
        let context = Context {
            now: self.now,
            policy: &policy,
            owners: &owners,
        };
        let decision = decide(record, command, &context);
        Some(Mutation {
            no: command.no,
            after: decision.after?,
            before,
            read_mark: None,
            events: decision.events,
        })
    }

    /// Decides several commands on the stored state. No decision depends on an earlier command.
    pub(super) fn drafts(&self, commands: &[Command]) -> Vec<Mutation> {
        let draft = |command| self.draft(command).unwrap();
        commands.iter().map(draft).collect()
    }

    /// Decides and writes the commands one after another.
    pub(super) fn run(&self, commands: &[Command]) {
        for command in commands {
            let draft = self.draft(command).unwrap();
            let verdicts = self.engine.apply(&[draft]).unwrap();
            assert_eq!(verdicts, [Verdict::Applied]);
        }
    }

    /// Creates the orders `from..until` in batches, all in one millisecond.
    pub(super) fn create_many(&self, from: u64, until: u64) {
        let creates: Vec<Command> = (from..until)
            .map(|n| fixtures::create(n, fixtures::new(100)))
            .collect();
        for part in creates.chunks(self.engine.limits().batch.max(1)) {
            let verdicts = self.engine.apply(&self.drafts(part)).unwrap();
            assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Applied));
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.engine.counts().unwrap()
    }

    /// Reads every row of a list, `limit` rows at a time.
    pub(super) fn rows(&self, query: &IndexQuery, limit: usize) -> Vec<IndexRow> {
        let mut query = query.clone();
        let mut rows = Vec::new();
        loop {
            let part = self.engine.scan(&query, limit).unwrap();
            assert!(part.rows.len() <= limit, "more rows than the limit");
            query.after = part.rows.last().map(|row| row.position).or(query.after);
            rows.extend(part.rows);
            if !part.more {
                return rows;
            }
        }
    }

    /// Checks that the engine's data violates no invariant.
    pub(super) fn assert_sound(&self) {
        let report = self.engine.verify().unwrap();
        assert!(report.is_ok(), "{:?}", report.violations);
    }
}

/// Returns the query for a whole list, in one direction.
pub(super) const fn whole(index: Index, direction: Direction) -> IndexQuery {
    IndexQuery {
        index,
        from: Timestamp::EPOCH,
        until: Timestamp::MAX,
        direction,
        after: None,
    }
}

pub(super) fn positions(rows: &[IndexRow]) -> Vec<Position> {
    rows.iter().map(|row| row.position).collect()
}

pub(super) fn numbers(rows: &[IndexRow]) -> Vec<OrderNo> {
    rows.iter().map(|row| row.record.no()).collect()
}

/// Runs `act` on `threads` threads at the same time and returns their results.
pub(super) fn at_once<T: Send>(threads: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = std::sync::Barrier::new(threads);
    let (start, act) = (&start, &act);
    thread::scope(|scope| {
        let run = |place| {
            scope.spawn(move || {
                start.wait();
                act(place)
            })
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        let results = running.into_iter().map(|thread| thread.join().unwrap());
        results.collect()
    })
}

/// Fixture: a store with a manual clock.
pub(super) struct StoreFixture<'h> {
    harness: &'h dyn Harness,
    policy: Policy,
    pub(super) clock: ManualClock,
    store: RefCell<Option<Store>>,
}

impl<'h> StoreFixture<'h> {
    pub(super) fn open(harness: &'h dyn Harness) -> Self {
        Self::with(harness, |_| {})
    }

    pub(super) fn with(harness: &'h dyn Harness, set: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = Policy::default();
        set(&mut policy);
        let clock = ManualClock::default();
        let store = harness.open(builder(&policy, &clock));
        Self {
            harness,
            policy,
            clock,
            store: RefCell::new(Some(store)),
        }
    }

    pub(super) fn store(&self) -> Store {
        self.store.borrow().clone().unwrap()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Shuts the store down and opens it again. Returns false if the engine keeps no data after a
    /// close. No other clone of the store may exist.
    pub(super) fn reopen(&self) -> bool {
        let store = self.store.borrow_mut().take().unwrap();
        let reopened = self
            .harness
            .reopen(store, builder(&self.policy, &self.clock));
        let kept = reopened.is_some();
        *self.store.borrow_mut() = reopened;
        kept
    }

    pub(super) fn create(&self, n: u64, new: NewOrder) -> Reply<Created> {
        self.store()
            .create(fixtures::order_no(n), new)
            .wait()
            .unwrap()
    }

    /// Creates order `n` of the first user with a total in fen, and checks the outcome.
    pub(super) fn created(&self, n: u64, total_fee: u64) {
        let answer = self.create(n, fixtures::new(total_fee));
        assert_eq!(answer.outcome, Created::Created);
    }

    pub(super) fn confirm(&self, n: u64, payment: Payment) -> Reply<Confirmed> {
        let no = fixtures::order_no(n);
        self.store().confirm(no, payment).wait().unwrap()
    }

    /// Confirms a payment. Checks the outcome, the acknowledgement and the order in the reply.
    pub(super) fn expect(&self, n: u64, payment: Payment, outcome: Confirmed, acknowledge: bool) {
        let answer = self.confirm(n, payment);
        assert_eq!(answer.outcome, outcome);
        assert_eq!(answer.should_acknowledge(), acknowledge, "{outcome:?}");
        assert_eq!(
            answer.order,
            self.find(n),
            "the reply contains the stored order"
        );
    }

    pub(super) fn query(&self, n: u64, state: ChannelState) -> Queried {
        let no = fixtures::order_no(n);
        self.store().record_query(no, state).wait().unwrap().outcome
    }

    pub(super) fn find(&self, n: u64) -> Option<Arc<Order>> {
        self.store().get(fixtures::order_no(n)).wait().unwrap()
    }

    pub(super) fn order(&self, n: u64) -> Arc<Order> {
        self.find(n).unwrap()
    }

    pub(super) fn status(&self, n: u64) -> Status {
        self.order(n).status
    }

    /// Returns the ids of the open anomalies.
    pub(super) fn open_anomalies(&self, n: u64) -> Vec<AnomalyId> {
        self.order(n).open_anomalies().map(|a| a.id).collect()
    }

    /// Returns the actions due now, as pairs of order number and action.
    pub(super) fn due(&self) -> Vec<(OrderNo, crate::order::ActionKind)> {
        let page = self
            .store()
            .due(self.now(), PageRequest::of(PageRequest::MAX));
        let due = page.wait().unwrap().rows;
        due.iter().map(|due| (due.no, due.action)).collect()
    }

    /// Submits many commands at once and returns their outcomes.
    pub(super) fn submit_all(&self, commands: Vec<Command>) -> Vec<Outcome> {
        let tickets = self.store().submit_all(commands).unwrap();
        let wait = |ticket: crate::commit::Ticket<Reply<Outcome>>| ticket.wait().unwrap().outcome;
        tickets.into_iter().map(wait).collect()
    }

    /// Verifies the store and shuts it down, at the end of a test.
    pub(super) fn close(self) {
        let store = self.store();
        assert_sound(&store);
        store.shutdown().wait().unwrap();
    }
}

fn builder(policy: &Policy, clock: &ManualClock) -> Builder {
    let builder = Store::builder().policy(policy.clone());
    builder.clock(clock.reader())
}

pub(super) fn assert_sound(store: &Store) {
    let report = store.verify().wait().unwrap();
    assert!(report.is_ok(), "{:?}", report.violations);
}

/// Reads every row of a paged list. Checks that every page except the last is full, because these
/// lists are too short for a filter to reach its maximum of examined rows.
pub(super) fn every<R>(
    page: PageRequest,
    limit: usize,
    read: impl Fn(PageRequest) -> Page<R>,
) -> Vec<R> {
    let mut rows = Vec::new();
    let mut page = page;
    loop {
        let part = read(page);
        assert!(part.rows.len() <= limit, "more rows than the limit");
        assert!(part.next.is_none() || part.rows.len() == limit);
        rows.extend(part.rows);
        let Some(next) = part.next else { return rows };
        page = page.after(next.to_string().parse().unwrap());
    }
}
