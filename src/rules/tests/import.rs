//! `import`: orders from another system.

use super::*;
use crate::order::{AnomalyEndKind, AnomalyKind, Difference, ImportRefusal, RefundStatus, Status};

/// Returns `order-a` as another store exports it after these commands.
pub(super) fn exported(commands: &[CommandKind]) -> Order {
    let mut store = Oracle::with_order();
    for command in commands {
        let _ = store.run(no("a"), command.clone());
    }
    store.order("a").clone()
}

/// Returns a paid `order-a` with a successful refund R and a requested refund S.
fn exported_paid() -> Order {
    exported(&[
        confirm(paid("X")),
        request_refund(new_refund("R", "X", 60)),
        record_refund(report("R", "X", 60, RefundState::Success)),
        request_refund(new_refund("S", "X", 30)),
        query(ChannelState::Revoked),
        CommandKind::Hide,
    ])
}

#[test]
fn exported_order_imports_unchanged_except_version() {
    let closed = exported(&[query(ChannelState::Closed)]);
    let late = exported(&[query(ChannelState::Closed), confirm(paid("X"))]);
    let closing = exported(&[prepay("p"), CommandKind::BeginClose]);
    for order in [exported(&[]), closing, exported_paid(), closed, late] {
        let text = serde_json::to_string(&order).unwrap();
        let read: Order = serde_json::from_str(&text).unwrap();
        let mut store = Oracle::open();
        store.wait(HOUR);
        assert_eq!(store.import(&read, Conflict::Skip), Imported::Imported);
        let mut expected = order.clone();
        expected.version = 1;
        assert_eq!(*store.order("a"), expected);
        assert_eq!(store.import(&order, Conflict::Skip), Imported::Skipped);
        assert_eq!(store.import(&order, Conflict::Advance), Imported::Exists);
        assert_eq!(store.events("a").len(), 1);
    }
}

#[test]
fn imported_payment_with_other_identity_is_duplicate() {
    let mut order = exported_paid();
    let mut elsewhere = paid("X");
    elsewhere.appid = Some(AppId::parse("another").unwrap());
    order.payment = Some(elsewhere.clone());
    let mut store = Oracle::open();
    store.wait(HOUR);
    assert_eq!(store.import(&order, Conflict::Skip), Imported::Imported);
    assert_eq!(store.import(&order, Conflict::Advance), Imported::Exists);
    assert_eq!(
        store.confirm("a", elsewhere.clone()),
        (Confirmed::Duplicate, true)
    );
    let answer = store.query("a", ChannelState::Success(elsewhere.clone()));
    assert_eq!(answer, Queried::Payment(Confirmed::Duplicate));
    assert_eq!(store.events("a").len(), 1);
    // A report of the same transaction with a third payer is new and raises an anomaly.
    elsewhere.openid = Some(openid("aunt"));
    let field = crate::order::IdentityField::Appid;
    let answer = store.confirm("a", elsewhere);
    assert_eq!(answer, (Confirmed::IdentityMismatch { field }, true));
}

#[test]
fn import_with_overflowing_refund_sum_is_refused() {
    let order = exported(&[record_refund(report("S", "X", 40, RefundState::Success))]);
    let mut store = Oracle::open();
    let most = report("R", "X", Fen::MAX.as_u64(), RefundState::Abnormal);
    let _ = store.record_refund("a", most);
    let refused = Imported::Refused(ImportRefusal::RefundsExceed);
    assert_eq!(store.import(&order, Conflict::Skip), refused);
    assert_eq!(store.events("a").len(), 1);
}

