//! `create`: creates an order.

use clap::Args;
use orderstore::{
    AppId, Attach, Channel, Currency, Description, MchId, Metadata, NewOrder, OpenId, OrderNo,
    Reference, Timestamp,
};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::answer;
use crate::money::Amount;
use crate::text::checked_if;
use crate::time_arg;

/// Create an order
///
/// Take the amount from your own price list. If a payment waits for the order, it pays the order
/// at once. You can repeat the command safely if it has --no or --reference.
#[derive(Args)]
pub(crate) struct Create {
    /// Order number. Default: a new number
    #[arg(long, value_name = "NO", value_parser = OrderNo::parse)]
    no: Option<OrderNo>,
    /// App in which the order is created
    #[arg(long, value_parser = AppId::parse)]
    appid: AppId,
    #[command(flatten)]
    amount: Amount,
    /// Currency of the amount: three capital letters
    #[arg(long, default_value = "CNY", value_parser = Currency::parse)]
    currency: Currency,
    /// User who creates the order
    #[arg(long)]
    openid: Option<String>,
    /// Merchant that receives the payment
    #[arg(long, value_parser = MchId::parse)]
    mch_id: Option<MchId>,
    /// Payment channel
    #[arg(long, default_value = "wechat", value_parser = Channel::parse)]
    channel: Channel,
    /// Description that the customer reads on the bill
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Text that the channel returns in the notification
    #[arg(long, value_name = "TEXT")]
    attach: Option<String>,
    /// Your own id of the purchase. At most one payable or paid order can have it
    #[arg(long, value_parser = Reference::parse)]
    reference: Option<Reference>,
    /// Your own data, up to 4096 bytes
    #[arg(long, value_name = "TEXT")]
    metadata: Option<String>,
    /// Time until which the customer can pay. Default: seven days from now
    #[arg(long, value_name = "TIME", value_parser = time_arg::parse)]
    expires_at: Option<Timestamp>,
    /// Node digits in a new order number, 0 to 999. Use those of the server that owns the store
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=999))]
    node: u16,
}

impl Create {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let new = self.new_order()?;
        let builder = context.builder()?.node(self.node);
        context.with_store_of(builder, |store| {
            let no = match self.no {
                Some(no) => no,
                None => store.next_order_no().wait()?,
            };
            // Add the order number to every failure. Without it, the operator would repeat the
            // command with a new number and create a second order.
            let named = |failure: Failure| {
                failure.and(format_args!(
                    "The order number is {no}. Repeat the command with --no {no}"
                ))
            };
            let reply = store.create(no, new).wait();
            let reply = reply.map_err(|error| named(error.into()))?;
            answer(&mut context.out(), no, &reply).map_err(named)
        })
    }

    fn new_order(&self) -> Result<NewOrder, Failure> {
        let total = self.amount.of(self.currency)?;
        let new = NewOrder::new(self.appid.clone(), total).map_err(Failure::usage)?;
        let mut new = new.currency(self.currency).channel(self.channel);
        if let Some(openid) = checked_if("--openid", self.openid.as_ref(), OpenId::parse)? {
            new = new.openid(openid);
        }
        if let Some(mch_id) = self.mch_id.clone() {
            new = new.mch_id(mch_id);
        }
        if let Some(reference) = self.reference.clone() {
            new = new.reference(reference);
        }
        if let Some(moment) = self.expires_at {
            new = new.expires_at(moment);
        }
        self.with_texts(new)
    }

    fn with_texts(&self, mut new: NewOrder) -> Result<NewOrder, Failure> {
        let description = self.description.as_ref();
        if let Some(text) = checked_if("--description", description, Description::parse)? {
            new = new.description(text);
        }
        if let Some(text) = checked_if("--attach", self.attach.as_ref(), Attach::parse)? {
            new = new.attach(text);
        }
        let metadata = self.metadata.as_ref();
        if let Some(bytes) = checked_if("--metadata", metadata, |text| Metadata::new(text))? {
            new = new.metadata(bytes);
        }
        Ok(new)
    }
}
