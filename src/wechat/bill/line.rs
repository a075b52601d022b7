//! One line of a bill, as typed values.

use super::columns::{self as column, Cells};
use super::error::{BillError, BillFieldError};
use super::fee::ServiceFee;
use crate::order::{Payment, PaymentError, RefundFact, RefundState, Source};
use crate::value::{
    AppId, Currency, Fen, IdError, Label, MchId, OpenId, OrderNo, RefundId, RefundNo, Timestamp,
    TransactionId,
};

/// One line of a trade bill.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BillLine {
    /// Which line of the bill it is, from 1.
    pub line: u64,
    /// When the payment succeeded, or when the channel accepted the refund; never when that
    /// succeeded.
    pub time: Timestamp,
    /// The merchant whose money it is: 特约商户号, or 商户号 where there is none.
    pub mch_id: MchId,
    /// The service provider, where one is involved: 商户号.
    pub provider_mch_id: Option<MchId>,
    /// The app in which the order was made; a service provider's own, where it made it.
    pub appid: Option<AppId>,
    /// The customer, as that app knows them.
    pub openid: Option<OpenId>,
    /// The channel's number for the payment.
    pub transaction_id: TransactionId,
    /// The order's number.
    pub no: OrderNo,
    /// The channel's trade type, such as `JSAPI`.
    pub trade_type: Option<Label>,
    /// The bank or wallet that paid, such as `OTHERS`.
    pub bank_type: Option<Label>,
    /// The money's currency.
    pub currency: Currency,
    /// What happened.
    pub entry: BillEntry,
    /// What the channel keeps of it, or gives back.
    pub fee: ServiceFee,
}

/// What a line of a bill says happened. May grow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BillEntry {
    /// `SUCCESS`: the order was paid.
    Payment(BillPayment),
    /// `REFUND`: the channel accepted a refund.
    Refund(BillRefund),
    /// `REVOKED`: the payment was taken back.
    Revoked(BillRevoked),
}

/// A payment in a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BillPayment {
    /// The order's total: 订单金额, or in older bills 总金额.
    pub total: Fen,
    /// What the channel settles: 应结订单金额.
    pub settlement: Fen,
    /// What coupons paid: 代金券金额.
    pub coupon: Fen,
}

/// A refund in a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BillRefund {
    /// The merchant's number for it.
    pub refund_no: RefundNo,
    /// The channel's number for it.
    pub refund_id: Option<RefundId>,
    /// How much goes back: 申请退款金额, or in older bills 退款金额.
    pub amount: Fen,
    /// How far it was when the bill was made. The bill does not move with it.
    pub status: BillRefundStatus,
    /// When the money went back, where the bill tells.
    pub success_at: Option<Timestamp>,
}

/// A payment that was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BillRevoked {
    /// The channel's number for the refund that took it back.
    pub refund_id: Option<RefundId>,
    /// How much went back; zero where the bill does not tell.
    pub amount: Fen,
}

/// How far a refund was when the bill was made. May grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BillRefundStatus {
    /// `PROCESSING`: the channel is at it.
    Processing,
    /// `SUCCESS`: the money went back.
    Success,
    /// `FAIL`: it will not go back under this number.
    Failed,
    /// `CHANGE`: the channel cannot deliver it; a person must act.
    Abnormal,
}

impl BillRefundStatus {
    fn parse(text: &str) -> Result<Self, BillFieldError> {
        match text {
            "PROCESSING" => Ok(Self::Processing),
            "SUCCESS" => Ok(Self::Success),
            "FAIL" | "CLOSED" | "REFUNDCLOSE" => Ok(Self::Failed),
            "CHANGE" | "ABNORMAL" => Ok(Self::Abnormal),
            _ => Err(BillFieldError::NotState),
        }
    }
}

impl BillLine {
    pub(super) fn read(cells: &Cells<'_>) -> Result<Self, BillError> {
        let (mch_id, provider_mch_id) = merchants(cells)?;
        Ok(Self {
            line: cells.line,
            time: cells.required(&column::TIME, Timestamp::parse_civil)?,
            mch_id,
            provider_mch_id,
            appid: cells.optional(&column::APPID, AppId::parse)?,
            openid: cells.optional(&column::OPENID, OpenId::parse)?,
            transaction_id: cells.required(&column::TRANSACTION, TransactionId::parse)?,
            no: cells.required(&column::NO, OrderNo::parse)?,
            trade_type: Label::lossy(cells.text(&column::TRADE_TYPE)),
            bank_type: Label::lossy(cells.text(&column::BANK)),
            currency: cells
                .optional(&column::CURRENCY, Currency::parse)?
                .unwrap_or_default(),
            entry: entry(cells)?,
            fee: cells
                .optional(&column::FEE, ServiceFee::parse)?
                .unwrap_or_default(),
        })
    }

