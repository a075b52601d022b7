//! A connection with handwritten SQL, and its commands.

use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::expect::expect;
use crate::place::connect;
use crate::rows::Bytes;
use crate::sample::Checked;
use crate::statements::{PLACES_NEW, PLACES_PAID, Statements};

/// An order to create and pay.
pub(crate) struct Order {
    pub(crate) no: String,
    pub(crate) row: i64,
    pub(crate) openid: String,
    pub(crate) fee: i64,
    pub(crate) at: i64,
    pub(crate) due: i64,
    pub(crate) transaction: String,
    pub(crate) paid_at: i64,
}

impl Order {
    /// Returns bytes that distinguish one change from another.
    fn change(&self) -> &[u8] {
        self.no
            .as_bytes()
            .last_chunk::<16>()
            .map_or(&[], |last| last)
    }
}

pub(crate) struct Connected {
    client: Client,
    statements: Statements,
}

impl Connected {
    pub(crate) async fn new(url: &str) -> Checked<Self> {
        let client = connect(url).await?;
        Ok(Self {
            statements: Statements::prepare(&client).await?,
            client,
        })
    }

    pub(crate) async fn create(&self, order: &Order, new: &Bytes) -> Checked<()> {
        let Order {
            no,
            row,
            openid,
            fee,
            at,
            due,
            ..
        } = order;
        let (record, change, event) = (&new.record, order.change(), &new.event);
        let create = &self.statements.create;
        let values: [&(dyn ToSql + Sync); 9] =
            [no, row, openid, fee, at, due, record, &change, event];
        expect(&self.client.execute(create, &values).await?, &PLACES_NEW)
    }

    pub(crate) async fn pay(&self, order: &Order, paid: &Bytes) -> Checked<()> {
        let Order {
            no,
            transaction,
            fee,
            at,
            paid_at,
            due,
            ..
        } = order;
        let (record, change, event) = (&paid.record, order.change(), &paid.event);
        let pay = &self.statements.pay;
        let values: [&(dyn ToSql + Sync); 9] = [
            no,
            transaction,
            fee,
            at,
            paid_at,
            due,
            record,
            &change,
            event,
        ];
        expect(&self.client.execute(pay, &values).await?, &PLACES_PAID)
    }

    /// Checks that the payment fits the order.
    pub(crate) async fn look(&self, order: &Order, new: &Bytes) -> Checked<()> {
        let look = &self.statements.look;
        let row = self
            .client
            .query_one(look, &[&order.no, &order.transaction])
            .await?;
        let stands = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        expect(&stands, &(1_i64, 0_i16, order.fee))?;
        let record: &[u8] = row.try_get(3)?;
        expect(&record, &new.record.as_slice())?;
        expect(&row.try_get(4)?, &false)
    }

    /// Creates an order in one round trip. If one statement fails, all of them do.
    pub(crate) async fn create_in_a_pipeline(&self, order: &Order, new: &Bytes) -> Checked<()> {
        let Order {
            no,
            row,
            openid,
            fee,
            at,
            due,
            ..
        } = order;
        let (record, change, event) = (&new.record, order.change(), &new.event);
        let (client, all) = (&self.client, &self.statements);
        let made: [&(dyn ToSql + Sync); 6] = [no, row, openid, fee, at, record];
        let told: [&(dyn ToSql + Sync); 4] = [no, &1_i64, &change, event];
        let placed: [&(dyn ToSql + Sync); 5] = [no, row, openid, at, due];
        let (begun, made, told, placed, done) = tokio::join!(
            client.batch_execute("BEGIN"),
            client.execute(&all.create_order, &made),
            client.execute(&all.event, &told),
            client.execute(&all.places_of_new, &placed),
            client.batch_execute("COMMIT"),
        );
        begun?;
        expect(&[made?, told?, placed?], &[1, 1, PLACES_NEW])?;
        Ok(done?)
    }

