//! Conformance cases for failed writes: the reply, the acknowledgement, and the state after the
//! store is opened again.

use super::Harness;
use super::tools::assert_sound;
use crate::commit::Health;
use crate::engine::Engine;
use crate::error::Error;
use crate::order::{Confirmed, Created, Reply, Status};
use crate::store::Store;
use crate::testing::{FailingEngine, Fault, Faults, Operation, SharedEngine, fixtures};

/// Fixture: an engine with injected faults, and the store that currently uses it.
struct Bench {
    engine: SharedEngine,
    store: Store,
    faults: Faults,
}

impl Bench {
    /// Creates the fixture. Its store has order 1 with a total of 100 fen.
    fn with_an_order(harness: &dyn Harness) -> Self {
        let engine = SharedEngine::new(harness.engine());
        let (store, faults) = open(&engine);
        let no = fixtures::order_no(1);
        let answer = store.create(no, fixtures::new(100)).wait().unwrap();
        assert_eq!(answer.outcome, Created::Created);
        Self {
            engine,
            store,
            faults,
        }
    }

    fn pay(&self) -> Result<Reply<Confirmed>, Error> {
        let no = fixtures::order_no(1);
        self.store.confirm(no, fixtures::payment(1, 100)).wait()
    }

    fn assert_pays(&self, outcome: Confirmed) {
        let answer = self.pay().unwrap();
        assert_eq!(answer.outcome, outcome);
        assert!(answer.should_acknowledge());
        assert_eq!(self.status(), Status::Success);
        assert_sound(&self.store);
    }

    fn status(&self) -> Status {
        let order = self.store.get(fixtures::order_no(1)).wait().unwrap();
        order.unwrap().status
    }

    fn reopen(&mut self) {
        let (store, faults) = open(&self.engine);
        self.store = store;
        self.faults = faults;
    }

    fn stops(&self) -> bool {
        self.engine.limits().stops_at_unknown
    }

    /// Opens the store again after a write with unknown outcome, if the engine stops writing then.
    fn reopen_if_poisoned(&mut self) {
        if self.stops() {
            self.assert_takes_no_writes();
            self.reopen();
        } else {
            assert!(matches!(self.store.health(), Health::Ok));
        }
    }

    fn assert_takes_no_writes(&self) {
        assert!(matches!(self.store.health(), Health::Poisoned(_)));
        assert!(matches!(self.pay(), Err(Error::Poisoned(_))));
        let no = fixtures::order_no(2);
        let create = self.store.create(no, fixtures::new(1)).submit();
        assert!(matches!(
            create.map_err(Error::from),
            Err(Error::Poisoned(_))
        ));
        assert_eq!(self.store.get(no).wait().unwrap(), None, "reads still work");
    }
}

fn open(engine: &SharedEngine) -> (Store, Faults) {
    let (engine, faults) = FailingEngine::around(engine.again());
    let store = Store::builder().engine(engine).unwrap();
    (store, faults)
}

pub(super) fn command_failed_before_write_is_not_applied(harness: &dyn Harness) {
    let bench = Bench::with_an_order(harness);
    for operation in [Operation::Load, Operation::Apply] {
        bench.faults.fail_next(operation, Fault::Retry);
        let error = bench.pay().unwrap_err();
        assert!(matches!(error, Error::NotApplied(_)), "{error:?}");
        assert!(error.is_retryable());
        assert_eq!(bench.status(), Status::Pending);
    }
    bench.assert_pays(Confirmed::Applied);
}

pub(super) fn write_after_full_disk_succeeds(harness: &dyn Harness) {
    let bench = Bench::with_an_order(harness);
    bench.faults.fail_next(Operation::Apply, Fault::DiskFull);
    assert!(matches!(bench.pay(), Err(Error::DiskFull)));
    assert_eq!(bench.status(), Status::Pending);
    bench.assert_pays(Confirmed::Applied);
}

pub(super) fn unknown_outcome_stops_writes_if_engine_requires(harness: &dyn Harness) {
    let mut bench = Bench::with_an_order(harness);
    bench.faults.fail_next(Operation::Apply, Fault::Unknown);
    let error = bench.pay().unwrap_err();
    assert!(error.is_outcome_unknown() && !error.is_retryable());
    assert_eq!(bench.status(), Status::Pending);
    bench.reopen_if_poisoned();
    bench.assert_pays(Confirmed::Applied);
}

pub(super) fn retry_after_lost_write_answer_is_duplicate(harness: &dyn Harness) {
    let mut bench = Bench::with_an_order(harness);
    bench
        .faults
        .fail_next(Operation::Apply, Fault::UnknownButDone);
    assert!(bench.pay().unwrap_err().is_outcome_unknown());
    bench.reopen_if_poisoned();
    bench.assert_pays(Confirmed::Duplicate);
}

pub(super) fn fatal_write_error_stops_writes_until_reopen(harness: &dyn Harness) {
    let mut bench = Bench::with_an_order(harness);
    bench.faults.fail_next(Operation::Apply, Fault::Fatal);
    assert!(matches!(bench.pay(), Err(Error::Poisoned(_))));
    bench.assert_takes_no_writes();
    bench.reopen();
    bench.assert_pays(Confirmed::Applied);
}

pub(super) fn engine_panic_stops_all_writes(harness: &dyn Harness) {
    let mut bench = Bench::with_an_order(harness);
    bench.faults.fail_next(Operation::Apply, Fault::Panic);
    assert!(bench.pay().unwrap_err().is_outcome_unknown());
    bench.assert_takes_no_writes();
    bench.reopen();
    bench.assert_pays(Confirmed::Applied);
}

pub(super) fn failed_write_fails_its_whole_group(harness: &dyn Harness) {
    let mut bench = Bench::with_an_order(harness);
    bench.faults.hold();
    let first = fixtures::confirm(1, fixtures::payment(1, 100));
    let first = bench.store.submit_all(vec![first.clone(), first]).unwrap();
    bench.faults.wait_until_held();
    let create = fixtures::create(2, fixtures::new(100));
    let second = bench.store.submit_all(vec![create]).unwrap();
    bench.faults.fail_next(Operation::Apply, Fault::Unknown);
    bench.faults.release();
    for ticket in first {
        let error = ticket.wait().unwrap_err();
        assert!(
            error.is_outcome_unknown(),
            "one write contains both commands"
        );
    }
    for ticket in second {
        let reply = ticket.wait();
        let is_refused = matches!(reply, Err(Error::Poisoned(_)));
        assert_eq!(is_refused, bench.stops(), "{reply:?}");
    }
    bench.reopen_if_poisoned();
    bench.assert_pays(Confirmed::Applied);
}

pub(super) fn failed_reservation_returns_no_order_number(harness: &dyn Harness) {
    let bench = Bench::with_an_order(harness);
    let draw = || bench.store.next_order_no().wait();
    bench.faults.fail_next(Operation::Reserve, Fault::Retry);
    let error = draw().unwrap_err();
    assert!(matches!(error, Error::NotApplied(_)), "{error:?}");
    assert_ne!(draw().unwrap(), draw().unwrap());
    bench.assert_pays(Confirmed::Applied);
}

pub(super) fn read_after_unreadable_error_succeeds(harness: &dyn Harness) {
    let bench = Bench::with_an_order(harness);
    bench.faults.fail_next(Operation::Read, Fault::Corrupted);
    let no = fixtures::order_no(1);
    let error = bench.store.get(no).wait().unwrap_err();
    assert!(matches!(error, Error::Unreadable(_)), "{error:?}");
    assert_eq!(bench.status(), Status::Pending);
    bench.assert_pays(Confirmed::Applied);
}
