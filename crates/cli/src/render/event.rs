//! Columns and texts for the output of an order's events.

use orderstore::{Currency, Event, EventKind, FeedEvent, Fen, Payment, Refund};

use super::order::{action, word_of};
use crate::messages::refund_status;
use crate::money;
use crate::output::{Cell, Column, data, shown};
use crate::redact::Redactor;

pub(crate) const EVENTS: &[Column] = &[
    shown("version"),
    shown("at"),
    shown("event"),
    shown("detail"),
    data("what"),
];

pub(crate) fn event_cells(event: &Event, redactor: Redactor) -> Vec<Cell> {
    let what = redactor.json(&event.what);
    vec![
        event.version.into(),
        Cell::Time(event.at),
        Cell::Text(word_of(&what)),
        Cell::filled(detail(&event.what, redactor)),
        Cell::Json(what),
    ]
}

/// Cells of an event of the feed: its order number, those of the event, and its cursor.
pub(crate) fn fed_cells(entry: &FeedEvent, redactor: Redactor) -> Vec<Cell> {
    let mut cells = vec![Cell::text(entry.event.no)];
    cells.extend(event_cells(&entry.event, redactor));
    cells.push(Cell::text(entry.cursor));
    cells
}

/// Returns the most important values of an event as text; empty if there are none.
fn detail(what: &EventKind, redactor: Redactor) -> String {
    match what {
        EventKind::Created(new) => yuan(new.total_fee, new.currency),
        EventKind::Imported(order) => {
            let total = yuan(order.total_fee, order.currency);
            format!("{}, {total}", order.status)
        }
        EventKind::Annotated(metadata) => format!("{} bytes", metadata.as_bytes().len()),
        EventKind::PrepayRecorded(prepay) => word_of(&redactor.json(&prepay.kind)),
        EventKind::Checked { next, .. } => next.map_or_else(String::new, |next| {
            format!("{} from {}", action(next.action), next.at.beijing())
        }),
        EventKind::CloseBegan { next } | EventKind::CloseAborted { next } => {
            format!("{} from {}", action(next.action), next.at.beijing())
        }
        EventKind::Paid(payment) | EventKind::PaidLate(payment) => paid(payment),
        EventKind::AnomalyRaised(raised) => {
            let kind = word_of(&redactor.json(&raised.kind));
            match (&raised.payment, &raised.refund) {
                (Some(payment), _) => format!("{kind}, {}", paid(payment)),
                (None, Some(refund)) => format!("{kind}, refund {}", refund.refund_no),
                (None, None) => kind,
            }
        }
        EventKind::AnomalyReclassified { id, kind } => {
            format!("anomaly {id}, {}", word_of(&redactor.json(kind)))
        }
        EventKind::AnomalyEnded { id, how, note } => {
            format!(
                "anomaly {id}, {}: {}",
                word_of(&redactor.json(how)),
                note.as_str()
            )
        }
        EventKind::AnomalyReopened { id, refund_no } => {
            format!("anomaly {id}, refund {refund_no} did not succeed")
        }
        EventKind::EndedByPerson { note } => note.as_str().to_owned(),
        EventKind::RefundOpened(refund) | EventKind::RefundMoved(refund) => moved(refund),
        EventKind::RefundChecked { refund_no, .. } => refund_no.to_string(),
        _ => String::new(),
    }
}

fn paid(payment: &Payment) -> String {
    let fee = yuan(payment.paid_fee, payment.currency);
    format!("{fee} by {}", payment.transaction_id)
}

fn moved(refund: &Refund) -> String {
    format!("{} {}", refund.refund_no, refund_status(refund.status))
}

fn yuan(fee: Fen, currency: Currency) -> String {
    money::show(u128::from(fee.as_u64()), currency)
}
