//! Opens a store with its mirror, or with one of the two directories.

use super::archive_state::ArchiveState;
use super::contents::{Contents, Creation};
use super::layout::Dir;
use super::members::{Choice, Member, Refusal, choose};
use super::mirror_state::{Members, MirrorState};
use super::recover::{Failure, OpenedDir};
use crate::engine::MirrorStatus;
use crate::engine::local::LocalEngine;
use crate::engine::local::disk::{FaultInjection, Lock, is_injected};
use crate::engine::local::journal::copies::Place;
use crate::engine::local::mirror::Mirror;
use crate::engine::local::options::LocalOptions;
use crate::error::{OpenError, StorageError, with_causes};
use crate::log::event;

/// Locked directory with a store.
struct Found {
    place: Place,
    dir: Dir,
    lock: Lock,
    member: Member,
}

impl Found {
    /// Finds and locks the store in a directory. Returns `None` if there is none.
    fn find(place: Place, dir: &Dir, options: &LocalOptions) -> Result<Option<Self>, OpenError> {
        match dir.survey()? {
            Contents::Store => {}
            Contents::Missing
            | Contents::Empty
            | Contents::Incomplete
            | Contents::Unfinished(Creation::Mirror) => return Ok(None),
            // The caller creates a store here, or reports why it cannot.
            _ if place == Place::Main && options.mirror.is_none() => return Ok(None),
            contents => return Err(dir.refusal(contents)),
        }
        // Read the identity file before taking the lock. A newer format is then reported even if
        // another process has the store open.
        dir.store_header()?;
        let (dir, lock) = dir.lock(options.lock_wait)?;
        let header = dir.store_header()?;
        // An interrupted promotion may have left it behind. Ignore a failure: it does no harm beside the
        // identity file of a store.
        let _ = dir.remove_standby_header();
        let state = dir.mirror_state().map_err(|error| dir.open_error(error))?;
        let member = Member { header, state };
        Ok(Some(Self {
            place,
            dir,
            lock,
            member,
        }))
    }

    /// Records that a stale directory needs the other one. No call then opens it alone before it is
    /// filled.
    fn refuse_alone(self) -> Result<(), OpenError> {
        let Some(state) = self.member.state else {
            return Ok(());
        };
        let state = MirrorState {
            members: Members::Both,
            ..state
        };
        let written = self.dir.write_mirror_state(state);
        written.map_err(|error| self.dir.open_error(error))
    }
}

impl LocalEngine {
    /// Opens the store in a directory, with its mirror if the options name one. Returns `None` if
    /// neither directory holds a store.
    ///
    /// If only one directory can be used, and it certainly holds every acknowledged write, opens
    /// this one. The other one is then filled again.
    pub(super) fn open_members(
        main: &Dir,
        options: &LocalOptions,
    ) -> Result<Option<Self>, OpenError> {
        let mirror = options.mirror.as_ref();
        let mirror = mirror.map(|path| Dir::of(options, path)).transpose()?;
        if mirror
            .as_ref()
            .is_some_and(|mirror| mirror.path() == main.path())
        {
            let (what, why) = (
                "mirror",
                "it must be another directory than that of the store",
            );
            let why = why.to_owned();
            return Err(OpenError::Invalid { what, why });
        }
        let mut lost = None;
        loop {
            let dirs = Dirs {
                main,
                mirror: mirror.as_ref(),
                options,
            };
            match dirs.open(lost)? {
                Opened::Engine(engine) => return Ok(engine.map(|engine| *engine)),
                Opened::Lost(place, cause) if !options.checked => {
                    event!(
                        error,
                        "gave up a directory of the mirror",
                        dir = dirs.dir(place).given_path.display().to_string(),
                        cause = with_causes(&cause)
                    );
                    lost = Some((place, cause));
                }
                // The caller verifies both directories.
                Opened::Lost(place, cause) => return Err(dirs.dir(place).open_error(cause)),
            }
        }
    }

    /// Begins to mirror a new store.
    pub(super) fn begin_new_mirror(&self) -> Result<(), StorageError> {
        if self.core.mirror.is_on() {
            let (mirror, side) = (&self.core.mirror, self.core.side());
            let generation = 1;
            side.dir.write_mirror_state(mirror.alone(generation))?;
            mirror.begin_alone(generation, None);
        }
        self.start_mirror(true)
    }

