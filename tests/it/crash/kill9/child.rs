//! The child process: several callers on a real store. Each caller reports each reply to the
//! parent.

use std::path::{Path, PathBuf};
use std::thread;

use orderstore::testing::{ManualClock, SeededRng};
use orderstore::{
    Annotated, Command, CommandKind, Error, Metadata, OpenError, Outcome, Reply, Store,
};

use super::script::{CALLERS, HOT, SIZES, Script, clock, hot};
use crate::process::{Process, tell};

const DIR: &str = "ORDERSTORE_KILL9_DIR";
const MIRRORED: &str = "ORDERSTORE_KILL9_MIRRORED";
const SEED: &str = "ORDERSTORE_KILL9_SEED";
const ROUND: &str = "ORDERSTORE_KILL9_ROUND";
/// Environment variable with the script position of each caller.
const PLACES: &str = "ORDERSTORE_KILL9_PLACES";
const LIES: &str = "ORDERSTORE_KILL9_LIES";

/// Parameters of a child process.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) dir: String,
    /// Whether the store has a mirror beside its directory.
    pub(crate) is_mirrored: bool,
    pub(crate) seed: u64,
    pub(crate) round: u64,
    pub(crate) places: Vec<usize>,
    /// Whether the child reports each reply before it has it. Only self-tests set this.
    pub(crate) lies: bool,
}

impl Setting {
    pub(crate) fn start(&self) -> Process {
        let places: Vec<String> = self.places.iter().map(ToString::to_string).collect();
        let variables = [
            (DIR, self.dir.clone()),
            (MIRRORED, self.is_mirrored.to_string()),
            (SEED, self.seed.to_string()),
            (ROUND, self.round.to_string()),
            (PLACES, places.join(" ")),
            (LIES, self.lies.to_string()),
        ];
        Process::start(
            "crash::kill9::child::entry_point_of_child_process",
            &variables,
        )
    }

    /// Reads the parameters from the environment; returns `None` in an ordinary test run.
    fn of_environment() -> Option<Self> {
        let read = |name| std::env::var(name).ok();
        let places = read(PLACES)?;
        Some(Self {
            dir: read(DIR)?,
            is_mirrored: read(MIRRORED)?.parse().unwrap(),
            seed: read(SEED)?.parse().unwrap(),
            round: read(ROUND)?.parse().unwrap(),
            places: places.split(' ').map(|p| p.parse().unwrap()).collect(),
            lies: read(LIES)?.parse().unwrap(),
        })
    }
}

/// Entry point of the child process that the parent starts; not a test by itself.
#[test]
fn entry_point_of_child_process() {
    if let Some(setting) = Setting::of_environment() {
        serve(&setting);
    }
}

/// Opens the store with the settings that parent and child share.
pub(crate) fn open(dir: &str, is_mirrored: bool, round: u64) -> Result<Store, OpenError> {
    let clock = ManualClock::at(clock(round));
    let builder = Store::builder().in_small_parts(SIZES).clock(clock.reader());
    match is_mirrored {
        true => builder.mirror(mirror_of(Path::new(dir))).open_or_init(dir),
        false => builder.open_or_init(dir),
    }
}

/// Directory of the mirror of a store.
pub(crate) fn mirror_of(dir: &Path) -> PathBuf {
    dir.with_file_name("mirror")
}

fn serve(setting: &Setting) {
    tell("opening");
    let store = open(&setting.dir, setting.is_mirrored, setting.round).unwrap();
    tell("open");
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let store = &store;
            scope.spawn(move || Caller::new(store, setting, caller).run());
        }
    });
}

struct Caller<'a> {
    store: &'a Store,
    script: Script,
    place: usize,
    round: u64,
    lies: bool,
    attempts: u64,
    rng: SeededRng,
}

impl<'a> Caller<'a> {
    fn new(store: &'a Store, setting: &Setting, caller: usize) -> Self {
        let seed = setting.seed;
        Self {
            store,
            script: Script { seed, caller },
            place: setting.places[caller],
            round: setting.round,
            lies: setting.lies,
            attempts: 0,
            rng: SeededRng::new(seed ^ (setting.round << 32) ^ ((caller as u64) << 48)),
        }
    }

    fn run(mut self) -> ! {
        loop {
            if self.rng.one_in(3) {
                self.annotate();
            }
            self.batch();
        }
    }

    fn batch(&mut self) {
        let end = self.place + self.script.batch(self.place);
        let commands: Vec<Command> = (self.place..end).map(|p| self.script.command(p)).collect();
        if self.lies {
            (self.place..end).for_each(|place| self.report(place, "?"));
        }
        let answers = match commands.as_slice() {
            [single] => vec![say(self.store, single)],
            _ => match self.store.submit_all(commands) {
                Ok(tickets) => tickets
                    .into_iter()
                    .map(|ticket| ticket.wait().map(|answered| version_of(&answered)))
                    .collect(),
                Err(refused) => vec![Err(refused.reason)],
            },
        };
        for (place, answer) in (self.place..).zip(answers) {
            match answer {
                Ok(version) => self.report(place, &version),
                Err(error) => tell(format!("error {error:?}")),
            }
        }
        self.place = end;
    }

    fn report(&self, place: usize, version: &str) {
        tell(format!("done {} {place} {version}", self.script.caller));
    }

    /// Annotates an order that other callers also change, with compare-and-set on its version.
    fn annotate(&mut self) {
        let no = hot(self.rng.below(HOT as usize) as u64);
        self.attempts += 1;
        let text = format!("{}-{}-{}", self.round, self.script.caller, self.attempts);
        let read = self.store.get(no).wait().unwrap();
        let version = read.unwrap().version;
        let metadata = Metadata::new(&text).unwrap();
        if self.lies {
            tell(format!("hot {no} {} {text}", version + 1));
        }
        let answered = self.store.annotate(no, version, metadata).wait();
        match answered.map(|answered| (answered.outcome, answered.order.unwrap())) {
            Ok((Annotated::Annotated, order)) => tell(format!("hot {no} {} {text}", order.version)),
            Ok((Annotated::VersionMoved { .. }, _)) => {}
            other => tell(format!("error {other:?}")),
        }
    }
}

/// Returns the order version in a reply, or `-` for a reply without an order.
pub(crate) fn version_of<O>(answered: &Reply<O>) -> String {
    let order = answered.order.as_ref();
    order.map_or("-".to_owned(), |order| order.version.to_string())
}

/// Runs one command: `create` and `confirm` through their own methods, others as a batch of one.
fn say(store: &Store, command: &Command) -> Result<String, Error> {
    match &command.kind {
        CommandKind::Create(new) => {
            let made = store.create(command.no, (**new).clone()).wait();
            made.map(|answered| version_of(&answered))
        }
        CommandKind::Confirm(payment) => {
            let paid = store.confirm(command.no, (**payment).clone()).wait();
            paid.map(|answered| version_of(&answered))
        }
        _ => {
            let mut tickets = store.submit_all(vec![command.clone()])?;
            let answered: Reply<Outcome> = tickets.pop().unwrap().wait()?;
            Ok(version_of(&answered))
        }
    }
}
