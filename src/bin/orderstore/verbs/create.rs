//! `create`: an order, by hand.

use clap::Args;
use orderstore::{
    AppId, Attach, Channel, Currency, Description, MchId, Metadata, NewOrder, OpenId, OrderNo,
    Reference, Store, Timestamp,
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
/// The amount comes from the shop's own price list. Where a payment waits for the order, that
/// pays it at once. To repeat the same is safe as long as the number or the reference is said.
#[derive(Args)]
pub(crate) struct Create {
    /// Its number; a new one where nothing is said
    #[arg(long, value_name = "NO", value_parser = OrderNo::parse)]
    no: Option<OrderNo>,
    /// The app that it is made in
    #[arg(long, value_parser = AppId::parse)]
    appid: AppId,
    #[command(flatten)]
    amount: Amount,
    /// Its currency: three capital letters
    #[arg(long, default_value = "CNY", value_parser = Currency::parse)]
    currency: Currency,
    /// Who makes it
    #[arg(long)]
    openid: Option<String>,
    /// The merchant that it is paid to
    #[arg(long, value_parser = MchId::parse)]
    mch_id: Option<MchId>,
    /// Where it is to be paid
    #[arg(long, default_value = "wechat", value_parser = Channel::parse)]
    channel: Channel,
    /// What the customer reads on the bill
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// What the channel hands back with the notification
    #[arg(long, value_name = "TEXT")]
    attach: Option<String>,
    /// The shop's own order id, of which one order at most can be payable or paid
    #[arg(long, value_parser = Reference::parse)]
    reference: Option<Reference>,
    /// The caller's own bytes
    #[arg(long, value_name = "TEXT")]
    metadata: Option<String>,
    /// The last moment to pay; seven days from now where nothing is said
    #[arg(long, value_name = "TIME", value_parser = time_arg::parse)]
    expires_at: Option<Timestamp>,
    /// The node digits of a new number, 0 to 999: those of the server that owns the store
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=999))]
    node: u16,
}

impl Create {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let new = self.new_order()?;
        let builder = Store::builder().node(self.node);
        context.with_store_of(builder, |store| {
            let no = match self.no {
                Some(no) => no,
                None => store.next_order_no().wait()?,
            };
            // A repetition under another number would be another order.
            let named = |failure: Failure| {
                failure.and(format_args!("Its number is {no}: repeat it with --no {no}"))
            };
            let answered = store.create(no, new).wait();
            let answered = answered.map_err(|error| named(error.into()))?;
            answer(&mut context.out(), no, &answered).map_err(named)
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
