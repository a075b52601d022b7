//! The power fails, or the process is killed, and again while the store recovers.

use orderstore::testing::{Loss, SeededRng, SimulatedDisk, Sizes, Snapshot, fixtures};
use orderstore::{Command, CommandKind};

use super::ledger::Ledger;
use super::rig::{Shop, Tour, sizes};
use super::{figure, seeded, told};

fn tour(seed: u64) -> Result<usize, String> {
    let mut dice = SeededRng::new(seed);
    let mut tour = Tour {
        sizes: sizes(&mut dice),
        sabotage: None,
        depth: 4,
        width: 100,
        images: 0,
    };
    let steps = 4 + dice.below(40);
    tour.run(steps, &mut dice)?;
    Ok(tour.images)
}

#[test]
fn power_loss_takes_nothing_that_was_acknowledged() {
    seeded(
        "power_loss_takes",
        figure("POWER_LOSS_IMAGES", 50_000),
        tour,
    );
}

/// One of each kind, on one order.
fn commands() -> Vec<Command> {
    let no = fixtures::order_no(1);
    let asks = [
        CommandKind::Create(Box::new(fixtures::new(100))),
        CommandKind::Confirm(Box::new(fixtures::payment(1, 100))),
        CommandKind::RecordPrepay(Box::new(fixtures::prepay(1))),
        CommandKind::BeginClose,
        CommandKind::Hide,
    ];
    asks.map(|ask| Command { no, kind: ask }).into()
}

/// Every sequence of `len` commands.
fn workloads(len: usize) -> Vec<Vec<Command>> {
    let mut all = vec![vec![]];
    for _ in 0..len {
        let longer = |workload: Vec<Command>| {
            commands().into_iter().map(move |command| {
                let mut workload = workload.clone();
                workload.push(command);
                workload
            })
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    all
}

/// Crashes at every call of one workload, in every way.
fn complete(place: usize, workload: &[Command]) -> Result<usize, String> {
    let sizes = Sizes {
        memtable: 1024,
        segment: 8192,
    };
    let disk = SimulatedDisk::new(place as u64);
    disk.sample(1);
    let mut shop = Shop::init(disk.clone(), sizes).map_err(|error| format!("{error:?}"))?;
    for command in workload {
        shop.run(vec![command.clone()])?;
    }
    shop.verify()?;
    let Shop { store, ledger, .. } = shop;
    drop(store);
    let mut images = 0;
    for snapshot in disk.take_snapshots() {
        for (loss, seed) in Loss::ALL.into_iter().zip(1..) {
            let image = snapshot.lose_power(loss, seed);
            let shop = Shop::recover(image, sizes, &ledger, snapshot.marks);
            let sound = shop.and_then(|shop| shop.verify());
            sound.map_err(|why| format!("{why}\nbehind {loss:?} at call {}", snapshot.call))?;
            images += 1;
        }
        behind_a_kill(&snapshot, &ledger, sizes)
            .map_err(|why| format!("{why}\nbehind a kill at call {}", snapshot.call))?;
        images += 1;
    }
    Ok(images)
}

/// A kill, an opening, an answer, and then the power fails.
fn behind_a_kill(snapshot: &Snapshot, sent: &Ledger, sizes: Sizes) -> Result<(), String> {
    let mut shop = Shop::recover(snapshot.kill(1), sizes, sent, snapshot.marks)?;
    let create = CommandKind::Create(Box::new(fixtures::new(100)));
    let no = fixtures::order_no(2);
    shop.run(vec![Command { no, kind: create }])?;
    let steps = shop.ledger.steps.len();
    let image = shop.disk.snapshot().lose_power(Loss::DropAll, 1);
    Shop::recover(image, sizes, &shop.ledger, (steps + 1, steps))?.verify()
}

#[test]
fn power_loss_at_every_call_of_every_small_workload() {
    let mut images = 0;
    for len in 0..=figure("SMALL_COMMANDS", 2) {
        for (place, workload) in workloads(len).iter().enumerate() {
            images += told("power_loss_at", place as u64, || complete(place, workload));
        }
    }
    println!("{images} images");
}

/// A call and its marks.
type Place = (u64, (usize, usize));

/// How a run went: its calls, its steps, and where snapshots were taken.
fn trace(seed: u64) -> (u64, usize, Vec<Place>) {
    let mut dice = SeededRng::new(seed);
    let sizes = sizes(&mut dice);
    let disk = SimulatedDisk::new(seed);
    disk.sample(3);
    let mut shop = Shop::init(disk.clone(), sizes).unwrap();
    for _ in 0..25 {
        shop.step(&mut dice).unwrap();
    }
    let snapshots = disk.take_snapshots();
    let places = snapshots
        .iter()
        .map(|snapshot| (snapshot.call, snapshot.marks));
    (disk.calls(), shop.ledger.steps.len(), places.collect())
}

#[test]
fn power_loss_runs_of_one_seed_are_the_same() {
    for seed in 1..40 {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
}
