//! A record as the commands that take it over.

use super::books::Books;
use crate::order::{
    Anomaly, AnomalyEndKind, AnomalyKind, Command, CommandKind, Conflict, NewRefund, Order, Refund,
    RefundFact, Waiting,
};
use crate::transfer::error::{Reason, Refused};
use crate::transfer::fields::Fields;
use crate::transfer::input::Body;
use crate::transfer::input::framed::Framed;
use crate::transfer::map_record::Entry;
use crate::transfer::place::Place;
use crate::types::OrderNo;

/// A record, and what is asked of the store for it.
pub(super) struct Read {
    pub(super) place: Place,
    pub(super) asked: Result<Vec<Command>, Refused>,
}

/// Why, and of which order.
type Refusal = (Option<OrderNo>, Reason);

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
    place: Place,
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
        Books::Foreign(foreign) => {
            let mut entry = Entry::new(fields, foreign);
            let no = entry.no().map_err(|reason| (None, reason))?;
            let order = entry.order(no).map_err(|reason| (Some(no), reason))?;
            Ok(vec![import(order, conflict)])
        }
        // A store's own books are no rows: that was looked at before the first one.
        Books::Exported => Ok(Vec::new()),
    }
}

fn import(order: Order, conflict: Conflict) -> Command {
    let (no, order) = (order.no, Box::new(order));
    let ask = CommandKind::Import { order, conflict };
    Command { no, kind: ask }
}

#[derive(Clone, Copy)]
enum Wanted {
    Json,
    Exported,
}

/// The parser's error as a place, without its message, which may repeat a text.
fn at(place: Place, error: &serde_json::Error, wanted: Wanted) -> Reason {
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let line = place
        .line
        .saturating_add(number(error.line()).saturating_sub(1));
    let column = number(error.column());
    match wanted {
        Wanted::Exported if error.is_data() => Reason::NotExported { line, column },
        Wanted::Exported | Wanted::Json => Reason::NotJson { line, column },
    }
}

/// How payments and refunds without an order are exported.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OfWaiting {
    waiting: Waiting,
}

fn exported(json: &str, conflict: Conflict) -> Result<Vec<Command>, serde_json::Error> {
    match serde_json::from_str::<Order>(json) {
        Ok(order) => Ok(vec![import(order, conflict)]),
        Err(error) => {
            let waiting: Result<OfWaiting, _> = serde_json::from_str(json);
            waiting.map(|it| facts(&it.waiting)).map_err(|_| error)
        }
    }
}

/// The facts that waited, told anew. A payment of which a person had decided that nothing is
/// to be done is none of them, since its order must not be paid by it.
fn facts(waiting: &Waiting) -> Vec<Command> {
    let payments = waiting.anomalies.iter().filter(|anomaly| is_owed(anomaly));
    let payments = payments.filter_map(|anomaly| anomaly.payment.clone());
    let doubtful = waiting.anomalies.iter().filter(|anomaly| anomaly.is_open());
    let doubtful = doubtful.filter_map(|anomaly| anomaly.refund.as_ref());
    let refunds = waiting.refunds.iter().chain(doubtful);
    let asks = payments
        .map(|payment| CommandKind::Confirm(Box::new(payment)))
        .chain(refunds.filter_map(refund));
    let no = waiting.no;
    asks.map(|ask| Command { no, kind: ask }).collect()
}

fn is_owed(anomaly: &Anomaly) -> bool {
    let is_refunded = |how: &AnomalyEndKind| matches!(how, AnomalyEndKind::Refunded { .. });
    let is_owed = anomaly.end.as_ref().is_none_or(|end| is_refunded(&end.how));
    anomaly.kind == AnomalyKind::Unclaimed && is_owed
}

/// What the channel had said of it; where it had said nothing, that it was asked for.
fn refund(refund: &Refund) -> Option<CommandKind> {
    if let Some(fact) = RefundFact::of(refund) {
        return Some(CommandKind::RecordRefund(Box::new(fact)));
    }
    let (number, transaction) = (refund.refund_no.clone(), refund.transaction_id.clone());
    let asked = NewRefund::new(number, transaction, refund.amount).ok()?;
    Some(CommandKind::RequestRefund(Box::new(
        asked.channel(refund.channel),
    )))
}
