//! The truth: a channel that keeps its own ledger, and shares no code with the rules.
//!
//! It takes whatever refund it is asked for. So what it sends out beyond what was paid in
//! is money that the store allowed to go back twice.

use std::collections::BTreeMap;

use super::super::*;

/// A message under way. It may be delivered twice, late, or out of order.
#[derive(Debug, Clone)]
pub(super) enum Message {
    Paid(&'static str, Payment),
    Refunded(&'static str, RefundFact),
    /// A query, answered with the state at the time when it arrives.
    AskOrder(&'static str),
    AskRefund(&'static str, String, Timestamp),
    OrderIs(&'static str, ChannelState),
}

/// A transaction as it is: what was paid, and under which number.
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

/// A refund as it is.
#[derive(Debug)]
pub(super) struct Back {
    pub(super) transaction: String,
    asked: u64,
    /// `None` where the channel refused the request and knows no refund.
    state: Option<RefundState>,
    /// What went out and did not return.
    pub(super) out: u64,
    sent: u64,
}

/// What the server hears at once.
pub(super) enum Reply {
    Lost,
    Refused,
    State(RefundState, u64),
}

#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) paid: BTreeMap<String, Paid>,
    pub(super) refunds: BTreeMap<String, Back>,
    pub(super) closed: Vec<&'static str>,
    pub(super) pool: Vec<Message>,
}

impl Truth {
    /// A customer pays; nobody pays a transaction twice or a closed number.
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

    /// The payment is told once more: with less, or under another number.
    pub(super) fn tell_oddly(&mut self, transaction: &str, under: &'static str, amount: u64) {
        if let Some(paid) = self.paid.get(transaction) {
            let mut payment = paid.payment.clone();
            payment.paid_fee = fen(amount.min(paid.amount()));
            self.pool.push(Message::Paid(under, payment));
        }
    }

    /// A request for a refund arrives. What is known is answered as it is.
    pub(super) fn request(
        &mut self,
        number: &str,
        (transaction, amount): (&str, u64),
        dice: u8,
    ) -> Reply {
        let back = self
            .refunds
            .entry(number.to_owned())
            .or_insert_with(|| Back {
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
        if fresh && dice.is_multiple_of(3) {
            return if dice.is_multiple_of(2) {
                Reply::Refused
            } else {
                Reply::Lost
            };
        }
        if fresh {
            back.state = Some(RefundState::Processing);
        }
        match back.state {
            Some(state) if dice % 4 != 1 => Reply::State(state, back.sent),
            _ => Reply::Lost,
        }
    }

    /// A refund moves on by itself, and the channel tells. A success may be of less than was
    /// asked for, and may fail later.
    pub(super) fn move_on(&mut self, under: &'static str, number: &str, dice: u8) {
        use RefundState::{Abnormal, Closed, Processing, Success};
        let Some(back) = self.refunds.get_mut(number) else {
            return;
        };
        let next = match (back.state, dice % 8) {
            (Some(Processing), 0) => Abnormal,
            (Some(Processing | Abnormal), 1 | 2) => Closed,
            (Some(Processing | Abnormal), _) => Success,
            (Some(Success), 0 | 1) if back.out > 0 => Closed,
            _ => return,
        };
        if next == Success {
            let less = dice % 8 == 7 && back.asked > 10;
            back.sent = if less { back.asked - 10 } else { back.asked };
            back.out = back.sent;
        } else if next == Closed {
            back.out = 0;
        }
        back.state = Some(next);
        self.tell(under, number);
    }

    pub(super) fn tell(&mut self, under: &'static str, number: &str) {
        if let Some(fact) = self.fact(number) {
            self.pool.push(Message::Refunded(under, fact));
        }
    }

    /// The refund as it stands; `None` where the channel knows none.
    pub(super) fn fact(&self, number: &str) -> Option<RefundFact> {
        let back = self.refunds.get(number)?;
        // The amount of what returned is the one that had gone out.
        Some(told(number, &back.transaction, back.sent, back.state?))
    }

    /// An order as it stands. The first transaction under its number is named.
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

    /// What went out of a transaction and did not return.
    pub(super) fn out(&self, transaction: &str) -> u64 {
        let of_it = self
            .refunds
            .values()
            .filter(|b| b.transaction == transaction);
        of_it.map(|back| back.out).sum()
    }
}
