//! Entry point of the rules: calls the rule of each command.
//!
//! The test `every_status_meets_every_command` generates the manual's table of all statuses and
//! commands.

use smallvec::{SmallVec, smallvec};

use super::change::Change;
use super::decision::{Context, Decision};
use super::index::UniqueKey;
use super::policy::life_of;
use super::spare::Spare;
use super::{close, confirm, create, import, query, refund, refund_fact, resolve};
use crate::order::{
    Annotated, Command, CommandKind, EventKind, Order, Outcome, Payment, Prepaid, Prepay, Record,
    Resolution, Status, Visible,
};
use crate::types::Metadata;

/// Returns the unique keys whose owners [`decide`] needs in its [`Context`]: the keys that the
/// command names, and the keys of the unclaimed payments, refunds or anomaly that it concerns.
pub fn needs(
    command: &Command,
    record: Option<&Record>,
) -> impl Iterator<Item = UniqueKey> + use<> {
    let keys: SmallVec<[UniqueKey; 2]> = match &command.kind {
        CommandKind::Create(new) => {
            let reference = new.reference.clone().map(UniqueKey::Reference);
            let waiting = record.into_iter().flat_map(Record::unclaimed);
            let transactions = waiting.map(|(_, payment)| UniqueKey::transaction_of(payment));
            reference.into_iter().chain(transactions).collect()
        }
        CommandKind::Confirm(payment) => smallvec![UniqueKey::transaction_of(payment)],
        CommandKind::RecordQuery(state) => {
            let payment = state.payment();
            payment.map(UniqueKey::transaction_of).into_iter().collect()
        }
        CommandKind::Resolve { anomaly, how, .. } => {
            let payment = record
                .and_then(|record| record.anomaly(anomaly.id))
                .and_then(|anomaly| anomaly.payment.as_ref());
            let refund_no = payment.and_then(|payment| refund_key(how, payment));
            let transaction = payment.map(UniqueKey::transaction_of);
            transaction.into_iter().chain(refund_no).collect()
        }
        CommandKind::RequestRefund(new) => smallvec![
            UniqueKey::Transaction(new.channel, new.transaction_id.clone()),
            UniqueKey::RefundNo(new.channel, new.refund_no.clone()),
        ],
        CommandKind::RecordRefund(fact) => refund_fact::keys_of(fact).into(),
        CommandKind::Import { order, .. } => import::keys(order, record).into(),
        CommandKind::Annotate { .. }
        | CommandKind::RecordPrepay(_)
        | CommandKind::RecordUnanswered
        | CommandKind::BeginClose
        | CommandKind::RecordClose(_)
        | CommandKind::AbortClose
        | CommandKind::EndOrder { .. }
        | CommandKind::Hide
        | CommandKind::Unhide
        | CommandKind::RecordRefundRefused { .. }
        | CommandKind::RecordRefundUnanswered { .. } => SmallVec::new(),
    };
    keys.into_iter()
}

/// Returns whether the result of [`needs`] depends on the record.
pub(crate) const fn needs_depend_on_record(command: &Command) -> bool {
    use CommandKind::{Create, Import, Resolve};
    matches!(command.kind, Create(_) | Import { .. } | Resolve { .. })
}

fn refund_key(how: &Resolution, payment: &Payment) -> Option<UniqueKey> {
    match how {
        Resolution::Refund { refund_no } => {
            Some(UniqueKey::RefundNo(payment.channel, refund_no.clone()))
        }
        Resolution::Accept | Resolution::Dismiss => None,
    }
}

/// Applies `command` to `record`. Pure: the same arguments always give the same decision.
#[must_use]
pub fn decide(record: Option<&Record>, command: &Command, context: &Context<'_>) -> Decision {
    decide_with(record, command, context, &mut Spare::default())
}

