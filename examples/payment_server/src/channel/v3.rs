//! The channel's v3, over HTTP.
//!
//! A deployment also signs each request with the merchant's key, and speaks TLS.

use async_trait::async_trait;
use orderstore::wechat::{ClosingAnswer, OrderAnswer, RefundMessage};
use orderstore::{AppId, ChannelState, CloseReply, MchId, Order, OrderNo, PrepayValue, RefundNo};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::warn;

use super::{Channel, ChannelError, GiveBack, RefundAnswer};
use crate::http::{Http, Reply};

/// Codes with which a refund is refused for good. With any other it may still be done.
const FINAL: [&str; 4] = [
    "NOT_ENOUGH",
    "PARAM_ERROR",
    "RESOURCE_NOT_EXISTS",
    "USER_ACCOUNT_ABNORMAL",
];

const NO_SUCH_REFUND: &str = "RESOURCE_NOT_EXISTS";

/// The channel's v3.
#[derive(Debug)]
pub struct V3Channel {
    /// What asks.
    pub http: Http,
    /// Where it is asked.
    pub url: String,
    /// Where it notifies.
    pub notify_url: String,
    /// The mini program.
    pub appid: AppId,
    /// The merchant.
    pub mch_id: MchId,
}

#[derive(Deserialize)]
struct Invitation {
    prepay_id: String,
}

impl V3Channel {
    async fn get(&self, path: &str) -> Result<Reply, ChannelError> {
        let answer = self.http.get(&format!("{}{path}", self.url)).await;
        answer.map_err(|error| {
            warn!(%error, "the channel was asked in vain");
            ChannelError::Silent
        })
    }

    async fn post(&self, path: &str, body: Value) -> Result<Reply, ChannelError> {
        let url = format!("{}{path}", self.url);
        let answer = self.http.post(&url, &[], body.to_string()).await;
        answer.map_err(|error| {
            warn!(%error, "the channel was asked in vain");
            ChannelError::Silent
        })
    }

    fn trade(&self, no: OrderNo) -> String {
        format!("/v3/pay/transactions/out-trade-no/{}", escaped(no.as_str()))
    }
}

#[async_trait]
impl Channel for V3Channel {
    async fn prepay(&self, order: &Order) -> Result<PrepayValue, ChannelError> {
        let body = json!({
            "appid": self.appid.as_str(),
            "mchid": self.mch_id.as_str(),
            "description": order.description.as_str(),
            "out_trade_no": order.no.as_str(),
            "time_expire": order.expires_at.to_string(),
            "notify_url": self.notify_url,
            "amount": { "total": order.total_fee.as_u64(), "currency": order.currency.as_str() },
            "payer": { "openid": order.openid.as_ref().map(|openid| openid.as_str()) },
        });
        let reply = self.post("/v3/pay/transactions/jsapi", body).await?;
        if reply.status != 200 {
            return Err(refusal(&reply));
        }
        let invitation = serde_json::from_slice::<Invitation>(&reply.body);
        let invitation = invitation.map_err(|_| ChannelError::Silent)?;
        PrepayValue::parse(&invitation.prepay_id).map_err(|_| ChannelError::Silent)
    }

    async fn query(&self, no: OrderNo) -> Result<ChannelState, ChannelError> {
        let path = format!("{}?mchid={}", self.trade(no), self.mch_id.as_str());
        let reply = self.get(&path).await?;
        let answer = OrderAnswer::from_v3(no, reply.status, &reply.body);
        let answer = answer.map_err(|error| {
            warn!(%no, %error, "the channel's answer cannot be used");
            ChannelError::Silent
        })?;
        answer.into_state().ok_or(ChannelError::Silent)
    }

    async fn close(&self, no: OrderNo) -> CloseReply {
        let path = format!("{}/close", self.trade(no));
        let body = json!({ "mchid": self.mch_id.as_str() });
        match self.post(&path, body).await {
            Ok(reply) => ClosingAnswer::from_v3(reply.status, &reply.body).reply(),
            Err(_) => CloseReply::Retry,
        }
    }

    async fn refund(&self, what: &GiveBack) -> Result<RefundAnswer, ChannelError> {
        let body = json!({
            "transaction_id": what.transaction_id.as_str(),
            "out_refund_no": what.refund_no.as_str(),
            "notify_url": self.notify_url,
            "amount": {
                "refund": what.amount.as_u64(),
                "total": what.paid.as_u64(),
                "currency": "CNY",
            },
        });
        let reply = self.post("/v3/refund/domestic/refunds", body).await?;
        told_of(&what.refund_no, &reply)
    }

    async fn query_refund(&self, refund_no: &RefundNo) -> Result<RefundAnswer, ChannelError> {
        let path = format!(
            "/v3/refund/domestic/refunds/{}",
            escaped(refund_no.as_str())
        );
        let reply = self.get(&path).await?;
        match told_of(refund_no, &reply) {
            Err(ChannelError::Refused { code }) if code.as_str() == NO_SUCH_REFUND => {
                Err(ChannelError::NoSuchRefund)
            }
            // No other refusal says anything of the refund.
            Err(ChannelError::Refused { .. }) => Err(ChannelError::Silent),
            told => told,
        }
    }
}

fn told_of(refund_no: &RefundNo, reply: &Reply) -> Result<RefundAnswer, ChannelError> {
    let message = RefundMessage::from_v3_answer(refund_no, reply.status, &reply.body);
    let message = message.map_err(|error| {
        warn!(%error, "the channel's answer cannot be used");
        ChannelError::Silent
    })?;
    let code = message
        .failure()
        .and_then(|failure| failure.err_code.clone());
    match (message.into_fact(), code) {
        (Some((no, fact)), _) => Ok(RefundAnswer { no, fact }),
        (None, Some(code)) if reply.status < 500 && FINAL.contains(&code.as_str()) => {
            Err(ChannelError::Refused { code })
        }
        (None, _) => Err(ChannelError::Silent),
    }
}

/// What an error says to whoever asked for a prepay.
fn refusal(reply: &Reply) -> ChannelError {
    #[derive(Deserialize)]
    struct Refusal {
        code: String,
    }
    let refusal = serde_json::from_slice::<Refusal>(&reply.body).ok();
    let code = refusal.and_then(|refusal| orderstore::Label::lossy(&refusal.code));
    match code {
        Some(code) if (400..429).contains(&reply.status) => ChannelError::Refused { code },
        _ => ChannelError::Silent,
    }
}

/// A number in a path: of the bytes it may have, `|` is none of a path's.
fn escaped(number: &str) -> String {
    number.replace('|', "%7C")
}
