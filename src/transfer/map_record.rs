//! Maps a record of another system to an order.
//!
//! A required field, or a field for money, identity or time, must have a valid value. Otherwise the
//! import refuses the record, and the error names the field. An invalid value of a descriptive
//! field goes into the order's metadata, as do all fields that an order does not have.

use super::error::{FieldProblem, Reason};
use super::fields::{Fields, Value};
use super::mapping::{Field, Mapping};
use super::time;
use crate::order::{Order, Payment, Source, Status};
use crate::types::{
    AppId, Attach, Channel, Currency, Description, Fen, MchId, Metadata, OpenId, OrderNo,
    Timestamp, TransactionId,
};

/// Record of another system, with the mapping of its fields.
pub(super) struct Entry<'a> {
    fields: Fields<'a>,
    mapping: &'a Mapping,
}

impl<'a> Entry<'a> {
    pub(super) const fn new(fields: Fields<'a>, mapping: &'a Mapping) -> Self {
        Self { fields, mapping }
    }

    /// Reads the order number of the record.
    pub(super) fn no(&mut self) -> Result<OrderNo, Reason> {
        self.required(Field::No, |value| Ok(OrderNo::parse(text(value)?)?))
    }

    pub(super) fn order(mut self, no: OrderNo) -> Result<Order, Reason> {
        let status = self.status()?;
        let currency = self.optional(Field::FeeType, |value| Ok(Currency::parse(text(value)?)?))?;
        let currency = currency.unwrap_or_default();
        let total_fee = self.amount(currency)?;
        let create_time = self.required(Field::CreateTime, time::read)?;
        Ok(Order {
            no,
            channel: Channel::WECHAT,
            appid: self.appid()?,
            mch_id: self.mch_id()?,
            openid: self.optional(Field::Openid, |value| Ok(OpenId::parse(text(value)?)?))?,
            total_fee,
            currency,
            description: self.lenient(Field::Description, |text| Description::parse(text).ok()),
            attach: self.lenient(Field::Attach, |text| Attach::parse(text).ok()),
            reference: None,
            status,
            late: status == Status::LatePaid,
            create_time,
            update_time: self
                .optional(Field::UpdateTime, time::read)?
                .unwrap_or(create_time),
            expires_at: create_time.saturating_add(self.mapping.expires_after),
            ended_at: None,
            prepay: None,
            next: None,
            checks: 0,
            payment: self.payment(status, total_fee, currency)?,
            refunds: Vec::new(),
            anomalies: Vec::new(),
            hidden_at: self.hidden_at(status)?,
            version: 0,
            metadata: self.metadata()?,
        })
    }

    fn status(&mut self) -> Result<Status, Reason> {
        let known = &self.mapping.statuses;
        self.required(Field::PayStatus, |value| {
            let status = match value {
                Value::Text(word) | Value::Number(word) => known.get(&**word),
                Value::Other => None,
            };
            status.copied().ok_or(FieldProblem::UnknownStatus)
        })
    }

    fn amount(&mut self, currency: Currency) -> Result<Fen, Reason> {
        let amounts = self.mapping.amounts;
        self.required(Field::TotalFee, |value| match value {
            Value::Text(text) | Value::Number(text) => Ok(amounts.read(text, currency)?),
            Value::Other => Err(FieldProblem::NotNumber),
        })
    }

    fn appid(&mut self) -> Result<AppId, Reason> {
        let found = self.optional(Field::Appid, |value| Ok(AppId::parse(text(value)?)?))?;
        let usual = || self.mapping.appid.clone();
        found
            .or_else(usual)
            .ok_or(FieldProblem::Missing.of(Field::Appid.name()))
    }

    fn mch_id(&mut self) -> Result<Option<MchId>, Reason> {
        let found = self.optional(Field::MchId, |value| match value {
            Value::Text(text) | Value::Number(text) => Ok(MchId::parse(text)?),
            Value::Other => Err(FieldProblem::NotText),
        })?;
        Ok(found.or_else(|| self.mapping.mch_id.clone()))
    }

    /// Reads the payment of the order: `Some` if and only if the status is a paid one. The store's
    /// rules later check the payment against the other fields.
    fn payment(
        &mut self,
        status: Status,
        total_fee: Fen,
        currency: Currency,
    ) -> Result<Option<Payment>, Reason> {
        let id = self.optional(Field::TransactionId, |value| {
            Ok(TransactionId::parse(text(value)?)?)
        })?;
        if !status.is_paid() {
            let of_none = FieldProblem::PaymentOnUnpaidOrder.of(Field::TransactionId.name());
            return id.map_or(Ok(None), |_| Err(of_none));
        }
        let id = id.ok_or(FieldProblem::Missing.of(Field::TransactionId.name()))?;
        let time_end = self.required(Field::TimeEnd, time::read)?;
        // Ignore the error of `Payment::new`, which fails only for 0 fen: the store refuses an
        // order of 0 fen with a clearer reason.
        let payment = Payment::new(id, total_fee, time_end, Source::Import).ok();
        Ok(payment.map(|payment| Payment {
            currency,
            ..payment
        }))
    }

    /// Reads the time at which the user hid the order. `None` if the order can still be paid,
    /// because only ended orders can be hidden; `deleteTime` then stays in the metadata.
    fn hidden_at(&mut self, status: Status) -> Result<Option<Timestamp>, Reason> {
        if status.is_ended() {
            return self.optional(Field::DeleteTime, time::read);
        }
        Ok(None)
    }

    /// Returns the remaining fields of the record as one JSON object.
    fn metadata(self) -> Result<Metadata, Reason> {
        let mut fields = self.fields;
        for name in &self.mapping.without {
            fields.forget(name);
        }
        Metadata::new(fields.rest()).map_err(|error| FieldProblem::from(error).of("metadata"))
    }

    /// Removes a field from the record and parses its value; `None` if the field is missing.
    fn optional<T>(
        &mut self,
        field: Field,
        read: impl FnOnce(&Value<'_>) -> Result<T, FieldProblem>,
    ) -> Result<Option<T>, Reason> {
        let name = self.mapping.name(field);
        let found = self.fields.find(name);
        let read = found.and_then(|value| value.map(|value| read(&value)).transpose());
        self.fields.forget(name);
        read.map_err(|problem| problem.of(field.name()))
    }

    /// Removes a field from the record and parses its value. A missing field is an error.
    fn required<T>(
        &mut self,
        field: Field,
        read: impl FnOnce(&Value<'_>) -> Result<T, FieldProblem>,
    ) -> Result<T, Reason> {
        let found = self.optional(field, read)?;
        found.ok_or(FieldProblem::Missing.of(field.name()))
    }

    /// Reads a descriptive field. An invalid value becomes part of the order's metadata instead.
    fn lenient<T: Default>(&mut self, field: Field, read: impl FnOnce(&str) -> Option<T>) -> T {
        let name = self.mapping.name(field);
        let found = match self.fields.find(name) {
            Ok(Some(Value::Text(text))) => read(&text),
            _ => None,
        };
        if found.is_some() {
            self.fields.forget(name);
        }
        found.unwrap_or_default()
    }
}

/// Returns the value if it is a string. A number is an error, because a float with 32 digits loses
/// about half of them.
fn text<'v>(value: &'v Value<'_>) -> Result<&'v str, FieldProblem> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Number(_) | Value::Other => Err(FieldProblem::NotText),
    }
}
