//! Whether what callers saw of one order can have come one after the other.
//!
//! Each change gives the order its next version, so the versions say in which order things
//! came. That order is right if it begins at 1 and leaves nothing out, and if whatever was
//! answered before something else was asked stands before it.

use std::collections::BTreeMap;

/// One call: when it was asked and answered, and the version that the answer showed. Times
/// are the counts of one counter, so that no two are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    pub(crate) version: u64,
    /// The call made this version; else it only showed it.
    pub(crate) wrote: bool,
}

impl Seen {
    /// Where it stands: a version is made before it is shown.
    const fn place(self) -> (u64, bool) {
        (self.version, !self.wrote)
    }
}

/// What is wrong with what was seen of an order whose last version is `last`.
pub(crate) fn check(seen: &[Seen], last: u64) -> Result<(), String> {
    check_versions(seen, last)?;
    check_times(seen)
}

/// Versions 1 to `last`, each made once.
fn check_versions(seen: &[Seen], last: u64) -> Result<(), String> {
    let mut made = BTreeMap::new();
    for call in seen.iter().filter(|call| call.wrote) {
        if let Some(other) = made.insert(call.version, call) {
            return Err(format!("lost update: {call:?} and {other:?}"));
        }
    }
    for (expected, version) in (1..).zip(made.keys()) {
        if expected != *version {
            return Err(format!("nobody made version {expected}"));
        }
    }
    if made.len() as u64 != last {
        return Err(format!("{} changes, and version {last}", made.len()));
    }
    match seen.iter().find(|call| call.version > last) {
        Some(call) => Err(format!("{call:?} is beyond version {last}")),
        None => Ok(()),
    }
}

/// Whoever asked after an answer stands behind it.
fn check_times(seen: &[Seen]) -> Result<(), String> {
    let mut by_answer: Vec<Seen> = seen.to_vec();
    by_answer.sort_by_key(|call| call.answered);
    let mut by_question: Vec<Seen> = seen.to_vec();
    by_question.sort_by_key(|call| call.asked);
    let mut answers = by_answer.into_iter().peekable();
    let mut furthest: Option<Seen> = None;
    for call in by_question {
        while let Some(before) = answers.next_if(|before| before.answered < call.asked) {
            furthest = match furthest {
                Some(other) if other.place() >= before.place() => Some(other),
                _ => Some(before),
            };
        }
        if let Some(before) = furthest.filter(|before| before.place() > call.place()) {
            return Err(format!("{call:?} was asked after {before:?}"));
        }
    }
    Ok(())
}

mod tests {
    use super::*;

    const fn call(asked: u64, answered: u64, version: u64, wrote: bool) -> Seen {
        Seen {
            asked,
            answered,
            version,
            wrote,
        }
    }

    const fn write(asked: u64, answered: u64, version: u64) -> Seen {
        call(asked, answered, version, true)
    }

    const fn read(asked: u64, answered: u64, version: u64) -> Seen {
        call(asked, answered, version, false)
    }

    #[track_caller]
    fn good(seen: &[Seen], last: u64) {
        assert_eq!(check(seen, last), Ok(()));
    }

    #[track_caller]
    fn bad(seen: &[Seen], last: u64, why: &str) {
        let found = check(seen, last).expect_err("it is not seen");
        assert!(found.contains(why), "{found}");
    }

    #[test]
    fn history_one_after_the_other_is_good() {
        good(&[], 0);
        good(&[read(1, 2, 0), write(3, 4, 1), read(5, 6, 1)], 1);
        good(&[write(1, 2, 1), write(3, 4, 2), read(5, 6, 2)], 2);
    }

    #[test]
    fn history_at_the_same_time_may_come_in_any_order() {
        good(&[write(1, 4, 2), write(2, 3, 1)], 2);
        good(&[write(1, 6, 1), read(2, 3, 0), read(4, 5, 1)], 1);
    }

    #[test]
    fn history_finds_a_lost_update() {
        bad(&[write(1, 2, 1), write(3, 5, 2), write(4, 6, 2)], 2, "lost");
    }

    #[test]
    fn history_finds_a_version_that_nobody_made() {
        bad(&[write(1, 2, 1), write(3, 4, 3)], 3, "version 2");
        bad(&[write(1, 2, 2)], 2, "version 1");
    }

    #[test]
    fn history_finds_an_answered_change_that_is_gone() {
        bad(&[write(1, 2, 1), write(3, 4, 2)], 1, "2 changes");
        bad(&[write(1, 2, 1)], 2, "1 changes");
    }

    #[test]
    fn history_finds_changes_against_their_order_in_time() {
        bad(&[write(1, 2, 2), write(3, 4, 1)], 2, "asked after");
    }

    #[test]
    fn history_finds_a_read_of_the_past() {
        bad(&[write(1, 2, 1), read(3, 4, 0)], 1, "asked after");
        let seen = [write(1, 2, 1), write(3, 4, 2), read(5, 6, 1)];
        bad(&seen, 2, "asked after");
    }

    #[test]
    fn history_finds_reads_that_go_back() {
        // The change is under way all the time.
        let seen = [write(1, 2, 1), write(3, 8, 2), read(4, 5, 2), read(6, 7, 1)];
        bad(&seen, 2, "asked after");
    }

    #[test]
    fn history_finds_a_read_of_what_nobody_had_asked_for_yet() {
        bad(&[read(1, 2, 1), write(3, 4, 1)], 1, "asked after");
    }

    #[test]
    fn history_finds_a_read_beyond_the_end() {
        bad(&[write(1, 2, 1), read(3, 4, 2)], 1, "beyond");
    }
}
