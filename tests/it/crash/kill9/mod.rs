//! A process is killed in the midst of its work, on the machine's own disk.
//!
//! The child runs several callers over one small store and tells its parent of each answer
//! when it has it, and not before. The parent keeps the ledger, kills the child at a moment
//! that the seed says (in the midst of answers, of a flush, of a new segment, of a
//! recovery), and looks at what is left: all that was answered is there, and of the rest
//! each command wholly or not at all. The next child goes on from there.
//!
//! The kernel keeps what a killed process had written: whether it was synced is what the
//! simulated disk looks at.

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

/// So many kills each store goes through.
const KILLS: usize = 10;

/// A store that is used by children, one after another.
struct Shop {
    place: TempDir,
    ledger: Ledger,
    tally: Tally,
}

/// What the kills hit.
#[derive(Debug, Default)]
struct Tally {
    /// Answers that were told.
    answers: usize,
    /// Kills before the store was open.
    while_opening: usize,
    /// Groups that were replayed.
    replayed: u64,
    /// Openings that dropped a torn group.
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

    /// Runs a child until it is killed, and writes down what it said.
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

    /// Opens what the kill left and looks at it.
    fn check(&mut self) -> Result<(), String> {
        let dir = self.dir().to_owned();
        self.tally.add(self.ledger.check_in(&dir)?);
        Ok(())
    }

    /// The same for a copy: the next child finds what the kill left.
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
    /// What the opening found.
    fn check_in(&mut self, dir: &str) -> Result<Recovery, String> {
        let opened = open(dir, self.round);
        let store = opened.map_err(|error| format!("I1: it does not open: {error:?}"))?;
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

fn life(seed: u64, tally: &mut Tally) -> Result<usize, String> {
    let mut dice = SeededRng::new(seed);
    let mut shop = Shop::new(dice.next());
    for kill in 0..KILLS {
        let aim = Aim::draw(&mut dice);
        let is_copy = dice.one_in(2);
        let done = shop.kill(aim, false);
        let sound = done.and_then(|()| match is_copy {
            true => shop.check_copy(),
            false => shop.check(),
        });
        sound.map_err(|why| format!("{why}\nbehind kill {kill}, {aim:?}"))?;
    }
    tally.merge(&shop.tally);
    Ok(KILLS)
}

#[test]
fn kill9_takes_nothing_that_was_answered() {
    let mut tally = Tally::default();
    let kills = figure("KILL9_KILLS", 100);
    seeded("kill9_takes", kills, |seed| life(seed, &mut tally));
    println!("{tally:?}");
}
