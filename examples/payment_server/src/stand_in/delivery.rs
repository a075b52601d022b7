//! Delivery of notifications, repeated until they are acknowledged.

use std::time::Duration;

use orderstore::{OrderNo, Timestamp};
use serde_json::Value;
use tracing::debug;

use super::books::{Refund, Trade};
use super::{Form, StandIn};
use crate::http::Reply;
use crate::seal::{Notification, Subject};

pub(super) const PAID: &str = "TRANSACTION.SUCCESS";
const REFUNDED: &str = "REFUND.SUCCESS";

/// Documented pauses in seconds between the channel's attempts to deliver one notification.
const REPEATED_AFTER: [u64; 15] = [
    15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10_800, 10_800, 10_800, 21_600, 21_600,
];

/// Delay of a late notification, before division by the factor `shorten`.
pub(super) const LATE: Duration = Duration::from_secs(60);

/// Duration of a refund, before division by the factor `shorten`.
pub(super) const REFUND_TAKES: Duration = Duration::from_secs(5);

/// Age at which the stand-in signs and encrypts a notification again, to keep its signed timestamp
/// recent.
const SEALED_FOR: Duration = Duration::from_secs(60);

/// A notification with its URL.
pub(super) struct Notice {
    no: OrderNo,
    url: String,
    says: Says,
}

enum Says {
    Sealed {
        subject: Subject,
        event_type: &'static str,
        json: Value,
        sealed: Option<(Timestamp, Notification)>,
    },
    Plain(String),
}

impl Notice {
    pub(super) fn of_trade(trade: &Trade, form: Form) -> Self {
        let event = match form {
            Form::V3 => None,
            Form::Cloud => trade.to_cloud_event(),
        };
        let (url, says) = match event {
            Some(event) => (container(&trade.notify_url), Says::Plain(event.to_string())),
            None => {
                let says = Says::sealed(Subject::Transaction, PAID, trade.to_json());
                (trade.notify_url.clone(), says)
            }
        };
        let no = trade.no;
        Self { no, url, says }
    }

    pub(super) fn of_refund(refund: &Refund) -> Self {
        let json = refund.to_json("refund_status");
        Self {
            no: refund.no(),
            url: refund.notify_url().to_owned(),
            says: Says::sealed(Subject::Refund, REFUNDED, json),
        }
    }

    fn is_of_payment(&self) -> bool {
        match &self.says {
            Says::Sealed { subject, .. } => *subject == Subject::Transaction,
            Says::Plain(_) => true,
        }
    }
}

impl Says {
    const fn sealed(subject: Subject, event_type: &'static str, json: Value) -> Self {
        Self::Sealed {
            subject,
            event_type,
            json,
            sealed: None,
        }
    }
}

/// Returns the URL of the merchant's cloud container on the same server.
fn container(notify_url: &str) -> String {
    let origin = notify_url.strip_suffix("/notify/v3");
    format!("{}/payCallBack", origin.unwrap_or(notify_url))
}

impl StandIn {
    /// Delivers a notification in the background, after a delay.
    pub(super) fn tell(&self, notice: Notice, after: Duration) {
        self.inner.tasks.spawn(self.clone().deliver(notice, after));
    }

    /// Delivers a notification until it is acknowledged, all pauses are used, or the stand-in ends.
    pub(super) async fn deliver(self, notice: Notice, after: Duration) {
        let ended = self.inner.ended.clone();
        ended.run_until_cancelled(self.repeat(notice, after)).await;
    }

    async fn repeat(&self, mut notice: Notice, after: Duration) {
        tokio::time::sleep(after).await;
        let mut pauses = REPEATED_AFTER.into_iter();
        while !self.send(&mut notice).await {
            let Some(pause) = pauses.next() else { return };
            tokio::time::sleep(self.shortened(Duration::from_secs(pause))).await;
        }
    }

    /// Sends the notification once; returns whether it was acknowledged.
    async fn send(&self, notice: &mut Notice) -> bool {
        let Ok(_permit) = self.inner.sending.acquire().await else {
            return false;
        };
        let reply = match &notice.says {
            Says::Plain(event) => {
                let post = self.inner.http.post(&notice.url, &[], event.clone());
                post.await.ok().filter(received_by_container)
            }
            Says::Sealed { .. } => self.send_sealed(notice).await.filter(received),
        };
        if notice.is_of_payment() {
            self.inner.books.lock().sent(notice.no, reply.is_some());
        }
        debug!(no = %notice.no, acknowledged = reply.is_some(), "notified");
        reply.is_some()
    }

    async fn send_sealed(&self, notice: &mut Notice) -> Option<Reply> {
        let now = self.inner.clock.now();
        let notification = self.seal_anew(&mut notice.says, now)?;
        let headers: Vec<_> = notification
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let post = self
            .inner
            .http
            .post(&notice.url, &headers, notification.body.clone());
        post.await.ok()
    }

    fn seal_anew<'a>(&self, says: &'a mut Says, now: Timestamp) -> Option<&'a Notification> {
        let Says::Sealed {
            subject,
            event_type,
            json,
            sealed,
        } = says
        else {
            return None;
        };
        let fresh = |(at, _): &(Timestamp, Notification)| now.since(*at) < SEALED_FOR;
        if !sealed.as_ref().is_some_and(fresh) {
            let text = json.to_string().into_bytes();
            let notification = self
                .inner
                .key
                .notify(*subject, event_type, text, now)
                .ok()?;
            *sealed = Some((now, notification));
        }
        sealed.as_ref().map(|(_, notification)| notification)
    }
}

fn received(reply: &Reply) -> bool {
    matches!(reply.status, 200 | 204)
}

/// Returns whether the container acknowledged the event, with error code 0 in the body.
fn received_by_container(reply: &Reply) -> bool {
    let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let code = body.and_then(|body| body.get("errcode")?.as_i64());
    reply.status == 200 && code == Some(0)
}
