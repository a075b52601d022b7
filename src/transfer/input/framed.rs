//! One record of an input, with its position.

use crate::transfer::error::Reason;
use crate::transfer::position::Position;

/// Maximum length of a record: 1 MiB. An order with the maximum number of refunds and anomalies is
/// shorter.
pub(in crate::transfer) const RECORD_MAX: usize = 1 << 20;

/// Record at a position, or the reason why the reader cannot read the record.
pub(in crate::transfer) struct Framed<T> {
    pub(in crate::transfer) place: Position,
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
