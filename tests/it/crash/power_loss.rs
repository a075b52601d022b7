//! Power losses and kills, some of them during the recovery from an earlier one.

use orderstore::testing::{
    FaultInjection, Loss, SeededRng, SimulatedDisk, Sizes, Snapshot, fixtures,
};
use orderstore::{Command, CommandKind};

use super::ledger::Ledger;
use super::rig::{Setting, Shop, Tour, sizes};
use super::{figure, run_and_report_seed, seeded};

/// Runs random steps from one seed, and checks the disk states that crashes may leave. Returns
/// their number.
fn tour(seed: u64) -> Result<usize, String> {
    let mut rng = SeededRng::new(seed);
    let mut tour = Tour {
        sizes: sizes(&mut rng),
        sabotage: None,
        depth: 4,
        width: 100,
        images: 0,
    };
    let steps = 4 + rng.below(40);
    tour.run(steps, &mut rng)?;
    Ok(tour.images)
}

#[test]
fn power_loss_keeps_every_acknowledged_command() {
    seeded(
        "power_loss_keeps",
        figure("POWER_LOSS_IMAGES", 50_000),
        tour,
    );
}

/// Returns one command of each kind on one order.
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

/// Returns every sequence of `len` commands.
pub(crate) fn workloads(len: usize) -> Vec<Vec<Command>> {
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

/// Runs one workload, and takes a snapshot before every disk call that changes something.
pub(crate) fn snapshots_of(
    place: usize,
    workload: &[Command],
    setting: impl Into<Setting>,
    injected: Option<FaultInjection>,
) -> Result<(Ledger, Vec<Snapshot>), String> {
    let disk = SimulatedDisk::new(place as u64);
    disk.inject_fault(injected);
    disk.snapshot_one_in(1);
    let mut shop = Shop::init(disk.clone(), setting).map_err(|error| format!("{error:?}"))?;
    for command in workload {
        shop.run(vec![command.clone()])?;
    }
    shop.verify()?;
    let Shop { store, ledger, .. } = shop;
    drop(store);
    Ok((ledger, disk.take_snapshots()))
}

/// Simulates every kind of crash at every disk call of one workload. Returns the number of checked
/// disks.
fn crash_at_every_call(place: usize, workload: &[Command]) -> Result<usize, String> {
    let sizes = Sizes {
        memtable: 1024,
        segment: 8192,
    };
    let (ledger, snapshots) = snapshots_of(place, workload, sizes, None)?;
    let mut images = 0;
    for snapshot in snapshots {
        for (loss, seed) in Loss::ALL.into_iter().zip(1..) {
            let image = snapshot.lose_power(loss, seed);
            let shop = Shop::recover(image, sizes, &ledger, snapshot.marks);
            let sound = shop.and_then(|shop| shop.verify());
            sound.map_err(|why| format!("{why}\nafter {loss:?} at call {}", snapshot.call))?;
            images += 1;
        }
        check_after_a_kill(&snapshot, &ledger, sizes)
            .map_err(|why| format!("{why}\nafter a kill at call {}", snapshot.call))?;
        images += 1;
    }
    Ok(images)
}

/// Kills the process, reopens the store, runs one command, and then cuts the power.
fn check_after_a_kill(snapshot: &Snapshot, sent: &Ledger, sizes: Sizes) -> Result<(), String> {
    let mut shop = Shop::recover(snapshot.kill(1), sizes, sent, snapshot.marks)?;
    // The recovery must sync the frames that the killed process wrote but did not sync, before the
    // store acknowledges new commands. Otherwise the power loss could leave a gap before the new
    // frame.
    let create = CommandKind::Create(Box::new(fixtures::new(100)));
    let no = fixtures::order_no(2);
    shop.run(vec![Command { no, kind: create }])?;
    let steps = shop.ledger.steps.len();
    let image = shop.disk.snapshot().lose_power(Loss::DropAll, 1);
    Shop::recover(image, sizes, &shop.ledger, (steps + 1, steps))?.verify()
}

#[test]
fn power_loss_at_any_call_loses_no_acknowledged_command() {
    let mut images = 0;
    for len in 0..=figure("SMALL_COMMANDS", 2) {
        for (place, workload) in workloads(len).iter().enumerate() {
            images += run_and_report_seed("power_loss_at", place as u64, || {
                crash_at_every_call(place, workload)
            });
        }
    }
    println!("checked {images} disks");
}

/// Number of a disk call, and the marks that the test had set on the disk before this call.
type Place = (u64, (usize, usize));

/// Returns the number of calls, the number of steps, and the calls at which snapshots were taken.
fn trace(seed: u64) -> (u64, usize, Vec<Place>) {
    let mut rng = SeededRng::new(seed);
    let sizes = sizes(&mut rng);
    let disk = SimulatedDisk::new(seed);
    disk.snapshot_one_in(3);
    let mut shop = Shop::init(disk.clone(), sizes).unwrap();
    for _ in 0..25 {
        shop.step(&mut rng).unwrap();
    }
    let snapshots = disk.take_snapshots();
    let places = snapshots
        .iter()
        .map(|snapshot| (snapshot.call, snapshot.marks));
    (disk.calls(), shop.ledger.steps.len(), places.collect())
}

#[test]
fn power_loss_runs_are_deterministic_per_seed() {
    for seed in 1..40 {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
}