#[test]
fn invalid_import_is_refused_with_reason() {
    use ImportRefusal as Why;
    let wrong = |why, change: fn(&mut Order)| (why, change);
    let cases = [
        wrong(Why::NothingToPay, |o| o.total_fee = Fen::ZERO),
        wrong(Why::PaymentDisagrees, |o| o.payment = None),
        wrong(Why::PaymentDisagrees, |o| o.status = Status::Pending),
        wrong(Why::PaymentDisagrees, |o| o.total_fee = fen(99)),
        wrong(Why::PaymentDisagrees, |o| {
            o.currency = crate::types::Currency::parse("HKD").unwrap();
        }),
        wrong(Why::LateDisagrees, |o| o.status = Status::LatePaid),
        wrong(Why::TimesDisagree, |o| {
            o.create_time = o.update_time.saturating_add(SECOND);
        }),
        wrong(Why::TimesDisagree, |o| {
            o.update_time = o.update_time.saturating_add(HOUR);
        }),
        wrong(Why::HiddenWhileOpen, |o| {
            (o.status, o.payment) = (Status::Pending, None);
        }),
        wrong(Why::StillUnclaimed, |o| {
            o.anomalies[0].kind = AnomalyKind::Unclaimed;
        }),
        wrong(Why::DuplicateRefundNo, |o| {
            o.refunds[1].refund_no = o.refunds[0].refund_no.clone();
            o.refunds[1].channel = alipay();
        }),
        wrong(Why::NothingBack, |o| o.refunds[0].amount = Fen::ZERO),
        wrong(Why::RefundsExceed, |o| o.refunds[0].amount = fen(71)),
        wrong(Why::RecordFull, |o| {
            o.anomalies = vec![o.anomalies[0].clone(); 65];
        }),
    ];
    for (why, change) in cases {
        let mut order = exported_paid();
        change(&mut order);
        let mut store = Oracle::open();
        let outcome = store.import(&order, Conflict::Skip);
        assert_eq!(outcome, Imported::Refused(why));
        assert!(store.record("a").is_none());
    }
    let command = CommandKind::Import {
        order: Box::new(exported_paid()),
        conflict: Conflict::Skip,
    };
    let outcome = Oracle::open().run(no("b"), command).outcome;
    let refused = Imported::Refused(Why::OtherNumber);
    assert_eq!(outcome, Outcome::Import(refused));
}

#[test]
fn import_with_too_many_refunds_is_refused() {
    let closed = |place: usize| report(&format!("E{place}"), "X", 1, RefundState::Closed);
    let own = crate::order::MAX_REFUNDS - crate::order::MAX_WAITING + 1;
    let mut brought = exported(&[confirm(paid("X")), record_refund(closed(0))]);
    let pattern = brought.refunds[0].clone();
    brought.refunds = (0..own)
        .map(|place| crate::order::Refund {
            refund_no: RefundNo::parse(&format!("B{place}")).unwrap(),
            ..pattern.clone()
        })
        .collect();
    let mut store = Oracle::open();
    for place in 0..crate::order::MAX_WAITING {
        let _ = store.record_refund("a", closed(place));
    }
    let full = Imported::Refused(ImportRefusal::RecordFull);
    assert_eq!(store.import(&brought, Conflict::Skip), full);
    brought.refunds.pop();
    assert_eq!(store.import(&brought, Conflict::Skip), Imported::Imported);
}

#[test]
fn import_up_to_record_limits_is_accepted() {
    use crate::order::{MAX_ANOMALIES, MAX_REFUNDS};
    let mut full = exported_paid();
    full.anomalies = vec![full.anomalies[0].clone(); MAX_ANOMALIES];
    let pattern = full.refunds[0].clone();
    full.refunds = (0..MAX_REFUNDS)
        .map(|place| crate::order::Refund {
            refund_no: RefundNo::parse(&format!("B{place}")).unwrap(),
            status: RefundStatus::Closed,
            success_at: None,
            ..pattern.clone()
        })
        .collect();
    let imported = Oracle::open().import(&full, Conflict::Skip);
    assert_eq!(imported, Imported::Imported);

    let mut store = Oracle::open();
    for waiting in ["Y", "Z"] {
        let _ = store.confirm("a", paid(waiting));
    }
    full.refunds.clear();
    let refused = Imported::Refused(ImportRefusal::RecordFull);
    assert_eq!(store.import(&full, Conflict::Skip), refused);
    full.anomalies.truncate(MAX_ANOMALIES - 2);
    assert_eq!(store.import(&full, Conflict::Skip), Imported::Imported);
}

#[test]
fn import_with_different_fields_is_not_acknowledged() {
    let mut store = Oracle::with_order();
    let mut other = store.order("a").clone();
    other.total_fee = fen(101);
    for (order, is_same) in [(store.order("a").clone(), true), (other, false)] {
        let order = Box::new(order);
        let conflict = Conflict::Advance;
        let decision = store.run(no("a"), CommandKind::Import { order, conflict });
        assert_eq!(decision.acknowledge, is_same, "{:?}", decision.outcome);
    }
}

#[test]
fn imported_refund_of_other_amount_raises_anomaly() {
    let paid = [
        confirm(paid("X")),
        record_refund(report("R", "X", 60, RefundState::Success)),
    ];
    let mut store = Oracle::with_order();
    for command in &paid {
        let _ = store.run(no("a"), command.clone());
    }
    let same = store.order("a").clone();
    assert_eq!(store.import(&same, Conflict::Advance), Imported::Exists);
    let mut other = same;
    other.refunds[0].amount = fen(50);
    let _ = store.import(&other, Conflict::Advance);
    let refund_no = RefundNo::parse("R").unwrap();
    assert_eq!(store.kinds("a"), [AnomalyKind::RefundDiffers { refund_no }]);
}

