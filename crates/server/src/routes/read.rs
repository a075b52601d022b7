//! Routes that read orders and lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use orderstore::{
    Channel, ClosedRefund, Counts, Currency, Cursor, Due, Event, OpenAnomaly, OpenId, Order,
    OrderQuery, Page, PageRequest, Reference, RefundNo, Status, Subtotal, Timestamp, Totals,
    TransactionId,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{OrderInPath, Parameters, no_such_order};
use crate::app::App;
use crate::problem::Problem;

/// Rows of a page if the request names no limit.
const ROWS: usize = 20;

fn page(cursor: Option<Cursor>, limit: Option<usize>, is_reversed: bool) -> PageRequest {
    let mut page = PageRequest::of(limit.unwrap_or(ROWS));
    if let Some(cursor) = cursor {
        page = page.after(cursor);
    }
    if is_reversed {
        page = page.reversed();
    }
    page
}

/// Returns one order.
pub(crate) async fn order(
    State(app): State<Arc<App>>,
    OrderInPath(no): OrderInPath,
) -> Result<Json<Arc<Order>>, Problem> {
    let order = app.read(app.store.get(no)).await?;
    order.map(Json).ok_or_else(|| no_such_order(no))
}

/// Selection of orders. At most one of `openid`, `transactionId`, `refundNo` and `reference`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Selection {
    /// Orders that this user created or paid, without hidden ones.
    openid: Option<OpenId>,
    /// Orders with this transaction; the order that it paid comes first.
    transaction_id: Option<TransactionId>,
    /// Orders with this refund number; the order that has the refund comes first.
    refund_no: Option<RefundNo>,
    /// Orders with this reference, your own id of the purchase.
    reference: Option<Reference>,
    /// Payment channel of the transaction or refund. Default: `wechat`.
    channel: Option<Channel>,
    /// Only orders with one of these statuses, separated by commas. A single status without another
    /// selection sorts by the time that matters for it, such as the payment time for `success`.
    status: Option<String>,
    /// Only orders from this time on, in Unix milliseconds.
    from: Option<Timestamp>,
    /// Only orders before this time, in Unix milliseconds.
    to: Option<Timestamp>,
    /// Whether to include orders that the user has hidden. Only with `openid`.
    with_hidden: Option<bool>,
    /// Whether the oldest order comes first. Default: the newest one.
    reverse: Option<bool>,
    /// Cursor of the previous page.
    cursor: Option<Cursor>,
    /// Maximum number of rows, 1 to 1000. Default: 20.
    limit: Option<usize>,
}

impl Selection {
    fn query(&self) -> Result<OrderQuery, Problem> {
        let statuses = self.statuses()?;
        let channel = self.channel.unwrap_or_default();
        let selected = [
            self.openid.as_ref().map(OrderQuery::by_openid),
            self.transaction_id
                .as_ref()
                .map(|id| OrderQuery::by_transaction_of(channel, id)),
            self.refund_no
                .as_ref()
                .map(|no| OrderQuery::by_refund_no_of(channel, no)),
            self.reference.as_ref().map(OrderQuery::by_reference),
        ];
        let mut selected = selected.into_iter().flatten();
        let query = match (selected.next(), statuses.as_slice()) {
            (None, [status]) => OrderQuery::by_status(*status),
            (None, []) => OrderQuery::all(),
            (None, statuses) => OrderQuery::all().statuses(statuses),
            (Some(query), []) => query,
            (Some(query), statuses) => query.statuses(statuses),
        };
        if selected.next().is_some() {
            let why = "name one of `openid`, `transactionId`, `refundNo` and `reference`";
            return Err(Problem::invalid(why));
        }
        Ok(self.filtered(query))
    }

    fn filtered(&self, mut query: OrderQuery) -> OrderQuery {
        if self.from.is_some() || self.to.is_some() {
            let from = self.from.unwrap_or(Timestamp::EPOCH);
            query = query.between(from..self.to.unwrap_or(Timestamp::MAX));
        }
        if self.with_hidden == Some(true) {
            query = query.with_hidden();
        }
        let is_reversed = self.reverse.unwrap_or_default();
        query.page(page(self.cursor, self.limit, is_reversed))
    }

    fn statuses(&self) -> Result<Vec<Status>, Problem> {
        let words = self.status.as_deref().unwrap_or_default().split(',');
        let parse = |word: &str| {
            let mut all = Status::ALL.into_iter();
            all.find(|status| status.as_str() == word).ok_or_else(|| {
                let words = Status::ALL.map(Status::as_str).join(", ");
                Problem::invalid(format_args!("`status`: expected one or more of {words}"))
            })
        };
        match self.status {
            Some(_) => words.map(parse).collect(),
            None => Ok(Vec::new()),
        }
    }
}

/// Lists orders, newest first.
pub(crate) async fn orders(
    State(app): State<Arc<App>>,
    Parameters(selection): Parameters<Selection>,
) -> Result<Json<Page<Arc<Order>>>, Problem> {
    let query = selection.query()?;
    app.read(app.store.list(query)).await.map(Json)
}

/// Events of one order number.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct History {
    /// Events from version 1 on.
    events: Vec<Event>,
}

/// Returns all events of an order number. Payments that wait for their order have events, too.
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    OrderInPath(no): OrderInPath,
) -> Result<Json<History>, Problem> {
    let events = app.read(app.store.history(no)).await?;
    if events.is_empty() {
        return Err(no_such_order(no));
    }
    Ok(Json(History { events }))
}

