//! Kills a process during its work, on the machine's own disk.
//!
//! The child runs several callers on one small store. It reports each reply to its parent, but
//! never before it has the reply. The parent keeps the ledger and kills the child at a time that
//! the seed determines: during replies, a checkpoint, a segment roll or a recovery.
//!
//! Then the parent checks the store. All acknowledged commands are there, and each other command is
//! there completely or not at all. The next child continues from there.
//!
//! The kernel keeps everything that a killed process has written. Only the simulated disk can show
//! whether it was synced.

mod aim;
mod books;
mod child;
mod ledger;
mod script;
mod self_test;

use std::fs;
use std::path::Path;

use orderstore::Recovery;
use orderstore::testing::SeededRng;
use tempfile::TempDir;

use self::aim::{Aim, killed};
use self::child::{Setting, open};
use self::ledger::Ledger;
use super::{figure, seeded};

/// Number of kills of each store.
const KILLS: usize = 10;

/// A store that child processes use, one after another.
struct Shop {
    place: TempDir,
    ledger: Ledger,
    tally: Tally,
}

/// Statistics of the kills and recoveries.
#[derive(Debug, Default)]
struct Tally {
    /// Number of replies that the child reported.
    answers: usize,
    /// Number of kills before the store was open.
    while_opening: usize,
    /// Number of groups that recovery replayed.
    replayed: u64,
    /// Number of recoveries that dropped a torn group.
    torn: usize,
}

impl Tally {
    fn add(&mut self, recovery: Recovery) {
        self.replayed += recovery.frames;
        self.torn += usize::from(recovery.dropped_bytes > 0);
    }

    fn merge(&mut self, other: &Self) {
        self.answers += other.answers;
        self.while_opening += other.while_opening;
        self.replayed += other.replayed;
        self.torn += other.torn;
    }
}

impl Shop {
    fn new(seed: u64) -> Self {
        let place = TempDir::new().unwrap();
        let store = open(place.path().to_str().unwrap(), 0).unwrap();
        Ledger::begin(&store);
        let ledger = Ledger::new(seed);
        Self {
            place,
            ledger,
            tally: Tally::default(),
        }
    }

    fn dir(&self) -> &str {
        self.place.path().to_str().unwrap()
    }

    /// Runs a child until it is killed and adds its reports to the ledger.
    fn kill(&mut self, aim: Aim, lies: bool) -> Result<(), String> {
        let setting = Setting {
            dir: self.dir().to_owned(),
            seed: self.ledger.seed,
            round: self.ledger.round,
            places: self.ledger.callers.iter().map(|c| c.held()).collect(),
            lies,
        };
        let words = killed(&setting, aim);
        let is_open = words.iter().any(|word| word == "open");
        self.tally.while_opening += usize::from(!is_open);
        self.tally.answers += words.iter().filter(|word| is_answer(word)).count();
        self.ledger.hear(&words)
    }

    /// Opens the store after the kill and checks it.
    fn check(&mut self) -> Result<(), String> {
        let dir = self.dir().to_owned();
        self.tally.add(self.ledger.check_in(&dir)?);
        Ok(())
    }

    /// Checks a copy of the store, so that the next child recovers the original.
    fn check_copy(&mut self) -> Result<(), String> {
        let copy = self.copied();
        let recovery = self.ledger.check_in(copy.path().to_str().unwrap())?;
        self.tally.add(recovery);
        Ok(())
    }

    fn copied(&self) -> TempDir {
        let copy = TempDir::new().unwrap();
        copy_dir(self.place.path(), copy.path());
        copy
    }
}

impl Ledger {
    /// Opens and checks a store. Returns the store's recovery report.
    fn check_in(&mut self, dir: &str) -> Result<Recovery, String> {
        let opened = open(dir, self.round);
        let store = opened.map_err(|error| format!("I1: the store does not open: {error:?}"))?;
        self.check(&store)?;
        Ok(store.recovery())
    }
}

fn is_answer(word: &str) -> bool {
    word.starts_with("done") || word.starts_with("hot")
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Kills `KILLS` child processes on one store and checks the store after each kill.
fn kill_and_check_repeatedly(seed: u64, tally: &mut Tally) -> Result<usize, String> {
    let mut rng = SeededRng::new(seed);
    let mut shop = Shop::new(rng.next());
    for kill in 0..KILLS {
        let aim = Aim::draw(&mut rng);
        let is_copy = rng.one_in(2);
        let done = shop.kill(aim, false);
        let sound = done.and_then(|()| match is_copy {
            true => shop.check_copy(),
            false => shop.check(),
        });
        sound.map_err(|why| format!("{why}\nafter kill {kill}, {aim:?}"))?;
    }
    tally.merge(&shop.tally);
    Ok(KILLS)
}

#[test]
fn kill9_loses_no_acknowledged_command() {
    let mut tally = Tally::default();
    let kills = figure("KILL9_KILLS", 100);
    seeded("kill9_loses", kills, |seed| {
        kill_and_check_repeatedly(seed, &mut tally)
    });
    println!("{tally:?}");
}
