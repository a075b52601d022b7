//! Long random runs that compare every reply and read of the store with the model.
//!
//! A failure prints the seed; `MODEL_SEED=… cargo test --test it model` repeats the run.
//! `MODEL_RUNS` sets the number of runs.

mod commands;
mod compare;

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use orderstore::testing::conformance::Harness;
use orderstore::testing::model::Model;
use orderstore::testing::{ManualClock, fixtures};
use orderstore::{Command, CommandKind, Policy, Store, Timestamp};
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use self::commands::{BySubmitting, ByWaiting, Heard, any_command, say};
use self::compare::assert_same;
use crate::environment::{asked, figure};
use crate::harness::{InMemory, Local};

/// Step of a random test run.
#[derive(Debug, Clone)]
enum Step {
    /// Runs a command and blocks until its reply.
    Wait(Command),
    /// Runs a command with `submit`.
    Submit(Command),
    /// Runs a batch with `submit_all`.
    Group(Vec<Command>),
    Clock(Timestamp),
    Reopen,
    /// Compares every read with the model, in pages of this many rows.
    Look(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => any_command().prop_map(Step::Wait),
        5 => any_command().prop_map(Step::Submit),
        10 => proptest::collection::vec(any_command(), 1..16).prop_map(Step::Group),
        6 => any_moment().prop_map(Step::Clock),
        1 => Just(Step::Reopen),
        3 => (1..8_usize).prop_map(Step::Look),
    ]
}

/// Generates times close to the time limits of the policy.
fn any_moment() -> impl Strategy<Value = Timestamp> {
    let day = 24 * 60 * 60_u64;
    let seconds = prop_oneof![
        0..4_u64,
        Just(30_u64),
        Just(60),
        Just(300),
        Just(601),
        (7 * day - 2)..(7 * day + 2),
        (7 * day + 600)..(7 * day + 603),
    ];
    (seconds, 0..3_u64).prop_map(|(seconds, millis)| {
        let later = Duration::from_secs(seconds) + Duration::from_millis(millis);
        fixtures::now().saturating_add(later)
    })
}

/// A store, its clock, and the model with the expected state.
struct Run<'h> {
    harness: &'h dyn Harness,
    policy: Policy,
    clock: ManualClock,
    store: Option<Store>,
    model: Model,
}

impl<'h> Run<'h> {
    fn new(harness: &'h dyn Harness, policy: Policy) -> Self {
        let clock = ManualClock::default();
        let builder = Store::builder().policy(policy.clone());
        Self {
            harness,
            model: Model::new(policy.clone()),
            policy,
            store: Some(harness.open(builder.clock(clock.reader()))),
            clock,
        }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(command) => {
                let heard = say(self.store(), command, ByWaiting);
                self.hear(std::slice::from_ref(command), vec![heard]);
            }
            Step::Submit(command) => {
                let heard = say(self.store(), command, BySubmitting);
                self.hear(std::slice::from_ref(command), vec![heard]);
            }
            Step::Group(commands) => {
                let tickets = self.store().submit_all(commands.clone()).unwrap();
                let wait = |ticket: orderstore::Ticket<_>| Heard::from(ticket.wait().unwrap());
                self.hear(commands, tickets.into_iter().map(wait).collect());
            }
            Step::Clock(moment) => self.clock.set(*moment),
            Step::Reopen => {
                let store = self.store.take().unwrap();
                let builder = Store::builder().policy(self.policy.clone());
                let builder = builder.clock(self.clock.reader());
                self.store = self.harness.reopen(store, builder);
            }
            Step::Look(limit) => assert_same(self.store(), &self.model, self.clock.now(), *limit),
        }
        let report = self.store().verify().wait().unwrap();
        assert!(report.is_ok(), "{:?}", report.violations);
    }

    fn hear(&mut self, commands: &[Command], heard: Vec<Heard>) {
        for (command, heard) in commands.iter().zip(heard) {
            let expected = self.model.run(self.clock.now(), command);
            assert_eq!(heard, Heard::from(expected), "{command:?}");
        }
    }
}

fn run(harness: &dyn Harness, strict: bool, steps: &[Step]) {
    let mut policy = Policy::default();
    policy.strict = strict;
    policy.close_needs_query = strict;
    let mut run = Run::new(harness, policy);
    for step in steps {
        run.step(step);
    }
    run.step(&Step::Look(3));
}

/// Makes random runs. If one fails, shrinks it and prints how to repeat it.
pub(crate) fn check<H: Harness>(harness: fn() -> H, usual_runs: u32) {
    let seed = asked("MODEL_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let runs = figure("MODEL_RUNS", usual_runs);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config {
        cases: runs,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let steps = proptest::collection::vec(any_step(), 1..100);
    let strategy = (proptest::bool::ANY, steps);
    let test = |(strict, steps): (bool, Vec<Step>)| {
        run(&harness(), strict, &steps);
        Ok::<(), TestCaseError>(())
    };
    if let Err(failure) = TestRunner::new_with_rng(config, rng).run(&strategy, test) {
        panic!("MODEL_SEED={seed} MODEL_RUNS={runs}\n{failure}");
    }
}

#[test]
fn memory_store_matches_the_model() {
    check(InMemory::default, 300);
}

#[test]
fn local_store_matches_the_model() {
    check(Local::new, 20);
}

#[test]
fn reference_moved_within_one_group_has_one_owner() {
    let cart = || fixtures::new(100).reference(fixtures::reference(1));
    let closed = orderstore::ChannelState::Closed;
    let group = vec![
        fixtures::confirm(2, fixtures::payment(7, 100)),
        fixtures::command(1, CommandKind::RecordQuery(Box::new(closed))),
        fixtures::create(2, cart()),
        fixtures::confirm(1, fixtures::payment(7, 100)),
    ];
    let steps = [
        Step::Wait(fixtures::create(1, cart())),
        Step::Group(group),
        Step::Look(3),
    ];
    run(&InMemory::default(), false, &steps);
    run(&Local::new(), false, &steps);
}
