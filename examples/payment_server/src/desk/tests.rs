//! Tests with channels whose refund answers name another order or belong to an older attempt.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use orderstore::{
    AppId, Label, Payment, PrepayValue, RefundFact, RefundRequested, RefundState, Source,
    Timestamp, TransactionId,
};

use super::*;

const TRANSACTION: &str = "4200001234202601010000000001";

/// Channel that names the order `wrong_no` in every answer about a refund.
#[derive(Debug)]
struct Confused {
    wrong_no: OrderNo,
}

#[async_trait]
impl Channel for Confused {
    async fn prepay(&self, _: &Order) -> Result<PrepayValue, ChannelError> {
        Err(ChannelError::Silent)
    }

    async fn query(&self, _: OrderNo) -> Result<ChannelState, ChannelError> {
        Err(ChannelError::Silent)
    }

    async fn close(&self, _: OrderNo) -> Result<CloseReply, ChannelError> {
        Err(ChannelError::Silent)
    }

    async fn refund(&self, what: &GiveBack) -> Result<RefundAnswer, ChannelError> {
        Ok(self.answer(&what.refund_no))
    }

    async fn query_refund(&self, refund_no: &RefundNo) -> Result<RefundAnswer, ChannelError> {
        Ok(self.answer(refund_no))
    }
}

impl Confused {
    fn answer(&self, refund_no: &RefundNo) -> RefundAnswer {
        answer(self.wrong_no, refund_no, RefundState::Success)
    }
}

fn answer(no: OrderNo, refund_no: &RefundNo, state: RefundState) -> RefundAnswer {
    let transaction = TransactionId::parse(TRANSACTION).unwrap();
    let amount = Fen::new(1).unwrap();
    let fact = RefundFact::new(refund_no.clone(), transaction, amount, state);
    let fact = fact.unwrap();
    RefundAnswer { no, fact }
}

fn one_fen_back(refund_no: &RefundNo) -> NewRefund {
    let transaction = TransactionId::parse(TRANSACTION).unwrap();
    NewRefund::new(refund_no.clone(), transaction, Fen::new(1).unwrap()).unwrap()
}

/// Returns a store with one paid order whose refund R1 of one fen is requested.
async fn refunding() -> (Store, OrderNo, RefundNo) {
    let store = Store::memory().unwrap();
    let no = store.next_order_no().await.unwrap();
    let appid = AppId::parse("wxd2565e6a04246fd1").unwrap();
    let fee = Fen::new(100).unwrap();
    let new = orderstore::NewOrder::new(appid, fee).unwrap();
    let _ = store.create(no, new).await.unwrap();
    let transaction = TransactionId::parse(TRANSACTION).unwrap();
    let now = Timestamp::now();
    let payment = Payment::new(transaction, fee, now, Source::Query).unwrap();
    let _ = store.confirm(no, payment).await.unwrap();
    let refund_no = RefundNo::parse("R1").unwrap();
    let requested = store.request_refund(no, one_fen_back(&refund_no));
    let _ = requested.await.unwrap();
    (store, no, refund_no)
}

fn desk(store: &Store, channel: impl Channel + 'static) -> Desk {
    Desk {
        store: store.clone(),
        channel: Arc::new(channel),
        alarms: Alarms::default(),
        clock: Clock::default(),
    }
}

#[tokio::test]
async fn refund_answer_for_another_order_changes_nothing() {
    let (store, no, refund_no) = refunding().await;
    let wrong_no = store.next_order_no().await.unwrap();
    let desk = desk(&store, Confused { wrong_no });

    let other_order = |asked: Result<(), DeskError>| {
        let error = asked.unwrap_err();
        assert!(
            matches!(error, DeskError::Channel(ChannelError::OtherOrder)),
            "{error}"
        );
    };
    other_order(desk.give_back(no, &refund_no).await);
    other_order(desk.follow_refund(no, &refund_no).await.map(drop));
    // `look_at_refund` returns no error, so that a sweep continues. It only postpones the due
    // check.
    let looked = desk
        .look_at_refund(no, &refund_no, Channels::MayBeSilent)
        .await;
    looked.unwrap();
    let (refund, _) = desk.refund(no, &refund_no).await.unwrap();
    assert_eq!(refund.status, RefundStatus::Requested);
    assert!(store.history(wrong_no).await.unwrap().is_empty());
    assert_eq!(store.counts().await.unwrap().open_anomalies, 0);
}

/// Channel that answers the first query of a refund with "closed". Before that answer, the refund
/// is refused and its next attempt begins. The channel answers later queries with "processing".
#[derive(Debug)]
struct Overtaken {
    store: Store,
    no: OrderNo,
    queries: AtomicUsize,
}

impl Overtaken {
    async fn retry(&self, refund_no: &RefundNo) {
        let code = Label::parse("NOTENOUGH").unwrap();
        let refused = self
            .store
            .record_refund_refused(self.no, refund_no.clone(), code);
        let _ = refused.await.unwrap();
        let again = one_fen_back(refund_no).attempt(2);
        let again = self.store.request_refund(self.no, again).await.unwrap();
        assert_eq!(again.outcome, RefundRequested::Requested);
    }
}

#[async_trait]
impl Channel for Overtaken {
    async fn prepay(&self, _: &Order) -> Result<PrepayValue, ChannelError> {
        Err(ChannelError::Silent)
    }

    async fn query(&self, _: OrderNo) -> Result<ChannelState, ChannelError> {
        Err(ChannelError::Silent)
    }

    async fn close(&self, _: OrderNo) -> Result<CloseReply, ChannelError> {
        Err(ChannelError::Silent)
    }

    async fn refund(&self, _: &GiveBack) -> Result<RefundAnswer, ChannelError> {
        Err(ChannelError::Silent)
    }

    async fn query_refund(&self, refund_no: &RefundNo) -> Result<RefundAnswer, ChannelError> {
        let state = if self.queries.fetch_add(1, Ordering::Relaxed) == 0 {
            self.retry(refund_no).await;
            RefundState::Closed
        } else {
            RefundState::Processing
        };
        Ok(answer(self.no, refund_no, state))
    }
}

#[tokio::test]
async fn refund_answer_older_than_retry_is_queried_again() {
    let (store, no, refund_no) = refunding().await;
    let channel = Overtaken {
        store: store.clone(),
        no,
        queries: AtomicUsize::new(0),
    };
    let desk = desk(&store, channel);
    let looked = desk
        .look_at_refund(no, &refund_no, Channels::MayBeSilent)
        .await;
    looked.unwrap();
    let (refund, _) = desk.refund(no, &refund_no).await.unwrap();
    let actual = (refund.status, refund.attempt);
    assert_eq!(actual, (RefundStatus::Processing, 2));
}
