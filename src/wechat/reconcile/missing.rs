//! What the store has of a day, and the day's bill has not.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::seen::Seen;
use super::{BillDifference, Reconciliation};
use crate::contract::IndexRow;
use crate::error::Error as StoreError;
use crate::order::{Order, Payment, Record, Refund, RefundStatus, Status};
use crate::query::{OrderQuery, PageRequest};
use crate::rules::Index;
use crate::store::Store;
use crate::types::{Channel, MchId, Timestamp};

/// A refund that went through before it was asked for has met two clocks.
const CLOCKS_APART: Duration = Duration::from_secs(24 * 60 * 60);

impl Reconciliation {
    /// Payments that succeeded on the day.
    pub(super) fn missing_payments(
        &self,
        store: &Store,
        seen: &Seen,
        tell: &mut impl FnMut(BillDifference),
    ) -> Result<(), StoreError> {
        for status in [Status::Success, Status::LatePaid] {
            let listing = OrderQuery::by_status(status).between(self.day.range());
            let mut page = PageRequest::of(PageRequest::MAX);
            loop {
                let part = store.list(listing.clone().page(page)).wait()?;
                let lacks = |order: &&Arc<Order>| self.lacks_payment(order, seen);
                part.rows
                    .iter()
                    .filter(lacks)
                    .for_each(|order| tell(BillDifference::missing_payment(order)));
                let Some(next) = part.next else { break };
                page = PageRequest::of(PageRequest::MAX).after(next);
            }
        }
        Ok(())
    }

    fn lacks_payment(&self, order: &Order, seen: &Seen) -> bool {
        let payment = order.payment.as_ref();
        let unseen = payment.is_some_and(|paid| !seen.has_payment(&paid.transaction_id));
        unseen && order.channel == Channel::WECHAT && self.is_ours(payment, order.mch_id.as_ref())
    }

    /// Refunds that were accepted on the day, whenever their orders were paid: first those
    /// that are open, then those that went through since. One that moves from here to there
    /// meanwhile is met twice, and told once.
    pub(super) fn missing_refunds(
        &self,
        store: &Store,
        seen: &Seen,
        tell: &mut impl FnMut(BillDifference),
    ) -> Result<(), StoreError> {
        let mut told = HashSet::new();
        let since = self.day.range().start.saturating_sub(CLOCKS_APART);
        for (index, from) in [(Index::Due, Timestamp::EPOCH), (Index::Refunded, since)] {
            store.each_row(index, from, |row| {
                if let Some(refund) = refund_at(row)
                    && self.lacks_refund(&row.record, refund, seen)
                    && told.insert(refund.refund_no.clone())
                {
                    tell(BillDifference::missing_refund(&row.record, refund));
                }
                Ok::<_, StoreError>(())
            })?;
        }
        Ok(())
    }

    /// What is only asked for may never have arrived, and what was closed may have been
    /// refused; of what was made elsewhere, the acceptance is not known.
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

    /// What names no merchant may be anybody's: better told than missed.
    fn is_ours(&self, payment: Option<&Payment>, order: Option<&MchId>) -> bool {
        let paid_to = payment.and_then(|payment| payment.mch_id.as_ref());
        paid_to
            .or(order)
            .is_none_or(|mch_id| *mch_id == self.mch_id)
    }
}

/// The refund that stands at a place of its list.
fn refund_at(row: &IndexRow) -> Option<&Refund> {
    let place = usize::try_from(row.position.sub.checked_sub(1)?).ok()?;
    row.record.refunds().get(place)
}
