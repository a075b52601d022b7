//! Imports do not change the check times of a refund, because they are no answers of the channel.

use super::attempts::refund_of;
use super::import::exported;
use super::*;
use crate::order::RefundStatus;

/// An import is no answer to a query. If each repeated import delayed the due query, the server
/// might never send the query.
#[test]
fn repeated_import_does_not_delay_due_query() {
    let mut store = Oracle::open();
    let success = report("S", "X", 60, RefundState::Success);
    let _ = store.record_refund("a", success);
    assert_eq!(
        store.import(&exported(&[]), Conflict::Skip),
        Imported::Imported
    );
    let failed = exported(&[record_refund(report("S", "X", 40, RefundState::Abnormal))]);
    let differs = Imported::SkippedDiffers;
    assert_eq!(store.import(&failed, Conflict::Advance), differs);
    let events = store.events("a").len();
    assert_eq!(store.import(&failed, Conflict::Advance), differs);
    assert_eq!(store.events("a").len(), events);
}

#[test]
fn import_keeps_due_query_of_unclaimed_refund() {
    let mut store = Oracle::open();
    let _ = store.record_refund("a", report("S", "X", 60, RefundState::Success));
    let failure = report("S", "X", 60, RefundState::Closed);
    let doubt = (RefundRecorded::MustQuery, false);
    assert_eq!(store.record_refund("a", failure), doubt);
    let due = store.record("a").unwrap().refunds()[0].next_check;
    assert_eq!(due, Some(store.now));
    let known = exported(&[
        confirm(paid("X")),
        record_refund(report("S", "X", 60, RefundState::Success)),
    ]);
    assert_eq!(store.import(&known, Conflict::Skip), Imported::Imported);
    assert_eq!(store.record("a").unwrap().refunds()[0].next_check, due);
}

#[test]
fn import_keeps_due_query_of_closed_refund() {
    let mut store = Oracle::open();
    for number in ["A", "B"] {
        let _ = store.record_refund("a", report(number, "X", 60, RefundState::Success));
    }
    let _ = store.confirm("a", paid("X"));
    assert_eq!(refund_of(&store, "B").status, RefundStatus::Closed);
    // Refund A turns out to have failed. Now enough money may be left for refund B.
    store.wait(HOUR);
    let failure = report("A", "X", 60, RefundState::Closed).with_query_sent_at(store.now);
    let _ = store.record_refund("a", failure);
    let ids: Vec<u32> = (1..9).collect();
    for id in ids {
        let _ = store.resolve("a", id, Resolution::Accept);
    }
    let due = refund_of(&store, "B").next_check;
    assert_eq!(due, Some(store.now));
    let mut known = exported(&[confirm(paid("X"))]);
    known.refunds.push(refund_of(&store, "B"));
    known.refunds[0].next_check = None;
    assert_eq!(store.import(&known, Conflict::Skip), Imported::Imported);
    assert_eq!(refund_of(&store, "B").next_check, due);
}

#[test]
fn import_does_not_delay_due_query_of_open_refund() {
    let mut store = Oracle::open();
    let _ = store.record_refund("a", report("S", "X", 60, RefundState::Processing));
    let due = refund_of(&store, "S").next_check;
    store.wait(HOUR);
    let requested = request_refund(new_refund("S", "X", 60));
    let processing = record_refund(report("S", "X", 60, RefundState::Processing));
    let known = exported(&[confirm(paid("X")), requested, processing]);
    assert_eq!(store.import(&known, Conflict::Skip), Imported::Imported);
    assert_eq!(refund_of(&store, "S").next_check, due);
}
