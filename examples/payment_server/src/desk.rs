//! Moves information between the store and the channel.
//!
//! Invariants:
//! - The store records an order, a close or a refund before the server requests it from the
//!   channel.
//! - The channel's answers go to the store unchanged; the store applies its rules to them.
//! - An answer about a refund carries the time of the store's clock before the query was sent. With
//!   it the store can reject a failure that may be older than a retry.
//! - Every step can be repeated and can be interrupted anywhere; unfinished work stays due.
//! - A due step either moves or postpones the due item, or it fails because the channel is silent
//!   or rejects this merchant. Due items can therefore not block the rest for ever.

use std::sync::Arc;

use orderstore::{
    AnomalyRef, ChannelState, CloseOutcome, CloseReply, Event, EventKind, Fen, NewRefund, Order,
    OrderNo, Prepay, PrepayKind, Queried, Refund, RefundNo, RefundRecorded, RefundStatus, Reply,
    Store,
};
use thiserror::Error;
use tracing::warn;

use crate::alarms::Alarms;
use crate::channel::{Channel, ChannelError, GiveBack, Point, RefundAnswer};
use crate::clock::Clock;

/// Maximum number of queries in one step for a refund. The second query follows if the first answer
/// may be older than the refund's attempt.
const ASKED_AT_MOST: usize = 2;

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) channel: Arc<dyn Channel>,
    pub(crate) alarms: Alarms,
    pub(crate) clock: Clock,
}

/// Reason why a step failed.
#[derive(Debug, Error)]
pub(crate) enum DeskError {
    #[error(transparent)]
    Store(#[from] orderstore::Error),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error("the order does not exist")]
    NoSuchOrder,
    #[error("the refund does not exist")]
    NoSuchRefund,
}

/// Whether the channel is known to answer requests now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    /// The channel has just answered another request: a missing answer concerns only this item.
    Answer,
    /// The channel may be unavailable: a missing answer may concern every request.
    MayBeSilent,
}

impl ChannelError {
    /// Returns whether the failure concerns only the due item, which is then postponed. Any other
    /// failure concerns the whole channel: the item stays due, and the server sends no other
    /// request now.
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
    /// Requests a prepay and records it. After a rejection the server queries the order, because
    /// the channel may know that the order has ended.
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

    /// Updates the alarms from the channel's answer and returns the answer.
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

    /// Queries an order and records the answer.
    async fn look(&self, no: OrderNo) -> Result<Reply<Queried>, DeskError> {
        let state = self.query(no).await?;
        Ok(self.store.record_query(no, state).await?)
    }

    /// Queries an order that is due and records the answer.
    pub(crate) async fn look_as_due(
        &self,
        no: OrderNo,
        channels: Channels,
    ) -> Result<(), DeskError> {
        match self.look(no).await {
            Err(DeskError::Channel(error)) if error.puts_off(channels) => {
                warn!(%no, %error, "the check of an order is postponed");
                drop(self.store.record_unanswered(no).await?);
                Ok(())
            }
            looked => looked.map(drop),
        }
    }

    /// Queries an order because of an external request. Anybody can repeat such a request. An
    /// answer that does not change the order is therefore not recorded: each one would lengthen the
    /// history and delay the next check.
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

    /// Begins to close an order, and sends the close request to the channel if that is allowed
    /// already. If the channel does not answer, the request stays due.
    pub(crate) async fn close(&self, no: OrderNo) -> Result<Reply<CloseOutcome>, DeskError> {
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

    /// Sends the close request to the channel. The answer "closed" does not prove the state of the
    /// order, so a query of the order follows.
    pub(crate) async fn ask_close(&self, no: OrderNo, channels: Channels) -> Result<(), DeskError> {
        let reply = match self.heard(Point::Close, self.channel.close(no).await) {
            Err(error) if error.puts_off(channels) => {
                warn!(%no, %error, "a close is postponed");
                CloseReply::Retry
            }
            answered => answered?,
        };
        let answer = self.store.record_close(no, reply).await?;
        if answer.outcome == CloseOutcome::MustQuery {
            self.look_as_due(no, channels).await?;
        }
        Ok(())
    }

    /// Requests a refund that the store has reserved, and records the answer. Without an answer the
    /// refund stays due.
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
                warn!(%no, %refund_no, %code, "the channel rejected a refund");
                let attempt = (refund_no.clone(), refund.attempt);
                let refused = self.store.record_refund_refused(no, attempt, code);
                drop(refused.await?);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Queries a refund that is due and records the answer.
    pub(crate) async fn look_at_refund(
        &self,
        no: OrderNo,
        refund_no: &RefundNo,
        channels: Channels,
    ) -> Result<(), DeskError> {
        match self.ask_about_refund(no, refund_no).await {
            Err(DeskError::Channel(error)) if error.puts_off(channels) => {
                warn!(%no, %refund_no, %error, "the check of a refund is postponed");
                let put_off = self.store.record_refund_unanswered(no, refund_no.clone());
                drop(put_off.await?);
                Ok(())
            }
            looked => looked,
        }
    }

    /// Queries a refund and records the answer. A refund that the channel does not know is
    /// requested once more, under its number. If the store rejects the answer because it may be
    /// older than the attempt, one more query follows.
    async fn ask_about_refund(&self, no: OrderNo, refund_no: &RefundNo) -> Result<(), DeskError> {
        for _ in 0..ASKED_AT_MOST {
            let recorded = match self.query_refund(refund_no).await {
                Ok(answer) => self.record_refund(no, answer).await?,
                Err(ChannelError::NoSuchRefund) => return self.ask_again(no, refund_no).await,
                Err(error) => return Err(error.into()),
            };
            match recorded.outcome {
                RefundRecorded::MustQuery => {}
                // The record is full, so nothing was written. Postpone the check until an operator
                // makes room.
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

    /// Follows an unsigned event about a refund of order `no`. The server queries the refund and
    /// records the answer only if it names the same order.
    pub(crate) async fn follow_refund(
        &self,
        no: OrderNo,
        refund_no: &RefundNo,
    ) -> Result<Reply<RefundRecorded>, DeskError> {
        let answer = self.query_refund(refund_no).await?;
        self.record_refund(no, answer).await
    }

    /// Records the channel's answer about a refund of order `no`. An answer that names another
    /// order is rejected: it would create a refund or an anomaly under `no` that the channel does
    /// not know.
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

    /// Requests a refund again. The store records the request first, which postpones the next
    /// check.
    async fn ask_again(&self, no: OrderNo, refund_no: &RefundNo) -> Result<(), DeskError> {
        let (refund, _) = self.refund(no, refund_no).await?;
        let amount = refund.asked_amount();
        let again = NewRefund::new(refund.refund_no, refund.transaction_id, amount);
        let again = again.map_err(|_| DeskError::NoSuchRefund)?;
        let again = again.channel(refund.channel).attempt(refund.attempt);
        drop(self.store.request_refund(no, again).await?);
        self.give_back(no, refund_no).await
    }

    /// Returns a refund and the amount of the payment that it refunds. If no order exists under the
    /// number, both come from its history.
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

    /// Returns the refund number for an operator's decision to refund an anomaly. The same decision
    /// gives the same number, so the money is refunded once. A retry of a failed refund keeps its
    /// number. After a refund whose money was returned, the number is new.
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

/// Returns the refund whose failure reopened the anomaly most recently.
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