    /// The line's payment, as `confirm` takes it; `None` where the line is about a refund.
    ///
    /// Where a service provider is involved, the app and the customer may be known under
    /// the provider's names, and so are left out: they would be compared with the order's.
    #[must_use]
    pub fn payment(&self) -> Option<Payment> {
        let BillEntry::Payment(paid) = &self.entry else {
            return None;
        };
        let made: Result<_, PaymentError> = Payment::new(
            self.transaction_id.clone(),
            paid.total,
            self.time,
            Source::Bill,
        );
        let mut payment = made.ok()?;
        payment.currency = self.currency;
        payment.mch_id = Some(self.mch_id.clone());
        if self.provider_mch_id.is_none() {
            payment.appid.clone_from(&self.appid);
            payment.openid.clone_from(&self.openid);
        }
        payment.trade_type.clone_from(&self.trade_type);
        payment.bank_type.clone_from(&self.bank_type);
        payment.settlement_total = Some(paid.settlement).filter(|fen| !fen.is_zero());
        Some(payment)
    }

    /// How the line's refund stood when the bill was made; `None` where the line is about
    /// something else.
    #[must_use]
    pub fn refund(&self) -> Option<RefundFact> {
        let BillEntry::Refund(refund) = &self.entry else {
            return None;
        };
        let fact = RefundFact::new(
            refund.refund_no.clone(),
            self.transaction_id.clone(),
            refund.amount,
            refund.status.state(),
        );
        let mut fact = fact.ok()?;
        if let Some(id) = &refund.refund_id {
            fact = fact.with_refund_id(id.clone());
        }
        Some(match refund.success_at {
            Some(moment) => fact.with_success_at(moment),
            None => fact,
        })
    }
}

impl BillRefundStatus {
    const fn state(self) -> RefundState {
        match self {
            Self::Processing => RefundState::Processing,
            Self::Success => RefundState::Success,
            Self::Failed => RefundState::Closed,
            Self::Abnormal => RefundState::Abnormal,
        }
    }
}

/// Whose money it is, and who acts for them.
fn merchants(cells: &Cells<'_>) -> Result<(MchId, Option<MchId>), BillError> {
    let plain = cells.required(&column::MCH, MchId::parse)?;
    let own: Option<MchId> = cells.optional::<_, IdError>(&column::SUB_MCH, MchId::parse)?;
    Ok(match own {
        Some(own) => (own, Some(plain)),
        None => (plain, None),
    })
}

fn entry(cells: &Cells<'_>) -> Result<BillEntry, BillError> {
    match cells.text(&column::STATE) {
        "SUCCESS" => payment(cells).map(BillEntry::Payment),
        "REFUND" => refund(cells).map(BillEntry::Refund),
        "REVOKED" => revoked(cells).map(BillEntry::Revoked),
        "" => Err(cells.refuse(&column::STATE, BillFieldError::Missing)),
        _ => Err(cells.refuse(&column::STATE, BillFieldError::NotState)),
    }
}

fn payment(cells: &Cells<'_>) -> Result<BillPayment, BillError> {
    Ok(BillPayment {
        total: cells.first_amount([&column::TOTAL, &column::SETTLEMENT])?,
        settlement: cells.amount(&column::SETTLEMENT)?,
        coupon: cells.amount(&column::COUPON)?,
    })
}

fn refund(cells: &Cells<'_>) -> Result<BillRefund, BillError> {
    let refund_no = cells.optional(&column::REFUND_NO, RefundNo::parse)?;
    let missing = || cells.refuse(&column::REFUND_NO, BillFieldError::Missing);
    Ok(BillRefund {
        refund_no: refund_no.ok_or_else(missing)?,
        refund_id: cells.optional(&column::REFUND_ID, RefundId::parse)?,
        amount: cells.first_amount([&column::ASKED_REFUND, &column::REFUND])?,
        status: cells.required(&column::REFUND_STATUS, BillRefundStatus::parse)?,
        success_at: cells.optional(&column::SUCCESS_AT, Timestamp::parse_civil)?,
    })
}

fn revoked(cells: &Cells<'_>) -> Result<BillRevoked, BillError> {
    let asked = cells.amount(&column::ASKED_REFUND)?;
    let amount = if asked.is_zero() {
        cells.amount(&column::REFUND)?
    } else {
        asked
    };
    Ok(BillRevoked {
        refund_id: cells.optional(&column::REFUND_ID, RefundId::parse)?,
        amount,
    })
}
