//! Tests of the check after a kill: it must find every difference between reports and store.

use orderstore::Store;
use orderstore::testing::{SeededRng, fixtures};

use super::Shop;
use super::aim::Aim;
use super::child::open;
use super::ledger::Ledger;

/// Returns a store after one kill, with replies in its ledger, and a copy of its directory from
/// before the kill.
fn after_a_kill() -> (Shop, tempfile::TempDir) {
    let mut shop = Shop::new(1, false);
    let before = shop.copied();
    shop.kill(Aim::Words(200), false).unwrap();
    (shop, before)
}

#[track_caller]
fn assert_seen(ledger: &mut Ledger, dir: &std::path::Path, invariant: &str) {
    let why = ledger.check_in(&super::dir_in(dir), false);
    let why = why.expect_err("the fault was not found");
    assert!(why.starts_with(invariant), "{why}");
}

#[test]
fn kill9_check_finds_report_sent_before_reply() {
    let mut rng = SeededRng::new(1);
    let found = (1..60).find_map(|seed| {
        let mut shop = Shop::new(seed, false);
        let told = shop.kill(Aim::Words(1 + rng.below(50)), true);
        told.and_then(|()| shop.check()).err()
    });
    let why = found.expect("the early report was not found");
    assert!(why.starts_with("I1:") || why.starts_with("I7:"), "{why}");
}

#[test]
fn kill9_check_finds_lost_acknowledged_command() {
    let (shop, before) = after_a_kill();
    shop.ledger.clone().check_in(&shop.dir(), false).unwrap();
    assert_seen(&mut shop.ledger.clone(), before.path(), "I1:");
}

#[test]
fn kill9_check_finds_reply_without_stored_command() {
    let (mut shop, _before) = after_a_kill();
    shop.check_copy().unwrap();
    let mut more = shop.ledger.clone();
    let books = &mut more.callers[0];
    // Acknowledge commands that the store never got. The last one creates an order, so the feed
    // would have to contain its event.
    let next = books.held();
    for place in next..next.next_multiple_of(4) + 1 {
        books.answer(place, "?");
    }
    assert_seen(&mut more, shop.place.path(), "I1:");
}

#[test]
fn kill9_check_finds_different_annotation() {
    let (shop, _before) = after_a_kill();
    let mut other = shop.ledger.clone();
    let (_, text) = other
        .hot
        .iter_mut()
        .next()
        .expect("no annotation was acknowledged");
    text.push('!');
    assert_seen(&mut other, shop.place.path(), "I1:");
}

#[test]
fn kill9_check_finds_reply_with_wrong_version() {
    let (shop, _before) = after_a_kill();
    let mut other = shop.ledger.clone();
    let books = &mut other.callers[0];
    let next = books.answered;
    assert!(next > 0, "no command was acknowledged");
    let mut shown = books.clone();
    shown.show(next - 1, "77");
    *books = shown;
    assert_seen(&mut other, shop.place.path(), "I7:");
}

fn with(dir: &str, change: impl FnOnce(&Store)) {
    let store = open(dir, false, 0).unwrap();
    change(&store);
    store.shutdown().wait().unwrap();
}

#[test]
fn kill9_check_finds_order_without_sender() {
    let (shop, _before) = after_a_kill();
    let far = fixtures::order_no(80_000_000);
    with(&shop.dir(), |store| {
        assert!(store.create(far, fixtures::new(100)).wait().is_ok());
    });
    assert_seen(&mut shop.ledger.clone(), shop.place.path(), "I2:");
}

#[test]
fn kill9_check_finds_command_that_was_not_sent() {
    let (shop, _before) = after_a_kill();
    let script = shop.ledger.callers[1].script;
    // A batch has at most 17 commands, so a command 40 positions ahead was not sent.
    let far = (shop.ledger.callers[1].answered + 40).next_multiple_of(4);
    with(&shop.dir(), |store| {
        let commands = vec![script.command(far)];
        let tickets = store.submit_all(commands).unwrap();
        tickets.into_iter().for_each(|t| assert!(t.wait().is_ok()));
    });
    let why = shop.ledger.clone().check_in(&shop.dir(), false);
    let why = why.expect_err("the fault was not found");
    let named = ["I1:", "I2:", "I3:"];
    assert!(named.iter().any(|name| why.starts_with(name)), "{why}");
}
