//! Converts a record to the commands that import it.

use super::books::Books;
use crate::number::u64_of;
use crate::order::{
    Anomaly, AnomalyEndKind, AnomalyKind, Command, CommandKind, Conflict, NewRefund, Order, Refund,
    RefundFact, Waiting,
};
use crate::transfer::error::{Reason, Refused};
use crate::transfer::fields::Fields;
use crate::transfer::input::Body;
use crate::transfer::input::framed::Framed;
use crate::transfer::map_record::Entry;
use crate::transfer::position::Position;
use crate::types::OrderNo;

/// Position of a record, with its commands for the store or the reason of a refusal.
pub(super) struct Read {
    pub(super) place: Position,
    pub(super) asked: Result<Vec<Command>, Refused>,
}

/// Refusal of a record: its order number, if known, and the reason.
type Refusal = (Option<OrderNo>, Reason);

/// Converts a record of the input to commands.
pub(super) fn read(books: &Books, conflict: Conflict, framed: Framed<Body<'_>>) -> Read {
    let place = framed.place;
    let order = framed.body.map_err(|reason| (None, reason));
    let asked = order.and_then(|body| commands(books, conflict, place, body));
    let refused = |(no, reason)| Refused { place, no, reason };
    Read {
        place,
        asked: asked.map_err(refused),
    }
}

fn commands(
    books: &Books,
    conflict: Conflict,
    place: Position,
    body: Body<'_>,
) -> Result<Vec<Command>, Refusal> {
    let fields = match (books, body) {
        (Books::Exported, Body::Object(json)) => {
            return exported(json, conflict)
                .map_err(|error| (None, at(place, &error, Wanted::Exported)));
        }
        (_, Body::Object(json)) => {
            Fields::of_json(json).map_err(|error| (None, at(place, &error, Wanted::Json)))?
        }
        (_, Body::Row(row)) => Fields::of_row(row),
    };
    match books {
        Books::Foreign(mapping) => {
            let mut entry = Entry::new(fields, mapping);
            let no = entry.no().map_err(|reason| (None, reason))?;
            let order = entry.order(no).map_err(|reason| (Some(no), reason))?;
            Ok(vec![import(order, conflict)])
        }
        // Unreachable: `Import::run` refuses CSV as input of `Import::exported`.
        Books::Exported => Ok(Vec::new()),
    }
}

fn import(order: Order, conflict: Conflict) -> Command {
    let (no, order) = (order.no, Box::new(order));
    let kind = CommandKind::Import { order, conflict };
    Command { no, kind }
}

/// Expected format of a JSON record.
#[derive(Clone, Copy)]
enum Wanted {
    Json,
    Exported,
}

/// Converts the JSON parser's error to a reason with a position. It drops the parser's message,
/// which may contain a value of the record.
fn at(place: Position, error: &serde_json::Error, wanted: Wanted) -> Reason {
    let line = place
        .line
        .saturating_add(u64_of(error.line()).saturating_sub(1));
    let column = u64_of(error.column());
    match wanted {
        Wanted::Exported if error.is_data() => Reason::NotExported { line, column },
        Wanted::Exported | Wanted::Json => Reason::NotJson { line, column },
    }
}

/// JSON line of unclaimed payments and refunds in an export.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OfWaiting {
    waiting: Waiting,
}

/// Converts a line of a store's export to commands: an order, or unclaimed payments and refunds.
fn exported(json: &str, conflict: Conflict) -> Result<Vec<Command>, serde_json::Error> {
    match serde_json::from_str::<Order>(json) {
        Ok(order) => Ok(vec![import(order, conflict)]),
        Err(error) => {
            let waiting: Result<OfWaiting, _> = serde_json::from_str(json);
            waiting
                .map(|found| facts(&found.waiting))
                .map_err(|_| error)
        }
    }
}

/// Commands that record unclaimed payments and refunds in the new store.
///
/// The function omits payments that an operator dismissed. Otherwise a dismissed payment would pay
/// a later order with this number.
fn facts(waiting: &Waiting) -> Vec<Command> {
    let payments = waiting.anomalies.iter().filter(|anomaly| is_owed(anomaly));
    let payments = payments.filter_map(|anomaly| anomaly.payment.clone());
    let doubtful = waiting.anomalies.iter().filter(|anomaly| anomaly.is_open());
    let doubtful = doubtful.filter_map(|anomaly| anomaly.refund.as_ref());
    let refunds = waiting.refunds.iter().chain(doubtful);
    let kinds = payments
        .map(|payment| CommandKind::Confirm(Box::new(payment)))
        .chain(refunds.filter_map(refund));
    let no = waiting.no;
    kinds.map(|kind| Command { no, kind }).collect()
}

/// Returns whether the anomaly is an unclaimed payment that is open or was refunded.
fn is_owed(anomaly: &Anomaly) -> bool {
    let is_refunded = |kind: &AnomalyEndKind| matches!(kind, AnomalyEndKind::Refunded { .. });
    let is_owed = anomaly.end.as_ref().is_none_or(|end| is_refunded(&end.how));
    anomaly.kind == AnomalyKind::Unclaimed && is_owed
}

/// Returns the command that records a refund: its reported state, or the request if the channel has
/// reported no state yet.
fn refund(refund: &Refund) -> Option<CommandKind> {
    if let Some(fact) = RefundFact::of(refund) {
        return Some(CommandKind::RecordRefund(Box::new(fact)));
    }
    let (number, transaction) = (refund.refund_no.clone(), refund.transaction_id.clone());
    let requested = NewRefund::new(number, transaction, refund.amount).ok()?;
    Some(CommandKind::RequestRefund(Box::new(
        requested.channel(refund.channel),
    )))
}
