//! Tests of the rules: one test per rule, and tests with random commands.
//!
//! [`Oracle`] is a minimal store in memory. It checks the invariants after every command, so each
//! test also tests the invariants. Short names stand for orders: `a` means `order-a`.

mod attempts;
mod close;
mod confirm;
mod contradictions;
mod create;
mod elsewhere;
mod ending;
mod expected;
mod helpers;
mod import;
mod import_checks;
mod index;
mod limits;
mod misc;
mod oracle;
mod prepay;
mod query;
mod random;
mod refund;
mod refund_due;
mod refund_facts;
mod replay;
mod resolve;
mod rows;
mod spare;
mod states;
mod states_zh;
mod strict;
mod times;

use std::time::Duration;

use crate::order::{
    AnomalyId, AnomalyRef, ChannelState, CloseOutcome, CloseReply, CommandKind, Confirmed,
    Conflict, Created, Imported, NewOrder, NewRefund, Order, Outcome, Payment, Prepaid, Prepay,
    PrepayKind, Queried, RefundFact, RefundRecorded, RefundRefused, RefundRequested, RefundState,
    RefundUnanswered, Resolution, Resolved, Source, Visible,
};
use crate::types::{
    AppId, Channel, Fen, Label, MchId, Note, OpenId, OrderNo, PrepayValue, Reference, RefundNo,
    Timestamp, TransactionId,
};
use helpers::Oracle;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

fn no(text: &str) -> OrderNo {
    OrderNo::parse(&format!("order-{text}")).unwrap()
}

fn fen(amount: u64) -> Fen {
    Fen::new(amount).unwrap()
}

fn openid(text: &str) -> OpenId {
    OpenId::parse(text).unwrap()
}

fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

fn alipay() -> Channel {
    Channel::parse("alipay").unwrap()
}

fn start() -> Timestamp {
    Timestamp::parse_rfc3339("2024-05-01T12:00:00+08:00").unwrap()
}

/// Returns a new order of 100 fen by the user `user` at the merchant `shop`.
fn new() -> NewOrder {
    NewOrder::new(AppId::parse("app").unwrap(), fen(100))
        .unwrap()
        .openid(openid("user"))
        .mch_id(MchId::parse("shop").unwrap())
}

/// Returns a payment of 100 fen that matches the order of [`new`].
fn paid(transaction: &str) -> Payment {
    paid_fen(transaction, 100)
}

fn paid_fen(transaction: &str, amount: u64) -> Payment {
    let transaction = TransactionId::parse(transaction).unwrap();
    let mut payment = Payment::new(transaction, fen(amount), start(), Source::CALLBACK).unwrap();
    payment.appid = Some(AppId::parse("app").unwrap());
    payment.mch_id = Some(MchId::parse("shop").unwrap());
    payment.openid = Some(openid("user"));
    payment
}

fn paid_by(transaction: &str, payer: &str) -> Payment {
    let mut payment = paid(transaction);
    payment.openid = Some(openid(payer));
    payment
}

fn new_prepay(kind: PrepayKind, value: &str) -> Prepay {
    Prepay::new(kind, PrepayValue::parse(value).unwrap())
}

fn create(new: NewOrder) -> CommandKind {
    CommandKind::Create(Box::new(new))
}

fn prepay(value: &str) -> CommandKind {
    CommandKind::RecordPrepay(Box::new(new_prepay(PrepayKind::Jsapi, value)))
}

fn confirm(payment: Payment) -> CommandKind {
    CommandKind::Confirm(Box::new(payment))
}

fn query(state: ChannelState) -> CommandKind {
    CommandKind::RecordQuery(Box::new(state))
}

fn resolve(anomaly: u32, how: Resolution) -> CommandKind {
    CommandKind::Resolve {
        anomaly: AnomalyId(anomaly).into(),
        how,
        note: Note::parse("because").unwrap(),
    }
}

/// Returns a person's decision to refund the payment of an anomaly under this refund number.
fn refund(number: &str) -> Resolution {
    Resolution::Refund {
        refund_no: RefundNo::parse(number).unwrap(),
    }
}

fn new_refund(number: &str, transaction: &str, amount: u64) -> NewRefund {
    let number = RefundNo::parse(number).unwrap();
    let transaction = TransactionId::parse(transaction).unwrap();
    NewRefund::new(number, transaction, fen(amount)).unwrap()
}

/// Returns the channel's report that this refund is in `state`.
fn report(number: &str, transaction: &str, amount: u64, state: RefundState) -> RefundFact {
    let number = RefundNo::parse(number).unwrap();
    let transaction = TransactionId::parse(transaction).unwrap();
    RefundFact::new(number, transaction, fen(amount), state).unwrap()
}

fn request_refund(new: NewRefund) -> CommandKind {
    CommandKind::RequestRefund(Box::new(new))
}

fn record_refund(fact: RefundFact) -> CommandKind {
    CommandKind::RecordRefund(Box::new(fact))
}

