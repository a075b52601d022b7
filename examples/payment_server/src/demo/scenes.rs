//! Scenes of the demonstration: what can happen between an order and its payment or refund.

use orderstore::OrderNo;
use serde_json::{Value, json};

use super::stage::{Customer, Stage, expect};
use crate::clock::Clock;
use crate::seal::Subject;
use crate::server::Error;
use crate::shop::Shop;
use crate::stand_in::{Behaviour, Fault, Form, Plan};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    Usual,
    Outage,
    DoubleTap,
    ToldTwice,
    ToldLate,
    ToldEarly,
    NeverTold,
    SecondThoughts,
    Leaves,
    ChannelDown,
    AnswerLost,
    Refunded,
    WrongAmount,
    Forged,
    Reused,
}

impl Scene {
    /// Every scene with its number of customers.
    pub(super) const ALL: [(Self, usize); 15] = [
        (Self::Usual, 20),
        (Self::Outage, 10),
        (Self::DoubleTap, 10),
        (Self::ToldTwice, 8),
        (Self::ToldLate, 8),
        (Self::ToldEarly, 6),
        (Self::NeverTold, 10),
        (Self::SecondThoughts, 5),
        (Self::Leaves, 5),
        (Self::ChannelDown, 4),
        (Self::AnswerLost, 3),
        (Self::Refunded, 5),
        (Self::WrongAmount, 2),
        (Self::Forged, 2),
        (Self::Reused, 2),
    ];

    /// Returns one scene (scenario) for each customer of the demonstration.
    pub(super) fn cast() -> impl Iterator<Item = Self> {
        let each = |(scene, count)| std::iter::repeat_n(scene, count);
        Self::ALL.into_iter().flat_map(each)
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Usual => "pays; notified at once",
            Self::Outage => "pays; the cloud's event fails while the channel is down, then repeats",
            Self::DoubleTap => "taps twice at once: one order",
            Self::ToldTwice => "pays; notified twice at the same moment",
            Self::ToldLate => "pays and refreshes; notified long after that",
            Self::ToldEarly => "pays; notified before the prepay is answered",
            Self::NeverTold => "pays and closes the page; never notified: the sweeper queries",
            Self::SecondThoughts => "cancels, comes back and pays",
            Self::Leaves => "cancels for good: the operator closes the order",
            Self::ChannelDown => "taps while the channel is down, and again: one order",
            Self::AnswerLost => "the prepay's answer is lost; taps again: one order",
            Self::Refunded => "pays; refunded in two parts, each requested twice",
            Self::WrongAmount => {
                "notified with a wrong amount: the operator resolves it; then pays"
            }
            Self::Forged => "a forged cloud event is ignored; then pays",
            Self::Reused => "the number is reused for another order: rejected; then pays",
        }
    }

    /// Plays the scene; fails on the first difference from the expected result.
    pub(super) async fn play(self, stage: &Stage, customer: &Customer) -> Result<(), Error> {
        match self {
            Self::Usual => {
                let no = stage.buy(customer).await?;
                stage.pay_and_see(no).await
            }
            Self::Outage => outage(stage, customer).await,
            Self::DoubleTap => double_tap(stage, customer).await,
            Self::ToldTwice => told_twice(stage, customer).await,
            Self::ToldLate => told_late(stage, customer).await,
            Self::ToldEarly => told_early(stage, customer).await,
            Self::NeverTold => {
                let no = stage.buy(customer).await?;
                stage.pay(no, Behaviour::Never, Form::V3).await?;
                stage.becomes(no, "success").await
            }
            Self::SecondThoughts => second_thoughts(stage, customer).await,
            Self::Leaves => leaves(stage, customer).await,
            Self::ChannelDown => fails_at_prepay(stage, customer, Fault::Down).await,
            Self::AnswerLost => fails_at_prepay(stage, customer, Fault::Mute).await,
            Self::Refunded => refunded(stage, customer).await,
            Self::WrongAmount => wrong_amount(stage, customer).await,
            Self::Forged => forged(stage, customer).await,
            Self::Reused => reused(stage, customer).await,
        }
    }
}

/// The channel answers no query, so the server cannot confirm the event and does not acknowledge
/// it.
async fn outage(stage: &Stage, customer: &Customer) -> Result<(), Error> {
    let no = stage.buy(customer).await?;
    stage.pay(no, Behaviour::Usual, Form::Cloud).await?;
    stage.becomes(no, "success").await?;
    acknowledged(stage, no, 1).await?;
    let sent = stage.stand_in.trade(no).map_or(0, |trade| trade.sent);
    expect(sent >= 2, "the first event was not acknowledged")
}