    /// Pays an order in two round trips: the other statements are sent only if the order was
    /// unpaid.
    pub(crate) async fn pay_in_a_pipeline(&self, order: &Order, paid: &Bytes) -> Checked<()> {
        let Order {
            no,
            transaction,
            fee,
            at,
            paid_at,
            due,
            ..
        } = order;
        let (record, change, event) = (&paid.record, order.change(), &paid.event);
        let (client, all) = (&self.client, &self.statements);
        let values: [&(dyn ToSql + Sync); 4] = [no, fee, at, record];
        let (begun, moved) = tokio::join!(
            client.batch_execute("BEGIN"),
            client.query_one(&all.pay_order, &values),
        );
        begun?;
        let moved = moved?;
        let (row, created): (i64, i64) = (moved.try_get(0)?, moved.try_get(1)?);
        let told: [&(dyn ToSql + Sync); 4] = [no, &2_i64, &change, event];
        let taken: [&(dyn ToSql + Sync); 2] = [no, transaction];
        let pending: [&(dyn ToSql + Sync); 3] = [&"status 0", &created, &row];
        let awaited: [&(dyn ToSql + Sync); 3] = [&"due", due, &row];
        let placed: [&(dyn ToSql + Sync); 4] = [no, &row, transaction, paid_at];
        let (told, taken, pending, awaited, placed, done) = tokio::join!(
            client.execute(&all.event, &told),
            client.execute(&all.key, &taken),
            client.execute(&all.leave, &pending),
            client.execute(&all.leave, &awaited),
            client.execute(&all.places_of_paid, &placed),
            client.batch_execute("COMMIT"),
        );
        let rows = [told?, taken?, pending?, awaited?, placed?];
        expect(&rows, &[1, 1, 1, 1, PLACES_PAID])?;
        Ok(done?)
    }

    /// Creates an order one statement at a time.
    pub(crate) async fn create_plainly(&self, order: &Order, new: &Bytes) -> Checked<()> {
        let Order {
            no,
            row,
            openid,
            fee,
            at,
            due,
            ..
        } = order;
        let (client, all) = (&self.client, &self.statements);
        client.batch_execute("BEGIN").await?;
        let made: [&(dyn ToSql + Sync); 6] = [no, row, openid, fee, at, &new.record];
        let made = client.execute(&all.create_order, &made).await?;
        let told: [&(dyn ToSql + Sync); 4] = [no, &1_i64, &order.change(), &new.event];
        let told = client.execute(&all.event, &told).await?;
        let placed: [&(dyn ToSql + Sync); 5] = [no, row, openid, at, due];
        let placed = client.execute(&all.places_of_new, &placed).await?;
        expect(&[made, told, placed], &[1, 1, PLACES_NEW])?;
        Ok(client.batch_execute("COMMIT").await?)
    }

    /// Pays an order one statement at a time, after reading the order and the owner of the
    /// transaction.
    pub(crate) async fn pay_plainly(
        &self,
        order: &Order,
        new: &Bytes,
        paid: &Bytes,
    ) -> Checked<()> {
        let Order {
            no,
            transaction,
            fee,
            at,
            paid_at,
            due,
            ..
        } = order;
        let (client, all) = (&self.client, &self.statements);
        client.batch_execute("BEGIN").await?;
        self.look(order, new).await?;
        let values: [&(dyn ToSql + Sync); 4] = [no, fee, at, &paid.record];
        let moved = client.query_one(&all.pay_order, &values).await?;
        let (row, created): (i64, i64) = (moved.try_get(0)?, moved.try_get(1)?);
        let told: [&(dyn ToSql + Sync); 4] = [no, &2_i64, &order.change(), &paid.event];
        let told = client.execute(&all.event, &told).await?;
        let taken = client.execute(&all.key, &[no, transaction]).await?;
        let pending: [&(dyn ToSql + Sync); 3] = [&"status 0", &created, &row];
        let pending = client.execute(&all.leave, &pending).await?;
        let awaited: [&(dyn ToSql + Sync); 3] = [&"due", due, &row];
        let awaited = client.execute(&all.leave, &awaited).await?;
        let placed: [&(dyn ToSql + Sync); 4] = [no, &row, transaction, paid_at];
        let placed = client.execute(&all.places_of_paid, &placed).await?;
        let rows = [told, taken, pending, awaited, placed];
        expect(&rows, &[1, 1, 1, 1, PLACES_PAID])?;
        Ok(client.batch_execute("COMMIT").await?)
    }
}
