//! Kills a process during its work, on the machine's own disk.
//!
//! The child runs several callers on one small store. It reports each reply to its parent, but
//! never before it has the reply. The parent keeps the ledger and kills the child at a time that
//! the seed determines: during replies, a checkpoint, a segment roll or a recovery.
//!
//! Then the parent checks the store. All acknowledged commands are there, and each other command is
//! there completely or not at all. The next child continues from there.
//!
//! A mirrored store also loses one of its two directories after some kills.
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
use std::path::{Path, PathBuf};

use orderstore::testing::SeededRng;
use orderstore::{Recovery, Store};
use tempfile::TempDir;

use self::aim::{Aim, killed};
use self::child::{Setting, mirror_of, open};
use self::ledger::Ledger;
use super::{figure, seeded};
use crate::stores::copy_dir;

/// Number of kills of each store.
const KILLS: usize = 10;

/// A store that child processes use, one after another.
struct Shop {
    place: TempDir,
    is_mirrored: bool,
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
    /// Number of directories that were deleted after a kill.
    deleted: usize,
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
        self.deleted += other.deleted;
    }
}

impl Shop {
    fn new(seed: u64, is_mirrored: bool) -> Self {
        let place = TempDir::new().unwrap();
        let shop = Self {
            place,
            is_mirrored,
            ledger: Ledger::new(seed),
            tally: Tally::default(),
        };
        let store = open(&shop.dir(), is_mirrored, 0).unwrap();
        Ledger::begin(&store);
        drop(store);
        shop
    }

    fn dir(&self) -> String {
        dir_in(self.place.path())
    }

    /// Runs a child until it is killed and adds its reports to the ledger.
    fn kill(&mut self, aim: Aim, lies: bool) -> Result<(), String> {
        let setting = Setting {
            dir: self.dir(),
            is_mirrored: self.is_mirrored,
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
        let dir = self.dir();
        self.tally
            .add(self.ledger.check_in(&dir, self.is_mirrored)?);
        Ok(())
    }

    /// Checks a copy of the store, so that the next child recovers the original.
    fn check_copy(&mut self) -> Result<(), String> {
        let copy = self.copied();
        let dir = dir_in(copy.path());
        let recovery = self.ledger.check_in(&dir, self.is_mirrored)?;
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
    fn check_in(&mut self, dir: &str, is_mirrored: bool) -> Result<Recovery, String> {
        let opened = open(dir, is_mirrored, self.round);
        let store = opened.map_err(|error| format!("I1: the store does not open: {error:?}"))?;
        self.check(&store)?;
        Ok(store.recovery())
    }
}

/// Directory of the store in a temporary directory.
fn dir_in(place: &Path) -> String {
    place.join("shop").to_str().unwrap().to_owned()
}

fn is_answer(word: &str) -> bool {
    word.starts_with("done") || word.starts_with("hot")
}

/// Kills `KILLS` child processes on one store and checks the store after each kill.
fn kill_and_check_repeatedly(seed: u64, tally: &mut Tally) -> Result<usize, String> {
    let mut rng = SeededRng::new(seed);
    let mut shop = Shop::new(rng.next(), false);
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

/// Generation in the state of the mirror, and whether the directory is alone. `None` if the directory
/// holds no complete store.
fn mirror_state(dir: &Path) -> Option<(u64, bool)> {
    fs::metadata(dir.join("identity")).ok()?;
    let state = fs::read(dir.join("mirror")).ok()?;
    let generation = u64::from_le_bytes(state[8..16].try_into().unwrap());
    Some((generation, state[16] == 3))
}

impl Shop {
    /// Deletes one of the two directories, if the other one must hold every acknowledged command.
    fn delete_one(&mut self, rng: &mut SeededRng) -> Result<(), String> {
        let main = PathBuf::from(self.dir());
        let mirror = mirror_of(&main);
        let (deleted, kept) = match rng.below(2) {
            0 => (main, mirror),
            _ => (mirror, main),
        };
        // A directory without an identity file was never complete.
        let Some((kept_state, is_alone)) = mirror_state(&kept) else {
            return Ok(());
        };
        if mirror_state(&deleted).is_some_and(|(state, _)| state > kept_state) {
            return Ok(());
        }
        fs::remove_dir_all(&deleted).unwrap();
        self.tally.deleted += 1;
        if is_alone {
            return Ok(());
        }
        let accepted = Store::accept_one_side(&kept);
        let accepted = accepted.map(drop);
        accepted.map_err(|error| format!("I1: the directory was not accepted: {error:?}"))
    }
}

#[test]
fn kill9_and_loss_of_a_directory_lose_no_acknowledged_command() {
    let mut tally = Tally::default();
    let kills = figure("MIRROR_KILLS", 40);
    seeded("kill9_and_loss", kills, |seed| {
        let mut rng = SeededRng::new(seed);
        let mut shop = Shop::new(rng.next(), true);
        for kill in 0..KILLS {
            let aim = Aim::draw(&mut rng);
            let killed = shop.kill(aim, false);
            let checked = killed.and_then(|()| match rng.below(3) {
                0 => shop.check_copy(),
                1 => shop.check(),
                _ => shop.delete_one(&mut rng).and_then(|()| shop.check()),
            });
            checked.map_err(|why| format!("{why}\nafter kill {kill}, {aim:?}"))?;
        }
        tally.merge(&shop.tally);
        Ok(KILLS)
    });
    println!("{tally:?}");
    assert!(tally.deleted > 0, "no directory was deleted");
}
