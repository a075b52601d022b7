//! Statements of the handwritten side.
//!
//! - They are written for this work only and therefore use more knowledge than the store's. For
//!   example, an order's second version is always its payment, which fixes the list entries that
//!   change.
//! - They reject an order number that exists. They reject a payment whose amount differs, whose
//!   order is not pending, or whose transaction is used. A duplicate key fails the commit.

use clap::ValueEnum;
use serde::Serialize;
use tokio_postgres::{Client, Statement};

use crate::sample::Checked;

/// Kind of handwritten SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// One statement without a read before it; its conditions check that the command fits.
    Statement,
    /// One statement, but a payment first reads the order and the owner of its transaction.
    Reading,
    /// One statement for each table, in a transaction; independent statements are sent without
    /// waiting.
    Pipelined,
    /// One statement for each table, in a transaction. Each statement waits for the reply to the
    /// one before. The command that pays an order first reads the order and the owner of its
    /// transaction number.
    Plain,
}

/// Parameters: number, row, openid, fee, creation time, due time, record, change and event.
/// The last part of the statement inserts [`PLACES_NEW`] rows.
const CREATE: &str = "
WITH born AS (
    INSERT INTO orderstore_orders (out_trade_no, row, version, status, openid, total_fee,
        created_ms, updated_ms, unclaimed, open_anomalies, record)
    VALUES ($1, $2, 1, 0, $3, $4, $5, $5, 0, 0, $7)
    ON CONFLICT DO NOTHING RETURNING out_trade_no),
told AS (
    INSERT INTO orderstore_events (out_trade_no, version, change_id, event)
    SELECT out_trade_no, 1, $8, $9 FROM born)
INSERT INTO orderstore_entries (list, place, out_trade_no)
SELECT n.list, int8send(n.time_ms) || int8send($2) || int4send(0), out_trade_no FROM born,
    (VALUES ('all', $5), ('user ' || $3, $5), ('status 0', $5), ('due', $6))
        AS n(list, time_ms)";

/// Parameters: number, transaction, fee, now, payment time, due time, record, change and
/// event. The last part of the statement inserts [`PLACES_PAID`] rows.
const PAY: &str = "
WITH paid AS (
    UPDATE orderstore_orders SET version = 2, status = 1, updated_ms = $4, record = $7
    WHERE out_trade_no = $1 AND version = 1 AND status = 0 AND total_fee = $3
    RETURNING out_trade_no, row, created_ms),
told AS (
    INSERT INTO orderstore_events (out_trade_no, version, change_id, event)
    SELECT out_trade_no, 2, $8, $9 FROM paid),
taken AS (
    INSERT INTO orderstore_keys (key, out_trade_no)
    SELECT 'transaction wechat ' || $2, out_trade_no FROM paid),
pending AS (
    DELETE FROM orderstore_entries e USING paid
    WHERE e.list = 'status 0'
        AND e.place = int8send(paid.created_ms) || int8send(paid.row) || int4send(0)),
due AS (
    DELETE FROM orderstore_entries e USING paid
    WHERE e.list = 'due' AND e.place = int8send($6) || int8send(paid.row) || int4send(0))
INSERT INTO orderstore_entries (list, place, out_trade_no)
SELECT n.list, int8send(n.time_ms) || int8send(paid.row) || int4send(0), out_trade_no FROM paid,
    (VALUES ('status 1', $5), ('transaction wechat ' || $2, 253402300799999))
        AS n(list, time_ms)";

/// Parameters: number and transaction.
const LOOK: &str = "
SELECT version, status, total_fee, record,
    EXISTS (SELECT FROM orderstore_keys WHERE key = 'transaction wechat ' || $2)
FROM orderstore_orders WHERE out_trade_no = $1";

/// Statements for one table each. If [`PAY_ORDER`] changes no order, the payment is rejected and
/// the statements that follow it are not sent.
const CREATE_ORDER: &str = "
INSERT INTO orderstore_orders (out_trade_no, row, version, status, openid, total_fee,
    created_ms, updated_ms, unclaimed, open_anomalies, record)
VALUES ($1, $2, 1, 0, $3, $4, $5, $5, 0, 0, $6)";
const PAY_ORDER: &str = "
UPDATE orderstore_orders SET version = 2, status = 1, updated_ms = $3, record = $4
WHERE out_trade_no = $1 AND version = 1 AND status = 0 AND total_fee = $2
RETURNING row, created_ms";
const EVENT: &str = "
INSERT INTO orderstore_events (out_trade_no, version, change_id, event)
VALUES ($1, $2, $3, $4)";
const KEY: &str = "
INSERT INTO orderstore_keys (key, out_trade_no) VALUES ('transaction wechat ' || $2, $1)";
const PLACES_OF_NEW: &str = "
INSERT INTO orderstore_entries (list, place, out_trade_no)
SELECT n.list, int8send(n.time_ms) || int8send($2) || int4send(0), $1
FROM (VALUES ('all', $4::bigint), ('user ' || $3, $4), ('status 0', $4), ('due', $5::bigint))
    AS n(list, time_ms)";
const PLACES_OF_PAID: &str = "
INSERT INTO orderstore_entries (list, place, out_trade_no)
SELECT n.list, int8send(n.time_ms) || int8send($2) || int4send(0), $1
FROM (VALUES ('status 1', $4), ('transaction wechat ' || $3, 253402300799999))
    AS n(list, time_ms)";
const LEAVE: &str = "
DELETE FROM orderstore_entries
WHERE list = $1 AND place = int8send($2) || int8send($3) || int4send(0)";

/// Number of list entries that a new order adds.
pub(crate) const PLACES_NEW: u64 = 4;

/// Number of list entries that a payment adds.
pub(crate) const PLACES_PAID: u64 = 2;

/// All statements, prepared on one connection.
pub(crate) struct Statements {
    pub(crate) create: Statement,
    pub(crate) pay: Statement,
    pub(crate) look: Statement,
    pub(crate) create_order: Statement,
    pub(crate) pay_order: Statement,
    pub(crate) event: Statement,
    pub(crate) key: Statement,
    pub(crate) places_of_new: Statement,
    pub(crate) places_of_paid: Statement,
    pub(crate) leave: Statement,
}

impl Statements {
    pub(crate) async fn prepare(client: &Client) -> Checked<Self> {
        Ok(Self {
            create: client.prepare(CREATE).await?,
            pay: client.prepare(PAY).await?,
            look: client.prepare(LOOK).await?,
            create_order: client.prepare(CREATE_ORDER).await?,
            pay_order: client.prepare(PAY_ORDER).await?,
            event: client.prepare(EVENT).await?,
            key: client.prepare(KEY).await?,
            places_of_new: client.prepare(PLACES_OF_NEW).await?,
            places_of_paid: client.prepare(PLACES_OF_PAID).await?,
            leave: client.prepare(LEAVE).await?,
        })
    }
}
