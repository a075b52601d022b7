//! Chooses when the parent kills the child process.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use orderstore::testing::SeededRng;
use parking_lot::Mutex;

use super::child::Setting;

/// Maximum number of reports (lines of output) from a child. After this many, the parent kills the
/// child in any case.
const WORDS_MAX: usize = 3000;

/// Maximum time in which a child sends no report. After it, the test fails because the child hangs.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// Condition on which the parent kills the child.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    /// The child has sent this many reports (lines of output).
    Words(usize),
    /// File names in the journal directory have changed this many times: segments were created,
    /// renamed or removed.
    Journal(usize),
    /// The file `base.redb` has changed this many times.
    Base(usize),
    /// This much time has passed since the child began to open the store.
    Opening(Duration),
}

impl Aim {
    pub(crate) fn draw(rng: &mut SeededRng) -> Self {
        match rng.below(4) {
            0 => Self::Words(1 + rng.below(300)),
            1 => Self::Journal(1 + rng.below(20)),
            2 => Self::Base(1 + rng.below(40)),
            _ => Self::Opening(Duration::from_micros(100 * rng.below(100) as u64)),
        }
    }
}

/// Runs a child until it is killed and returns its reports.
pub(crate) fn killed(setting: &Setting, aim: Aim) -> Vec<String> {
    let mut watch = Watch::new(Path::new(&setting.dir));
    let mut process = setting.start();
    let heard = Arc::new(Heard::default());
    let mut words = std::mem::replace(&mut process.words, Box::new(std::iter::empty()));
    let own = Arc::clone(&heard);
    let listener = thread::spawn(move || words.by_ref().for_each(|word| own.hear(word)));
    while !watch.is_time(aim, &heard) {
        assert!(!listener.is_finished(), "the child ended by itself");
        thread::sleep(Duration::from_micros(50));
    }
    process.kill();
    listener.join().unwrap();
    std::mem::take(&mut *heard.words.lock())
}

#[derive(Default)]
struct Heard {
    words: Mutex<Vec<String>>,
    count: AtomicUsize,
}

impl Heard {
    fn hear(&self, word: String) {
        self.words.lock().push(word);
        self.count.fetch_add(1, Ordering::SeqCst);
    }
}

/// Parent's observations of the child and of the store's files.
struct Watch {
    dir: PathBuf,
    names: Vec<OsString>,
    base: Option<(u64, SystemTime)>,
    changes: usize,
    opening: Option<Instant>,
    /// Number of reports received, and the time of the last one.
    silence: (usize, Instant),
}

impl Watch {
    fn new(dir: &Path) -> Self {
        let mut watch = Self {
            dir: dir.to_owned(),
            names: vec![],
            base: None,
            changes: 0,
            opening: None,
            silence: (0, Instant::now()),
        };
        watch.names = watch.names_now();
        watch.base = watch.base_now();
        watch
    }

    fn names_now(&self) -> Vec<OsString> {
        let Ok(entries) = fs::read_dir(self.dir.join("journal")) else {
            return vec![];
        };
        let mut names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    }

    fn base_now(&self) -> Option<(u64, SystemTime)> {
        let found = fs::metadata(self.dir.join("base.redb")).ok()?;
        Some((found.len(), found.modified().ok()?))
    }

    fn is_time(&mut self, aim: Aim, heard: &Heard) -> bool {
        let count = heard.count.load(Ordering::SeqCst);
        if count != self.silence.0 {
            self.silence = (count, Instant::now());
        }
        assert!(self.silence.1.elapsed() < SILENCE_MAX, "the child hangs");
        let is_reached = match aim {
            Aim::Words(words) => count >= words,
            Aim::Journal(changes) => {
                let names = self.names_now();
                let is_new = names != self.names;
                self.names = names;
                self.count(is_new, changes)
            }
            Aim::Base(changes) => {
                let base = self.base_now();
                let is_new = base != self.base;
                self.base = base;
                self.count(is_new, changes)
            }
            Aim::Opening(after) => count > 0 && self.opened_for() >= after,
        };
        is_reached || count >= WORDS_MAX
    }

    fn count(&mut self, is_new: bool, wanted: usize) -> bool {
        self.changes += usize::from(is_new);
        self.changes >= wanted
    }

    fn opened_for(&mut self) -> Duration {
        self.opening.get_or_insert_with(Instant::now).elapsed()
    }
}
