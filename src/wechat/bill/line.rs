//! One line of a bill, as typed values.

use super::columns::{self as column, BadField, Cells, Header};
use super::error::{BillFieldError, UnusableLine};
use super::fee::ServiceFee;
use crate::order::{Payment, PaymentError, RefundFact, RefundState, Source};
use crate::types::{
    AppId, Currency, Fen, FenError, Label, MchId, OpenId, OrderNo, RefundId, RefundNo, Timestamp,
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
    /// In which unit the amounts were read.
    pub unit: BillUnit,
    /// What happened.
    pub entry: BillEntry,
    /// What the channel keeps of it, or gives back.
    pub fee: ServiceFee,
}

/// In which unit the amounts of a line were read. May grow.
///
/// The channel writes yuan with two decimals. How it writes a currency that has none, or three,
/// is not documented: 500 yen may stand there as `500` or, in hundredths, as `5.00`. The
/// amounts are read in the currency's own unit where that is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BillUnit {
    /// The currency has two decimals: there is only one unit.
    Certain,
    /// In the currency's own unit, by [`Currency::exponent`].
    Own {
        /// The amount of the entry, if it was written in hundredths.
        hundredths: Option<Fen>,
    },
    /// In hundredths: there are more decimals than the currency has.
    Hundredths,
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

impl BillEntry {
    /// How much money it is about.
    #[must_use]
    pub const fn amount(&self) -> Fen {
        match self {
            Self::Payment(paid) => paid.total,
            Self::Refund(refund) => refund.amount,
            Self::Revoked(revoked) => revoked.amount,
        }
    }
}

impl BillLine {
    pub(super) fn read(cells: &Cells<'_>) -> Result<Self, Box<UnusableLine>> {
        Self::fields(cells).map_err(|bad| Box::new(unusable(cells, bad)))
    }

    fn fields(cells: &Cells<'_>) -> Result<Self, BadField> {
        let (mch_id, provider_mch_id) = merchants(cells)?;
        let currency = cells.optional(&column::CURRENCY, Currency::parse)?;
        let currency = currency.unwrap_or_default();
        let (entry, unit) = entry_in_unit(cells, currency)?;
        Ok(Self {
            line: cells.line,
            time: time(cells)?,
            mch_id,
            provider_mch_id,
            appid: cells.optional(&column::APPID, AppId::parse)?,
            openid: cells.optional(&column::OPENID, OpenId::parse)?,
            transaction_id: cells.required(&column::TRANSACTION, TransactionId::parse)?,
            no: cells.required(&column::NO, OrderNo::parse)?,
            trade_type: Label::lossy(cells.text(&column::TRADE_TYPE)),
            bank_type: Label::lossy(cells.text(&column::BANK)),
            currency,
            unit,
            entry,
            fee: cells
                .optional(&column::FEE, ServiceFee::parse)?
                .unwrap_or_default(),
        })
    }

    /// The line's payment, as `confirm` takes it; `None` where the line is about a refund, or
    /// its amount can only be in [hundredths](BillUnit::Hundredths).
    ///
    /// Where a service provider is involved, the app and the customer may be known under
    /// the provider's names, and so are left out: they would be compared with the order's.
    #[must_use]
    pub fn payment(&self) -> Option<Payment> {
        self.payment_as_read()
            .filter(|_| self.unit != BillUnit::Hundredths)
    }

