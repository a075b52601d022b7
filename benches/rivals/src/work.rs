//! The work that everyone gets: the commands of `lifecycle`, drawn from the stream that
//! the store's own benches draw from.
//!
//! - A unit is two commands, each durable by itself: create an order, then confirm it.
//! - The numbers are real ones, of the store's own generator; everyone gets the same kind.

use std::time::SystemTime;

use orderstore::{Fen, OpenId, OrderNo, Payment, Store, Timestamp};

use crate::sample::{self, Checked, Sample};

/// The users whose orders callers and batches make.
pub(crate) const USERS: u64 = 100_000;

/// The app of every order.
pub(crate) const APPID: &str = "wxd2565e6a04246fd1";

/// What every order says that it is for.
pub(crate) const DESCRIPTION: &str = "Image形象店-深圳腾大-QQ公仔";

/// How long an order can be paid, in milliseconds.
const PAYABLE_MS: u64 = 2 * 60 * 60 * 1000;

/// One command.
pub(crate) enum Command {
    Create(Create),
    Confirm(Confirm),
}

/// An order to be made.
pub(crate) struct Create {
    pub(crate) no: OrderNo,
    pub(crate) openid: OpenId,
    pub(crate) fee: Fen,
    pub(crate) at: u64,
}

/// A payment to be taken in.
pub(crate) struct Confirm {
    pub(crate) no: OrderNo,
    pub(crate) payment: Box<Payment>,
    pub(crate) at: u64,
}

impl Create {
    pub(crate) const fn expires(&self) -> u64 {
        self.at.saturating_add(PAYABLE_MS)
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

/// One worker's stream of units.
pub(crate) struct Units {
    numbers: Store,
    sample: Sample,
    users: u64,
}

impl Units {
    pub(crate) fn new(numbers: &Store, worker: u64, users: u64) -> Checked<Self> {
        Ok(Self {
            numbers: numbers.clone(),
            sample: Sample::new(worker << 32, users)?,
            users,
        })
    }

    /// An order, and the payment that pays it.
    pub(crate) fn draw(&mut self) -> Checked<(Create, Confirm)> {
        let no = self.numbers.next_order_no().wait()?;
        let openid = sample::openid(self.sample.below(self.users))?;
        let fee = Fen::new(1 + self.sample.below(100_000))?;
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

    /// So many orders, and then the payments that pay them.
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