async fn double_tap(stage: &Stage, customer: &Customer) -> Result<(), Error> {
    let (one, other) = tokio::join!(stage.buy(customer), stage.buy(customer));
    let (one, other) = (one?, other?);
    expect(one == other, "both taps give one order")?;
    stage.pay_and_see(one).await?;
    let orders = stage.orders_of(customer).await?;
    expect(orders.at("/orders/1").is_null(), "there is no second order")
}

async fn told_twice(stage: &Stage, customer: &Customer) -> Result<(), Error> {
    let no = stage.buy(customer).await?;
    stage.pay(no, Behaviour::Twice, Form::V3).await?;
    stage.becomes(no, "success").await?;
    acknowledged(stage, no, 2).await
}

async fn acknowledged(stage: &Stage, no: OrderNo, times: u32) -> Result<(), Error> {
    let is_so = async || {
        let trade = stage.stand_in.trade(no);
        Ok(trade.is_some_and(|trade| trade.acknowledged == times))
    };
    stage
        .until("the channel receives the acknowledgement", is_so)
        .await
}

async fn told_late(stage: &Stage, customer: &Customer) -> Result<(), Error> {
    let no = stage.buy(customer).await?;
    stage.pay(no, Behaviour::Late, Form::V3).await?;
    let refreshed = stage.client.get(&format!("/orders/{no}?refresh=1")).await?;
    expect(
        refreshed.at("/status") == "success",
        "a refresh shows the payment at once",
    )?;
    acknowledged(stage, no, 1).await
}

async fn told_early(stage: &Stage, customer: &Customer) -> Result<(), Error> {
    stage.stand_in.plan(&customer.openid, Plan::Early);
    let answer = stage.tap(customer).await?;
    expect(answer.is_done(), "the order is answered")?;
    expect(answer.at("/paid") == true, "the order is paid already")
}

async fn second_thoughts(stage: &Stage, customer: &Customer) -> Result<(), Error> {
    let no = stage.buy(customer).await?;
    stage.stand_in.cancel(no)?;
    let again = stage.buy(customer).await?;
    expect(again == no, "the tap returns the same order")?;
    stage.pay_and_see(no).await
}

async fn leaves(stage: &Stage, customer: &Customer) -> Result<(), Error> {
    let no = stage.buy(customer).await?;
    stage.stand_in.cancel(no)?;
    let path = format!("/orders/{no}/close");
    let closed = stage.client.post(&path, Value::Null).await?;
    expect(closed.is_done(), "the order is being closed")?;
    stage.becomes(no, "closed").await?;
    let late = stage.pay(no, Behaviour::Usual, Form::V3).await;
    expect(late.is_err(), "the closed order cannot be paid")
}

async fn fails_at_prepay(stage: &Stage, customer: &Customer, how: Fault) -> Result<(), Error> {
    stage.stand_in.plan(&customer.openid, Plan::Fails(how));
    let answer = stage.tap(customer).await?;
    expect(
        answer.status == 502,
        "the answer asks the customer to try again",
    )?;
    let kept = stage.orders_of(customer).await?;
    expect(
        kept.at("/orders/0/status") == "wait",
        "the store recorded the order before the channel request",
    )?;
    expect(
        kept.at("/orders/1").is_null(),
        "the customer has only one order",
    )?;
    stage.stand_in.forget_plan(&customer.openid);
    let no = stage.buy(customer).await?;
    expect(
        kept.at("/orders/0/outTradeNo") == no.as_str(),
        "the tap returns the same order",
    )?;
    stage.pay_and_see(no).await
}

async fn refunded(stage: &Stage, customer: &Customer) -> Result<(), Error> {
    let no = stage.buy(customer).await?;
    stage.pay_and_see(no).await?;
    let price = stage.order(no).await?.at("/totalFee").as_u64();
    let price = price.ok_or("the order has no amount")?;
    let path = format!("/orders/{no}/refund");
    for (part, amount) in [("A", price / 3), ("B", price - price / 3)] {
        let asked = json!({ "refundNo": format!("{no}{part}"), "amount": amount.max(1) });
        for _ in 0..2 {
            if amount > 0 {
                let answer = stage.client.post(&path, asked.clone()).await?;
                expect(answer.is_done(), "the refund is accepted")?;
            }
        }
    }
    let more = stage.client.post(&path, json!({ "amount": 1 })).await?;
    expect(
        more.status == 409,
        "a refund above the paid amount is rejected",
    )?;
    let all_back = async || {
        let order = stage.order(no).await?;
        let refunds = order.at("/refunds").as_array().cloned().unwrap_or_default();
        Ok(refunds
            .iter()
            .all(|refund| refund.get("status") == Some(&json!("success"))))
    };
    stage.until("all refunds have succeeded", all_back).await
}

