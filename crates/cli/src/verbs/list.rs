//! `list`: lists orders by user, status, transaction, refund number, reference or time.

use std::ops::Range;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use orderstore::{
    Channel, Error, OpenId, OrderQuery, PageRequest, Reference, RefundNo, Status, Store, Timestamp,
    TransactionId,
};

use super::page::Page;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Rows;
use crate::render::{ORDERS, order_cells};
use crate::text::checked_if;
use crate::time_arg::TimeRange;

/// List orders, newest first
///
/// By default the command lists all orders by creation time. A single --status without another
/// selection sorts by the time that matters for it: wait and closing by creation, success and
/// latePaid by payment, closed and failed by their end.
#[derive(Args)]
pub(crate) struct List {
    /// Orders that this user created or paid, without hidden ones
    #[arg(long, group = "which")]
    openid: Option<String>,
    /// Orders with this transaction; the order that it paid comes first
    #[arg(long, value_name = "ID", group = "which", value_parser = TransactionId::parse)]
    transaction_id: Option<TransactionId>,
    /// Orders with this refund number: first the order that has the refund, then orders with an anomaly about it
    #[arg(long, value_name = "NO", group = "which", value_parser = RefundNo::parse)]
    refund_no: Option<RefundNo>,
    /// All orders with this reference, your own id of the purchase
    #[arg(long, group = "which", value_parser = Reference::parse)]
    reference: Option<Reference>,
    /// Payment channel of the transaction or refund
    #[arg(long, default_value = "wechat", value_parser = Channel::parse)]
    channel: Channel,
    /// Only orders with this status. Repeatable
    #[arg(long, value_parser = statuses())]
    status: Vec<Status>,
    #[command(flatten)]
    stretch: TimeRange,
    /// Include orders that the user has hidden
    #[arg(long, requires = "openid")]
    with_hidden: bool,
    /// Oldest first
    #[arg(long)]
    oldest_first: bool,
    #[command(flatten)]
    page: Page,
    /// Print all orders that match, and not only one page
    #[arg(long, conflicts_with_all = ["limit", "after"])]
    all: bool,
}

/// Prints every page of a list.
fn print_all(store: &Store, context: &Context, listing: OrderQuery) -> Result<Exit, Failure> {
    let redactor = context.redactor();
    let mut out = context.out().stream(ORDERS)?;
    let mut orders = store.each_order(listing);
    loop {
        let part = orders.by_ref().take(PageRequest::MAX);
        let rows = part.map(|order| Ok(order_cells(&*order?, redactor)));
        let rows = rows.collect::<Result<Vec<_>, Error>>()?;
        if rows.is_empty() {
            return Ok(Exit::Done);
        }
        out.rows(&rows)?;
    }
}

/// Returns a parser for the status words of JSON, such as `wait`.
pub(super) fn statuses() -> impl TypedValueParser<Value = Status> {
    let words = Status::ALL.map(Status::as_str);
    PossibleValuesParser::new(words).try_map(|word| status(&word))
}

/// Parses a status from its JSON word.
pub(super) fn status(word: &str) -> Result<Status, String> {
    let mut every = Status::ALL.into_iter();
    let found = every.find(|status| status.as_str() == word);
    found.ok_or_else(|| {
        "unknown status: use wait, success, closing, closed, failed or latePaid".to_owned()
    })
}

impl List {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let listing = self.listing(self.stretch.range()?)?;
        context.with_store(|store| {
            if self.all {
                return print_all(store, context, listing);
            }
            let page = store.list(listing).wait()?;
            let redactor = context.redactor();
            let rows = page.rows.iter().map(|order| order_cells(order, redactor));
            let rows = Rows::new(ORDERS, rows.collect())
                .or_else_says("no order matches")
                .next(page.next);
            context.out().many(&rows)?;
            Ok(Exit::Done)
        })
    }

    fn listing(&self, times: Range<Timestamp>) -> Result<OrderQuery, Failure> {
        let openid = checked_if("--openid", self.openid.as_ref(), OpenId::parse)?;
        let (listing, is_filtered) = self.which(openid.as_ref());
        let page = match self.all {
            true => self.page.longest(),
            false => self.page,
        };
        let mut listing = listing.page(page.of(self.oldest_first));
        if times != (Timestamp::EPOCH..Timestamp::MAX) {
            listing = listing.between(times);
        }
        if is_filtered && !self.status.is_empty() {
            listing = listing.statuses(&self.status);
        }
        if self.with_hidden {
            listing = listing.with_hidden();
        }
        Ok(listing)
    }

    /// Returns the query, and whether `--status` filters its result. A single status without
    /// another selection needs no filter, because the query selects it.
    fn which(&self, openid: Option<&OpenId>) -> (OrderQuery, bool) {
        if let Some(openid) = openid {
            return (OrderQuery::by_openid(openid), true);
        }
        if let Some(transaction) = &self.transaction_id {
            return (
                OrderQuery::by_transaction_of(self.channel, transaction),
                true,
            );
        }
        if let Some(refund_no) = &self.refund_no {
            return (OrderQuery::by_refund_no_of(self.channel, refund_no), true);
        }
        if let Some(reference) = &self.reference {
            return (OrderQuery::by_reference(reference), true);
        }
        match self.status.as_slice() {
            [status] => (OrderQuery::by_status(*status), false),
            _ => (OrderQuery::all(), true),
        }
    }
}
