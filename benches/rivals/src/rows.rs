//! Rows for key-value stores: an order, an event, and the keys of the three indexes. Fields have
//! fixed widths, big-endian, without a checksum, so that encoding slows no system down.

use orderstore::OrderNo;

use crate::sample::{APPID, Checked, DESCRIPTION};
use crate::system::Seen;
use crate::work::{Command, Confirm, Create};

/// Status code of an unpaid order.
pub(crate) const PENDING: u8 = 0;
/// Status code of a paid order.
pub(crate) const SUCCESS: u8 = 1;

/// Codes of the events.
const CREATED: u8 = 1;
const PAID: u8 = 2;

/// An order, stored under its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) openid: [u8; 28],
    pub(crate) appid: [u8; 18],
    pub(crate) fee: u64,
    pub(crate) status: u8,
    pub(crate) version: u32,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) expires: u64,
    /// Time at which the order got its present status, in milliseconds.
    pub(crate) since: u64,
    /// All zero until the order is paid.
    pub(crate) transaction: [u8; 28],
    pub(crate) description: String,
}

impl Order {
    pub(crate) fn of(create: &Create) -> Checked<Self> {
        Ok(Self {
            openid: create.openid.as_str().as_bytes().try_into()?,
            appid: APPID.as_bytes().try_into()?,
            fee: create.fee.as_u64(),
            status: PENDING,
            version: 1,
            created: create.at,
            updated: create.at,
            expires: create.expires(),
            since: create.at,
            transaction: [0; 28],
            description: DESCRIPTION.to_owned(),
        })
    }

    /// Returns whether a payment fits the order.
    pub(crate) const fn can_take(&self, confirm: &Confirm) -> bool {
        self.status == PENDING && self.fee == confirm.fee()
    }

    /// Marks the order as paid.
    pub(crate) fn pay(&mut self, confirm: &Confirm) -> Checked<()> {
        self.status = SUCCESS;
        self.version += 1;
        self.updated = confirm.at;
        self.since = confirm.paid_at();
        self.transaction = confirm.transaction().as_bytes().try_into()?;
        Ok(())
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160);
        bytes.extend_from_slice(&self.openid);
        bytes.extend_from_slice(&self.appid);
        bytes.extend_from_slice(&self.fee.to_be_bytes());
        bytes.push(self.status);
        bytes.extend_from_slice(&self.version.to_be_bytes());
        for time in [self.created, self.updated, self.expires, self.since] {
            bytes.extend_from_slice(&time.to_be_bytes());
        }
        bytes.extend_from_slice(&self.transaction);
        bytes.extend_from_slice(self.description.as_bytes());
        bytes
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let from = &mut bytes;
        Some(Self {
            openid: take(from)?,
            appid: take(from)?,
            fee: u64::from_be_bytes(take(from)?),
            status: u8::from_be_bytes(take(from)?),
            version: u32::from_be_bytes(take(from)?),
            created: u64::from_be_bytes(take(from)?),
            updated: u64::from_be_bytes(take(from)?),
            expires: u64::from_be_bytes(take(from)?),
            since: u64::from_be_bytes(take(from)?),
            transaction: take(from)?,
            description: str::from_utf8(from).ok()?.to_owned(),
        })
    }

    pub(crate) fn seen(&self, no: &OrderNo) -> Seen {
        Seen {
            no: *no,
            fee: self.fee,
            paid: self.status == SUCCESS,
        }
    }
}

/// Splits the next bytes off a slice.
fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (front, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*front)
}

/// Returns an order's key in the index by user, which has the newest orders first.
pub(crate) fn openid_key(order: &Order, no: &OrderNo) -> Vec<u8> {
    let time = (u64::MAX - order.created).to_be_bytes();
    [&order.openid, time.as_slice(), no.as_bytes()].concat()
}

/// Returns an order's key in the index by status, which has the newest orders first.
pub(crate) fn status_key(order: &Order, no: &OrderNo) -> Vec<u8> {
    let time = (u64::MAX - order.since).to_be_bytes();
    [&[order.status], time.as_slice(), no.as_bytes()].concat()
}

/// Returns the order number at the end of an index key.
pub(crate) fn number_of(key: &[u8]) -> Option<OrderNo> {
    let (_, no) = key.split_last_chunk::<32>()?;
    OrderNo::from_bytes(no).ok()
}

/// Returns an event as it is stored under its sequence number.
pub(crate) fn event(command: &Command) -> Vec<u8> {
    let (no, version, at, kind) = match command {
        Command::Create(create) => (&create.no, 1_u32, create.at, CREATED),
        Command::Confirm(confirm) => (&confirm.no, 2, confirm.at, PAID),
    };
    let mut bytes = Vec::with_capacity(160);
    bytes.extend_from_slice(no.as_bytes());
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(&at.to_be_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(&details(command));
    bytes
}

/// Returns the fields of an event, except number, version, time and kind.
pub(crate) fn details(command: &Command) -> Vec<u8> {
    match command {
        Command::Create(create) => [
            create.openid.as_str().as_bytes(),
            APPID.as_bytes(),
            &create.fee.as_u64().to_be_bytes(),
            &create.expires().to_be_bytes(),
            DESCRIPTION.as_bytes(),
        ]
        .concat(),
        Command::Confirm(confirm) => [
            confirm.transaction().as_bytes(),
            &confirm.fee().to_be_bytes(),
            &confirm.paid_at().to_be_bytes(),
        ]
        .concat(),
    }
}

#[cfg(test)]
mod tests {
    use orderstore::Store;

    use super::*;
    use crate::work::Units;

    #[test]
    fn order_survives_encoding_and_keys_end_in_its_number() -> Checked<()> {
        let numbers = Store::memory()?;
        let (create, confirm) = Units::new(&numbers, 1, 10)?.draw()?;
        let mut order = Order::of(&create)?;
        assert_eq!(Order::decode(&order.encode()).as_ref(), Some(&order));
        assert!(order.can_take(&confirm));
        order.pay(&confirm)?;
        assert!(!order.can_take(&confirm));
        assert_eq!(Order::decode(&order.encode()).as_ref(), Some(&order));
        assert!(order.seen(&create.no).paid);
        for key in [
            openid_key(&order, &create.no),
            status_key(&order, &create.no),
        ] {
            assert_eq!(number_of(&key), Some(create.no));
        }
        Ok(())
    }
}
