//! Where the scenes are played, and by whom.

use std::time::Duration;

use orderstore::OrderNo;

use crate::client::{Answer, Client};
use crate::server::{Error, Server};
use crate::stand_in::{Behaviour, Form, StandIn};

/// Nothing of a scene takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

const AGAIN_AFTER: Duration = Duration::from_millis(20);

pub(super) struct Stage {
    pub(super) client: Client,
    pub(super) stand_in: StandIn,
}

/// Who buys what.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) openid: String,
    pub(super) reference: String,
    pub(super) sku: &'static str,
}

impl Customer {
    /// One after the other, without end.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let skus = crate::shop::GOODS.iter().map(|goods| goods.sku).cycle();
        skus.zip(1_u32..).map(|(sku, n)| Self {
            openid: format!("oDemoCustomer{n:015}"),
            reference: format!("cart-{n}"),
            sku,
        })
    }
}

/// Fails the scene, saying what should have been.
pub(super) fn expect(holds: bool, what: &str) -> Result<(), Error> {
    if holds {
        return Ok(());
    }
    Err(format!("not so: {what}").into())
}

impl Stage {
    pub(super) fn of(server: &Server) -> Result<Self, Error> {
        let stand_in = server.stand_in().cloned();
        Ok(Self {
            client: Client::new(server.url()),
            stand_in: stand_in.ok_or("a real channel is no stage")?,
        })
    }

    /// Taps "buy", whatever comes of it.
    pub(super) async fn tap(&self, customer: &Customer) -> Result<Answer, Error> {
        let Customer {
            openid,
            reference,
            sku,
        } = customer;
        Ok(self.client.buy(openid, sku, reference).await?)
    }

    /// Taps "buy", and gets an order that can be paid.
    pub(super) async fn buy(&self, customer: &Customer) -> Result<OrderNo, Error> {
        let answer = self.tap(customer).await?;
        expect(answer.is_done(), "the order can be paid")?;
        expect(answer.at("/payment").is_object(), "there is a way to pay")?;
        Ok(answer.order_no().ok_or("an order has a number")?)
    }

    /// Enters the password.
    pub(super) async fn pay(
        &self,
        no: OrderNo,
        behaviour: Behaviour,
        form: Form,
    ) -> Result<(), Error> {
        Ok(self.stand_in.pay(no, behaviour, form).await?)
    }

    /// Pays, is told of as usual, and waits until the order says so.
    pub(super) async fn pay_and_see(&self, no: OrderNo) -> Result<(), Error> {
        self.pay(no, Behaviour::Usual, Form::V3).await?;
        self.becomes(no, "success").await
    }

    pub(super) async fn order(&self, no: OrderNo) -> Result<Answer, Error> {
        Ok(self.client.get(&format!("/orders/{no}")).await?)
    }

    /// The orders of a customer.
    pub(super) async fn orders_of(&self, customer: &Customer) -> Result<Answer, Error> {
        let path = format!("/orders?openid={}", customer.openid);
        Ok(self.client.get(&path).await?)
    }

    /// Waits until the order has this status.
    pub(super) async fn becomes(&self, no: OrderNo, status: &str) -> Result<(), Error> {
        let what = format!("order {no} becomes {status}");
        let is_so = async || Ok(self.order(no).await?.at("/status") == status);
        self.until(&what, is_so).await
    }

    /// Waits until it is so.
    pub(super) async fn until(
        &self,
        what: &str,
        is_so: impl AsyncFn() -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let waiting = async {
            while !is_so().await? {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            Ok(())
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| Err(format!("not so in time: {what}").into()))
    }
}
