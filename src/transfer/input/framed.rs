//! One record of an input, and where it begins.

use crate::transfer::error::Reason;
use crate::transfer::place::Place;

/// More bytes than any order has, with all the refunds and anomalies that it may hold.
pub(in crate::transfer) const RECORD_MAX: usize = 1 << 20;

/// What stands at a place.
pub(in crate::transfer) struct Framed<T> {
    pub(in crate::transfer) place: Place,
    pub(in crate::transfer) body: Result<T, Reason>,
}

impl<T> Framed<T> {
    pub(super) fn map<U>(self, to: impl FnOnce(T) -> U) -> Framed<U> {
        Framed {
            place: self.place,
            body: self.body.map(to),
        }
    }
}
