//! Tests of the crash tests: they must find each fault that is injected on purpose.

use orderstore::testing::{FaultInjection, SeededRng};

use super::io_error;
use super::rig::{Tour, sizes};
use super::upkeep::{Job, power_loss};

/// Runs one seed after another until one run finds the fault. Returns the failure.
fn first_failure(injected: FaultInjection) -> Option<String> {
    (1..400).find_map(|seed| {
        let mut rng = SeededRng::new(seed);
        let mut tour = Tour {
            sizes: sizes(&mut rng),
            sabotage: Some(injected),
            depth: 3,
            width: 40,
            images: 0,
        };
        let steps = 8 + rng.below(30);
        tour.run(steps, &mut rng).err()
    })
}

#[track_caller]
fn assert_caught(injected: FaultInjection, invariants: &[&str]) {
    let why = first_failure(injected).expect("the fault was not found");
    let is_named = invariants.iter().any(|invariant| why.contains(invariant));
    assert!(is_named, "{injected:?} was reported as {why}");
}

#[test]
fn power_loss_test_finds_unsynced_journal() {
    assert_caught(FaultInjection::SkipJournalSync, &["I1:"]);
}

#[test]
fn power_loss_test_finds_reply_before_sync() {
    assert_caught(FaultInjection::AnswerEarly, &["I1:"]);
}

#[test]
fn power_loss_test_finds_missing_index_entry() {
    assert_caught(FaultInjection::SkipIndexEntry, &["I5"]);
}

#[test]
fn power_loss_test_finds_unsynced_directory() {
    assert_caught(FaultInjection::ForgetDirectorySync, &["I1:"]);
}

#[test]
fn power_loss_test_finds_reused_segment() {
    assert_caught(FaultInjection::RecycleSegment, &["I1:", "I2:"]);
}

#[test]
fn power_loss_test_finds_recovery_without_sync() {
    assert_caught(FaultInjection::RecoverWithoutSync, &["I1:"]);
}

#[test]
fn power_loss_test_finds_journal_removed_before_checkpoint() {
    assert_caught(FaultInjection::DropJournalEarly, &["I1:"]);
}

#[test]
fn io_error_test_finds_state_visible_before_durable() {
    let mut found = (1..20)
        .filter_map(|seed| io_error::workload(seed, Some(FaultInjection::PublishBeforeSync)).err());
    let why = found.next().expect("the fault was not found");
    assert!(why.contains("I13"), "{why}");
}

#[test]
fn power_loss_test_finds_backup_declared_complete_too_early() {
    let injected = Some(FaultInjection::SealBackupEarly);
    let mut found = (1..20).filter_map(|seed| power_loss(Job::Backup, seed, injected).err());
    let why = found.next().expect("the fault was not found");
    assert!(why.contains("accepted as a backup"), "{why}");
}
