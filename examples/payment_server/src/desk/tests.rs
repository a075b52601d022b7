//! A channel that answers about another order than the one asked about.

use async_trait::async_trait;
use orderstore::{
    AppId, Payment, PrepayValue, RefundFact, RefundState, Source, Timestamp, TransactionId,
};

use super::*;

const TRANSACTION: &str = "4200001234202601010000000001";

/// Names order `told` in every answer about a refund.
#[derive(Debug)]
struct Confused {
    told: OrderNo,
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
        let transaction = TransactionId::parse(TRANSACTION).unwrap();
        let amount = Fen::new(1).unwrap();
        let state = RefundState::Success;
        let fact = RefundFact::new(refund_no.clone(), transaction, amount, state);
        RefundAnswer {
            no: self.told,
            fact: fact.unwrap(),
        }
    }
}

#[tokio::test]
async fn refund_answer_about_another_order_is_refused_and_put_off() {
    let store = Store::memory().unwrap();
    let no = store.next_order_no().await.unwrap();
    let told = store.next_order_no().await.unwrap();
    let appid = AppId::parse("wxd2565e6a04246fd1").unwrap();
    let fee = Fen::new(100).unwrap();
    let new = orderstore::New::new(appid, fee).unwrap();
    let _ = store.create(no, new).await.unwrap();
    let transaction = TransactionId::parse(TRANSACTION).unwrap();
    let now = Timestamp::from_system(std::time::SystemTime::now());
    let payment = Payment::new(transaction.clone(), fee, now, Source::Query).unwrap();
    let _ = store.confirm(no, payment).await.unwrap();
    let refund_no = RefundNo::parse("R1").unwrap();
    let new = NewRefund::new(refund_no.clone(), transaction, Fen::new(1).unwrap());
    let _ = store.request_refund(no, new.unwrap()).await.unwrap();
    let desk = Desk {
        store: store.clone(),
        channel: Arc::new(Confused { told }),
        alarms: Alarms::default(),
        clock: Clock::default(),
    };

    let other_order = |asked: Result<(), DeskError>| {
        let error = asked.unwrap_err();
        assert!(
            matches!(error, DeskError::Channel(ChannelError::OtherOrder)),
            "{error}"
        );
    };
    other_order(desk.give_back(no, &refund_no).await);
    other_order(desk.follow_refund(no, &refund_no).await.map(drop));
    // Where it is due it is put off, so that the rest of a sweep goes on.
    let looked = desk
        .look_at_refund(no, &refund_no, Channels::MayBeSilent)
        .await;
    looked.unwrap();
    let (refund, _) = desk.refund(no, &refund_no).await.unwrap();
    assert_eq!(refund.status, RefundStatus::Requested);
    assert!(store.history(told).await.unwrap().is_empty());
    assert_eq!(store.counts().await.unwrap().open_anomalies, 0);
}
