//! Faults that are built in on purpose: the harness that is meant for each must find it.

use orderstore::testing::{FaultInjection, SeededRng};

use super::io_error;
use super::rig::{Tour, sizes};
use super::upkeep::{Job, power_loss};

/// Runs seeds until one finds the fault.
fn is_caught(sabotage: FaultInjection) -> Option<String> {
    (1..400).find_map(|seed| {
        let mut dice = SeededRng::new(seed);
        let mut tour = Tour {
            sizes: sizes(&mut dice),
            sabotage: Some(sabotage),
            depth: 3,
            width: 40,
            images: 0,
        };
        let steps = 8 + dice.below(30);
        tour.run(steps, &mut dice).err()
    })
}

#[track_caller]
fn assert_caught(sabotage: FaultInjection, invariants: &[&str]) {
    let why = is_caught(sabotage).expect("the fault went unseen");
    let is_named = invariants.iter().any(|invariant| why.contains(invariant));
    assert!(is_named, "{sabotage:?} was found as {why}");
}

#[test]
fn power_loss_finds_a_journal_that_is_not_synced() {
    assert_caught(FaultInjection::SkipJournalSync, &["I1:"]);
}

#[test]
fn power_loss_finds_an_answer_before_the_sync() {
    assert_caught(FaultInjection::AnswerEarly, &["I1:"]);
}

#[test]
fn power_loss_finds_an_index_entry_that_was_left_out() {
    assert_caught(FaultInjection::SkipIndexEntry, &["I5"]);
}

#[test]
fn power_loss_finds_a_directory_that_is_not_synced() {
    assert_caught(FaultInjection::ForgetDirectorySync, &["I1:"]);
}

#[test]
fn power_loss_finds_a_segment_that_is_used_again() {
    assert_caught(FaultInjection::RecycleSegment, &["I1:", "I2:"]);
}

#[test]
fn power_loss_finds_a_recovery_without_its_sync() {
    assert_caught(FaultInjection::RecoverWithoutSync, &["I1:"]);
}

#[test]
fn power_loss_finds_a_journal_that_goes_before_the_base_has_it() {
    assert_caught(FaultInjection::DropJournalEarly, &["I1:"]);
}

#[test]
fn io_error_finds_what_is_visible_before_it_is_durable() {
    let mut found = (1..20)
        .filter_map(|seed| io_error::workload(seed, Some(FaultInjection::PublishBeforeSync)).err());
    let why = found.next().expect("the fault went unseen");
    assert!(why.contains("I13"), "{why}");
}

#[test]
fn power_loss_finds_a_backup_that_is_sealed_before_it_is_written() {
    let sabotage = Some(FaultInjection::SealBackupEarly);
    let mut found = (1..20).filter_map(|seed| power_loss(Job::Backup, seed, sabotage).err());
    let why = found.next().expect("the fault went unseen");
    assert!(why.contains("taken for a backup"), "{why}");
}
