//! Simple server between the store and the simulated channel.

use std::collections::BTreeMap;

use super::super::*;
use super::channel::{Channel, Message, Reply};
use crate::order::{ActionKind, Anomaly, AnomalyKind, Record, Refund, RefundStatus};

const ORDERS: [&str; 3] = ["a", "b", "c"];
const TRANSACTIONS: [&str; 2] = ["X", "Y"];

/// Payment or refund report that the server acknowledged. The store must never lose such a fact.
#[derive(Debug)]
pub(super) enum Acknowledged {
    Paid(&'static str, Payment),
    Refunded(&'static str, RefundFact),
}

pub(super) struct Server {
    pub(super) store: Oracle,
    pub(super) channel: Channel,
    pub(super) acknowledged: Vec<Acknowledged>,
    /// Order of each requested refund, by refund number.
    numbers: BTreeMap<String, &'static str>,
}

fn pick<T: Copy>(choices: &[T], random: u8) -> T {
    choices[usize::from(random) % choices.len()]
}

impl Server {
    pub(super) fn open() -> Self {
        Self {
            store: Oracle::open(),
            channel: Channel::default(),
            acknowledged: Vec::new(),
            numbers: BTreeMap::new(),
        }
    }

    pub(super) fn step(&mut self, kind: u8, a: u8, b: u8) {
        let (order, transaction) = (pick(&ORDERS, a), pick(&TRANSACTIONS, b));
        match kind {
            0 | 1 => {
                let _ = self.store.create(order, new());
            }
            2 => {
                let amount = if a % 4 == 3 { 90 } else { 100 };
                let payer = if b % 4 == 3 { "aunt" } else { "user" };
                self.channel.pay(order, transaction, amount, payer);
            }
            3 => {
                let amount = if b % 4 < 2 { 100 } else { u64::from(b % 4) };
                self.channel.resend_distorted(transaction, order, amount);
            }
            4..=8 => self.deliver(usize::from(a), b.is_multiple_of(3), b),
            9 | 10 => self.sweep(a.is_multiple_of(2), b),
            11 | 12 => self.request_new(order, transaction, pick(&[40, 60, 90, 100], a / 3), b),
            13 => self.retry(a, b),
            14 | 15 => self.advance_refund(a, b),
            16 | 17 => self.resolve_one(usize::from(a), b),
            18 => self.end(order),
            _ => self.store.wait(pick(&[SECOND, MINUTE * 5, HOUR, WEEK], a)),
        }
    }

    /// Delivers one message to the server. An unacknowledged message stays in the pool, because the
    /// channel repeats it. `again` delivers a copy and keeps the message.
    fn deliver(&mut self, position: usize, again: bool, random: u8) {
        let pool = &mut self.channel.pool;
        if pool.is_empty() {
            return;
        }
        let position = position % pool.len();
        let message = if again {
            pool[position].clone()
        } else {
            pool.swap_remove(position)
        };
        if !self.receive(message.clone(), random) && !again {
            self.channel.pool.push(message);
        }
    }

    /// Handles one message. Returns `false` if the channel must repeat it.
    fn receive(&mut self, message: Message, random: u8) -> bool {
        match message {
            Message::Paid(text, payment) => {
                let (_, acknowledge) = self.store.confirm(text, payment.clone());
                if acknowledge {
                    self.acknowledged.push(Acknowledged::Paid(text, payment));
                }
                acknowledge
            }
            Message::Refunded(text, fact) => self.record(text, fact),
            Message::AskOrder(text) => {
                let state = self.channel.order(text);
                self.channel.pool.push(Message::OrderIs(text, state));
                true
            }
            Message::AskRefund(text, number, sent) => {
                match self.channel.fact(&number) {
                    Some(fact) => {
                        let fact = fact.with_query_sent_at(sent);
                        self.channel.pool.push(Message::Refunded(text, fact));
                    }
                    None => self.ask_again(text, &number, random),
                }
                true
            }
            Message::OrderIs(text, state) => {
                let decision = self.store.run(no(text), query(state.clone()));
                if let (true, Some(payment)) = (decision.acknowledge, state.payment()) {
                    let payment = payment.clone();
                    self.acknowledged.push(Acknowledged::Paid(text, payment));
                }
                true
            }
        }
    }

    fn record(&mut self, text: &'static str, fact: RefundFact) -> bool {
        let (recorded, acknowledge) = self.store.record_refund(text, fact.clone());
        if recorded == RefundRecorded::MustQuery {
            let record = self.store.record(text).unwrap();
            let refund = record.refund(fact.refund_no()).unwrap();
            assert!(refund.next_check.is_some(), "no query is due for {fact:?}");
        } else if acknowledge {
            self.acknowledged.push(Acknowledged::Refunded(text, fact));
        }
        acknowledge
    }

    /// Performs every due action. The channel answers queries at once or in a later step.
    fn sweep(&mut self, at_once: bool, random: u8) {
        for text in ORDERS {
            let Some(record) = self.store.record(text).cloned() else {
                continue;
            };
            let now = self.store.now;
            let next = record.as_order().and_then(|order| order.next);
            let waits = record.anomalies().iter().any(Anomaly::is_open);
            match next.filter(|next| next.at <= now && !waits) {
                Some(next) if next.action == ActionKind::AskClose => {
                    let reply = self.channel.close(text);
                    let _ = self.store.record_close(text, reply);
                }
                Some(_) => self.send(Message::AskOrder(text), at_once, random),
                None => {}
            }
            for refund in record.refunds() {
                if refund.next_check.is_some_and(|at| at <= now) {
                    let number = refund.refund_no.as_str().to_owned();
                    self.send(Message::AskRefund(text, number, now), at_once, random);
                }
            }
        }
    }

    fn send(&mut self, message: Message, at_once: bool, random: u8) {
        if !at_once {
            self.channel.pool.push(message);
            return;
        }
        // `receive` puts the answer to a query at the end of the pool. Deliver that answer now.
        let before = self.channel.pool.len();
        let _ = self.receive(message, random);
        if self.channel.pool.len() > before
            && let Some(answer) = self.channel.pool.pop()
            && !self.receive(answer.clone(), random)
        {
            self.channel.pool.push(answer);
        }
    }

    fn request_new(&mut self, text: &'static str, transaction: &str, amount: u64, random: u8) {
        let number = format!("R{}", self.numbers.len());
        self.request(text, new_refund(&number, transaction, amount), random);
    }

    /// Requests a refund from the store, and from the channel only if the store accepts it.
    fn request(&mut self, text: &'static str, new: NewRefund, random: u8) {
        let decision = self.store.run(no(text), request_refund(new.clone()));
        if decision.acknowledge {
            let number = new.refund_no().as_str().to_owned();
            self.numbers.insert(number.clone(), text);
            let record = self.store.record(text).unwrap();
            let refund = record.refund(new.refund_no()).unwrap();
            let is_kept = refund.status.holds_money();
            assert!(is_kept, "no money is reserved for the accepted {new:?}");
            self.ask_channel(text, &number, random);
        }
    }

    /// Repeats a refund request that the channel has not received.
    fn ask_again(&mut self, text: &'static str, number: &str, random: u8) {
        let known = self.refund_of(text, number);
        let Some(known) = known.filter(|known| known.status == RefundStatus::Requested) else {
            return;
        };
        let new = new_refund(
            number,
            known.transaction_id.as_str(),
            known.asked_amount().as_u64(),
        );
        self.request(text, new.attempt(known.attempt), random);
    }

    fn refund_of(&self, text: &str, number: &str) -> Option<Refund> {
        let number = RefundNo::parse(number).unwrap();
        self.store.record(text)?.refund(&number).cloned()
    }

    fn ask_channel(&mut self, text: &'static str, number: &str, random: u8) {
        let refund = self.refund_of(text, number).unwrap();
        let asked = refund.asked_amount().as_u64();
        let transaction = refund.transaction_id.as_str();
        match self.channel.request(number, (transaction, asked), random) {
            Reply::Lost => {}
            Reply::Refused => {
                let _ = self.store.refuse_attempt(text, number, refund.attempt);
            }
            Reply::State(state, amount) => {
                let _ = self.record(text, report(number, transaction, amount, state));
            }
        }
    }

    /// Requests the next attempt of a closed refund, under the same number.
    fn retry(&mut self, position: u8, random: u8) {
        let closed = |(number, text): (&String, &&'static str)| {
            let refund = self.refund_of(text, number)?;
            (refund.status == RefundStatus::Closed).then_some((*text, refund))
        };
        let closed: Vec<_> = self.numbers.iter().filter_map(closed).collect();
        let Some((text, refund)) = closed
            .get(usize::from(position) % closed.len().max(1))
            .cloned()
        else {
            return;
        };
        let number = refund.refund_no.as_str();
        let amount = refund.asked_amount().as_u64();
        let new = new_refund(number, refund.transaction_id.as_str(), amount);
        self.request(text, new.attempt(refund.attempt + 1), random);
    }

    fn advance_refund(&mut self, position: u8, random: u8) {
        let numbers: Vec<_> = self.numbers.iter().collect();
        if let Some((number, text)) = numbers.get(usize::from(position) % numbers.len().max(1)) {
            let (number, text) = ((*number).clone(), **text);
            self.channel.advance_refund(text, &number, random);
            if random > 240 {
                // The channel also reports the refund for a wrong order.
                self.channel.send_state(pick(&ORDERS, position), &number);
            }
        }
    }

    fn open_anomalies(&self) -> Vec<(&'static str, Anomaly)> {
        let of = |text: &'static str| {
            let anomalies = self.store.record(text).map_or(&[][..], Record::anomalies);
            let open = anomalies.iter().filter(|anomaly| anomaly.is_open());
            open.map(move |anomaly| (text, anomaly.clone())).collect()
        };
        ORDERS.into_iter().flat_map::<Vec<_>, _>(of).collect()
    }

    /// Resolves one open anomaly, as a person would.
    fn resolve_one(&mut self, position: usize, random: u8) {
        let open = self.open_anomalies();
        let Some((text, anomaly)) = open.get(position % open.len().max(1)).cloned() else {
            return;
        };
        // A person must accept a report that the channel's ledger confirms: a dismissal would make
        // the store differ from the ledger.
        let is_confirmed = match &anomaly.kind {
            AnomalyKind::RefundDisagrees { .. } => true,
            AnomalyKind::RefundDiffers { refund_no } => {
                let refund = anomaly.refund.as_ref();
                let fact = self.channel.fact(refund_no.as_str());
                refund
                    .zip(fact)
                    .is_some_and(|(refund, fact)| refund.amount == fact.amount())
            }
            _ => false,
        };
        let number = format!("R{}", self.numbers.len());
        let last = anomaly.reopening.as_ref().map(|last| &last.refund_no);
        let number = match last {
            Some(last) if random.is_multiple_of(2) => last.as_str().to_owned(),
            _ => number,
        };
        let how = match random % 8 {
            _ if is_confirmed => Resolution::Accept,
            0 | 1 => Resolution::Accept,
            2 => Resolution::Dismiss,
            _ if anomaly.payment.is_none() => Resolution::Dismiss,
            _ => refund(&number),
        };
        let count = anomaly.reopenings();
        let resolved = self
            .store
            .resolve_again(text, anomaly.id.0, count, how.clone());
        if resolved == Resolved::Resolved && matches!(how, Resolution::Refund { .. }) {
            self.numbers.insert(number.clone(), text);
            self.ask_channel(text, &number, random / 8);
        }
    }

    fn end(&mut self, text: &'static str) {
        let note = Note::parse("done").unwrap();
        let _ = self.store.run_close(text, CommandKind::EndOrder { note });
    }

    /// Runs 64 days. Each day, all messages arrive, and the server performs the due actions. Then
    /// runs [`Self::finish`] and checks the final state.
    pub(super) fn settle(&mut self, seed: u64) {
        let mut bytes = seed.to_le_bytes().into_iter().cycle();
        let resolves = seed.is_multiple_of(2);
        for _ in 0..64_u8 {
            let random = bytes.next().unwrap();
            for position in 0..self.numbers.len() {
                self.advance_refund(u8::try_from(position).unwrap(), random & 0b111);
            }
            for message in std::mem::take(&mut self.channel.pool) {
                let _ = self.receive(message, random);
            }
            if resolves {
                self.resolve_one(usize::from(random), random);
            }
            self.sweep(true, random);
            self.store.wait(Duration::from_secs(24 * 3600));
        }
        self.finish();
        self.check_all();
        self.check_final_state();
    }

    /// Runs 64 days without faults: the channel ends every refund and answers every query.
    fn finish(&mut self) {
        for _ in 0..64_u8 {
            for position in 0..self.numbers.len() {
                self.advance_refund(u8::try_from(position).unwrap(), 3);
            }
            for message in std::mem::take(&mut self.channel.pool) {
                let _ = self.receive(message, 2);
            }
            self.sweep(true, 2);
            self.store.wait(Duration::from_secs(24 * 3600));
        }
    }
}
