//! Parser for one line of a bill.

use super::columns::{self as column, BadField, Cells, Header};
use super::error::{BillFieldError, UnusableLine};
use super::fee::ServiceFee;
use crate::order::{Payment, RefundFact, RefundState, Source};
use crate::types::{
    AppId, Currency, Fen, Label, MchId, OpenId, OrderNo, RefundId, RefundNo, Timestamp,
    TransactionId, ValueError, ValueProblem,
};

/// One line of a trade bill.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BillLine {
    /// Number of the line in the bill, from 1.
    pub line: u64,
    /// Time at which the payment succeeded, or at which the channel accepted the refund. For a
    /// refund, it is never the time of success.
    pub time: Timestamp,
    /// Merchant who owns the money: 特约商户号, or 商户号 if that is empty.
    pub mch_id: MchId,
    /// Service provider (商户号); `None` if the merchant has none.
    pub provider_mch_id: Option<MchId>,
    /// App in which the customer created the order. With a service provider, it may be the
    /// provider's app.
    pub appid: Option<AppId>,
    /// Openid of the customer in the app of `appid`.
    pub openid: Option<OpenId>,
    /// Channel's number for the payment.
    pub transaction_id: TransactionId,
    /// Order number.
    pub no: OrderNo,
    /// Channel's trade type, such as `JSAPI`.
    pub trade_type: Option<Label>,
    /// Bank or wallet of the payer, such as `OTHERS`.
    pub bank_type: Option<Label>,
    /// Currency of all amounts.
    pub currency: Currency,
    /// Unit in which the reader interpreted the amounts.
    pub unit: BillUnit,
    /// Event that the line reports: a payment, a refund or a revocation.
    pub entry: BillEntry,
    /// Service fee that the channel keeps; negative if the channel returns it.
    pub fee: ServiceFee,
}

/// Unit in which the reader interpreted the amounts of a line. Later versions may add variants.
///
/// The channel writes yuan with two decimals. It does not document how it writes a currency with
/// zero or three decimals. A bill may contain 500 yen as `500`, or in hundredths as `5.00`. The
/// reader uses the currency's own unit if the text allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BillUnit {
    /// The only possible unit, because the currency has two decimals.
    Certain,
    /// The currency's own unit (see [`Currency::exponent`]), although the channel may have meant
    /// hundredths.
    Own {
        /// Amount of the line if the channel wrote it in hundredths instead of the currency's own
        /// unit.
        hundredths: Option<Fen>,
    },
    /// Hundredths, because the text has more decimals than the currency.
    Hundredths,
}

/// Event that a line of a bill reports. Later versions may add variants.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BillEntry {
    /// `SUCCESS`: the customer paid the order.
    Payment(BillPayment),
    /// `REFUND`: the channel accepted a refund.
    Refund(BillRefund),
    /// `REVOKED`: the channel revoked a payment.
    Revoked(BillRevoked),
}

/// A payment in a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BillPayment {
    /// Total of the order: 订单金额, or 总金额 in older bills.
    pub total: Fen,
    /// Amount that the channel settles with the merchant: 应结订单金额.
    pub settlement: Fen,
    /// Amount paid with coupons: 代金券金额.
    pub coupon: Fen,
}

/// A refund in a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BillRefund {
    /// Merchant's number for the refund.
    pub refund_no: RefundNo,
    /// Channel's number for the refund.
    pub refund_id: Option<RefundId>,
    /// Refunded amount: 申请退款金额, or 退款金额 in older bills.
    pub amount: Fen,
    /// Status at the time at which the channel created the bill. The bill does not change later.
    pub status: BillRefundStatus,
    /// Time at which the refund succeeded; `None` if the bill does not have it.
    pub success_at: Option<Timestamp>,
}

/// A revoked payment in a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BillRevoked {
    /// Channel's number for the refund of the revoked payment.
    pub refund_id: Option<RefundId>,
    /// Refunded amount; zero if the bill does not have it.
    pub amount: Fen,
}

