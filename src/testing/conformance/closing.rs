//! Conformance cases for queries and for closing an order. A payment takes precedence at every
//! step.

use std::time::Duration;

use super::Harness;
use super::tools::StoreFixture;
use crate::order::{
    ActionKind, ChannelState, CloseOutcome, CloseReply, Confirmed, Queried, Status, Visible,
};
use crate::testing::fixtures::{self, order_no, payment};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn begin_close(fixture: &StoreFixture<'_>, n: u64) -> CloseOutcome {
    let call = fixture.store().begin_close(order_no(n));
    call.wait().unwrap().outcome
}

fn record_close(fixture: &StoreFixture<'_>, n: u64, reply: CloseReply) -> CloseOutcome {
    let call = fixture.store().record_close(order_no(n), reply);
    call.wait().unwrap().outcome
}

fn moved(to: Status) -> Queried {
    Queried::Moved { to }
}

pub(super) fn unpaid_channel_state_after_payment_is_stale(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    fixture.expect(1, payment(1, 100), Confirmed::Applied, true);
    let paid = fixture.order(1);
    for news in [
        ChannelState::NotPay,
        ChannelState::UserPaying,
        ChannelState::Closed,
    ] {
        assert_eq!(fixture.query(1, news), Queried::Stale);
    }
    assert_eq!(fixture.order(1), paid);
    fixture.close();
}

pub(super) fn order_unknown_to_channel_stays_pending(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    fixture.clock.advance(SECOND * 20);
    assert_eq!(
        fixture.query(1, ChannelState::NoSuchOrder),
        Queried::StillPending
    );
    assert_eq!(fixture.status(1), Status::Pending);
    fixture.clock.advance(WEEK + MINUTE * 10);
    assert_eq!(
        fixture.query(1, ChannelState::NoSuchOrder),
        moved(Status::Closed)
    );
    fixture.close();
}

pub(super) fn payment_while_closing_pays_order(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    let prepay = fixture
        .store()
        .record_prepay(order_no(1), fixtures::prepay(1));
    let _ = prepay.wait().unwrap();
    fixture.clock.advance(MINUTE);
    assert_eq!(begin_close(&fixture, 1), CloseOutcome::Closing);
    assert_eq!(begin_close(&fixture, 1), CloseOutcome::Already);
    fixture.clock.advance(MINUTE * 4 - SECOND);
    assert_eq!(fixture.due(), [], "the prepay is too recent");
    fixture.clock.advance(SECOND);
    assert_eq!(fixture.due(), [(order_no(1), ActionKind::AskClose)]);
    fixture.expect(1, payment(1, 100), Confirmed::Applied, true);
    let closed = record_close(&fixture, 1, CloseReply::Closed);
    assert_eq!(closed, CloseOutcome::AlreadyPaid);
    assert_eq!(begin_close(&fixture, 1), CloseOutcome::AlreadyPaid);
    assert_eq!(fixture.status(1), Status::Success);
    assert_eq!(fixture.due(), []);
    fixture.close();
}

pub(super) fn expired_unpaid_order_begins_closing(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    fixture.clock.advance(WEEK);
    assert_eq!(
        fixture.query(1, ChannelState::NotPay),
        Queried::StillPending
    );
    fixture.clock.advance(SECOND);
    assert_eq!(
        fixture.query(1, ChannelState::NotPay),
        moved(Status::Closing)
    );
    assert_eq!(fixture.due(), [(order_no(1), ActionKind::AskClose)]);
    fixture.close();
}

