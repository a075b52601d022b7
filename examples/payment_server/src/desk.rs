//! Between store and channel: what one says, the other is told.
//!
//! Invariants:
//! - The store knows of an order, a close or a refund before the channel is asked for it.
//! - Whatever the channel answers goes to the store as it came: the rules are the store's.
//! - An answer about a refund is dated by the store's clock as read before the question was
//!   sent. A failure that may be older than a retry is not believed then.
//! - Every step may be made again, and may be cut off anywhere: what is open stays due.
//! - A step that was due either moves or delays what was due, or fails because the channel is
//!   silent or refuses this merchant. So nothing that is due stands before the rest for ever.

use std::sync::Arc;

use orderstore::{
    AnomalyRef, ChannelState, CloseAnswer, CloseReply, Event, EventKind, Fen, NewRefund, Order,
    OrderNo, Prepay, PrepayKind, Queried, Refund, RefundNo, RefundRecorded, RefundStatus, Reply,
    Store,
};
use thiserror::Error;
use tracing::warn;

use crate::alarms::Alarms;
use crate::channel::{Channel, ChannelError, GiveBack, Point, RefundAnswer};
use crate::clock::Clock;

/// How often one step asks about a refund whose answer may be older than its attempt.
const ASKED_AT_MOST: usize = 2;

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) channel: Arc<dyn Channel>,
    pub(crate) alarms: Alarms,
    pub(crate) clock: Clock,
}

/// Why a step was not made.
#[derive(Debug, Error)]
pub(crate) enum DeskError {
    #[error(transparent)]
    Store(#[from] orderstore::Error),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error("there is no such order")]
    NoSuchOrder,
    #[error("there is no such refund")]
    NoSuchRefund,
}

/// Whether the channel is known to answer at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    /// It answered another question just now: silence concerns the item asked about.
    Answer,
    /// It is not known to answer: silence may concern everything.
    MayBeSilent,
}

impl ChannelError {
    /// Whether the question that was due is put off. The other errors concern the whole
    /// channel: what was due stays due, and nothing else need be asked now.
    const fn puts_off(&self, channels: Channels) -> bool {
        match self {
            Self::Unauthorized { .. } => false,
            Self::Silent => matches!(channels, Channels::Answer),
            Self::Refused { .. }
            | Self::Unusable { .. }
            | Self::OtherOrder
            | Self::NoSuchRefund => true,
        }
    }
}