fn refuse_refund(number: &str) -> CommandKind {
    CommandKind::RecordRefundRefused {
        refund: RefundNo::parse(number).unwrap().into(),
        code: Label::parse("NOTENOUGH").unwrap(),
    }
}

/// Test methods that run one command on an order and return the outcome in its own type.
impl Oracle {
    fn create(&mut self, text: &str, new: NewOrder) -> Created {
        match self.run(no(text), create(new)).outcome {
            Outcome::Create(created) => created,
            other => panic!("{other:?}"),
        }
    }

    fn prepay(&mut self, text: &str, prepay: Prepay) -> Prepaid {
        let command = CommandKind::RecordPrepay(Box::new(prepay));
        match self.run(no(text), command).outcome {
            Outcome::RecordPrepay(prepaid) => prepaid,
            other => panic!("{other:?}"),
        }
    }

    /// Returns the outcome, and whether the caller may acknowledge it to the channel.
    fn confirm(&mut self, text: &str, payment: Payment) -> (Confirmed, bool) {
        let decision = self.run(no(text), confirm(payment));
        match decision.outcome {
            Outcome::Confirm(confirmed) => (confirmed, decision.acknowledge),
            other => panic!("{other:?}"),
        }
    }

    fn query(&mut self, text: &str, state: ChannelState) -> Queried {
        match self.run(no(text), query(state)).outcome {
            Outcome::RecordQuery(queried) => queried,
            other => panic!("{other:?}"),
        }
    }

    fn record_unanswered(&mut self, text: &str) -> Queried {
        match self.run(no(text), CommandKind::RecordUnanswered).outcome {
            Outcome::RecordQuery(queried) => queried,
            other => panic!("{other:?}"),
        }
    }

    fn run_close(&mut self, text: &str, command: CommandKind) -> CloseOutcome {
        match self.run(no(text), command).outcome {
            Outcome::Close(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    fn begin_close(&mut self, text: &str) -> CloseOutcome {
        self.run_close(text, CommandKind::BeginClose)
    }

    fn record_close(&mut self, text: &str, reply: CloseReply) -> CloseOutcome {
        self.run_close(text, CommandKind::RecordClose(reply))
    }

    fn resolve(&mut self, text: &str, anomaly: u32, how: Resolution) -> Resolved {
        match self.run(no(text), resolve(anomaly, how)).outcome {
            Outcome::Resolve(resolved) => resolved,
            other => panic!("{other:?}"),
        }
    }

    /// Applies a decision about an anomaly that was reopened `count` times.
    fn resolve_again(&mut self, text: &str, id: u32, count: u32, how: Resolution) -> Resolved {
        let anomaly = AnomalyRef {
            id: AnomalyId(id),
            reopenings: count,
        };
        let note = Note::parse("because").unwrap();
        match self
            .run(no(text), CommandKind::Resolve { anomaly, how, note })
            .outcome
        {
            Outcome::Resolve(resolved) => resolved,
            other => panic!("{other:?}"),
        }
    }

    fn request(&mut self, text: &str, new: NewRefund) -> RefundRequested {
        match self.run(no(text), request_refund(new)).outcome {
            Outcome::RequestRefund(requested) => requested,
            other => panic!("{other:?}"),
        }
    }

    /// Returns the outcome, and whether the caller may acknowledge it to the channel.
    fn record_refund(&mut self, text: &str, fact: RefundFact) -> (RefundRecorded, bool) {
        let decision = self.run(no(text), record_refund(fact));
        match decision.outcome {
            Outcome::RecordRefund(recorded) => (recorded, decision.acknowledge),
            other => panic!("{other:?}"),
        }
    }

    fn refuse(&mut self, text: &str, number: &str) -> RefundRefused {
        self.refuse_attempt(text, number, 1)
    }

    fn refuse_attempt(&mut self, text: &str, number: &str, attempt: u32) -> RefundRefused {
        let refund = (RefundNo::parse(number).unwrap(), attempt).into();
        let code = Label::parse("NOTENOUGH").unwrap();
        match self
            .run(no(text), CommandKind::RecordRefundRefused { refund, code })
            .outcome
        {
            Outcome::RefuseRefund(refused) => refused,
            other => panic!("{other:?}"),
        }
    }

    fn refund_unanswered(&mut self, text: &str, number: &str) -> RefundUnanswered {
        let refund_no = RefundNo::parse(number).unwrap();
        match self
            .run(no(text), CommandKind::RecordRefundUnanswered { refund_no })
            .outcome
        {
            Outcome::RefundUnanswered(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn import(&mut self, order: &Order, conflict: Conflict) -> Imported {
        let command = CommandKind::Import {
            order: Box::new(order.clone()),
            conflict,
        };
        match self.run(order.no, command).outcome {
            Outcome::Import(imported) => imported,
            other => panic!("{other:?}"),
        }
    }

    fn run_visibility(&mut self, text: &str, command: CommandKind) -> Visible {
        match self.run(no(text), command).outcome {
            Outcome::Visibility(visible) => visible,
            other => panic!("{other:?}"),
        }
    }
}
