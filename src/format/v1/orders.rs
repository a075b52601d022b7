//! Stored fields of orders, payments, refunds, anomalies and events.

use crate::order::{
    ActionKind, Anomaly, AnomalyEnd, AnomalyEndKind, AnomalyKind, AnomalyRaised, EventKind,
    IdentityField, NextAction, Order, OrderCreated, Payment, Prepay, PrepayKind, Record, Refund,
    RefundStatus, Reopening, Source, Status, TradeState, Waiting,
};

stored! {
    enum Record {
        0 => Order(order),
        1 => Waiting(waiting),
    }
}

stored! {
    struct Order {
        no, channel, appid, mch_id, openid, total_fee, currency, description, attach, reference,
        metadata, status, late, create_time, update_time, expires_at, ended_at, prepay, next,
        checks, payment, refunds, anomalies, hidden_at, version,
    }
}

stored! { struct Waiting { no, anomalies, refunds, update_time, version } }

stored! {
    enum Status {
        0 => Pending, 1 => Success, 2 => Closing, 3 => Closed, 4 => Failed, 5 => LatePaid,
    }
}

stored! { struct NextAction { at, action } }

stored! { enum ActionKind { 0 => Query, 1 => AskClose, 2 => QueryRefund } }

stored! {
    struct Payment {
        transaction_id, paid_fee, time_end, source, channel, currency, appid, mch_id, openid,
        trade_type, bank_type, payer_total, settlement_total, recorded_at,
    }
}

stored! {
    enum Source {
        0 => Callback { notify_id },
        1 => Query,
        2 => Bill,
        3 => Import,
        4 => Operator,
    }
}

stored! { struct Prepay { kind, value, valid_until, recorded_at } }

stored! { enum PrepayKind { 0 => Jsapi, 1 => App, 2 => Native, 3 => H5 } }

stored! {
    struct Refund {
        channel, refund_no, refund_id, transaction_id, amount, asked, status, external, code,
        requested_at, attempt, believed_after, success_at, ended_at, next_check, checks,
    }
}

stored! {
    enum RefundStatus {
        0 => Requested, 1 => Processing, 2 => Success, 3 => Closed, 4 => Abnormal, 5 => Returned,
    }
}

stored! { struct Anomaly { id, kind, payment, refund, raised_at, reopening, folded, end } }

stored! { struct Reopening { count, at, refund_no } }

stored! {
    enum AnomalyKind {
        0 => Unclaimed,
        1 => TransactionTaken { by },
        2 => IdentityMismatch { field },
        3 => AmountMismatch { expected, found },
        4 => DoublePayment { first },
        5 => LatePayment,
        6 => RefundUnknown,
        7 => Reversed,
        8 => ChannelDisagrees { state },
        9 => RefundDiffers { refund_no },
        10 => RefundExceeds { refund_no, available },
        11 => RefundNoTaken { refund_no, by },
        12 => GivenBack { by },
        13 => RefundDisagrees { refund_no },
        14 => RefundedElsewhere { refund_no, by },
    }
}

stored! { enum IdentityField { 0 => Channel, 1 => Appid, 2 => MchId, 3 => Openid } }

stored! {
    enum TradeState {
        0 => Success, 1 => Refund, 2 => NotPay, 3 => UserPaying, 4 => Accept, 5 => Closed, 6 =>
        PayError, 7 => Revoked, 8 => NoSuchOrder,
    }
}

stored! { struct AnomalyEnd { at, how, note } }

stored! {
    enum AnomalyEndKind {
        0 => Accepted,
        1 => Refunded { refund_no },
        2 => Dismissed,
        3 => Settled,
    }
}

stored! {
    enum EventKind {
        0 => Created(order),
        1 => Annotated(metadata),
        2 => PrepayRecorded(prepay),
        3 => Checked { next, counted },
        4 => CloseBegan { next },
        5 => CloseAborted { next },
        6 => Closed,
        7 => Failed,
        8 => Paid(payment),
        9 => PaidLate(payment),
        10 => AnomalyRaised(anomaly),
        11 => AnomalyReclassified { id, kind },
        12 => AnomalyEnded { id, how, note },
        13 => AnomalyReopened { id, refund_no },
        14 => AnomaliesFolded,
        15 => EndedByPerson { note },
        16 => Hidden,
        17 => Unhidden,
        18 => RefundOpened(refund),
        19 => RefundMoved(refund),
        20 => Imported(order),
        21 => RefundChecked { channel, refund_no, next_check, counted },
    }
}

stored! {
    struct OrderCreated {
        channel, appid, mch_id, openid, total_fee, currency, description, attach, reference,
        metadata, expires_at, next,
    }
}

stored! { struct AnomalyRaised { kind, payment, refund } }