/// Returns the channel's JSON of a payment with a chosen amount.
fn transaction(customer: &Customer, no: OrderNo, amount: u64) -> Result<Value, Error> {
    let shop = Shop::new()?;
    Ok(json!({
        "appid": shop.appid,
        "mchid": shop.mch_id,
        "out_trade_no": no,
        "transaction_id": format!("4299{}", &no.as_str().chars().take(24).collect::<String>()),
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "trade_state_desc": "SUCCESS",
        "bank_type": "OTHERS",
        "success_time": Clock::default().now().to_string(),
        "payer": { "openid": customer.openid },
        "amount": { "total": amount, "payer_total": amount, "currency": "CNY" },
    }))
}

/// A payment with a wrong amount is recorded but does not pay the order.
async fn wrong_amount(stage: &Stage, customer: &Customer) -> Result<(), Error> {
    let no = stage.buy(customer).await?;
    let json = transaction(customer, no, 999_999)?.to_string();
    let key = stage.stand_in.key();
    let now = Clock::default().now();
    let signed = key.notify(
        Subject::Transaction,
        "TRANSACTION.SUCCESS",
        json.into(),
        now,
    )?;
    let headers = signed.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let reply = stage
        .client
        .send("/notify/v3", &headers, signed.body.clone());
    expect(reply.await?.is_done(), "a recorded payment is acknowledged")?;
    let order = stage.order(no).await?;
    expect(
        order.at("/status") == "wait",
        "the mismatched payment does not pay the order",
    )?;
    expect(order.at("/anomalies/0/open") == true, "the anomaly is open")?;
    let path = format!(
        "/orders/{no}/anomalies/{}/resolve",
        order.at("/anomalies/0/id")
    );
    let decision = json!({ "how": "dismiss", "note": "no such payment at the channel" });
    let decided = stage.client.post(&path, decision).await?;
    expect(decided.is_done(), "the operator resolves the anomaly")?;
    stage.pay_and_see(no).await
}

async fn forged(stage: &Stage, customer: &Customer) -> Result<(), Error> {
    let no = stage.buy(customer).await?;
    let price = stage.order(no).await?.at("/totalFee").clone();
    let event = json!({
        "returnCode": "SUCCESS",
        "resultCode": "SUCCESS",
        "openid": customer.openid,
        "totalFee": price,
        "cashFee": price,
        "feeType": "CNY",
        "transactionId": "4200009999202401010000000001",
        "outTradeNo": no,
        "timeEnd": "20240101120000",
    });
    let reply = stage.client.post("/payCallBack", event).await?;
    expect(reply.at("/errcode") != 0, "the event is not acknowledged")?;
    let order = stage.order(no).await?;
    expect(order.at("/status") == "wait", "the order is still unpaid")?;
    expect(
        order.at("/transactionId").is_null(),
        "no transaction is claimed",
    )?;
    stage.pay_and_see(no).await
}

async fn reused(stage: &Stage, customer: &Customer) -> Result<(), Error> {
    let no = stage.buy(customer).await?;
    let other = json!({
        "appid": "wxother",
        "mchid": "1",
        "description": "something else",
        "out_trade_no": no,
        "time_expire": "2099-01-01T00:00:00+08:00",
        "notify_url": "http://127.0.0.1:1/notify/v3",
        "amount": { "total": 1, "currency": "CNY" },
        "payer": { "openid": customer.openid },
    });
    let channel = crate::client::Client::new(stage.stand_in.url());
    let refused = channel.post("/v3/pay/transactions/jsapi", other).await?;
    expect(
        refused.at("/code") == "OUT_TRADE_NO_USED",
        "the channel rejects the reused number",
    )?;
    stage.pay_and_see(no).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demo_has_a_hundred_customers() {
        assert_eq!(Scene::cast().count(), 100);
    }
}
