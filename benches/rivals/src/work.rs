//! The workload of all systems: the commands of `benches/durable/lifecycle.rs`, with random values
//! from the same generator.
//!
//! - A unit is two durable commands: create an order, then confirm it.
//! - Order numbers come from the store's generator, so all systems get the same kind.

use std::time::SystemTime;

use orderstore::{Fen, OpenId, OrderNo, Payment, Store, Timestamp};

use crate::sample::{Checked, Sample};

/// Time in milliseconds for which an order can be paid.
const PAYABLE_MS: u64 = 2 * 60 * 60 * 1000;

/// One command.
pub(crate) enum Command {
    Create(Create),
    Confirm(Confirm),
}

impl Command {
    pub(crate) const fn no(&self) -> OrderNo {
        match self {
            Self::Create(create) => create.no,
            Self::Confirm(confirm) => confirm.no,
        }
    }
}

/// An order to create.
#[derive(Clone)]
pub(crate) struct Create {
    pub(crate) no: OrderNo,
    pub(crate) openid: OpenId,
    pub(crate) fee: Fen,
    pub(crate) at: u64,
}

/// A payment to confirm.
#[derive(Clone)]
pub(crate) struct Confirm {
    pub(crate) no: OrderNo,
    pub(crate) payment: Box<Payment>,
    pub(crate) at: u64,
}

impl Create {
    pub(crate) const fn expires(&self) -> u64 {
        self.at.saturating_add(PAYABLE_MS)
    }

    /// Returns the same order with another fee. No system may accept it.
    pub(crate) fn with_another_fee(&self) -> Checked<Self> {
        Ok(Self {
            fee: Fen::new(self.fee.as_u64() + 1)?,
            ..self.clone()
        })
    }
}

impl Confirm {
    pub(crate) const fn fee(&self) -> u64 {
        self.payment.paid_fee.as_u64()
    }

    pub(crate) fn transaction(&self) -> &str {
        self.payment.transaction_id.as_str()
    }

    pub(crate) const fn paid_at(&self) -> u64 {
        self.payment.time_end.as_u64()
    }
}

/// Stream of units of one worker.
pub(crate) struct Units {
    numbers: Store,
    sample: Sample,
}

impl Units {
    pub(crate) fn new(numbers: &Store, worker: u64, users: u64) -> Checked<Self> {
        Ok(Self {
            numbers: numbers.clone(),
            sample: Sample::new(worker << 32, users)?,
        })
    }

    /// Returns an order and its payment.
    pub(crate) fn draw(&mut self) -> Checked<(Create, Confirm)> {
        let no = self.numbers.next_order_no().wait()?;
        let (openid, fee) = self.sample.purchase()?;
        let payment = Box::new(self.sample.payment(fee)?);
        let at = Timestamp::from_system(SystemTime::now()).as_u64();
        let create = Create {
            no,
            openid,
            fee,
            at,
        };
        Ok((create, Confirm { no, payment, at }))
    }

    /// Returns `count` orders, and the payments for them.
    pub(crate) fn draw_many(&mut self, count: usize) -> Checked<[Vec<Command>; 2]> {
        let (mut creates, mut confirms) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (create, confirm) = self.draw()?;
            creates.push(Command::Create(create));
            confirms.push(Command::Confirm(confirm));
        }
        Ok([creates, confirms])
    }
}
