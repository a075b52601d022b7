//! Decides with which directories a mirrored store is opened.

use super::header::StoreHeader;
use super::mirror_state::{Members, MirrorState};
use crate::engine::local::journal::copies::Place;

/// Store in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) header: StoreHeader,
    /// State of the mirror; `None` if the store was never mirrored.
    pub(crate) state: Option<MirrorState>,
}

impl Member {
    /// Whether this member with the higher generation replaces the other one. They have the same
    /// incarnation, or an operator accepted this one before the other one was used alone.
    pub(crate) fn supersedes(&self, other: Self) -> bool {
        let (own, old) = (self.header.identity, other.header.identity);
        let superseded = self.state.unwrap_or_default().superseded;
        let generation = other.state.unwrap_or_default().generation;
        let is_accepted =
            superseded.incarnation == old.incarnation && generation <= superseded.generation;
        own.store_id == old.store_id && (own.incarnation == old.incarnation || is_accepted)
    }
}

/// Directories with which a store can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Neither directory holds a store.
    None,
    /// This directory holds every acknowledged write. The other one holds nothing, or is stale.
    One(Place),
    /// Both directories hold every acknowledged write, if their journals are merged.
    Both,
}

/// Reason why a store cannot be opened with these directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The other directory is missing and may hold newer writes.
    Missing(Place),
    /// The directories do not belong together.
    Conflict(&'static str),
}

/// Decides by the stores that were found in the two directories.
pub(super) fn choose(main: Option<Member>, mirror: Option<Member>) -> Result<Choice, Refusal> {
    let alone = |member: Member, place, other| match member.state.map(|state| state.members) {
        // If both were required, the store acknowledged nothing that this directory lacks.
        None | Some(Members::Alone | Members::BothRequired) => Ok(Choice::One(place)),
        Some(Members::Both | Members::Accepting) => Err(Refusal::Missing(other)),
    };
    let (main, mirror) = match (main, mirror) {
        (None, None) => return Ok(Choice::None),
        (Some(main), None) => return alone(main, Place::Main, Place::Mirror),
        (None, Some(mirror)) => return alone(mirror, Place::Mirror, Place::Main),
        (Some(main), Some(mirror)) => (main, mirror),
    };
    if main.header.identity.store_id != mirror.header.identity.store_id {
        return Err(Refusal::Conflict("they hold different stores"));
    }
    let (Some(first), Some(second)) = (main.state, mirror.state) else {
        return Err(Refusal::Conflict(
            "one of them holds a copy of the store that was never its mirror",
        ));
    };
    if first.generation != second.generation {
        let (winner, loser, place) = match first.generation > second.generation {
            true => (main, mirror, Place::Main),
            false => (mirror, main, Place::Mirror),
        };
        return match winner.supersedes(loser) {
            true => Ok(Choice::One(place)),
            false => Err(Refusal::Conflict(
                "one of them continues another incarnation of the store, such as a restored backup, \
                 and the other one may hold writes that it lacks",
            )),
        };
    }
    let is_alone =
        |state: MirrorState| matches!(state.members, Members::Alone | Members::Accepting);
    if is_alone(first) || is_alone(second) || main.header != mirror.header {
        return Err(Refusal::Conflict(
            "each of them was used without the other, so both may hold writes that the other lacks",
        ));
    }
    Ok(Choice::Both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::local::admin::mirror_state::Superseded;

    /// Every pair of states, and the choice. The states are: no store, never mirrored, and each of
    /// the three members with generation 1 or 2.
    #[test]
    fn newer_generation_wins_and_ties_need_both() {
        let header = StoreHeader::random().unwrap();
        let member = |state| Some(Member { header, state });
        let state = |generation, members| {
            member(Some(MirrorState {
                generation,
                members,
                superseded: Superseded::default(),
            }))
        };
        let (main, mirror) = (Choice::One(Place::Main), Choice::One(Place::Mirror));
        let (no_main, no_mirror) = (
            Refusal::Missing(Place::Main),
            Refusal::Missing(Place::Mirror),
        );
        let plain = member(None);
        let [both_1, both_2] = [1, 2].map(|generation| state(generation, Members::Both));
        let [needed_1, needed_2] =
            [1, 2].map(|generation| state(generation, Members::BothRequired));
        let [alone_1, alone_2] = [1, 2].map(|generation| state(generation, Members::Alone));
        for (first, second, chosen) in [
            (None, None, Ok(Choice::None)),
            (plain, None, Ok(main)),
            (None, plain, Ok(mirror)),
            (alone_1, None, Ok(main)),
            (None, alone_1, Ok(mirror)),
            (needed_1, None, Ok(main)),
            (both_1, None, Err(no_mirror)),
            (None, both_1, Err(no_main)),
            (both_1, both_1, Ok(Choice::Both)),
            (needed_1, needed_1, Ok(Choice::Both)),
            (alone_2, both_1, Ok(main)),
            (both_1, alone_2, Ok(mirror)),
            (alone_1, both_2, Ok(mirror)),
            (needed_2, alone_1, Ok(main)),
        ] {
            assert_eq!(choose(first, second), chosen, "{first:?}, {second:?}");
        }
        for (first, second) in [
            (alone_1, alone_1),
            (alone_2, both_2),
            (plain, plain),
            (plain, both_1),
            (needed_2, plain),
        ] {
            let choice = choose(first, second);
            assert!(matches!(choice, Err(Refusal::Conflict(_))), "{choice:?}");
        }
        let stranger = Some(Member {
            header: StoreHeader::random().unwrap(),
            state: both_1.unwrap().state,
        });
        let choice = choose(both_2, stranger);
        assert!(matches!(choice, Err(Refusal::Conflict(_))), "{choice:?}");
    }

    #[test]
    fn newer_generation_of_another_incarnation_wins_only_if_accepted() {
        let header = StoreHeader::random().unwrap();
        let old = Member {
            header,
            state: Some(MirrorState {
                generation: 4,
                members: Members::Both,
                superseded: Superseded::default(),
            }),
        };
        let successor = |generation, superseded| Member {
            header: header.successor().unwrap(),
            state: Some(MirrorState {
                generation,
                members: Members::Alone,
                superseded,
            }),
        };
        let superseded = |generation| Superseded {
            incarnation: header.identity.incarnation,
            generation,
        };
        let accepted = successor(5, superseded(4));
        let choice = choose(Some(old), Some(accepted));
        assert_eq!(choice, Ok(Choice::One(Place::Mirror)));
        // A restored backup keeps the store id, and its generations start at 0.
        // The other directory may have gone on alone before this one was accepted.
        for other in [
            successor(1, Superseded::default()),
            successor(5, Superseded::default()),
            successor(9, superseded(3)),
        ] {
            let choice = choose(Some(other), Some(old));
            assert!(matches!(choice, Err(Refusal::Conflict(_))), "{choice:?}");
        }
    }
}
