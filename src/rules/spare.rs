//! Memory of written decisions, which the next decisions reuse.
//!
//! A group decides all its commands before its write, and needs their events no longer after it.
//! An allocator is slow if much memory is taken at once and freed at once: its caches are too small
//! for that. The memory of one group therefore goes to the next.

use std::sync::Arc;

use crate::order::{Event, EventKind, Order, OrderCreated, Payment, Record};

/// Maximum number of values of each kind that are kept: those of a large group.
const KEPT_MAX: usize = 1024;

/// Spare memory. The old values in it have no meaning: a new value overwrites them.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "an event takes the box")]
pub(crate) struct Spare {
    events: Vec<Vec<Event>>,
    created: Vec<Box<OrderCreated>>,
    payments: Vec<Box<Payment>>,
    /// Orders that nobody else shares.
    orders: Vec<Arc<Order>>,
}

impl Spare {
    /// Keeps the memory of events that nobody needs any more. The kinds that almost all events have
    /// are kept.
    pub(crate) fn keep_events(&mut self, mut events: Vec<Event>) {
        for event in events.drain(..) {
            match event.what {
                EventKind::Created(created) => keep(&mut self.created, created),
                EventKind::Paid(payment) => keep(&mut self.payments, payment),
                _ => {}
            }
        }
        keep(&mut self.events, events);
    }

    /// Keeps the memory of an old record unless somebody still shares it, such as a reader.
    pub(crate) fn keep_record(&mut self, record: Record) {
        if let Record::Order(mut order) = record
            && let Some(old) = Arc::get_mut(&mut order)
        {
            // Free the lists, because they may be long.
            (old.refunds, old.anomalies) = Default::default();
            keep(&mut self.orders, order);
        }
    }

    /// Returns an empty list with room for one event: most decisions have one.
    pub(super) fn events(&mut self) -> Vec<Event> {
        self.events.pop().unwrap_or_else(|| Vec::with_capacity(1))
    }

    pub(super) fn created(&mut self, created: OrderCreated) -> Box<OrderCreated> {
        boxed(&mut self.created, created)
    }

    pub(super) fn payment(&mut self, payment: Payment) -> Box<Payment> {
        boxed(&mut self.payments, payment)
    }

    pub(super) fn order(&mut self, order: Order) -> Arc<Order> {
        if let Some(mut spare) = self.orders.pop()
            && let Some(place) = Arc::get_mut(&mut spare)
        {
            *place = order;
            return spare;
        }
        Arc::new(order)
    }

    /// Returns the order for changes. Changes a copy if somebody shares the order.
    pub(super) fn make_mut<'a>(&mut self, order: &'a mut Arc<Order>) -> &'a mut Order {
        if Arc::get_mut(order).is_none() {
            *order = self.order(Order::clone(order));
        }
        Arc::make_mut(order)
    }
}

fn keep<T>(spare: &mut Vec<T>, value: T) {
    if spare.len() < KEPT_MAX {
        spare.push(value);
    }
}

fn boxed<T>(spare: &mut Vec<Box<T>>, value: T) -> Box<T> {
    match spare.pop() {
        Some(mut place) => {
            *place = value;
            place
        }
        None => Box::new(value),
    }
}
