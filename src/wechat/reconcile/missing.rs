//! Search for payments and refunds of the day that the store has and the bill does not have.

use std::collections::HashSet;
use std::time::Duration;

use super::seen::Seen;
use super::{BillDifference, Reconciliation};
use crate::error::Error as StoreError;
use crate::order::{Order, Payment, Record, Refund, RefundStatus, Status};
use crate::query::{OrderQuery, PageRequest};
use crate::rules::Index;
use crate::store::Store;
use crate::types::{Channel, MchId, Timestamp};

/// Assumed maximum difference between the clocks of the store and the channel: 24 hours.
///
/// The index of refunds is sorted by success time, by the channel's clock. The day of a refund is
/// that of its request time, by the store's clock. If the clocks differ, the success time can
/// precede the request time. The search therefore starts 24 hours before the day.
const CLOCKS_APART: Duration = Duration::from_secs(24 * 60 * 60);

impl Reconciliation {
    /// Reports the payments that succeeded on the day of the bill, but are not in the bill.
    pub(super) fn missing_payments(
        &self,
        store: &Store,
        seen: &Seen,
        report: &mut impl FnMut(BillDifference),
    ) -> Result<(), StoreError> {
        for status in [Status::Success, Status::LatePaid] {
            let listing = OrderQuery::by_status(status).between(self.day.range());
            for order in store.each_order(listing.page(PageRequest::of(PageRequest::MAX))) {
                let order = order?;
                if self.lacks_payment(&order, seen) {
                    report(BillDifference::missing_payment(&order));
                }
            }
        }
        Ok(())
    }

    /// Returns whether the bill should have the payment of this order, but does not.
    fn lacks_payment(&self, order: &Order, seen: &Seen) -> bool {
        let payment = order.payment.as_ref();
        let unseen = payment.is_some_and(|paid| !seen.has_payment(&paid.transaction_id));
        unseen && order.channel == Channel::WECHAT && self.is_ours(payment, order.mch_id.as_ref())
    }

    /// Reports refunds that the channel accepted on the day and that the bill does not have. The
    /// time of the payment does not matter.
    ///
    /// The function reads open refunds first, and then successful ones. A refund that succeeds
    /// between the two reads appears twice, and `reported` removes the duplicate. In the opposite
    /// sequence, such a refund could appear in neither list.
    pub(super) fn missing_refunds(
        &self,
        store: &Store,
        seen: &Seen,
        report: &mut impl FnMut(BillDifference),
    ) -> Result<(), StoreError> {
        let mut reported = HashSet::new();
        let since = self.day.range().start.saturating_sub(CLOCKS_APART);
        for (index, from) in [(Index::Due, Timestamp::EPOCH), (Index::Refunded, since)] {
            store.each_row(index, from, |row| {
                if let Some(refund) = row.refund()
                    && self.lacks_refund(&row.record, refund, seen)
                    && reported.insert(refund.refund_no.clone())
                {
                    report(BillDifference::missing_refund(&row.record, refund));
                }
                Ok::<_, StoreError>(())
            })?;
        }
        Ok(())
    }

    /// Returns whether the bill should have this refund, but does not. The bill need not have these
    /// refunds:
    ///
    /// - A requested refund, because the request may not have reached the channel.
    /// - A closed refund, because the channel may have refused it.
    /// - A refund of another system (`external`), because the store does not know the day on which
    ///   the channel accepted it.
    fn lacks_refund(&self, record: &Record, refund: &Refund, seen: &Seen) -> bool {
        let accepted = match refund.status {
            RefundStatus::Requested | RefundStatus::Closed => false,
            RefundStatus::Processing
            | RefundStatus::Success
            | RefundStatus::Abnormal
            | RefundStatus::Returned => !refund.external,
        };
        let of_day = self.day.range().contains(&refund.requested_at);
        let payment = record.payment_of(refund.channel, &refund.transaction_id);
        let order = record.as_order().and_then(|order| order.mch_id.as_ref());
        accepted
            && of_day
            && refund.channel == Channel::WECHAT
            && self.is_ours(payment, order)
            && !seen.has_refund(&refund.refund_no)
    }

    /// Returns whether the payment belongs to the bill's merchant. A payment that names no merchant
    /// counts as this merchant's, because a false report is better than a missed difference.
    fn is_ours(&self, payment: Option<&Payment>, order: Option<&MchId>) -> bool {
        let paid_to = payment.and_then(|payment| payment.mch_id.as_ref());
        paid_to
            .or(order)
            .is_none_or(|mch_id| *mch_id == self.mch_id)
    }
}