#[test]
fn record_with_maximum_anomalies_refuses_import_of_second_payment() {
    let mut store = super::limits::with_anomalies(crate::order::MAX_ANOMALIES);
    let _ = store.confirm("a", paid("X"));
    let mut other = store.order("a").clone();
    other.anomalies.clear();
    other.payment = Some(paid("Y"));
    let full = Imported::Refused(ImportRefusal::RecordFull);
    assert_eq!(store.import(&other, Conflict::Advance), full);
}

#[test]
fn import_with_unique_key_of_other_order_is_refused() {
    let with_reference = |text: &str| new().reference(reference(text));
    let holder = || {
        let mut store = Oracle::open();
        let _ = store.create("b", with_reference("r"));
        let _ = store.confirm("b", paid("X"));
        let _ = store.request("b", new_refund("R", "X", 1));
        store
    };
    let by = no("b");
    let mut order = exported_paid();
    let taken = Imported::Refused(ImportRefusal::TransactionTaken { by });
    assert_eq!(holder().import(&order, Conflict::Skip), taken);
    order.payment.as_mut().unwrap().transaction_id = TransactionId::parse("Y").unwrap();
    assert_eq!(
        holder().import(&order, Conflict::Skip),
        taken,
        "the transaction of its refund"
    );
    for refund in &mut order.refunds {
        refund.transaction_id = TransactionId::parse("Y").unwrap();
    }
    let taken = Imported::Refused(ImportRefusal::RefundNoTaken { by });
    assert_eq!(holder().import(&order, Conflict::Skip), taken);
    order.refunds.clear();
    order.reference = Some(reference("r"));
    let taken = Imported::Refused(ImportRefusal::ReferenceTaken { by });
    assert_eq!(holder().import(&order, Conflict::Skip), taken);
    order.late = true;
    assert_eq!(holder().import(&order, Conflict::Skip), Imported::Imported);
}

#[test]
fn import_fills_missing_fields() {
    let bare = |mut order: Order| {
        (order.next, order.ended_at) = (None, None);
        order.anomalies.clear();
        for refund in &mut order.refunds {
            (refund.success_at, refund.next_check) = (None, None);
        }
        let mut store = Oracle::open();
        store.wait(HOUR);
        assert_eq!(store.import(&order, Conflict::Skip), Imported::Imported);
        store
    };
    let later = start().saturating_add(HOUR);
    let store = bare(exported(&[]));
    assert_eq!(
        store.next("a").unwrap().at,
        later.saturating_add(SECOND * 5)
    );
    let store = bare(exported(&[CommandKind::BeginClose]));
    assert_eq!(store.next("a").unwrap().at, later);
    let store = bare(exported(&[query(ChannelState::Closed)]));
    assert_eq!(store.order("a").ended_at, Some(start()));
    let store = bare(exported_paid());
    let [back, open] = &store.order("a").refunds[..] else {
        panic!()
    };
    assert_eq!((back.success_at, back.next_check), (Some(start()), None));
    assert_eq!(open.next_check, Some(later.saturating_add(MINUTE)));
    let store = bare(exported(&[query(ChannelState::Closed), confirm(paid("X"))]));
    assert_eq!(store.kinds("a"), [AnomalyKind::LatePayment]);
    assert_eq!(store.order("a").open_anomalies().count(), 1);
}

#[test]
fn import_applies_unclaimed_payment() {
    let waiting = |transaction: &str| {
        let mut store = Oracle::open();
        let _ = store.confirm("a", paid(transaction));
        store
    };
    let mut store = waiting("X");
    let _ = store.import(&exported(&[]), Conflict::Skip);
    assert_eq!(store.status("a"), Status::Success);

    let mut store = waiting("X");
    let _ = store.import(&exported(&[query(ChannelState::Closed)]), Conflict::Skip);
    assert_eq!(store.status("a"), Status::LatePaid);

    let mut store = waiting("X");
    let _ = store.import(&exported(&[confirm(paid("X"))]), Conflict::Skip);
    assert_eq!(
        store.anomaly("a", 0).end.as_ref().unwrap().how,
        AnomalyEndKind::Settled
    );

    let mut store = waiting("Y");
    let _ = store.import(&exported(&[confirm(paid("X"))]), Conflict::Skip);
    let first = TransactionId::parse("X").unwrap();
    assert_eq!(store.kinds("a"), [AnomalyKind::DoublePayment { first }]);
}

