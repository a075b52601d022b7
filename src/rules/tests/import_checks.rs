//! An import is no answer of the channel, so it moves no check of a refund.

use super::import::exported;
use super::*;

/// An import answers no query. Otherwise each repetition would delay the query that is due.
#[test]
fn repeated_import_does_not_delay_due_query() {
    let mut shop = Oracle::open();
    let success = told("S", "X", 60, RefundState::Success);
    let _ = shop.record_refund("a", success);
    assert_eq!(
        shop.import(&exported(&[]), Conflict::Skip),
        Imported::Imported
    );
    let failed = exported(&[record_refund(told("S", "X", 40, RefundState::Abnormal))]);
    let differs = Imported::SkippedDiffers;
    assert_eq!(shop.import(&failed, Conflict::Advance), differs);
    let events = shop.events("a").len();
    assert_eq!(shop.import(&failed, Conflict::Advance), differs);
    assert_eq!(shop.events("a").len(), events);
}

#[test]
fn import_keeps_due_query_of_waiting_refund() {
    let mut shop = Oracle::open();
    let _ = shop.record_refund("a", told("S", "X", 60, RefundState::Success));
    let failure = told("S", "X", 60, RefundState::Closed);
    let doubt = (RefundRecorded::MustQuery, false);
    assert_eq!(shop.record_refund("a", failure), doubt);
    let due = shop.record("a").unwrap().refunds()[0].next_check;
    assert_eq!(due, Some(shop.now));
    let known = exported(&[
        confirm(paid("X")),
        record_refund(told("S", "X", 60, RefundState::Success)),
    ]);
    assert_eq!(shop.import(&known, Conflict::Skip), Imported::Imported);
    assert_eq!(shop.record("a").unwrap().refunds()[0].next_check, due);
}
