//! Events: what happened to an order, version by version.

use orderstore::{Currency, Event, Fen, Payment, Refund, What};

use super::order::{action, word_of};
use crate::money;
use crate::outcome::refund_status;
use crate::output::{Cell, Column, data, shown};
use crate::veil::Veil;

pub(crate) const EVENTS: &[Column] = &[
    shown("version"),
    shown("at"),
    shown("event"),
    shown("detail"),
    data("what"),
];

pub(crate) fn event_cells(event: &Event, veil: Veil) -> Vec<Cell> {
    let what = veil.json(&event.what);
    vec![
        event.version.into(),
        Cell::Time(event.at),
        Cell::Text(word_of(&what)),
        Cell::filled(detail(&event.what, veil)),
        Cell::Json(what),
    ]
}

fn detail(what: &What, veil: Veil) -> String {
    match what {
        What::Created(new) => yuan(new.total_fee, new.currency),
        What::Imported(order) => {
            let total = yuan(order.total_fee, order.currency);
            format!("{}, {total}", order.status)
        }
        What::Annotated(metadata) => format!("{} bytes", metadata.as_bytes().len()),
        What::PrepayRecorded(prepay) => word_of(&veil.json(&prepay.kind)),
        What::Checked { next, .. } => next.map_or_else(String::new, |next| {
            format!("{} from {}", action(next.action), next.at.beijing())
        }),
        What::CloseBegan { next } | What::CloseAborted { next } => {
            format!("{} from {}", action(next.action), next.at.beijing())
        }
        What::Paid(payment) | What::PaidLate(payment) => paid(payment),
        What::AnomalyRaised(raised) => {
            let kind = word_of(&veil.json(&raised.kind));
            match (&raised.payment, &raised.refund) {
                (Some(payment), _) => format!("{kind}, {}", paid(payment)),
                (None, Some(refund)) => format!("{kind}, refund {}", refund.refund_no),
                (None, None) => kind,
            }
        }
        What::AnomalyReclassified { id, kind } => {
            format!("anomaly {id}, {}", word_of(&veil.json(kind)))
        }
        What::AnomalyEnded { id, how, note } => {
            format!(
                "anomaly {id}, {}: {}",
                word_of(&veil.json(how)),
                note.as_str()
            )
        }
        What::AnomalyReopened { id, refund_no } => {
            format!("anomaly {id}, refund {refund_no} did not succeed")
        }
        What::EndedByPerson { note } => note.as_str().to_owned(),
        What::RefundOpened(refund) | What::RefundMoved(refund) => moved(refund),
        What::RefundChecked { refund_no, .. } => refund_no.to_string(),
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