impl Desk {
    /// Asks for an invitation to pay, and keeps it. Where the channel refuses, it knows more
    /// of the order than the store does: so it is asked how the order stands.
    pub(crate) async fn invite(&self, order: &Order) -> Result<Arc<Order>, DeskError> {
        match self.heard(Point::Prepay, self.channel.prepay(order).await) {
            Ok(value) => {
                let prepay = Prepay::new(PrepayKind::Jsapi, value);
                let answer = self.store.record_prepay(order.no, prepay).await?;
                answer.order.ok_or(DeskError::NoSuchOrder)
            }
            Err(refused @ ChannelError::Refused { .. }) => {
                let order = self.look(order.no).await?.order;
                let moved = order.filter(|order| order.status.is_ended());
                moved.ok_or(DeskError::Channel(refused))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes notice of whether the channel still takes this merchant's questions.
    fn heard<T>(
        &self,
        question: Point,
        answer: Result<T, ChannelError>,
    ) -> Result<T, ChannelError> {
        self.alarms.heard(question, answer, self.clock.now())
    }

    async fn query(&self, no: OrderNo) -> Result<ChannelState, ChannelError> {
        self.heard(Point::Query, self.channel.query(no).await)
    }

    async fn query_refund(&self, refund_no: &RefundNo) -> Result<RefundAnswer, ChannelError> {
        let sent_at = self.clock.now();
        let answer = self.channel.query_refund(refund_no).await;
        let answer = self.heard(Point::QueryRefund, answer)?;
        Ok(answer.sent_at(sent_at))
    }

    /// Asks how an order stands, and tells the store.
    async fn look(&self, no: OrderNo) -> Result<Reply<Queried>, DeskError> {
        let state = self.query(no).await?;
        Ok(self.store.record_query(no, state).await?)
    }

    /// The same where it is due.
    pub(crate) async fn look_as_due(
        &self,
        no: OrderNo,
        channels: Channels,
    ) -> Result<(), DeskError> {
        match self.look(no).await {
            Err(DeskError::Channel(error)) if error.puts_off(channels) => {
                warn!(%no, %error, "a check of an order is put off");
                drop(self.store.record_unanswered(no).await?);
                Ok(())
            }
            looked => looked.map(drop),
        }
    }

    /// Asks how an order stands because a request asked for it. Anybody can repeat such a
    /// request, so an answer that leaves the order as it is is not recorded: it would
    /// lengthen the history and delay the next check each time.
    pub(crate) async fn look_by_request(
        &self,
        no: OrderNo,
    ) -> Result<Option<Reply<Queried>>, DeskError> {
        let state = self.query(no).await?;
        let is_news = state.payment().is_some()
            || matches!(
                state,
                ChannelState::Closed | ChannelState::Revoked | ChannelState::PayError
            );
        if !is_news {
            return Ok(None);
        }
        Ok(Some(self.store.record_query(no, state).await?))
    }

    /// Begins to close an order, and asks the channel at once where it may be asked. What
    /// the channel does not answer now stays due.
    pub(crate) async fn close(&self, no: OrderNo) -> Result<Reply<CloseAnswer>, DeskError> {
        let began = self.store.begin_close(no).await?;
        let order = began.order.as_ref();
        if !order.is_some_and(|order| order.status.is_ended()) && order.is_some() {
            match self.ask_close(no, Channels::MayBeSilent).await {
                Err(DeskError::Channel(error)) => warn!(%no, %error, "the close stays due"),
                told => told?,
            }
        }
        Ok(began)
    }

    /// Asks the channel to close, and, since its "closed" proves nothing, how the order
    /// stands then.
    pub(crate) async fn ask_close(&self, no: OrderNo, channels: Channels) -> Result<(), DeskError> {
        let reply = match self.heard(Point::Close, self.channel.close(no).await) {
            Err(error) if error.puts_off(channels) => {
                warn!(%no, %error, "a close is put off");
                CloseReply::Retry
            }
            said => said?,
        };
        let answer = self.store.record_close(no, reply).await?;
        if answer.outcome == CloseAnswer::MustQuery {
            self.look_as_due(no, channels).await?;
        }
        Ok(())
    }

    /// Asks for a refund that the store has reserved, and tells the store. Where there is no
    /// answer, the refund stays due.
    pub(crate) async fn give_back(
        &self,
        no: OrderNo,
        refund_no: &RefundNo,
    ) -> Result<(), DeskError> {
        let (refund, paid) = self.refund(no, refund_no).await?;
        if refund.status != RefundStatus::Requested {
            return Ok(());
        }
        let what = GiveBack {
            no,
            refund_no: refund_no.clone(),
            amount: refund.asked_amount(),
            transaction_id: refund.transaction_id,
            paid,
        };
        let sent_at = self.clock.now();
        match self.heard(Point::Refund, self.channel.refund(&what).await) {
            Ok(answer) => drop(self.record_refund(no, answer.sent_at(sent_at)).await?),
            Err(ChannelError::Refused { code }) => {
                warn!(%no, %refund_no, %code, "the channel refused a refund");
                let attempt = (refund_no.clone(), refund.attempt);
                let refused = self.store.record_refund_refused(no, attempt, code);
                drop(refused.await?);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Asks how a refund that is due stands, and tells the store.
    pub(crate) async fn look_at_refund(
        &self,
        no: OrderNo,
        refund_no: &RefundNo,
        channels: Channels,
    ) -> Result<(), DeskError> {
        match self.ask_about_refund(no, refund_no).await {
            Err(DeskError::Channel(error)) if error.puts_off(channels) => {
                warn!(%no, %refund_no, %error, "a check of a refund is put off");
                let put_off = self.store.record_refund_unanswered(no, refund_no.clone());
                drop(put_off.await?);
                Ok(())
            }
            looked => looked,
        }
    }

    /// Asks how a refund stands, and tells the store. A refund that the channel never heard of
    /// is asked for once more, under its number. An answer that the store does not believe,
    /// since it may be older than the attempt, is followed by one more question.
    async fn ask_about_refund(&self, no: OrderNo, refund_no: &RefundNo) -> Result<(), DeskError> {
        for _ in 0..ASKED_AT_MOST {
            let recorded = match self.query_refund(refund_no).await {
                Ok(answer) => self.record_refund(no, answer).await?,
                Err(ChannelError::NoSuchRefund) => return self.ask_again(no, refund_no).await,
                Err(error) => return Err(error.into()),
            };
            match recorded.outcome {
                RefundRecorded::MustQuery => {}
                // Nothing was written: a person makes room first, so the check is put off.
                RefundRecorded::RecordFull => {
                    let put_off = self.store.record_refund_unanswered(no, refund_no.clone());
                    drop(put_off.await?);
                    break;
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// Follows an unsigned event about a refund of order `no`. The channel is asked about
    /// the refund, and its answer is recorded only if it names the same order.
    pub(crate) async fn follow_refund(
        &self,
        no: OrderNo,
        refund_no: &RefundNo,
    ) -> Result<Reply<RefundRecorded>, DeskError> {
        let answer = self.query_refund(refund_no).await?;
        self.record_refund(no, answer).await
    }

    /// Records the channel's answer about a refund of order `no`. An answer that names
    /// another order is refused: it would create a refund or an anomaly under `no` that
    /// the channel knows nothing of.
    async fn record_refund(
        &self,
        no: OrderNo,
        answer: RefundAnswer,
    ) -> Result<Reply<RefundRecorded>, DeskError> {
        if answer.no != no {
            return Err(ChannelError::OtherOrder.into());
        }
        Ok(self.store.record_refund(answer.no, answer.fact).await?)
    }

    /// The store is told first: the next check is due later then.
    async fn ask_again(&self, no: OrderNo, refund_no: &RefundNo) -> Result<(), DeskError> {
        let (refund, _) = self.refund(no, refund_no).await?;
        let amount = refund.asked_amount();
        let again = NewRefund::new(refund.refund_no, refund.transaction_id, amount);
        let again = again.map_err(|_| DeskError::NoSuchRefund)?;
        let again = again.channel(refund.channel).attempt(refund.attempt);
        drop(self.store.request_refund(no, again).await?);
        self.give_back(no, refund_no).await
    }

    /// A refund, and how much the payment was that it is of. Where no order was created
    /// under the number, its history alone knows both.
    pub(crate) async fn refund(
        &self,
        no: OrderNo,
        refund_no: &RefundNo,
    ) -> Result<(Refund, Fen), DeskError> {
        let found = match self.store.get(no).await? {
            Some(order) => of_order(&order, refund_no),
            None => of_history(self.store.history(no).await?, refund_no),
        };
        found.ok_or(DeskError::NoSuchRefund)
    }

    /// The number under which the money of an anomaly goes back by a decision. The same
    /// decision names the same number, so that it gives back once. After a refund that did
    /// not succeed it is that refund's number; after money that returned it is a new one.
    pub(crate) async fn decided_refund_no(
        &self,
        no: OrderNo,
        anomaly: AnomalyRef,
    ) -> Result<String, DeskError> {
        let number = format!("{no}-{}", anomaly.id);
        if anomaly.reopenings == 0 {
            return Ok(number);
        }
        let failed = match self.store.get(no).await? {
            Some(order) => reopened_by(&order, anomaly),
            None => reopened_in_history(self.store.history(no).await?, anomaly),
        };
        let Some(failed) = failed else {
            return Ok(number);
        };
        match self.refund(no, &failed).await {
            Ok((refund, _)) if refund.status == RefundStatus::Returned => {
                Ok(format!("{number}-{}", anomaly.reopenings))
            }
            Ok(_) | Err(DeskError::NoSuchRefund) => Ok(failed.as_str().to_owned()),
            Err(error) => Err(error),
        }
    }
}

/// The refund whose failure opened the anomaly the last time.
fn reopened_by(order: &Order, anomaly: AnomalyRef) -> Option<RefundNo> {
    let mut anomalies = order.anomalies.iter();
    let found = anomalies.find(|found| found.id == anomaly.id)?;
    found.reopening.as_ref().map(|last| last.refund_no.clone())
}

fn reopened_in_history(events: Vec<Event>, anomaly: AnomalyRef) -> Option<RefundNo> {
    let reopenings = events.into_iter().filter_map(|event| match event.what {
        EventKind::AnomalyReopened { id, refund_no } if id == anomaly.id => Some(refund_no),
        _ => None,
    });
    reopenings.last()
}

fn of_order(order: &Order, refund_no: &RefundNo) -> Option<(Refund, Fen)> {
    let mut refunds = order.refunds.iter();
    let refund = refunds.find(|refund| refund.refund_no == *refund_no)?;
    let doubtful = order
        .anomalies
        .iter()
        .filter_map(|anomaly| anomaly.payment.as_ref());
    let mut payments = order.payment.iter().chain(doubtful);
    let payment = payments.find(|payment| refund.is_of(payment))?;
    Some((refund.clone(), payment.paid_fee))
}

fn of_history(events: Vec<Event>, refund_no: &RefundNo) -> Option<(Refund, Fen)> {
    let (mut refund, mut payments) = (None, Vec::new());
    for event in events {
        match event.what {
            EventKind::AnomalyRaised(raised) => payments.extend(raised.payment),
            EventKind::RefundOpened(opened) | EventKind::RefundMoved(opened)
                if opened.refund_no == *refund_no =>
            {
                refund = Some(*opened);
            }
            _ => {}
        }
    }
    let refund = refund?;
    let payment = payments.iter().find(|payment| refund.is_of(payment))?;
    Some((refund, payment.paid_fee))
}

#[cfg(test)]
mod tests;