pub(super) fn payment_after_close_is_late_until_accepted(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    assert_eq!(
        fixture.query(1, ChannelState::Closed),
        moved(Status::Closed)
    );
    let hide = fixture.store().hide(order_no(1)).wait().unwrap();
    assert_eq!(hide.outcome, Visible::Hidden);
    fixture.expect(1, payment(1, 100), Confirmed::Late, true);
    let late = fixture.order(1);
    assert_eq!((late.status, late.late), (Status::LatePaid, true));
    assert_eq!(late.hidden_at, None, "a late payment unhides the order");
    fixture.expect(1, payment(1, 100), Confirmed::Duplicate, true);
    let page = crate::query::PageRequest::of(10);
    let open = fixture.store().open_anomalies(page).wait().unwrap().rows;
    assert_eq!(open.first().map(|row| row.no), Some(order_no(1)));
    let accept = crate::order::Resolution::Accept;
    let id = crate::order::AnomalyId(1);
    let store = fixture.store();
    let resolved = store.resolve(order_no(1), id, accept, fixtures::note());
    let outcome = resolved.wait().unwrap().outcome;
    assert_eq!(outcome, crate::order::Resolved::Resolved);
    let accepted = fixture.order(1);
    assert_eq!((accepted.status, accepted.late), (Status::Success, true));
    assert_eq!(fixture.open_anomalies(1), []);
    drop(store);
    fixture.close();
}

pub(super) fn close_reply_order_paid_requires_query(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    assert_eq!(begin_close(&fixture, 1), CloseOutcome::Closing);
    let paid = record_close(&fixture, 1, CloseReply::OrderPaid);
    assert_eq!(paid, CloseOutcome::MustQuery);
    assert_eq!(fixture.status(1), Status::Closing);
    assert_eq!(fixture.due(), [(order_no(1), ActionKind::Query)]);
    let success = ChannelState::Success(payment(1, 100));
    assert_eq!(
        fixture.query(1, success),
        Queried::Payment(Confirmed::Applied)
    );
    fixture.close();
}

pub(super) fn close_reply_closed_requires_query(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    assert_eq!(begin_close(&fixture, 1), CloseOutcome::Closing);
    let closed = record_close(&fixture, 1, CloseReply::Closed);
    assert_eq!(closed, CloseOutcome::MustQuery);
    assert_eq!(
        fixture.query(1, ChannelState::Closed),
        moved(Status::Closed)
    );
    let again = record_close(&fixture, 1, CloseReply::Closed);
    assert_eq!(again, CloseOutcome::Already);
    fixture.close();
    let trusting = StoreFixture::with(harness, |policy| policy.close_needs_query = false);
    trusting.created(1, 100);
    let closed = record_close(&trusting, 1, CloseReply::Closed);
    assert_eq!(closed, CloseOutcome::Closed);
    trusting.close();
}

pub(super) fn payment_after_pay_error_still_pays_order(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    let failed = fixture.query(1, ChannelState::PayError);
    assert_eq!(failed, moved(Status::Closing));
    let success = ChannelState::Success(payment(1, 100));
    assert_eq!(
        fixture.query(1, success),
        Queried::Payment(Confirmed::Applied)
    );
    assert_eq!(fixture.status(1), Status::Success);
    fixture.close();
}

pub(super) fn aborted_close_returns_order_to_pending(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    let abort = || {
        fixture
            .store()
            .abort_close(order_no(1))
            .wait()
            .unwrap()
            .outcome
    };
    assert_eq!(abort(), CloseOutcome::NotClosing);
    assert_eq!(begin_close(&fixture, 1), CloseOutcome::Closing);
    assert_eq!(abort(), CloseOutcome::Reopened);
    assert_eq!(fixture.status(1), Status::Pending);
    fixture.close();
}

pub(super) fn query_delays_grow_with_each_check(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    fixture.created(1, 100);
    let steps = [5, 30, 60, 180, 300, 600, 1800, 1800, 1800];
    for step in steps {
        fixture.clock.advance(SECOND * (step - 1));
        assert_eq!(fixture.due(), [], "{step} seconds after the last check");
        fixture.clock.advance(SECOND);
        assert_eq!(fixture.due(), [(order_no(1), ActionKind::Query)]);
        assert_eq!(
            fixture.query(1, ChannelState::NotPay),
            Queried::StillPending
        );
    }
    fixture.close();
}