#[test]
fn unclaimed_refund_report_overrides_import() {
    let asked = || exported(&[confirm(paid("X")), request_refund(new_refund("R", "X", 60))]);
    let mut store = Oracle::open();
    let _ = store.record_refund("a", report("R", "X", 60, RefundState::Success));
    assert_eq!(store.import(&asked(), Conflict::Skip), Imported::Imported);
    let [refund] = &store.order("a").refunds[..] else {
        panic!()
    };
    assert_eq!(refund.status, RefundStatus::Success);
    assert!(!refund.external);

    let mut store = Oracle::open();
    let _ = store.record_refund("a", report("E", "X", 60, RefundState::Success));
    assert_eq!(store.import(&asked(), Conflict::Skip), Imported::Imported);
    let refund_no = RefundNo::parse("E").unwrap();
    let available = fen(40);
    let kind = AnomalyKind::RefundExceeds {
        refund_no,
        available,
    };
    assert_eq!(store.kinds("a"), [kind]);
}

#[test]
fn import_advances_order_but_never_reverts_it() {
    let mut store = Oracle::with_order();
    // `Advance` takes over only refunds with a state from the channel. It leaves out refund S,
    // which the other system has only requested, so the orders still differ.
    let advanced = store.import(&exported_paid(), Conflict::Advance);
    assert_eq!(advanced, Imported::SkippedDiffers);
    let order = store.order("a");
    assert_eq!(order.status, Status::Success);
    let numbers: Vec<_> = order.refunds.iter().map(|r| r.refund_no.as_str()).collect();
    assert_eq!(numbers, ["R"], "the other system only requested S");
    let before = order.clone();
    let pending = exported(&[]);
    assert_eq!(store.import(&pending, Conflict::Advance), Imported::Exists);
    let twice = exported(&[confirm(paid("Y"))]);
    let double = Imported::Advanced(Some(Confirmed::DoublePayment));
    assert_eq!(store.import(&twice, Conflict::Advance), double);
    assert_eq!(store.order("a").payment, before.payment);
    let mut other = pending;
    other.openid = Some(openid("aunt"));
    let field = Difference::Openid;
    let different = Imported::ExistsWithDifferent { field };
    assert_eq!(store.import(&other, Conflict::Advance), different);
}

#[test]
fn import_does_not_revert_reported_refund() {
    let processing = exported(&[
        confirm(paid("X")),
        record_refund(report("R", "X", 60, RefundState::Processing)),
    ]);
    let mut store = Oracle::open();
    let _ = store.record_refund("a", report("R", "X", 60, RefundState::Abnormal));
    let outcome = store.import(&processing, Conflict::Advance);
    assert_eq!(outcome, Imported::Imported);
    for _ in 0..2 {
        store.wait(HOUR);
        let outcome = store.import(&processing, Conflict::Advance);
        assert_eq!(outcome, Imported::Exists);
    }
    assert_eq!(store.order("a").refunds[0].status, RefundStatus::Abnormal);
}

#[test]
fn imported_failure_does_not_end_open_refund() {
    let source = |state: Option<RefundState>| {
        let mut source = Oracle::with_order();
        let _ = source.confirm("a", paid("X"));
        let _ = source.request("a", new_refund("R", "X", 40));
        if let Some(state) = state {
            let _ = source.record_refund("a", report("R", "X", 40, state));
        }
        source
    };
    let closed = source(Some(RefundState::Closed)).order("a").clone();
    let mut store = source(None);
    assert_eq!(store.import(&closed, Conflict::Advance), Imported::Exists);
    assert_eq!(store.order("a").refunds[0].status, RefundStatus::Requested);
    // An imported failure does not end a requested refund of an unclaimed payment either.
    let mut store = Oracle::open();
    let _ = store.confirm("a", paid("X"));
    let _ = store.resolve("a", 1, refund("R"));
    let mut closed = closed;
    closed.refunds[0].amount = fen(100);
    assert_eq!(store.import(&closed, Conflict::Skip), Imported::Imported);
    assert_eq!(store.order("a").refunds[0].status, RefundStatus::Requested);
}

#[test]
fn imported_double_payment_is_recorded() {
    let mut source = Oracle::with_order();
    let _ = source.confirm("a", paid("X"));
    let mut store = source.clone();
    let _ = source.confirm("a", paid("Y"));
    let order = source.order("a").clone();
    assert_eq!(
        store.import(&order, Conflict::Skip),
        Imported::SkippedDiffers
    );
    let advanced = store.import(&order, Conflict::Advance);
    assert_eq!(advanced, Imported::Advanced(Some(Confirmed::Duplicate)));
    assert_eq!(store.order("a").open_anomalies().count(), 1);
}