    /// The payment, with an amount that may be in hundredths.
    pub(in crate::wechat) fn payment_as_read(&self) -> Option<Payment> {
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
    /// something else, or its amount can only be in [hundredths](BillUnit::Hundredths).
    #[must_use]
    pub fn refund(&self) -> Option<RefundFact> {
        let BillEntry::Refund(refund) = &self.entry else {
            return None;
        };
        if self.unit == BillUnit::Hundredths {
            return None;
        }
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

/// What of a line could be read all the same.
fn unusable(cells: &Cells<'_>, bad: BadField) -> UnusableLine {
    UnusableLine {
        line: cells.line,
        column: bad.column,
        source: bad.source,
        is_payment: cells.text(&column::STATE) == "SUCCESS",
        mch_id: merchants(cells).ok().map(|(own, _)| own),
        no: cells.lossy(&column::NO, OrderNo::parse),
        transaction_id: cells.lossy(&column::TRANSACTION, TransactionId::parse),
        refund_no: cells.lossy(&column::REFUND_NO, RefundNo::parse),
    }
}

/// Whose money it is, and who acts for them.
fn merchants(cells: &Cells<'_>) -> Result<(MchId, Option<MchId>), BadField> {
    let own = cells.optional(&column::SUB_MCH, MchId::parse)?;
    let plain = cells.required(&column::MCH, MchId::parse)?;
    Ok(match own {
        Some(own) => (own, Some(plain)),
        None => (plain, None),
    })
}

/// When it happened. In older bills of refunds 交易时间 is when the order was paid, so that
/// 退款申请时间 counts where there is one.
fn time(cells: &Cells<'_>) -> Result<Timestamp, BadField> {
    let asked_at = match cells.text(&column::STATE) {
        "REFUND" => cells.optional(&column::ASKED_AT, Timestamp::parse_civil)?,
        _ => None,
    };
    match asked_at {
        Some(moment) => Ok(moment),
        None => cells.required(&column::TIME, Timestamp::parse_civil),
    }
}

/// How many decimals the channel writes.
const HUNDREDTHS: u8 = 2;

fn entry_in_unit(cells: &Cells<'_>, currency: Currency) -> Result<(BillEntry, BillUnit), BadField> {
    let own = entry(cells, currency.exponent());
    if currency.exponent() == HUNDREDTHS {
        return Ok((own?, BillUnit::Certain));
    }
    let other = entry(cells, HUNDREDTHS);
    match own {
        Ok(entry) => {
            let hundredths = other.ok().map(|entry| entry.amount());
            Ok((entry, BillUnit::Own { hundredths }))
        }
        Err(bad) if matches!(bad.source, BillFieldError::Amount(FenError::TooFine { .. })) => {
            Ok((other?, BillUnit::Hundredths))
        }
        Err(bad) => Err(bad),
    }
}

fn entry(cells: &Cells<'_>, decimals: u8) -> Result<BillEntry, BadField> {
    let amounts = Amounts { cells, decimals };
    match cells.text(&column::STATE) {
        "SUCCESS" => payment(&amounts).map(BillEntry::Payment),
        "REFUND" => refund(&amounts).map(BillEntry::Refund),
        "REVOKED" => revoked(&amounts).map(BillEntry::Revoked),
        "" => Err(BadField::of(&column::STATE, BillFieldError::Missing)),
        _ => Err(BadField::of(&column::STATE, BillFieldError::NotState)),
    }
}

/// A line whose amounts have so many decimals.
struct Amounts<'a> {
    cells: &'a Cells<'a>,
    decimals: u8,
}

impl Amounts<'_> {
    fn parse(&self, text: &str) -> Result<Fen, FenError> {
        Fen::parse_with(text, self.decimals)
    }

    /// An amount; zero where there is none.
    fn any(&self, header: &Header) -> Result<Fen, BadField> {
        let found = self.cells.optional(header, |text| self.parse(text))?;
        Ok(found.unwrap_or_default())
    }

    /// The amount in the first of these columns that the bill has.
    fn first(&self, headers: [&Header; 2]) -> Result<Fen, BadField> {
        let header = self.cells.first(headers);
        let amount = self.cells.required(header, |text| self.parse(text))?;
        if amount.is_zero() {
            return Err(BadField::of(header, BillFieldError::Zero));
        }
        Ok(amount)
    }
}

fn payment(amounts: &Amounts<'_>) -> Result<BillPayment, BadField> {
    Ok(BillPayment {
        total: amounts.first([&column::TOTAL, &column::SETTLEMENT])?,
        settlement: amounts.any(&column::SETTLEMENT)?,
        coupon: amounts.any(&column::COUPON)?,
    })
}

fn refund(amounts: &Amounts<'_>) -> Result<BillRefund, BadField> {
    let cells = amounts.cells;
    let refund_no = cells.optional(&column::REFUND_NO, RefundNo::parse)?;
    let missing = BadField::of(&column::REFUND_NO, BillFieldError::Missing);
    Ok(BillRefund {
        refund_no: refund_no.ok_or(missing)?,
        refund_id: cells.optional(&column::REFUND_ID, RefundId::parse)?,
        amount: amounts.first([&column::ASKED_REFUND, &column::REFUND])?,
        status: cells.required(&column::REFUND_STATUS, BillRefundStatus::parse)?,
        success_at: cells.optional(&column::SUCCESS_AT, Timestamp::parse_civil)?,
    })
}

fn revoked(amounts: &Amounts<'_>) -> Result<BillRevoked, BadField> {
    let asked = amounts.any(&column::ASKED_REFUND)?;
    let amount = if asked.is_zero() {
        amounts.any(&column::REFUND)?
    } else {
        asked
    };
    let cells = amounts.cells;
    Ok(BillRevoked {
        refund_id: cells.optional(&column::REFUND_ID, RefundId::parse)?,
        amount,
    })
}
