//! Checks what each side has written: the same rows for each order, and as many bytes.

use orderstore::{Confirmed, Created, Store};

use crate::expect::expect;
use crate::figures::float;
use crate::lifecycle::USERS;
use crate::place::Schema;
use crate::sample::{Checked, Sample};

/// Allowed relative difference in bytes, because amounts and times differ in length.
const LEEWAY: f64 = 0.03;

/// Seed that no caller uses.
const SEED: u64 = u64::MAX;

/// Bytes that the store writes for an order after each of its two commands. The handwritten side
/// writes the same bytes for every order.
pub(crate) struct Pattern {
    pub(crate) new: Bytes,
    pub(crate) paid: Bytes,
    /// Delay in milliseconds after which a new order is due.
    pub(crate) due_after: i64,
}

pub(crate) struct Bytes {
    pub(crate) record: Vec<u8>,
    pub(crate) event: Vec<u8>,
}

impl Pattern {
    /// Lets the store create and pay an order, and reads what it wrote.
    pub(crate) fn draw(store: &Store, ours: &Schema<'_>) -> Checked<Self> {
        let mut sample = Sample::new(SEED, USERS)?;
        let new = sample.order()?;
        let payment = sample.payment(new.total_fee())?;
        let no = store.next_order_no().wait()?;
        let made = store.create(no, new).wait()?;
        expect(&made.outcome, &Created::Created)?;
        let new = Bytes::of(ours)?;
        let due = "SELECT ('x' || encode(substr(e.place, 1, 8), 'hex'))::bit(64)::bigint \
                       - o.created_ms FROM orderstore_entries e \
                   JOIN orderstore_orders o USING (out_trade_no) WHERE e.list = 'due'";
        let due_after = ours.row(due)?.try_get(0)?;
        let paid = store.confirm(no, payment).wait()?;
        expect(&paid.outcome, &Confirmed::Applied)?;
        let paid = Bytes::of(ours)?;
        Ok(Self {
            new,
            paid,
            due_after,
        })
    }
}

impl Bytes {
    /// Reads the bytes of the only order and of its last event.
    fn of(schema: &Schema<'_>) -> Checked<Self> {
        let last = "SELECT record, event FROM orderstore_orders \
                    JOIN orderstore_events USING (out_trade_no, version)";
        let row = schema.row(last)?;
        Ok(Self {
            record: row.try_get(0)?,
            event: row.try_get(1)?,
        })
    }
}

/// Contents of the tables of one side.
#[derive(Debug)]
pub(crate) struct Counted {
    orders: i64,
    paid: i64,
    /// For each order: events, keys, and entries in each kind of list.
    each: String,
    bytes: i64,
}

const COUNT: &str = "
WITH o AS (
    SELECT count(*) AS n, count(*) FILTER (WHERE status = 1 AND version = 2) AS paid,
        coalesce(sum(length(record)), 0) AS bytes FROM orderstore_orders),
e AS (
    SELECT count(*) AS n, coalesce(sum(length(event) + length(change_id)), 0) AS bytes
        FROM orderstore_events),
k AS (SELECT count(*) AS n, coalesce(sum(length(key)), 0) AS bytes FROM orderstore_keys),
kinds AS (
    SELECT CASE WHEN list LIKE 'status %' THEN list ELSE split_part(list, ' ', 1) END AS kind,
        count(*) AS n, sum(length(list)) AS bytes FROM orderstore_entries GROUP BY 1),
l AS (
    SELECT string_agg(kind || ' ' || kinds.n::float8 / greatest(o.n, 1), ', ' ORDER BY kind)
        AS each, coalesce(sum(kinds.bytes), 0) AS bytes FROM kinds, o)
SELECT o.n, o.paid, concat_ws(', ', 'events ' || e.n::float8 / greatest(o.n, 1),
        'keys ' || k.n::float8 / greatest(o.n, 1), l.each),
    (o.bytes + e.bytes + k.bytes + l.bytes)::bigint
FROM o, e, k, l";

impl Counted {
    pub(crate) fn of(schema: &Schema<'_>) -> Checked<Self> {
        let row = schema.row(COUNT)?;
        Ok(Self {
            orders: row.try_get(0)?,
            paid: row.try_get(1)?,
            each: row.try_get(2)?,
            bytes: row.try_get(3)?,
        })
    }

    /// Checks that there are exactly this many orders, all paid.
    pub(crate) fn are(&self, orders: u64) -> Checked<()> {
        let orders = i64::try_from(orders)?;
        expect(&[self.orders, self.paid], &[orders, orders])
    }

    /// Checks that the other side has the same rows for each order.
    pub(crate) fn are_like(&self, other: &Self) -> Checked<()> {
        expect(&self.each, &other.each)?;
        let (own, others) = (self.bytes_each()?, other.bytes_each()?);
        if (own - others).abs() > LEEWAY * others {
            return Err(format!(
                "{own:.1} bytes for each order on one side, {others:.1} on the other"
            )
            .into());
        }
        Ok(())
    }

    /// Returns the bytes of records, events, keys and list names for each order.
    fn bytes_each(&self) -> Checked<f64> {
        let float = |count: i64| u64::try_from(count).map(float);
        Ok(float(self.bytes)? / float(self.orders)?)
    }
}
