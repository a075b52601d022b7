//! Conversion of orders, refunds, anomalies and events to columns and cells.

mod anomaly;
mod event;
mod order;
mod refund;

pub(crate) use self::anomaly::{
    ANOMALIES, anomaly_cells, anomaly_detail, anomaly_word, money_cells, reopened,
};
pub(crate) use self::event::{EVENTS, event_cells, fed_cells};
pub(crate) use self::order::{FIELDS, ORDERS, action, field_cells, order_cells, order_json};
pub(crate) use self::refund::{REFUNDS, refund_cells};
