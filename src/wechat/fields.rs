//! The fields of an event, found by name and not yet understood.
//!
//! Invariants:
//! - Only the fields listed here are kept; all others are skipped without being read.
//! - A field that occurs twice counts as neither of both: a needed one is refused, an
//!   optional one is dropped.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::error::{CloudEventError, FieldError};
use crate::value::Fen;

/// The fields that decide something.
const NEEDED: [&str; 15] = [
    "returnCode",
    "resultCode",
    "transactionId",
    "outTradeNo",
    "totalFee",
    "feeType",
    "timeEnd",
    "appid",
    "subAppid",
    "mchId",
    "subMchId",
    "openid",
    "subOpenid",
    "outRefundNo",
    "refundId",
];

/// The fields that are good to know.
const OPTIONAL: [&str; 7] = [
    "tradeType",
    "bankType",
    "cashFee",
    "settlementTotalFee",
    "returnMsg",
    "errCode",
    "errCodeDes",
];

/// The fields of one event that have a meaning here.
#[derive(Default)]
pub(super) struct Fields {
    found: BTreeMap<&'static str, Found>,
}

/// What stands under one name.
enum Found {
    Once(Value),
    Repeated,
}

impl Fields {
    /// Reads the fields of a JSON object.
    ///
    /// A parser cannot go on behind a number, an escape or a depth that it does not take.
    /// Where one of these stands in an optional field, a second reading skips all of those,
    /// so that the payment is not lost.
    pub(super) fn from_json(json: &[u8]) -> Result<Self, CloudEventError> {
        let read = Reading::Everything.read(json);
        read.or_else(|_| Reading::Needed.read(json))
            .map_err(|error| refusal(&error))
    }

    /// Whether there is anything under this name. Null and empty text are nothing.
    pub(super) fn has(&self, name: &'static str) -> bool {
        match self.value(name) {
            Ok(None) => false,
            Ok(Some(Value::String(text))) => !text.is_empty(),
            _ => true,
        }
    }

    /// A text that must be there, by its own rule.
    pub(super) fn required<T, E: Into<FieldError>>(
        &self,
        name: &'static str,
        parse: fn(&str) -> Result<T, E>,
    ) -> Result<T, CloudEventError> {
        let text = self
            .text(name)
            .and_then(|text| text.ok_or(FieldError::Missing));
        text.and_then(|text| parse(text).map_err(Into::into))
            .map_err(|error| error.of(name))
    }

    /// A text that may be missing or empty, but must keep its rule if it is there.
    pub(super) fn given<T, E: Into<FieldError>>(
        &self,
        name: &'static str,
        parse: fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, CloudEventError> {
        if self.has(name) {
            return self.required(name, parse).map(Some);
        }
        Ok(None)
    }

    /// An amount that must be there, as an integer.
    pub(super) fn amount(&self, name: &'static str) -> Result<Fen, CloudEventError> {
        self.unsigned(name)
            .and_then(|fen| Ok(Fen::new(fen)?))
            .map_err(|error| error.of(name))
    }

    /// A text that decides nothing: dropped unless it keeps its rule.
    pub(super) fn lossy<T, E>(
        &self,
        name: &'static str,
        parse: fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(self.text(name).ok()??).ok()
    }

    /// An amount that decides nothing: dropped unless it is one.
    pub(super) fn lossy_amount(&self, name: &'static str) -> Option<Fen> {
        self.amount(name).ok()
    }

    fn text(&self, name: &'static str) -> Result<Option<&str>, FieldError> {
        let value = self.value(name)?;
        value
            .map(|value| value.as_str().ok_or(FieldError::NotText))
            .transpose()
    }

    fn unsigned(&self, name: &'static str) -> Result<u64, FieldError> {
        let value = self.value(name)?.ok_or(FieldError::Missing)?;
        value.as_u64().ok_or(FieldError::NotUnsigned)
    }

    fn value(&self, name: &'static str) -> Result<Option<&Value>, FieldError> {
        match self.found.get(name) {
            None | Some(Found::Once(Value::Null)) => Ok(None),
            Some(Found::Once(value)) => Ok(Some(value)),
            Some(Found::Repeated) => Err(FieldError::Repeated),
        }
    }
}

/// The parser's error without its message, which may repeat a text.
fn refusal(error: &serde_json::Error) -> CloudEventError {
    if error.is_data() {
        return CloudEventError::WrongKind;
    }
    CloudEventError::NotJson {
        line: error.line(),
        column: error.column(),
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading::Everything.deserialize(deserializer)
    }
}

/// Which fields are worth reading.
#[derive(Clone, Copy)]
enum Reading {
    Everything,
    Needed,
}

impl Reading {
    fn read(self, json: &[u8]) -> Result<Fields, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_slice(json);
        let fields = self.deserialize(&mut json)?;
        json.end()?;
        Ok(fields)
    }

    fn name(self, key: &str) -> Option<&'static str> {
        let optional: &[_] = match self {
            Self::Everything => &OPTIONAL,
            Self::Needed => &[],
        };
        let mut known = NEEDED.iter().chain(optional);
        known.find(|known| **known == key).copied()
    }
}

impl<'de> DeserializeSeed<'de> for Reading {
    type Value = Fields;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields, D::Error> {
        // Asked for a map, some formats answer a mere text with an error that repeats it;
        // asked for anything, they leave the answer to the visitor.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event of a payment: an object")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Fields, E> {
        Err(E::custom(CloudEventError::WrongKind))
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<Fields, E> {
        Err(E::custom(CloudEventError::WrongKind))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<String>()? {
            let Some(name) = self.name(&key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let found = if fields.found.contains_key(name) {
                map.next_value::<IgnoredAny>()?;
                Found::Repeated
            } else {
                Found::Once(map.next_value()?)
            };
            fields.found.insert(name, found);
        }
        Ok(fields)
    }
}
