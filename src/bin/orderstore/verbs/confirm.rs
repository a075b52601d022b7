//! `confirm`: a payment, by a person's word.

use clap::Args;
use orderstore::{
    AppId, Channel, Currency, MchId, OpenId, OrderNo, Payment, Source, Timestamp, TransactionId,
};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::answer;
use crate::money::Amount;
use crate::progress;
use crate::text::checked_if;
use crate::time_arg;

/// Take in a payment that you have verified at the channel, as an operator's word
///
/// What does not fit the order is kept as an anomaly, and ends with exit code 1.
#[derive(Args)]
pub(crate) struct Confirm {
    /// The order's number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
    /// The channel's number for the payment
    #[arg(long, value_name = "ID", value_parser = TransactionId::parse)]
    transaction_id: TransactionId,
    #[command(flatten)]
    amount: Amount,
    /// When it was paid, by the channel's clock
    #[arg(long, value_name = "TIME", value_parser = time_arg::parse)]
    paid_at: Timestamp,
    /// Its currency: three capital letters
    #[arg(long, default_value = "CNY", value_parser = Currency::parse)]
    currency: Currency,
    /// Where it was paid
    #[arg(long, default_value = "wechat", value_parser = Channel::parse)]
    channel: Channel,
    /// The app that it was paid in
    #[arg(long, value_parser = AppId::parse)]
    appid: Option<AppId>,
    /// The merchant that it was paid to
    #[arg(long, value_parser = MchId::parse)]
    mch_id: Option<MchId>,
    /// Who paid
    #[arg(long)]
    openid: Option<String>,
}

const DOUBTFUL: &str = "\
It is kept as an anomaly, and does not pay the order: see `orderstore show` of its number.";

impl Confirm {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (no, payment) = (self.no, self.payment()?);
        context.with_store(|store| {
            let answered = store.confirm(no, payment.clone()).wait()?;
            let exit = answer(&mut context.out(), no, &answered)?;
            // A duplicate of what is kept as an anomaly does not stand with its order.
            let order = answered.order.as_ref();
            let standing = order.and_then(|order| order.payment.as_ref());
            let stands = standing.is_some_and(|standing| standing.is_same(&payment));
            if exit == Exit::Done && !stands {
                progress::say(DOUBTFUL);
            }
            Ok(Exit::of(stands && exit == Exit::Done))
        })
    }

    fn payment(self) -> Result<Payment, Failure> {
        let fee = self.amount.of(self.currency)?;
        let openid = checked_if("--openid", self.openid.as_ref(), OpenId::parse)?;
        let payment = Payment::new(self.transaction_id, fee, self.paid_at, Source::Operator);
        let mut payment = payment.map_err(Failure::usage)?;
        payment.currency = self.currency;
        payment.channel = self.channel;
        payment.appid = self.appid;
        payment.mch_id = self.mch_id;
        payment.openid = openid;
        Ok(payment)
    }
}