/// Status of a refund at the time at which the channel created the bill. Later versions may add
/// variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BillRefundStatus {
    /// `PROCESSING`: the channel is processing the refund.
    Processing,
    /// `SUCCESS`: the customer received the money.
    Success,
    /// `FAIL`: the refund failed, and the channel will not retry it under this number.
    Failed,
    /// `CHANGE`: the channel cannot deliver the money; a person must act.
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
    /// Returns the amount of the payment, refund or revocation.
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

    /// Payment to pass to `confirm`. `None` if the line is not about a payment, or if its unit is
    /// [`BillUnit::Hundredths`].
    ///
    /// If the line has a service provider, the payment omits `appid` and `openid`. They may belong
    /// to the provider's app and then differ from those of the order.
    #[must_use]
    pub fn payment(&self) -> Option<Payment> {
        self.payment_as_read()
            .filter(|_| self.unit != BillUnit::Hundredths)
    }

    /// Returns the payment of the line, even if its unit is [`BillUnit::Hundredths`].
    pub(in crate::wechat) fn payment_as_read(&self) -> Option<Payment> {
        let BillEntry::Payment(paid) = &self.entry else {
            return None;
        };
        let payment = Payment::new(
            self.transaction_id.clone(),
            paid.total,
            self.time,
            Source::Bill,
        );
        let mut payment = payment.ok()?;
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

    /// Returns the refund of the line, with its state at the creation of the bill. `None` if the
    /// line is not about a refund, or if its unit is [`BillUnit::Hundredths`].
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

/// Collects the fields of an unusable line that the reader can parse.
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

/// Reads the merchant who owns the money, and its service provider.
fn merchants(cells: &Cells<'_>) -> Result<(MchId, Option<MchId>), BadField> {
    let own = cells.optional(&column::SUB_MCH, MchId::parse)?;
    let plain = cells.required(&column::MCH, MchId::parse)?;
    Ok(match own {
        Some(own) => (own, Some(plain)),
        None => (plain, None),
    })
}

/// Reads the time of the line. A refund uses 退款申请时间 (request time) if the bill has that column,
/// because in older bills its 交易时间 is the time of the payment.
fn time(cells: &Cells<'_>) -> Result<Timestamp, BadField> {
    let requested_at = match cells.text(&column::STATE) {
        "REFUND" => cells.optional(&column::ASKED_AT, Timestamp::parse_civil)?,
        _ => None,
    };
    match requested_at {
        Some(moment) => Ok(moment),
        None => cells.required(&column::TIME, Timestamp::parse_civil),
    }
}

/// Number of decimals of an amount in hundredths.
const HUNDREDTHS: u8 = 2;

/// Parses the entry in the currency's own unit. For a currency without two decimals, it parses the
/// entry in hundredths as well.
///
/// The result is in hundredths only if the text has too many decimals for the currency's unit.
/// Otherwise it contains both amounts, and the reconciliation decides which one fits.
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
        Err(BadField {
            source:
                BillFieldError::Value(ValueError {
                    problem: ValueProblem::TooFine { .. },
                    ..
                }),
            ..
        }) => Ok((other?, BillUnit::Hundredths)),
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

/// Amounts of a line, with the number of decimals by which to parse them.
struct Amounts<'a> {
    cells: &'a Cells<'a>,
    decimals: u8,
}

impl Amounts<'_> {
    fn parse(&self, text: &str) -> Result<Fen, ValueError> {
        Fen::parse_with(text, self.decimals)
    }

    /// Parses an amount that may be missing. An empty cell is zero.
    fn any(&self, header: &Header) -> Result<Fen, BadField> {
        let found = self.cells.optional(header, |text| self.parse(text))?;
        Ok(found.unwrap_or_default())
    }

    /// Parses the amount in the first of these two columns that the bill has. Zero is an error.
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
    let requested = amounts.any(&column::ASKED_REFUND)?;
    let amount = if requested.is_zero() {
        amounts.any(&column::REFUND)?
    } else {
        requested
    };
    let cells = amounts.cells;
    Ok(BillRevoked {
        refund_id: cells.optional(&column::REFUND_ID, RefundId::parse)?,
        amount,
    })
}
