//! Tests of the memory that decisions reuse.

use std::sync::Arc;

use super::*;
use crate::order::{Command, Record};
use crate::rules::{Context, Policy, Spare, decide, decide_with};

/// Decides a command with and without spare memory. Keeps the memory of the events, and returns the
/// record.
fn decided(record: Option<&Record>, kind: CommandKind, spare: &mut Spare) -> Record {
    let command = Command { no: no("a"), kind };
    let context = Context {
        now: start(),
        policy: &Policy::default(),
        owners: &[],
    };
    let decision = decide_with(record, &command, &context, spare);
    assert_eq!(decision, decide(record, &command, &context));
    spare.keep_events(decision.events);
    decision.after.unwrap()
}

#[test]
fn decision_in_reused_memory_is_equal() {
    let mut spare = Spare::default();
    for amount in [100, 100, 99] {
        let offer = new().openid(openid(&format!("user{amount}")));
        let pending = decided(None, create(offer), &mut spare);
        let place = pending.as_order().map(Arc::as_ptr);
        let paid = decided(Some(&pending), confirm(paid_fen("X", amount)), &mut spare);
        assert_ne!(paid, pending);
        spare.keep_record(pending);
        let reused = decided(None, create(new()), &mut spare);
        assert_eq!(reused.as_order().map(Arc::as_ptr), place);
    }
}

#[test]
fn memory_of_shared_record_is_not_reused() {
    let mut spare = Spare::default();
    let pending = decided(None, create(new()), &mut spare);
    let reader = pending.clone();
    spare.keep_record(pending);
    let other = decided(None, create(new().openid(openid("aunt"))), &mut spare);
    assert_eq!(reader, decided(None, create(new()), &mut spare));
    assert_ne!(reader, other);
}
