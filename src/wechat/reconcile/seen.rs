//! Set of the payments and refunds of a bill, with 16 bytes per element.

use std::hash::Hash;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::types::{RefundNo, TransactionId};

/// Collects the hashes of the bill's payments and refunds.
///
/// A collision would hide a missing payment. With hashes of 128 bits, a collision by accident is
/// practically impossible.
#[derive(Default)]
pub(super) struct SeenBuilder(Vec<u128>);

/// Set of the bill's payments and refunds: sorted hashes for a binary search.
pub(super) struct Seen(Vec<u128>);

impl SeenBuilder {
    pub(super) fn payment(&mut self, transaction: &TransactionId) {
        self.0.push(hash("payment", transaction.as_str()));
    }

    pub(super) fn refund(&mut self, refund_no: &RefundNo) {
        self.0.push(hash("refund", refund_no.as_str()));
    }

    pub(super) fn finish(mut self) -> Seen {
        self.0.sort_unstable();
        Seen(self.0)
    }
}

impl Seen {
    pub(super) fn has_payment(&self, transaction: &TransactionId) -> bool {
        self.has(hash("payment", transaction.as_str()))
    }

    pub(super) fn has_refund(&self, refund_no: &RefundNo) -> bool {
        self.has(hash("refund", refund_no.as_str()))
    }

    fn has(&self, hash: u128) -> bool {
        self.0.binary_search(&hash).is_ok()
    }
}

fn hash(kind: &str, text: &str) -> u128 {
    let mut hasher = SipHasher13::new();
    (kind, text).hash(&mut hasher);
    hasher.finish128().as_u128()
}
