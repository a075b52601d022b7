//! Conformance cases for creating orders: one order per number, and one payable or paid order per
//! reference.

use super::Harness;
use super::tools::{StoreFixture, at_once};
use crate::order::{
    Annotated, AnomalyKind, Command, Confirmed, Created, Difference, Outcome, Prepaid, Status,
};
use crate::query::OrderQuery;
use crate::testing::fixtures::{self, new, payment};
use crate::types::Metadata;

pub(super) fn early_callback_pays_order_at_creation(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.expect(1, payment(1, 100), Confirmed::Unclaimed, false);
    fixture.expect(1, payment(1, 100), Confirmed::Duplicate, false);
    assert_eq!(fixture.find(1), None, "there is no order yet");
    let counts = fixture.store().counts().wait().unwrap();
    assert_eq!((counts.orders(), counts.unclaimed), (0, 1));
    let answer = fixture.create(1, new(100));
    assert_eq!(answer.outcome, Created::CreatedAndPaid);
    assert_eq!(fixture.status(1), Status::Success);
    assert_eq!(fixture.open_anomalies(1), []);
    fixture.expect(1, payment(1, 100), Confirmed::Duplicate, true);
    assert_eq!(fixture.store().counts().wait().unwrap().unclaimed, 0);
    fixture.close();
}

pub(super) fn unclaimed_payment_of_wrong_amount_becomes_anomaly(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.expect(1, payment(1, 99), Confirmed::Unclaimed, false);
    fixture.expect(1, payment(2, 100), Confirmed::Unclaimed, false);
    fixture.expect(2, payment(3, 99), Confirmed::Unclaimed, false);
    let paid = fixture.create(1, new(100)).outcome;
    assert_eq!(
        paid,
        Created::CreatedAndPaid,
        "the first matching payment pays"
    );
    let made = fixture.create(2, new(100)).outcome;
    assert_eq!(made, Created::Created);
    assert_eq!(fixture.status(2), Status::Pending);
    let mismatch = AnomalyKind::AmountMismatch {
        expected: fixtures::fen(100),
        found: fixtures::fen(99),
    };
    for n in [1, 2] {
        let order = fixture.order(n);
        let open: Vec<_> = order.open_anomalies().map(|a| a.kind.clone()).collect();
        assert_eq!(open, std::slice::from_ref(&mismatch));
    }
    fixture.close();
}

pub(super) fn prepay_after_payment_is_refused(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    let prepay = |n| {
        let call = fixture
            .store()
            .record_prepay(fixtures::order_no(n), fixtures::prepay(n));
        call.wait().unwrap().outcome
    };
    assert_eq!(prepay(1), Prepaid::Recorded);
    assert!(fixture.order(1).usable_prepay(fixture.now()).is_some());
    fixture.expect(1, payment(1, 100), Confirmed::Applied, true);
    assert_eq!(prepay(1), Prepaid::AlreadyPaid);
    assert_eq!(prepay(2), Prepaid::NotFound);
    fixture.close();
}

pub(super) fn concurrent_creates_make_one_order(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let store = fixture.store();
    for n in 0..20 {
        let create = |_| {
            store
                .create(fixtures::order_no(n), new(100))
                .wait()
                .unwrap()
        };
        let answers = at_once(2, create);
        let mut outcomes: Vec<_> = answers.iter().map(|answer| answer.outcome).collect();
        outcomes.sort_by_key(|outcome| *outcome != Created::Created);
        assert_eq!(outcomes, [Created::Created, Created::Exists]);
        assert!(answers.iter().all(|a| a.order == fixture.find(n)));
    }
    drop(store);
    fixture.close();
}

