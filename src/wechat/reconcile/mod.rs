//! Reconciliation: compares a day's bill with the store, and suggests fixes.
//!
//! Invariants:
//! - The comparison writes nothing. Each difference contains a suggested fix, and the caller
//!   decides whether to apply it.
//! - Fixes are idempotent, because the store recognises a duplicate payment or refund.
//! - Memory use is 16 bytes per line of the bill, plus one page of orders and the numbers of the
//!   missing refunds.

mod compare;
mod difference;
mod missing;
mod seen;

pub use difference::{BillDifference, BillDifferenceKind, Fix};

use thiserror::Error;

use self::compare::{Compared, compare};
use self::seen::SeenBuilder;
use super::bill::{BillDay, BillEntry, BillError, BillKind, BillLine, UnusableLine};
use crate::error::Error as StoreError;
use crate::store::Store;
use crate::types::MchId;

/// Comparison of one merchant's trade bill of one day with the store.
///
/// A payment belongs to the day on which it succeeded. A refund belongs to the day on which the
/// channel accepted it.
///
/// The bill of a service provider contains the lines of all its merchants. The comparison skips
/// lines of other merchants, also unusable ones. An unusable line is a difference, unless it names
/// another merchant.
///
/// ```
/// use orderstore::wechat::bill::{BillDay, BillReader};
/// use orderstore::wechat::{Fix, Reconciliation};
/// use orderstore::{MchId, Store};
///
/// # let store = Store::memory()?;
/// let bill = "\
/// 交易时间,商户号,特约商户号,微信订单号,商户订单号,交易状态,订单金额
/// `2021-01-28 15:35:18,`1601959334,`0,`4200000910202101282955148400,`S20210128153505214586,`SUCCESS,`0.01
/// 总交易单数,订单总金额
/// `1,`0.01
/// ";
/// let reader = BillReader::new(bill.as_bytes())?;
/// let mch_id = MchId::parse("1601959334")?;
/// let day = BillDay::parse("2021-01-28")?;
/// let mut commands = Vec::new();
/// let comparison = Reconciliation::of(day, mch_id).kind(reader.kind());
/// let counts = comparison.run(&store, reader, |difference| {
///     println!("{:?}: {:?}", difference.no, difference.kind);
///     commands.extend(difference.fix.into_command());
/// })?;
/// assert_eq!(counts.differences, 1);
/// // Apply the fixes after a person has checked the differences:
/// for ticket in store.submit_all(commands)? {
///     let _ = ticket.wait()?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Reconciliation {
    day: BillDay,
    mch_id: MchId,
    kind: BillKind,
}

/// Counts of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconciled {
    /// Number of bill lines of this merchant.
    pub lines: u64,
    /// Number of bill lines of other merchants, which the comparison skips.
    pub other_merchants: u64,
    /// Number of this merchant's lines with a time outside the day. The comparison includes them.
    /// If there are many, the bill is probably for another day.
    pub out_of_day: u64,
    /// Number of lines that contradict their order, but whose payment or refund the store already
    /// keeps as an anomaly.
    pub in_anomalies: u64,
    /// Number of reported differences.
    pub differences: u64,
}

/// Error that ended a comparison before it reported all differences.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// The bill cannot be used.
    #[error("the bill cannot be used")]
    Bill(#[from] BillError),
    /// The store could not be read.
    #[error("the store could not be read, so the comparison is incomplete")]
    Store(#[from] StoreError),
}

impl Reconciliation {
    /// Creates the comparison of a bill that contains payments and refunds.
    pub const fn of(day: BillDay, mch_id: MchId) -> Self {
        Self {
            day,
            mch_id,
            kind: BillKind::All,
        }
    }

    /// Sets the kind of lines in the bill. For a bill of refunds, the comparison reports no missing
    /// payments. For a bill of payments, it reports no missing refunds.
    pub const fn kind(mut self, kind: BillKind) -> Self {
        self.kind = kind;
        self
    }

    /// Runs the comparison, and calls `report` with each difference. It writes nothing.
    ///
    /// It first reports the differences of the lines, in the sequence of the bill. Then it reports
    /// the payments and refunds that the bill does not have.
    ///
    /// # Errors
    /// [`ReconcileError`] if the store cannot be read, or at the first error of the bill other than
    /// [`BillError::Line`].
    pub fn run(
        &self,
        store: &Store,
        lines: impl IntoIterator<Item = Result<BillLine, BillError>>,
        mut report: impl FnMut(BillDifference),
    ) -> Result<Reconciled, ReconcileError> {
        let mut counts = Reconciled::default();
        let mut seen = SeenBuilder::default();
        for line in lines {
            let compared = match line {
                Ok(line) => self.line(store, line, &mut counts, &mut seen)?,
                Err(BillError::Line(bad)) => self.unusable(store, bad, &mut counts, &mut seen)?,
                Err(error) => return Err(error.into()),
            };
            match compared {
                Compared::Same => {}
                Compared::InAnomaly => counts.in_anomalies += 1,
                Compared::Differs(difference) => {
                    counts.differences += 1;
                    report(*difference);
                }
            }
        }
        let seen = seen.finish();
        let mut missing = |difference| {
            counts.differences += 1;
            report(difference);
        };
        if self.kind != BillKind::Refund {
            self.missing_payments(store, &seen, &mut missing)?;
        }
        if self.kind != BillKind::Success {
            self.missing_refunds(store, &seen, &mut missing)?;
        }
        Ok(counts)
    }

    fn line(
        &self,
        store: &Store,
        line: BillLine,
        counts: &mut Reconciled,
        seen: &mut SeenBuilder,
    ) -> Result<Compared, StoreError> {
        if line.mch_id != self.mch_id {
            counts.other_merchants += 1;
            return Ok(Compared::Same);
        }
        counts.lines += 1;
        counts.out_of_day += u64::from(!self.day.range().contains(&line.time));
        note(seen, &line);
        let order = store.get(line.no).wait()?;
        Ok(compare(line, order))
    }

    /// Handles an unusable line. The line counts as one of this merchant, unless it names another
    /// merchant.
    fn unusable(
        &self,
        store: &Store,
        bad: Box<UnusableLine>,
        counts: &mut Reconciled,
        seen: &mut SeenBuilder,
    ) -> Result<Compared, StoreError> {
        if bad
            .mch_id
            .as_ref()
            .is_some_and(|mch_id| *mch_id != self.mch_id)
        {
            counts.other_merchants += 1;
            return Ok(Compared::Same);
        }
        counts.lines += 1;
        // An unusable line can still have a valid transaction or refund number. Mark the payment or
        // refund as seen. Otherwise it would be reported again, as missing in the bill.
        if let Some(transaction) = bad.transaction_id.as_ref().filter(|_| bad.is_payment) {
            seen.payment(transaction);
        }
        if let Some(refund_no) = &bad.refund_no {
            seen.refund(refund_no);
        }
        let order = match bad.no {
            Some(no) => store.get(no).wait()?,
            None => None,
        };
        Ok(Compared::Differs(BillDifference::unusable(bad, order)))
    }
}

/// Marks the payment or refund of a line as seen in the bill.
fn note(seen: &mut SeenBuilder, line: &BillLine) {
    match &line.entry {
        BillEntry::Payment(_) => seen.payment(&line.transaction_id),
        BillEntry::Refund(refund) => seen.refund(&refund.refund_no),
        BillEntry::Revoked(_) => {}
    }
}

#[cfg(test)]
mod tests;
