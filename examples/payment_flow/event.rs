//! The callback event as a WeChat cloud container receives it. The example also addresses it to
//! other orders.

use std::path::Path;

use orderstore::wechat::CloudEvent;
use orderstore::{AppId, Confirmed, Fen, MchId, NewOrder, OpenId, OrderNo, Reply, Store};
use serde_json::{Map, Value};

use crate::Result;

/// A real event, from WeChat's documentation.
const SAMPLE: &[u8] = include_bytes!("../data/cloud_event.json");

/// Payment event that can be copied for another order.
#[derive(Clone)]
pub(crate) struct Event {
    json: Map<String, Value>,
}

impl Event {
    pub(crate) fn read(file: Option<&Path>) -> Result<Self> {
        let json = match file {
            None => serde_json::from_slice(SAMPLE)?,
            Some(file) => serde_json::from_slice(&std::fs::read(file)?)?,
        };
        Ok(Self { json })
    }

    /// Returns a copy of the event for another order: with that order's number, and with a
    /// transaction ID derived from it.
    pub(crate) fn addressed_to(&self, no: OrderNo) -> Self {
        let tail: String = no.as_str().chars().skip(8).collect();
        let mut json = self.json.clone();
        json.insert("outTradeNo".to_owned(), no.as_str().into());
        json.insert("transactionId".to_owned(), format!("4200{tail}").into());
        Self { json }
    }

    pub(crate) fn with_one_fen_more(&self) -> Result<Self> {
        let mut json = self.json.clone();
        let more = self.total_fee()?.as_u64() + 1;
        json.insert("totalFee".to_owned(), more.into());
        Ok(Self { json })
    }

    pub(crate) fn no(&self) -> Result<OrderNo> {
        Ok(OrderNo::parse(self.text("outTradeNo")?)?)
    }

    /// Returns the payer's OpenID: `subOpenid` if present, otherwise `openid`.
    pub(crate) fn openid(&self) -> Result<OpenId> {
        Ok(OpenId::parse(self.either("subOpenid", "openid")?)?)
    }

    /// Returns the new order that this event pays. The amount comes from the event, because this
    /// example has no price list. A real server takes the amount from its own price list.
    pub(crate) fn new_order(&self) -> Result<NewOrder> {
        let appid = AppId::parse(self.either("subAppid", "appid")?)?;
        let mch_id = MchId::parse(self.either("subMchId", "mchId")?)?;
        let new = NewOrder::new(appid, self.total_fee()?)?;
        Ok(new.openid(self.openid()?).mch_id(mch_id))
    }

    /// Confirms the payment, like the callback's handler.
    ///
    /// The event arrives over HTTP without a signature. A server therefore queries the channel
    /// before it confirms. In this example the file takes the place of the channel.
    pub(crate) fn confirm(&self, store: &Store, no: OrderNo) -> Result<Reply<Confirmed>> {
        let event = CloudEvent::from_json(&serde_json::to_vec(&self.json)?)?;
        let (paid, payment) = event.into_payment().ok_or("the event carries no payment")?;
        if paid != no {
            return Err(format!("the event pays {paid}, not {no}").into());
        }
        Ok(store.confirm(no, payment).wait()?)
    }

    fn total_fee(&self) -> Result<Fen> {
        let fee = self.json.get("totalFee").and_then(Value::as_u64);
        Ok(Fen::new(fee.ok_or("the event has no totalFee")?)?)
    }

    fn either(&self, first: &str, second: &str) -> Result<&str> {
        self.text(first).or_else(|_| self.text(second))
    }

    fn text(&self, field: &str) -> Result<&str> {
        let text = self.json.get(field).and_then(Value::as_str);
        let text = text.filter(|text| !text.is_empty());
        text.ok_or_else(|| format!("the event has no {field}").into())
    }
}
