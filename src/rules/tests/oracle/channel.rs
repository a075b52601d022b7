//! Simulated payment channel with its own ledger. The channel shares no code with the rules.
//!
//! The channel executes every refund that the server requests. If it refunds more than a
//! transaction paid, the store has allowed too many refunds.

use std::collections::BTreeMap;

use super::super::*;

/// Message between channel and server. The test may deliver a message twice, late or out of order.
#[derive(Debug, Clone)]
pub(super) enum Message {
    Paid(&'static str, Payment),
    Refunded(&'static str, RefundFact),
    /// Query of an order. The answer contains the order's state when the query arrives.
    AskOrder(&'static str),
    /// Query of a refund: order, refund number, and the time when the server sent the query.
    AskRefund(&'static str, String, Timestamp),
    /// Answer to a query of an order.
    OrderIs(&'static str, ChannelState),
}

/// Transaction in the channel's ledger: the payment, and the order for which the customer paid.
#[derive(Debug)]
pub(super) struct Paid {
    pub(super) under: &'static str,
    pub(super) payment: Payment,
}

impl Paid {
    pub(super) fn amount(&self) -> u64 {
        self.payment.paid_fee.as_u64()
    }
}

/// Refund in the channel's ledger.
#[derive(Debug)]
pub(super) struct LedgerRefund {
    pub(super) transaction: String,
    asked: u64,
    /// State of the refund; `None` if the channel refused the request.
    state: Option<RefundState>,
    /// Amount that the customer has received and kept, in fen.
    pub(super) out: u64,
    /// Amount in the channel's reports about the refund, in fen.
    sent: u64,
}

/// Immediate reply of the channel to a refund request.
pub(super) enum Reply {
    Lost,
    Refused,
    State(RefundState, u64),
}

/// Payment channel with its ledger and the messages that are not delivered yet (`pool`).
#[derive(Debug, Default)]
pub(super) struct Channel {
    pub(super) paid: BTreeMap<String, Paid>,
    pub(super) refunds: BTreeMap<String, LedgerRefund>,
    pub(super) closed: Vec<&'static str>,
    pub(super) pool: Vec<Message>,
}

impl Channel {
    /// Makes a customer pay an order, unless the transaction exists or the order is closed.
    pub(super) fn pay(&mut self, under: &'static str, transaction: &str, amount: u64, payer: &str) {
        if self.paid.contains_key(transaction) || self.closed.contains(&under) {
            return;
        }
        let mut payment = paid_fen(transaction, amount);
        payment.openid = Some(openid(payer));
        self.pool.push(Message::Paid(under, payment.clone()));
        self.paid
            .insert(transaction.to_owned(), Paid { under, payment });
    }

    /// Sends a known payment again, but for the given order and with at most the given amount.
    pub(super) fn resend_distorted(&mut self, transaction: &str, under: &'static str, amount: u64) {
        if let Some(paid) = self.paid.get(transaction) {
            let mut payment = paid.payment.clone();
            payment.paid_fee = fen(amount.min(paid.amount()));
            self.pool.push(Message::Paid(under, payment));
        }
    }

    /// Handles a refund request. The reply to a known refund contains its current state.
    pub(super) fn request(
        &mut self,
        number: &str,
        (transaction, amount): (&str, u64),
        random: u8,
    ) -> Reply {
        let back = self
            .refunds
            .entry(number.to_owned())
            .or_insert_with(|| LedgerRefund {
                transaction: transaction.to_owned(),
                asked: amount,
                state: None,
                out: 0,
                sent: amount,
            });
        assert_eq!(
            (back.transaction.as_str(), back.asked),
            (transaction, amount)
        );
        let fresh = matches!(back.state, None | Some(RefundState::Closed));
        if fresh && random.is_multiple_of(3) {
            return if random.is_multiple_of(2) {
                Reply::Refused
            } else {
                Reply::Lost
            };
        }
        if fresh {
            back.state = Some(RefundState::Processing);
        }
        match back.state {
            Some(state) if random % 4 != 1 => Reply::State(state, back.sent),
            _ => Reply::Lost,
        }
    }

    /// Changes the state of a refund and sends a notification. A successful refund may have a
    /// smaller amount than requested, and may fail later.
    pub(super) fn advance_refund(&mut self, under: &'static str, number: &str, random: u8) {
        use RefundState::{Abnormal, Closed, Processing, Success};
        let Some(back) = self.refunds.get_mut(number) else {
            return;
        };
        let next = match (back.state, random % 8) {
            (Some(Processing), 0) => Abnormal,
            (Some(Processing | Abnormal), 1 | 2) => Closed,
            (Some(Processing | Abnormal), _) => Success,
            (Some(Success), 0 | 1) if back.out > 0 => Closed,
            _ => return,
        };
        if next == Success {
            let less = random % 8 == 7 && back.asked > 10;
            back.sent = if less { back.asked - 10 } else { back.asked };
            back.out = back.sent;
        } else if next == Closed {
            back.out = 0;
        }
        back.state = Some(next);
        self.send_state(under, number);
    }

    /// Sends the current state of a refund, as a report about the order `under`.
    pub(super) fn send_state(&mut self, under: &'static str, number: &str) {
        if let Some(fact) = self.fact(number) {
            self.pool.push(Message::Refunded(under, fact));
        }
    }

    /// Returns the report about a refund; `None` if the channel has no such refund.
    pub(super) fn fact(&self, number: &str) -> Option<RefundFact> {
        let back = self.refunds.get(number)?;
        // A refund whose money returned to the merchant keeps its reported amount.
        Some(report(number, &back.transaction, back.sent, back.state?))
    }

    /// Returns the state of an order, with the first transaction that paid it.
    pub(super) fn order(&self, text: &str) -> ChannelState {
        let mut paid = self.paid.values().filter(|paid| paid.under == text);
        match paid.next() {
            Some(paid) if self.out(paid.payment.transaction_id.as_str()) > 0 => {
                ChannelState::Refund(paid.payment.clone())
            }
            Some(paid) => ChannelState::Success(paid.payment.clone()),
            None if self.closed.contains(&text) => ChannelState::Closed,
            None => ChannelState::NotPay,
        }
    }

    pub(super) fn close(&mut self, text: &'static str) -> CloseReply {
        if self.paid.values().any(|paid| paid.under == text) {
            return CloseReply::OrderPaid;
        }
        self.closed.push(text);
        CloseReply::Closed
    }

    /// Returns how much of a transaction the customer has received back and kept, in fen.
    pub(super) fn out(&self, transaction: &str) -> u64 {
        let of_it = self
            .refunds
            .values()
            .filter(|b| b.transaction == transaction);
        of_it.map(|back| back.out).sum()
    }
}
