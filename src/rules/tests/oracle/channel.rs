//! Simulated channel with its own ledger. It shares no code with the rules.
//!
//! It executes every refund that the server requests. If it refunds more than a transaction
//! paid, the store allowed the same money to go back twice.

use std::collections::BTreeMap;

use super::super::*;

/// Message in transit. It may arrive twice, late, or out of order.
#[derive(Debug, Clone)]
pub(super) enum Message {
    Paid(&'static str, Payment),
    Refunded(&'static str, RefundFact),
    /// A query about an order. The answer contains the state at the time of arrival.
    AskOrder(&'static str),
    AskRefund(&'static str, String, Timestamp),
    OrderIs(&'static str, ChannelState),
}

/// Transaction in the ledger: the payment, and the order number that it was made under.
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

/// Refund in the ledger.
#[derive(Debug)]
pub(super) struct LedgerRefund {
    pub(super) transaction: String,
    asked: u64,
    /// State; `None` if the channel refused the request and has no refund.
    state: Option<RefundState>,
    /// Amount that went out and did not return, in fen.
    pub(super) out: u64,
    sent: u64,
}

/// Immediate reply to a refund request.
pub(super) enum Reply {
    Lost,
    Refused,
    State(RefundState, u64),
}

#[derive(Debug, Default)]
pub(super) struct Channel {
    pub(super) paid: BTreeMap<String, Paid>,
    pub(super) refunds: BTreeMap<String, LedgerRefund>,
    pub(super) closed: Vec<&'static str>,
    pub(super) pool: Vec<Message>,
}

impl Channel {
    /// Makes a customer pay. Each transaction is paid once, and a closed number is never paid.
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

    /// Sends the payment again with a smaller amount or under another order number.
    pub(super) fn resend_distorted(&mut self, transaction: &str, under: &'static str, amount: u64) {
        if let Some(paid) = self.paid.get(transaction) {
            let mut payment = paid.payment.clone();
            payment.paid_fee = fen(amount.min(paid.amount()));
            self.pool.push(Message::Paid(under, payment));
        }
    }

    /// Handles a refund request. A known refund is answered with its present state.
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

    /// Moves a refund to a next state and sends the notification. A success may have a smaller
    /// amount than requested, and may fail later.
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

    pub(super) fn send_state(&mut self, under: &'static str, number: &str) {
        if let Some(fact) = self.fact(number) {
            self.pool.push(Message::Refunded(under, fact));
        }
    }

    /// Returns the present state of a refund; `None` if the channel has no such refund.
    pub(super) fn fact(&self, number: &str) -> Option<RefundFact> {
        let back = self.refunds.get(number)?;
        // A refund whose money returned keeps the amount that had gone out.
        Some(report(number, &back.transaction, back.sent, back.state?))
    }

    /// Returns the present state of an order, with the first transaction under its number.
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

    /// Returns the refunded amount of a transaction that did not return, in fen.
    pub(super) fn out(&self, transaction: &str) -> u64 {
        let of_it = self
            .refunds
            .values()
            .filter(|b| b.transaction == transaction);
        of_it.map(|back| back.out).sum()
    }
}
