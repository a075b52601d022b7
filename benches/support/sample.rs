//! Realistic orders and payments from a seed: the same seed gives the same users, amounts and
//! transactions.

use std::error::Error;
use std::time::SystemTime;

use orderstore::{
    AppId, Description, Fen, NewOrder, OpenId, Payment, Source, Timestamp, TransactionId,
};

/// App ID of every order.
pub(crate) const APPID: &str = "wxd2565e6a04246fd1";

/// Description of every order.
pub(crate) const DESCRIPTION: &str = "Image形象店-深圳腾大-QQ公仔";

/// Result of a bench function; the error can cross threads.
pub(crate) type Checked<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Stream of orders of `users` users, and of payments for them.
pub(crate) struct Sample {
    state: u64,
    users: u64,
    appid: AppId,
    description: Description,
    now: Timestamp,
    /// Today's date in Beijing, `yyyyMMdd`, which is part of every transaction ID.
    day: String,
}

impl Sample {
    pub(crate) fn new(seed: u64, users: u64) -> Checked<Self> {
        let now = Timestamp::from_system(SystemTime::now());
        let day = now.beijing().to_string();
        Ok(Self {
            state: mix(seed),
            users,
            appid: AppId::parse(APPID)?,
            description: Description::parse(DESCRIPTION)?,
            now,
            day: day.chars().filter(char::is_ascii_digit).take(8).collect(),
        })
    }

    /// Returns a random number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(1);
        mix(self.state) % end.max(1)
    }

    /// Returns a random user and a random fee.
    pub(crate) fn purchase(&mut self) -> Checked<(OpenId, Fen)> {
        let openid = openid(self.below(self.users))?;
        Ok((openid, Fen::new(1 + self.below(100_000))?))
    }

    /// Returns a new order of a random user.
    pub(crate) fn order(&mut self) -> Checked<NewOrder> {
        let (openid, fee) = self.purchase()?;
        let new = NewOrder::new(self.appid.clone(), fee)?.openid(openid);
        Ok(new.description(self.description.clone()))
    }

    /// Returns a payment of `fee` with a new transaction.
    pub(crate) fn payment(&mut self, fee: Fen) -> Checked<Payment> {
        let (front, day) = (self.below(1_000_000), &self.day);
        let text = format!("4200{front:06}{day}");
        let text = format!("{text}{:010}", self.below(10_000_000_000));
        let transaction = TransactionId::parse(&text)?;
        Ok(Payment::new(transaction, fee, self.now, Source::CALLBACK)?)
    }
}

/// Returns a user's openid of 28 bytes. Openids of neighbouring users are not adjacent.
pub(crate) fn openid(user: u64) -> Checked<OpenId> {
    Ok(OpenId::parse(&format!("oZWaC4xeOVCU{:016x}", mix(user)))?)
}

/// Finalizer of splitmix64: every bit of the input affects every bit of the output.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