/// Does the same as [`decide`], and takes the memory of the decision from `spare` if it has any.
pub(crate) fn decide_with(
    record: Option<&Record>,
    command: &Command,
    context: &Context<'_>,
    spare: &mut Spare,
) -> Decision {
    let change = Change::new(command.no, record, context, spare);
    match &command.kind {
        CommandKind::Create(new) => create::create(change, new),
        CommandKind::Annotate { version, metadata } => annotate(change, *version, metadata),
        CommandKind::RecordPrepay(prepay) => record_prepay(change, prepay),
        CommandKind::Confirm(payment) => confirm::confirm(change, payment),
        CommandKind::RecordQuery(state) => query::record_query(change, state),
        CommandKind::RecordUnanswered => query::record_unanswered(change),
        CommandKind::BeginClose => close::begin_close(change),
        CommandKind::RecordClose(reply) => close::record_close(change, *reply),
        CommandKind::AbortClose => close::abort_close(change),
        CommandKind::Resolve { anomaly, how, note } => {
            resolve::resolve(change, *anomaly, how, note)
        }
        CommandKind::EndOrder { note } => close::end_order(change, note),
        CommandKind::Hide => set_visible(change, false),
        CommandKind::Unhide => set_visible(change, true),
        CommandKind::RequestRefund(new) => refund::request_refund(change, new),
        CommandKind::RecordRefund(fact) => refund_fact::record_refund(change, fact),
        CommandKind::RecordRefundRefused { refund, code } => {
            refund_fact::record_refund_refused(change, refund, code)
        }
        CommandKind::RecordRefundUnanswered { refund_no } => {
            refund_fact::record_refund_unanswered(change, refund_no)
        }
        CommandKind::Import { order, conflict } => import::import(change, order, *conflict),
    }
}

fn annotate(mut change: Change<'_>, version: u64, metadata: &Metadata) -> Decision {
    let outcome = match change.order() {
        None => Annotated::NotFound,
        Some(order) if order.version != version => Annotated::VersionMoved { now: order.version },
        Some(_) => {
            change.push(EventKind::Annotated(metadata.clone()));
            Annotated::Annotated
        }
    };
    change.answer(Outcome::Annotate(outcome), outcome == Annotated::Annotated)
}

fn record_prepay(mut change: Change<'_>, prepay: &Prepay) -> Decision {
    let outcome = match change.order() {
        None => Prepaid::NotFound,
        Some(order) => match order.status {
            Status::Pending => {
                if let Some(kept) = kept_prepay(order, prepay, &change) {
                    change.push(EventKind::PrepayRecorded(kept));
                }
                Prepaid::Recorded
            }
            Status::Success | Status::LatePaid => Prepaid::AlreadyPaid,
            status @ (Status::Closing | Status::Closed | Status::Failed) => {
                Prepaid::NotPayable { status }
            }
        },
    };
    change.answer(Outcome::RecordPrepay(outcome), outcome == Prepaid::Recorded)
}

/// Returns the prepay to store, or `None` if the order already has it with the same expiry. If the
/// command sets no expiry, the result is also `None` while the stored prepay is valid.
fn kept_prepay(order: &Order, asked: &Prepay, change: &Change<'_>) -> Option<Prepay> {
    let now = change.now();
    let life = || now.saturating_add(life_of(asked.kind));
    let end = asked.valid_until.unwrap_or_else(life).min(order.expires_at);
    let lives = |old: &Prepay| asked.valid_until.is_none() && old.valid_until > Some(now);
    let is_this = |old: &Prepay| {
        let same = old.kind == asked.kind && old.value == asked.value;
        same && (old.valid_until == Some(end) || lives(old))
    };
    if order.prepay.as_ref().is_some_and(is_this) {
        return None;
    }
    let mut kept = asked.clone();
    kept.valid_until = Some(end);
    kept.recorded_at = change.stamp();
    Some(kept)
}

fn set_visible(mut change: Change<'_>, visible: bool) -> Decision {
    let outcome = match change.order() {
        None => Visible::NotFound,
        Some(order) if order.hidden_at.is_none() == visible => Visible::Already,
        Some(_) if visible => {
            change.push(EventKind::Unhidden);
            Visible::Shown
        }
        Some(order) if !order.status.is_ended() => Visible::NotEnded,
        Some(_) => {
            change.push(EventKind::Hidden);
            Visible::Hidden
        }
    };
    let acknowledge = !matches!(outcome, Visible::NotFound | Visible::NotEnded);
    change.answer(Outcome::Visibility(outcome), acknowledge)
}