/// Page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageWanted {
    /// Cursor of the previous page.
    cursor: Option<Cursor>,
    /// Maximum number of rows, 1 to 1000. Default: 20.
    limit: Option<usize>,
    /// Whether to reverse the order of the list.
    reverse: Option<bool>,
}

impl PageWanted {
    fn page(&self) -> PageRequest {
        page(self.cursor, self.limit, self.reverse.unwrap_or_default())
    }
}

/// Lists the anomalies that a person must resolve, oldest first.
pub(crate) async fn anomalies(
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<PageWanted>,
) -> Result<Json<Page<OpenAnomaly>>, Problem> {
    let call = app.store.open_anomalies(wanted.page());
    app.read(call).await.map(Json)
}

/// Lists the refunds that ended without success, newest first.
pub(crate) async fn closed_refunds(
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<PageWanted>,
) -> Result<Json<Page<ClosedRefund>>, Problem> {
    let call = app.store.closed_refunds(wanted.page());
    app.read(call).await.map(Json)
}

/// Selection of due actions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DueWanted {
    /// Time at which the actions are due, in Unix milliseconds. Default: now. Name the same time
    /// for all pages of one sweep.
    at: Option<Timestamp>,
    /// Cursor of the previous page.
    cursor: Option<Cursor>,
    /// Maximum number of rows, 1 to 1000. Default: 20.
    limit: Option<usize>,
    /// Whether the latest action comes first. Default: the oldest one.
    reverse: Option<bool>,
}

/// Lists the actions that are due for the server, oldest first.
pub(crate) async fn due(
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<DueWanted>,
) -> Result<Json<Page<Due>>, Problem> {
    let at = wanted.at.unwrap_or_else(|| app.store.now());
    let is_reversed = wanted.reverse.unwrap_or_default();
    let page = page(wanted.cursor, wanted.limit, is_reversed);
    app.read(app.store.due(at, page)).await.map(Json)
}

/// Numbers of orders, unclaimed payments and open anomalies.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CountsView {
    /// Number of orders in each status.
    by_status: ByStatus,
    /// Number of payments whose order does not exist yet.
    unclaimed: u64,
    /// Number of anomalies that a person must resolve, with the unclaimed payments.
    open_anomalies: u64,
}

/// Number of orders in each status.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ByStatus {
    /// Orders that the customer can pay.
    wait: u64,
    /// Paid orders.
    success: u64,
    /// Orders that are being closed.
    closing: u64,
    /// Closed orders.
    closed: u64,
    /// Orders that the channel revoked before any payment.
    failed: u64,
    /// Orders that were paid after they had ended.
    late_paid: u64,
}

/// Returns the number of orders in each status, of unclaimed payments and of open anomalies.
pub(crate) async fn counts(State(app): State<Arc<App>>) -> Result<Json<CountsView>, Problem> {
    let counts: Counts = app.read(app.store.counts()).await?;
    Ok(Json(CountsView {
        by_status: ByStatus {
            wait: counts.of(Status::Pending),
            success: counts.of(Status::Success),
            closing: counts.of(Status::Closing),
            closed: counts.of(Status::Closed),
            failed: counts.of(Status::Failed),
            late_paid: counts.of(Status::LatePaid),
        },
        unclaimed: counts.unclaimed,
        open_anomalies: counts.open_anomalies,
    }))
}

/// Period of the totals.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Period {
    /// Begin of the period, in Unix milliseconds.
    from: Timestamp,
    /// End of the period, in Unix milliseconds, exclusive.
    to: Timestamp,
}

/// Payments and refunds in a period, by currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TotalsView {
    /// Paid orders, by the channel's payment time. Late payments are included.
    paid: BTreeMap<String, SubtotalView>,
    /// Orders in `paid` whose payment arrived after the order had ended.
    late: BTreeMap<String, SubtotalView>,
    /// Successful refunds, by the channel's success time.
    refunded: BTreeMap<String, SubtotalView>,
    /// Refunds whose money came back after their success, by the time of the return.
    returned: BTreeMap<String, SubtotalView>,
}

/// Number and sum of the payments or refunds in one currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubtotalView {
    /// Number of payments or refunds.
    count: u64,
    /// Sum of the amounts in minor units, such as fen. A text of digits, because the sum can pass
    /// 2^53.
    minor_units: String,
}

/// Returns the totals of payments and refunds in a period. Reads every order of the period, so only
/// one request at a time can have them.
pub(crate) async fn totals(
    State(app): State<Arc<App>>,
    Parameters(Period { from, to }): Parameters<Period>,
) -> Result<Json<TotalsView>, Problem> {
    let totals: Totals = app.read_totals(app.store.totals(from..to)).await?;
    Ok(Json(TotalsView {
        paid: by_currency(&totals.paid),
        late: by_currency(&totals.late),
        refunded: by_currency(&totals.refunded),
        returned: by_currency(&totals.returned),
    }))
}

fn by_currency(sums: &BTreeMap<Currency, Subtotal>) -> BTreeMap<String, SubtotalView> {
    let view = |(currency, sum): (&Currency, &Subtotal)| {
        let view = SubtotalView {
            count: sum.count,
            minor_units: sum.minor_units.to_string(),
        };
        (currency.to_string(), view)
    };
    sums.iter().map(view).collect()
}
