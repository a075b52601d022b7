//! Counts the allocations of the committer thread, which does most of the work of a command.
//!
//! This is a separate test binary, because a process has only one global allocator.

#[path = "../benches/support/sample.rs"]
mod sample;

use std::alloc::System;
use std::cell::RefCell;
use std::path::Path;
use std::thread;

use alloc_tracker::{Allocator, Operation, Session, ThreadSpan};
use orderstore::{Command, CommandKind, Confirmed, Created, Outcome, Store, Timestamp};

use sample::{Checked, Sample};

#[global_allocator]
static ALLOCATOR: Allocator<System> = Allocator::system();

/// Maximum number of allocations of the committer thread for each command: ten percent above the
/// number measured with `cargo test`. Lower it after each improvement.
const ALLOCATIONS_MAX: f64 = 1.32;

/// Number of orders. Each takes two commands: a creation and a payment.
const ORDERS: u16 = 4_096;

/// Number of commands in a group.
const GROUP: usize = 256;

thread_local! {
    /// Span of the group that runs on this thread.
    static SPAN: RefCell<Option<ThreadSpan>> = const { RefCell::new(None) };
}

#[test]
fn committer_thread_makes_few_allocations() -> Checked<()> {
    let session = Session::new();
    let caller = session.operation("caller");
    let dir = tempfile::tempdir()?;
    let store = init(dir.path(), session.operation("committer"))?;
    let [creates, confirms] = draw(&store, ORDERS)?;
    let [another, _] = draw(&store, 1)?;
    let span = caller.measure_thread();
    submit(&store, creates, &Outcome::Create(Created::Created))?;
    submit(&store, confirms, &Outcome::Confirm(Confirmed::Applied))?;
    drop(span);
    // The next group ends the span of the last counted one. Its own allocations are not counted.
    submit(&store, another, &Outcome::Create(Created::Created))?;
    let report = session.to_report();
    let checkpoints = store.stats().checkpoints;
    store.shutdown().wait()?;
    assert_eq!(checkpoints, 0, "a checkpoint took part in the work");
    let commands = f64::from(ORDERS) * 2.0;
    let mut committer = None;
    for (thread, seen) in report.operations() {
        let allocations = f64::from(u32::try_from(seen.total_allocations_count())?) / commands;
        let bytes = f64::from(u32::try_from(seen.total_bytes_allocated())?) / commands;
        println!("{thread}: {allocations:.2} allocations, {bytes:.0} bytes per command");
        if thread == "committer" {
            committer = Some(allocations);
        }
    }
    let found = committer.ok_or("the committer thread ran no group")?;
    assert!(found > 0.0, "no allocation was counted");
    assert!(
        found <= ALLOCATIONS_MAX,
        "the committer thread made {found:.2} allocations per command, more than {ALLOCATIONS_MAX}"
    );
    Ok(())
}

/// Creates a store whose clock starts a new span. The committer reads the clock once per group, at
/// its start.
fn init(dir: &Path, committer: Operation) -> Checked<Store> {
    let clock = move || {
        if thread::current().name() == Some("orderstore-committer") {
            SPAN.set(Some(committer.measure_thread()));
        }
        Timestamp::now()
    };
    Ok(Store::builder().clock(clock).init(dir.join("store"))?)
}

/// Returns new orders, and the payments for them.
fn draw(store: &Store, orders: u16) -> Checked<[Vec<Command>; 2]> {
    let mut sample = Sample::new(orders.into(), 1_000)?;
    let (mut creates, mut confirms) = (Vec::new(), Vec::new());
    for _ in 0..orders {
        let no = store.next_order_no().wait()?;
        let new = sample.order()?;
        let payment = sample.payment(new.total_fee())?;
        let kind = CommandKind::Create(Box::new(new));
        creates.push(Command { no, kind });
        let kind = CommandKind::Confirm(Box::new(payment));
        confirms.push(Command { no, kind });
    }
    Ok([creates, confirms])
}

/// Submits the commands in groups and waits for every reply.
fn submit(store: &Store, mut commands: Vec<Command>, due: &Outcome) -> Checked<()> {
    while !commands.is_empty() {
        let group = commands.drain(..GROUP.min(commands.len())).collect();
        let tickets = store.submit_all(group).map_err(|refused| refused.reason)?;
        for ticket in tickets {
            assert_eq!(ticket.wait()?.outcome, *due);
        }
    }
    Ok(())
}
