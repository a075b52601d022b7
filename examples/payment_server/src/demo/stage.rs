//! Server, stand-in and customers of the scenes.

use std::time::Duration;

use orderstore::OrderNo;

use crate::client::{Answer, Client};
use crate::server::{Error, Server};
use crate::stand_in::{Behaviour, Form, StandIn};

/// Time limit for each step of a scene.
const PATIENCE: Duration = Duration::from_secs(30);

const AGAIN_AFTER: Duration = Duration::from_millis(20);

pub(super) struct Stage {
    pub(super) client: Client,
    pub(super) stand_in: StandIn,
}

/// A customer and the item to buy.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) openid: String,
    pub(super) reference: String,
    pub(super) sku: &'static str,
}

impl Customer {
    /// Returns an endless sequence of customers.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let skus = crate::shop::GOODS.iter().map(|goods| goods.sku).cycle();
        skus.zip(1_u32..).map(|(sku, n)| Self {
            openid: format!("oDemoCustomer{n:015}"),
            reference: format!("cart-{n}"),
            sku,
        })
    }
}

/// Fails the scene if the condition does not hold.
pub(super) fn expect(holds: bool, what: &str) -> Result<(), Error> {
    if holds {
        return Ok(());
    }
    Err(format!("expected: {what}").into())
}

impl Stage {
    pub(super) fn of(server: &Server) -> Result<Self, Error> {
        let stand_in = server.stand_in().cloned();
        Ok(Self {
            client: Client::new(server.url()),
            stand_in: stand_in.ok_or("the demonstration needs the stand-in")?,
        })
    }

    /// Sends the request of the "buy" button and returns the answer.
    pub(super) async fn tap(&self, customer: &Customer) -> Result<Answer, Error> {
        let Customer {
            openid,
            reference,
            sku,
        } = customer;
        Ok(self.client.buy(openid, sku, reference).await?)
    }

    /// Sends the request of the "buy" button and returns the number of an order that can be paid.
    pub(super) async fn buy(&self, customer: &Customer) -> Result<OrderNo, Error> {
        let answer = self.tap(customer).await?;
        expect(answer.is_done(), "the order can be paid")?;
        expect(answer.at("/payment").is_object(), "the answer has a prepay")?;
        Ok(answer.order_no().ok_or("the answer has no order number")?)
    }

    /// Pays, as the user does by entering the password.
    pub(super) async fn pay(
        &self,
        no: OrderNo,
        behaviour: Behaviour,
        form: Form,
    ) -> Result<(), Error> {
        Ok(self.stand_in.pay(no, behaviour, form).await?)
    }

    /// Pays, with the usual notification, and waits until the order is paid.
    pub(super) async fn pay_and_see(&self, no: OrderNo) -> Result<(), Error> {
        self.pay(no, Behaviour::Usual, Form::V3).await?;
        self.becomes(no, "success").await
    }

    pub(super) async fn order(&self, no: OrderNo) -> Result<Answer, Error> {
        Ok(self.client.get(&format!("/orders/{no}")).await?)
    }

    /// Returns the orders of a customer.
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

    /// Waits until the condition is true. Fails after `PATIENCE`.
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
        waited.unwrap_or_else(|_| Err(format!("timed out before this happened: {what}").into()))
    }
}
