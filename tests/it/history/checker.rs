//! Checks that the calls on one order are linearizable.
//!
//! Each change gives the payment order its next version, so the versions give the sequence of
//! changes. The sequence is valid under two conditions. The versions begin at 1 without a gap. A
//! call that began after another one was answered never shows an older version.

use std::collections::BTreeMap;

/// One call: the times of its start and of its answer, and the version in the answer. A time is a
/// reading of one counter, so no two are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    pub(crate) version: u64,
    /// Whether the call created this version (true) or only read it (false).
    pub(crate) wrote: bool,
}

impl Seen {
    /// Returns the position in the sequence of all calls. A version is created before it is read.
    const fn place(self) -> (u64, bool) {
        (self.version, !self.wrote)
    }
}

/// Returns the first violation in the calls on an order whose last version is `last`.
pub(crate) fn check(seen: &[Seen], last: u64) -> Result<(), String> {
    check_versions(seen, last)?;
    check_times(seen)
}

/// Checks that versions 1 to `last` were created exactly once each.
fn check_versions(seen: &[Seen], last: u64) -> Result<(), String> {
    let mut made = BTreeMap::new();
    for call in seen.iter().filter(|call| call.wrote) {
        if let Some(other) = made.insert(call.version, call) {
            return Err(format!("lost update: {call:?} and {other:?}"));
        }
    }
    for (expected, version) in (1..).zip(made.keys()) {
        if expected != *version {
            return Err(format!("version {expected} has no writer"));
        }
    }
    if made.len() as u64 != last {
        return Err(format!(
            "{} changes, but the last version is {last}",
            made.len()
        ));
    }
    match seen.iter().find(|call| call.version > last) {
        Some(call) => Err(format!("{call:?} is later than the last version, {last}")),
        None => Ok(()),
    }
}

/// Checks real-time order: a call that began after another answer must not show an earlier state.
fn check_times(seen: &[Seen]) -> Result<(), String> {
    // Go through the calls in the order in which they began. `furthest` is the latest position
    // among the calls that were answered before the current call began. If the current call has
    // an earlier position, it saw a stale state.
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
            return Err(format!("{call:?} began after {before:?} was answered"));
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
        let found = check(seen, last).expect_err("the violation was not found");
        assert!(found.contains(why), "{found}");
    }

    #[test]
    fn checker_accepts_correct_sequential_calls() {
        good(&[], 0);
        good(&[read(1, 2, 0), write(3, 4, 1), read(5, 6, 1)], 1);
        good(&[write(1, 2, 1), write(3, 4, 2), read(5, 6, 2)], 2);
    }

    #[test]
    fn checker_accepts_concurrent_calls_in_any_order() {
        good(&[write(1, 4, 2), write(2, 3, 1)], 2);
        good(&[write(1, 6, 1), read(2, 3, 0), read(4, 5, 1)], 1);
    }

    #[test]
    fn checker_finds_lost_update() {
        bad(&[write(1, 2, 1), write(3, 5, 2), write(4, 6, 2)], 2, "lost");
    }

    #[test]
    fn checker_finds_version_without_writer() {
        bad(&[write(1, 2, 1), write(3, 4, 3)], 3, "version 2");
        bad(&[write(1, 2, 2)], 2, "version 1");
    }

    #[test]
    fn checker_finds_lost_acknowledged_change() {
        bad(&[write(1, 2, 1), write(3, 4, 2)], 1, "2 changes");
        bad(&[write(1, 2, 1)], 2, "1 changes");
    }

    #[test]
    fn checker_finds_changes_out_of_real_time_order() {
        bad(&[write(1, 2, 2), write(3, 4, 1)], 2, "began after");
    }

    #[test]
    fn checker_finds_stale_read() {
        bad(&[write(1, 2, 1), read(3, 4, 0)], 1, "began after");
        let seen = [write(1, 2, 1), write(3, 4, 2), read(5, 6, 1)];
        bad(&seen, 2, "began after");
    }

    #[test]
    fn checker_finds_reads_going_backwards() {
        // The write of version 2 is in progress during both reads.
        let seen = [write(1, 2, 1), write(3, 8, 2), read(4, 5, 2), read(6, 7, 1)];
        bad(&seen, 2, "began after");
    }

    #[test]
    fn checker_finds_read_before_its_write() {
        bad(&[read(1, 2, 1), write(3, 4, 1)], 1, "began after");
    }

    #[test]
    fn checker_finds_read_beyond_last_version() {
        bad(&[write(1, 2, 1), read(3, 4, 2)], 1, "later than");
    }
}
