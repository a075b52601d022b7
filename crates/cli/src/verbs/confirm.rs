//! `confirm`: records a payment that an operator has verified.

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

/// Record a payment that you have verified at the channel
///
/// If the payment does not fit the order, the store keeps it as an anomaly and the exit code is
/// 1. The source of the payment is `operator`.
#[derive(Args)]
pub(crate) struct Confirm {
    /// Order number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
    /// The channel's number of the payment
    #[arg(long, value_name = "ID", value_parser = TransactionId::parse)]
    transaction_id: TransactionId,
    #[command(flatten)]
    amount: Amount,
    /// Time of the payment, by the channel's clock
    #[arg(long, value_name = "TIME", value_parser = time_arg::parse)]
    paid_at: Timestamp,
    /// Currency of the payment: three capital letters
    #[arg(long, default_value = "CNY", value_parser = Currency::parse)]
    currency: Currency,
    /// Payment channel
    #[arg(long, default_value = "wechat", value_parser = Channel::parse)]
    channel: Channel,
    /// App of the payment
    #[arg(long, value_parser = AppId::parse)]
    appid: Option<AppId>,
    /// Merchant that received the payment
    #[arg(long, value_parser = MchId::parse)]
    mch_id: Option<MchId>,
    /// User who paid
    #[arg(long)]
    openid: Option<String>,
}

/// Notice for a payment that the store already has, but only as an anomaly.
const DOUBTFUL: &str = "\
The store recorded this payment as an anomaly, so it does not pay the order: see
`orderstore show`.";

impl Confirm {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (no, payment) = (self.no, self.payment()?);
        context.with_store(|store| {
            let reply = store.confirm(no, payment.clone()).wait()?;
            let exit = answer(&mut context.out(), no, &reply)?;
            // The outcome is also `Duplicate` if the payment is already recorded as an anomaly.
            // Such a payment does not pay the order, so the exit code must not be 0.
            let order = reply.order.as_ref();
            let own = order.and_then(|order| order.payment.as_ref());
            let pays_order = own.is_some_and(|own| own.is_same(&payment));
            if exit == Exit::Done && !pays_order {
                progress::print_line(DOUBTFUL);
            }
            Ok(Exit::of(pays_order && exit == Exit::Done))
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