    /// Starts the thread that fills the mirror. Fills it at once if the store is new, or if every
    /// write needs both directories.
    fn start_mirror(&self, is_new: bool) -> Result<(), StorageError> {
        let mirror = &self.core.mirror;
        if !mirror.is_on() {
            return Ok(());
        }
        let is_simulated = self.core.executor().is_some();
        let is_missing = mirror.status() == MirrorStatus::Missing;
        if is_missing && (is_new || mirror.needs_both || is_simulated) {
            let filled = self.core.fill_mirror();
            if mirror.needs_both {
                filled?;
            }
        }
        if is_simulated {
            return Ok(());
        }
        self.spawn("mirror", |core| core.run_mirror())
    }
}

/// Directories of a store that is opened.
struct Dirs<'a> {
    main: &'a Dir,
    mirror: Option<&'a Dir>,
    options: &'a LocalOptions,
}

/// Result of an attempt to open a store.
enum Opened {
    Engine(Option<Box<LocalEngine>>),
    /// One of two directories failed, for this reason. The other one may work alone.
    Lost(Place, StorageError),
}

impl Dirs<'_> {
    fn dir(&self, place: Place) -> &Dir {
        match place {
            Place::Main => self.main,
            Place::Mirror => self.mirror.unwrap_or(self.main),
        }
    }

    /// Opens the store. `lost` is a directory that has just failed while both were opened.
    fn open(&self, lost: Option<(Place, StorageError)>) -> Result<Opened, OpenError> {
        let (main, mut unusable) = usable(Found::find(Place::Main, self.main, self.options))?;
        let mut mirror = None;
        if let Some(dir) = self.mirror {
            let (found, error) = usable(Found::find(Place::Mirror, dir, self.options))?;
            mirror = found;
            unusable = unusable.or(error);
        }
        let member = |found: &Option<Found>| found.as_ref().map(|found| found.member);
        let is_required = |place| {
            let found = match place {
                Place::Main => &main,
                Place::Mirror => &mirror,
            };
            let state = member(found).and_then(|member| member.state);
            state.is_some_and(|state| state.members == Members::BothRequired)
        };
        let ends_mirror = self.mirror.is_none() || self.options.needs_both == Some(false);
        let choice = match choose(member(&main), member(&mirror)) {
            // This directory holds every write. But a call that names no mirror must not make the
            // mirror stale. And the requirement ends only with both directories, because each of
            // them records it.
            Ok(Choice::One(place)) if ends_mirror && is_required(place) => {
                return Err(self.error(Refusal::Missing(place.other())));
            }
            Ok(Choice::None) | Err(Refusal::Missing(_)) if unusable.is_some() => {
                // An unusable directory explains more than a missing store.
                return unusable.map_or(Ok(Opened::Engine(None)), Err);
            }
            Err(refusal) => return Err(self.error(refusal)),
            Ok(choice) => choice,
        };
        let choice = match choice {
            Choice::One(place)
                if is_injected(&**self.main.disk(), FaultInjection::LetLongerSideWin) =>
            {
                self.longer_one(place, [&main, &mirror])
            }
            choice => choice,
        };
        // Both directories were compared when one of them failed, so the other one is complete.
        let choice = match (choice, &lost) {
            (Choice::Both, Some((Place::Main, _))) => Choice::One(Place::Mirror),
            (Choice::Both, Some((Place::Mirror, _))) => Choice::One(Place::Main),
            (choice, _) => choice,
        };
        let states = [&main, &mirror].map(|found| member(found)?.state);
        let generations = states.iter().flatten().map(|state| state.generation);
        let generation = generations.max().unwrap_or(0);
        let is_chosen = |found: &Found| match choice {
            Choice::None => false,
            Choice::One(place) => found.place == place,
            Choice::Both => true,
        };
        let found = [main, mirror].into_iter().flatten();
        let (chosen, stale): (Vec<Found>, Vec<Found>) = found.partition(is_chosen);
        // This releases the lock of the stale directory, so that it can be filled.
        for stale in stale.into_iter().filter(|_| lost.is_none()) {
            stale.refuse_alone()?;
        }
        let cause = lost.map(|(_, cause)| cause);
        let cause = cause.or_else(|| unusable.map(OpenError::into_cause));
        self.open_chosen(chosen, generation, cause)
    }

    /// The injected fault: chooses the directory with more segments.
    fn longer_one(&self, chosen: Place, found: [&Option<Found>; 2]) -> Choice {
        let segments = |place| {
            self.dir(place)
                .journal()
                .list()
                .map_or(0, |list| list.len())
        };
        let is_longer = segments(chosen.other()) >= segments(chosen);
        match is_longer && found.iter().all(|found| found.is_some()) {
            true => Choice::One(chosen.other()),
            false => Choice::One(chosen),
        }
    }

    fn open_chosen(
        &self,
        chosen: Vec<Found>,
        generation: u64,
        cause: Option<StorageError>,
    ) -> Result<Opened, OpenError> {
        let options = self.options;
        let Some(Member { header, .. }) = chosen.first().map(|found| found.member) else {
            return Ok(Opened::Engine(None));
        };
        if options.archive.is_none() && !options.without_archive {
            let state = ArchiveState::of(chosen.iter().map(|found| &found.dir));
            if state
                .map_err(|error| self.main.open_error(error))?
                .is_some()
            {
                let dir = self.main.given_path.clone();
                return Err(OpenError::ArchiveMissing { dir });
            }
        }
        let states = chosen.iter().filter_map(|found| found.member.state);
        let states: Vec<MirrorState> = states.collect();
        // Two chosen directories have equal generations.
        let state = states.first().copied().unwrap_or_default();
        let is_required = state.members == Members::BothRequired;
        let needs_both = options.needs_both.unwrap_or(is_required);
        let is_mirrored = chosen.len() > 1;
        let mut dirs = Vec::new();
        for Found {
            place, dir, lock, ..
        } in chosen
        {
            let opened = OpenedDir::open(place, &dir, lock, options, header);
            match opened {
                Ok(opened) => dirs.push(opened),
                Err(cause) if is_mirrored => return Ok(Opened::Lost(place, cause)),
                Err(cause) => return Err(dir.open_error(cause)),
            }
        }
        let places = self
            .mirror
            .map(|mirror| [self.main.clone(), mirror.clone()]);
        let mut generation = generation;
        let is_alone = !is_mirrored && (self.mirror.is_some() || !states.is_empty());
        if is_alone {
            // The other directory may have the next generation: a crash may have interrupted the
            // step that declared the mirror complete. So skip one.
            generation += 2;
        }
        let mirror = Mirror::new(places, needs_both, generation, state.superseded);
        if let (true, [alone]) = (is_alone, &*dirs) {
            // Write the state before the recovery: it may drop what only the other directory holds.
            let written = alone.dir.write_mirror_state(mirror.alone(generation));
            written.map_err(|error| self.main.open_error(error))?;
            mirror.begin_alone(generation, cause);
        }
        let engine = match LocalEngine::recover(options, header, dirs, mirror) {
            Ok(engine) => engine,
            Err(Failure::Dir(place, cause)) if is_mirrored => {
                return Ok(Opened::Lost(place, cause));
            }
            Err(Failure::Dir(_, cause) | Failure::Store(cause)) => {
                return Err(self.main.open_error(cause));
            }
        };
        let begun = match is_mirrored {
            true => engine.core.begin_mirrored(&states),
            false => Ok(()),
        };
        let begun = begun.and_then(|()| engine.checkpoint_many_segments());
        begun.map_err(|error| self.main.open_error(error))?;
        let started = engine.start_mirror(false);
        started.map_err(|error| self.main.open_error(error))?;
        engine.start_archive()?;
        Ok(Opened::Engine(Some(Box::new(engine))))
    }

    fn error(&self, refusal: Refusal) -> OpenError {
        let path = |place| match place {
            Place::Main => Some(self.main.given_path.clone()),
            Place::Mirror => self.mirror.map(|dir| dir.given_path.clone()),
        };
        let main = self.main.given_path.clone();
        match refusal {
            Refusal::Missing(missing) => OpenError::MirrorMissing {
                dir: path(missing.other()).unwrap_or(main),
                missing: path(missing),
            },
            Refusal::Conflict(why) => OpenError::MirrorConflict {
                dir: main,
                mirror: path(Place::Mirror).unwrap_or_default(),
                why,
            },
        }
    }
}

/// Separates an error of one directory, without which the store may be opened, from an error of the
/// call.
fn usable(
    found: Result<Option<Found>, OpenError>,
) -> Result<(Option<Found>, Option<OpenError>), OpenError> {
    match found {
        Ok(found) => Ok((found, None)),
        Err(error @ (OpenError::Locked { .. } | OpenError::NewerFormat { .. })) => Err(error),
        Err(error) => Ok((None, Some(error))),
    }
}