pub(super) fn same_reference_under_two_numbers_makes_one_order(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let store = fixture.store();
    for n in 0..20 {
        let cart = || new(100).reference(fixtures::reference(n));
        let create = |place| {
            let no = fixtures::order_no(2 * n + u64::try_from(place).unwrap());
            (no, store.create(no, cart()).wait().unwrap())
        };
        let answers = at_once(2, create);
        let made = answers.iter().find(|(_, a)| a.outcome == Created::Created);
        let (made, _) = made.unwrap();
        let found = answers.iter().find(|(_, a)| a.outcome == Created::Exists);
        let shown = found.and_then(|(_, answer)| answer.order.as_ref()).unwrap();
        assert_eq!(shown.no, *made, "both replies contain the same order");
    }
    drop(store);
    fixture.close();
}

pub(super) fn create_with_reference_of_other_order_is_refused(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let cart = |fee| new(fee).reference(fixtures::reference(1));
    let outcome = |n, fee| fixture.create(n, cart(fee)).outcome;
    assert_eq!(outcome(1, 100), Created::Created);
    let no = fixtures::order_no(1);
    let status = Status::Pending;
    assert_eq!(outcome(2, 200), Created::ReferenceBusy { no, status });
    assert_eq!(outcome(2, 100), Created::Exists);
    fixture.expect(1, payment(1, 100), Confirmed::Applied, true);
    assert_eq!(outcome(2, 100), Created::ReferencePaid { no });
    assert_eq!(fixture.find(2), None);
    fixture.close();
}

pub(super) fn closed_order_frees_its_reference(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let cart = || new(100).reference(fixtures::reference(1));
    assert_eq!(fixture.create(1, cart()).outcome, Created::Created);
    let _ = fixture.query(1, crate::order::ChannelState::Closed);
    assert_eq!(fixture.create(2, cart()).outcome, Created::Created);
    fixture.expect(1, payment(1, 100), Confirmed::Late, true);
    fixture.expect(2, payment(2, 100), Confirmed::Applied, true);
    let attempts = OrderQuery::by_reference(&fixtures::reference(1));
    let found = fixture.store().list(attempts).wait().unwrap().rows;
    assert_eq!(found, [fixture.order(2), fixture.order(1)]);
    fixture.close();
}

pub(super) fn create_with_different_field_names_field(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    let before = fixture.order(1);
    let other = fixture
        .create(1, new(200).openid(fixtures::openid(2)))
        .outcome;
    let field = Difference::Openid;
    assert_eq!(other, Created::ExistsWithDifferent { field });
    let other = fixture.create(1, new(200)).outcome;
    let field = Difference::TotalFee;
    assert_eq!(other, Created::ExistsWithDifferent { field });
    fixture.expect(1, payment(1, 100), Confirmed::Applied, true);
    assert_eq!(fixture.create(1, new(100)).outcome, Created::Exists);
    assert_eq!(fixture.order(1).create_time, before.create_time);
    fixture.close();
}

pub(super) fn concurrent_annotate_of_one_version_succeeds_once(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    let store = fixture.store();
    let outcomes = at_once(8, |place| {
        let shelf = Metadata::new(format!("shelf {place}")).unwrap();
        let annotate = store.annotate(fixtures::order_no(1), 1, shelf);
        annotate.wait().unwrap().outcome
    });
    drop(store);
    let moved = Annotated::VersionMoved { now: 2 };
    let won = outcomes.iter().filter(|o| **o == Annotated::Annotated);
    assert_eq!(won.count(), 1);
    assert_eq!(outcomes.iter().filter(|o| **o == moved).count(), 7);
    fixture.close();
}

pub(super) fn group_decides_commands_in_order(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let commands: Vec<Command> = (0..50)
        .flat_map(|n| {
            let pay = || fixtures::confirm(n, payment(n, 100));
            [fixtures::create(n, new(100)), pay(), pay()]
        })
        .collect();
    let outcomes = fixture.submit_all(commands);
    let expected = [
        Outcome::Create(Created::Created),
        Outcome::Confirm(Confirmed::Applied),
        Outcome::Confirm(Confirmed::Duplicate),
    ];
    assert!(outcomes.chunks(3).all(|chunk| chunk == expected));
    fixture.close();
}
