//! The channel's API v3 over HTTP.
//!
//! A deployment also signs each request with the merchant's key, and uses TLS.

use async_trait::async_trait;
use orderstore::wechat::{ClosingAnswer, Failure, OrderAnswer, RefundMessage};
use orderstore::{
    AppId, ChannelState, CloseReply, Label, MchId, Order, OrderNo, PrepayValue, RefundNo,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::warn;

use super::{Channel, ChannelError, GiveBack, RefundAnswer};
use crate::http::{Http, Reply};

/// Codes that reject a refund for good. With any other code the channel may still carry it out.
const FINAL: [&str; 4] = [
    "NOT_ENOUGH",
    "PARAM_ERROR",
    "RESOURCE_NOT_EXISTS",
    "USER_ACCOUNT_ABNORMAL",
];

const NO_SUCH_REFUND: &str = "RESOURCE_NOT_EXISTS";

/// Codes that the channel sends with status 403 about one order or one user. They are compared
/// without underscores, because older interfaces write none. Any other 403 concerns the merchant.
const OF_ONE_ITEM: [&str; 6] = [
    "ACCOUNTERROR",
    "NOTENOUGH",
    "OUTTRADENOUSED",
    "RULELIMIT",
    "TRADEERROR",
    "USERACCOUNTABNORMAL",
];

/// Client of the channel's API v3.
#[derive(Debug)]
pub struct V3Channel {
    /// HTTP client.
    pub http: Http,
    /// Base URL of the channel.
    pub url: String,
    /// URL for the channel's notifications.
    pub notify_url: String,
    /// App ID of the mini program.
    pub appid: AppId,
    /// Merchant ID.
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
            warn!(%error, "a request to the channel failed");
            ChannelError::Silent
        })
    }

    async fn post(&self, path: &str, body: Value) -> Result<Reply, ChannelError> {
        let url = format!("{}{path}", self.url);
        let answer = self.http.post(&url, &[], body.to_string()).await;
        answer.map_err(|error| {
            warn!(%error, "a request to the channel failed");
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
        let invitation = invitation.map_err(|_| classify(&reply, None))?;
        PrepayValue::parse(&invitation.prepay_id).map_err(|_| classify(&reply, None))
    }

    async fn query(&self, no: OrderNo) -> Result<ChannelState, ChannelError> {
        let path = format!("{}?mchid={}", self.trade(no), self.mch_id.as_str());
        let reply = self.get(&path).await?;
        let answer = OrderAnswer::from_v3(no, reply.status, &reply.body);
        let answer = answer.map_err(|error| {
            warn!(%no, %error, "unusable answer from the channel");
            classify(&reply, None)
        })?;
        let code = code_of(answer.failure());
        answer.into_state().ok_or_else(|| classify(&reply, code))
    }

    async fn close(&self, no: OrderNo) -> Result<CloseReply, ChannelError> {
        let path = format!("{}/close", self.trade(no));
        let body = json!({ "mchid": self.mch_id.as_str() });
        let reply = self.post(&path, body).await?;
        let answer = ClosingAnswer::from_v3(reply.status, &reply.body);
        match answer.reply() {
            CloseReply::Retry => Err(classify(&reply, code_of(answer.failure()))),
            other => Ok(other),
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
        refund_answer(&what.refund_no, &reply, |code| {
            FINAL
                .contains(&code.as_str())
                .then(|| ChannelError::Refused { code: code.clone() })
        })
    }

    async fn query_refund(&self, refund_no: &RefundNo) -> Result<RefundAnswer, ChannelError> {
        let path = format!(
            "/v3/refund/domestic/refunds/{}",
            escaped(refund_no.as_str())
        );
        let reply = self.get(&path).await?;
        refund_answer(refund_no, &reply, |code| {
            (code.as_str() == NO_SUCH_REFUND).then_some(ChannelError::NoSuchRefund)
        })
    }
}

/// Returns the refund that an answer describes. `refused` maps codes that concern the refund to
/// errors; it is used only for statuses below 500.
fn refund_answer(
    refund_no: &RefundNo,
    reply: &Reply,
    refused: impl FnOnce(&Label) -> Option<ChannelError>,
) -> Result<RefundAnswer, ChannelError> {
    let message = RefundMessage::from_v3_answer(refund_no, reply.status, &reply.body);
    let message = message.map_err(|error| {
        warn!(%refund_no, %error, "unusable answer from the channel");
        classify(reply, None)
    })?;
    let code = code_of(message.failure());
    if let Some((no, fact)) = message.into_fact() {
        return Ok(RefundAnswer { no, fact });
    }
    let rejected = code
        .as_ref()
        .filter(|_| reply.status < 500)
        .and_then(refused);
    Err(rejected.unwrap_or_else(|| classify(reply, code)))
}

/// Maps an error answer to a prepay request.
fn refusal(reply: &Reply) -> ChannelError {
    #[derive(Deserialize)]
    struct Refusal {
        code: String,
    }
    let refusal = serde_json::from_slice::<Refusal>(&reply.body).ok();
    let code = refusal.and_then(|refusal| Label::lossy(&refusal.code));
    match (classify(reply, code), reply.status) {
        (
            ChannelError::Unusable {
                code: Some(code), ..
            },
            400..500,
        ) => ChannelError::Refused { code },
        (error, _) => error,
    }
}

fn code_of(failure: Option<&Failure>) -> Option<Label> {
    failure.and_then(|failure| failure.err_code.clone())
}

/// Classifies an answer without a usable result: as a temporary failure, as a rejection of the
/// merchant, or as a failure of this item only.
fn classify(reply: &Reply, code: Option<Label>) -> ChannelError {
    let status = reply.status;
    match status {
        429 | 500.. => ChannelError::Silent,
        401 => ChannelError::Unauthorized { status, code },
        403 if !code.as_ref().is_some_and(is_of_one_item) => {
            ChannelError::Unauthorized { status, code }
        }
        _ => ChannelError::Unusable { status, code },
    }
}

fn is_of_one_item(code: &Label) -> bool {
    let plain = code.as_str().replace('_', "");
    OF_ONE_ITEM.contains(&plain.as_str())
}

/// Escapes an order or refund number for a URL path. Of the bytes that such a number may contain,
/// only `|` is not allowed in a path.
fn escaped(number: &str) -> String {
    number.replace('|', "%7C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_answer_is_classified_by_status_and_code() {
        let classified = |status, code: Option<&str>| {
            let reply = Reply {
                status,
                body: hyper::body::Bytes::new(),
            };
            classify(&reply, code.and_then(Label::lossy))
        };
        for (status, code) in [
            (429, None),
            (500, None),
            (502, Some("PARAM_ERROR")),
            (503, None),
        ] {
            assert_eq!(classified(status, code), ChannelError::Silent, "{status}");
        }
        for (status, code) in [
            (401, Some("SIGN_ERROR")),
            (401, None),
            (403, Some("NO_AUTH")),
            (403, None),
        ] {
            let error = classified(status, code);
            assert!(
                matches!(error, ChannelError::Unauthorized { .. }),
                "{error}"
            );
        }
        for (status, code) in [
            (400, Some("PARAM_ERROR")),
            (403, Some("NOT_ENOUGH")),
            (403, Some("NOTENOUGH")),
            (404, None),
            (422, None),
            (302, None),
            (200, None),
        ] {
            let error = classified(status, code);
            assert!(matches!(error, ChannelError::Unusable { .. }), "{error}");
        }
    }
}
