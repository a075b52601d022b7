//! A day's bill against the store: what differs, and what to do about it.
//!
//! Invariants:
//! - Nothing is written here. A difference carries the fix it suggests, and applying it is
//!   a step of the caller's.
//! - Applying the fixes of one bill twice changes nothing more: each is a money fact that
//!   the store recognises.
//! - Memory: 16 bytes for each line of the bill, and one page of orders.

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

/// The comparison of one merchant's bill of one day with the store.
///
/// Payments are of the day in which they succeeded, refunds of the day in which the channel
/// accepted them. Lines of other merchants (a service provider's bill has those of all) are
/// left out, whatever stands in them. A line of this merchant that cannot be used is a
/// difference.
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
/// // The explicit step, once a person has looked at the differences:
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

/// What a comparison met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconciled {
    /// Lines of this merchant.
    pub lines: u64,
    /// Lines of other merchants, left out.
    pub of_others: u64,
    /// Lines of this merchant whose time is not within the day: more than a few mean that
    /// the bill is of another day. They are compared like the others.
    pub out_of_day: u64,
    /// Lines that do not fit, but whose facts already stand as anomalies.
    pub in_anomalies: u64,
    /// What was told.
    pub differences: u64,
}

/// Why a comparison ended. What it had told by then is no complete account.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// The bill cannot be used.
    #[error("the bill cannot be used")]
    Bill(#[from] BillError),
    /// The store could not be read.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
}

impl Reconciliation {
    /// The comparison of a bill with payments and refunds.
    pub const fn of(day: BillDay, mch_id: MchId) -> Self {
        Self {
            day,
            mch_id,
            kind: BillKind::All,
        }
    }

    /// Which lines the bill has, so that those it cannot have are not missed.
    pub const fn kind(mut self, kind: BillKind) -> Self {
        self.kind = kind;
        self
    }

    /// Compares, and tells each difference as it is met: first those of the lines, in their
    /// order, then what the bill lacks. It writes nothing.
    ///
    /// # Errors
    /// [`ReconcileError`]: a line that cannot be counted, or a summary that does not agree, ends
    /// it.
    pub fn run(
        &self,
        store: &Store,
        lines: impl IntoIterator<Item = Result<BillLine, BillError>>,
        mut tell: impl FnMut(BillDifference),
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
                    tell(*difference);
                }
            }
        }
        let seen = seen.finish();
        let mut missing = |difference| {
            counts.differences += 1;
            tell(difference);
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
            counts.of_others += 1;
            return Ok(Compared::Same);
        }
        counts.lines += 1;
        counts.out_of_day += u64::from(!self.day.range().contains(&line.time));
        note(seen, &line);
        let order = store.get(line.no).wait()?;
        Ok(compare(line, order))
    }

    /// A line that cannot be used is no concern of this merchant's only where it names another.
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
            counts.of_others += 1;
            return Ok(Compared::Same);
        }
        counts.lines += 1;
        // What the bill names, it does not lack.
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

fn note(seen: &mut SeenBuilder, line: &BillLine) {
    match &line.entry {
        BillEntry::Payment(_) => seen.payment(&line.transaction_id),
        BillEntry::Refund(refund) => seen.refund(&refund.refund_no),
        BillEntry::Revoked(_) => {}
    }
}

#[cfg(test)]
mod tests;
