//! The workload on any ordered key-value store: the same reads and writes for each of them.

use std::sync::atomic::{AtomicU64, Ordering};

use orderstore::OrderNo;

use crate::rows::{self, Order};
use crate::sample::Checked;
use crate::system::{Reply, Rows, Seen};
use crate::work::{Command, Confirm, Create};

/// The five tables.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Table {
    Orders,
    Openids,
    Statuses,
    Transactions,
    Events,
}

impl Table {
    /// Names in the order of the variants.
    pub(crate) const NAMES: [&str; 5] = ["orders", "openids", "statuses", "transactions", "events"];

    /// Returns the one of five values that belongs to this table.
    pub(crate) fn pick<T>(self, all: [T; 5]) -> T {
        let [orders, openids, statuses, transactions, events] = all;
        match self {
            Self::Orders => orders,
            Self::Openids => openids,
            Self::Statuses => statuses,
            Self::Transactions => transactions,
            Self::Events => events,
        }
    }
}

/// Number of rows of each table, in the order of [`Table::NAMES`].
pub(crate) fn rows([orders, openids, statuses, transactions, events]: [u64; 5]) -> Rows {
    Rows {
        orders,
        openids,
        statuses,
        transactions,
        events,
    }
}

/// A write transaction.
pub(crate) trait Change {
    /// Passes the value of a key to a closure. No other transaction changes this value until this
    /// one ends.
    fn read<T>(
        &mut self,
        table: Table,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> T,
    ) -> Checked<Option<T>>;
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Checked<()>;
    fn delete(&mut self, table: Table, key: &[u8]) -> Checked<()>;
}

/// A read transaction.
pub(crate) trait View {
    fn read<T>(
        &self,
        table: Table,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> T,
    ) -> Checked<Option<T>>;

    /// Returns the order numbers that end the first `limit` keys with this prefix.
    fn numbers(&self, table: Table, prefix: &[u8], limit: usize) -> Checked<Vec<OrderNo>>;
}

/// Sequence number of the next event.
#[derive(Debug, Default)]
pub(crate) struct Sequence(AtomicU64);

impl Sequence {
    fn next(&self) -> [u8; 8] {
        self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes()
    }
}

/// Applies the commands one after the other. Each is decided before its first write, so a refused
/// command leaves nothing in the transaction.
pub(crate) fn apply(
    change: &mut impl Change,
    sequence: &Sequence,
    commands: &[Command],
) -> Checked<Vec<Reply>> {
    let mut replies = Vec::with_capacity(commands.len());
    for command in commands {
        let reply = match command {
            Command::Create(create) => make(change, create)?,
            Command::Confirm(confirm) => pay(change, confirm)?,
        };
        if reply == Reply::Done {
            change.put(Table::Events, &sequence.next(), &rows::event(command))?;
        }
        replies.push(reply);
    }
    Ok(replies)
}

fn make(change: &mut impl Change, create: &Create) -> Checked<Reply> {
    let no = &create.no;
    if change.read(Table::Orders, no.as_bytes(), |_| ())?.is_some() {
        return Ok(Reply::Refused);
    }
    let order = Order::of(create)?;
    change.put(Table::Orders, no.as_bytes(), &order.encode())?;
    change.put(Table::Openids, &rows::openid_key(&order, no), &[])?;
    change.put(Table::Statuses, &rows::status_key(&order, no), &[])?;
    Ok(Reply::Done)
}

fn pay(change: &mut impl Change, confirm: &Confirm) -> Checked<Reply> {
    let (no, transaction) = (&confirm.no, confirm.transaction().as_bytes());
    let order = change.read(Table::Orders, no.as_bytes(), Order::decode)?;
    let is_taken = change.read(Table::Transactions, transaction, |_| ())?;
    let Some(mut order) = order.flatten().filter(|order| order.can_take(confirm)) else {
        return Ok(Reply::Refused);
    };
    if is_taken.is_some() {
        return Ok(Reply::Refused);
    }
    change.delete(Table::Statuses, &rows::status_key(&order, no))?;
    order.pay(confirm)?;
    change.put(Table::Statuses, &rows::status_key(&order, no), &[])?;
    change.put(Table::Orders, no.as_bytes(), &order.encode())?;
    change.put(Table::Transactions, transaction, no.as_bytes())?;
    Ok(Reply::Done)
}

/// Reads an order completely.
pub(crate) fn get(view: &impl View, no: &OrderNo) -> Checked<Option<Seen>> {
    let order = view.read(Table::Orders, no.as_bytes(), Order::decode)?;
    Ok(order.flatten().map(|order| order.seen(no)))
}

/// Reads a page of a user's orders completely and returns their number.
pub(crate) fn page(view: &impl View, openid: &str, limit: usize) -> Checked<usize> {
    let mut count = 0;
    for no in view.numbers(Table::Openids, openid.as_bytes(), limit)? {
        let order = view.read(Table::Orders, no.as_bytes(), Order::decode)?;
        let order = order.flatten().ok_or("an index entry has no order")?;
        count += usize::from(order.openid == openid.as_bytes());
    }
    Ok(count)
}
