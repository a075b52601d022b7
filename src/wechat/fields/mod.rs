//! The fields of a message, found by name and not yet understood.
//!
//! Invariants:
//! - Only the fields of the message's form are kept; all others are skipped without being
//!   read.
//! - A field that occurs twice counts as neither of both: a needed one is refused, an
//!   optional one is dropped.
//! - Reading stops at [`BYTES_MAX`] bytes and at [`FIELDS_MAX`] fields, so that a hostile
//!   sender cannot keep a thread busy.

mod json;
mod xml;

use std::collections::BTreeMap;

use serde::Deserializer;
use serde_json::Value;

use super::error::{FieldError, MessageError};
use crate::types::Fen;

/// More bytes than any message of the channel has: a combined payment of 50 orders with all
/// of its coupons stays below.
const BYTES_MAX: usize = 256 << 10;

/// More fields than any message of the channel has. Fields without a meaning here count too.
const FIELDS_MAX: usize = 10_000;

/// The byte order mark that some senders and editors put before UTF-8.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// The fields of one kind of message that have a meaning here. Nested ones are named by
/// their path, joined by points.
#[derive(Debug)]
pub(super) struct Form {
    /// What the message is, for whoever sent another one.
    pub(super) wanted: &'static str,
    /// The fields that decide something.
    pub(super) deciding: &'static [&'static str],
    /// The fields that are good to know.
    pub(super) optional: &'static [&'static str],
}

/// The fields of one message that have a meaning here.
pub(super) struct Fields {
    form: &'static Form,
    found: BTreeMap<&'static str, Found>,
    digits: Digits,
}

/// What stands under one name.
enum Found {
    Once(Value),
    Repeated,
    /// Its parent is no object.
    Misplaced,
}

/// How a message writes integers.
#[derive(Clone, Copy)]
enum Digits {
    /// As the numbers of JSON.
    Number,
    /// As text, since XML has nothing else.
    Text,
}

impl Fields {
    /// Reads the fields of a JSON object.
    ///
    /// A parser cannot go on behind a number, an escape or a depth that it does not take.
    /// Where one of these stands in an optional field, a second reading skips all of those,
    /// so that the payment is not lost.
    pub(super) fn from_json(json: &[u8], form: &'static Form) -> Result<Self, MessageError> {
        within_limit(json)?;
        json::read(without_bom(json), form)
    }

    /// Reads the fields of an XML element.
    pub(super) fn from_xml(xml: &[u8], form: &'static Form) -> Result<Self, MessageError> {
        within_limit(xml)?;
        xml::read(xml, form)
    }

    /// Reads the fields of an object in any format.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
        form: &'static Form,
    ) -> Result<Self, D::Error> {
        json::deserialize(deserializer, form)
    }

    fn new(form: &'static Form, digits: Digits) -> Self {
        Self {
            form,
            found: BTreeMap::new(),
            digits,
        }
    }

    /// The refusal of a message of another kind.
    pub(super) const fn wrong_kind(&self) -> MessageError {
        MessageError::WrongKind {
            wanted: self.form.wanted,
        }
    }

    /// Whether there is anything under this name. Null and empty text are nothing.
    pub(super) fn has(&self, name: &'static str) -> bool {
        match self.value(name) {
            Ok(None) => false,
            Ok(Some(Value::String(text))) => !text.is_empty(),
            _ => true,
        }
    }

    /// Whether there is anything under one of these names.
    pub(super) fn has_any(&self, names: &[&'static str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    /// A text that must be there, by its own rule.
    pub(super) fn required<T, E: Into<FieldError>>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, MessageError> {
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
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, MessageError> {
        if self.has(name) {
            return self.required(name, parse).map(Some);
        }
        Ok(None)
    }

    /// The first of these texts that is there and not empty.
    pub(super) fn first_given<T, E: Into<FieldError>>(
        &self,
        names: &[&'static str],
        parse: fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, MessageError> {
        match names.iter().find(|name| self.has(name)) {
            Some(name) => self.required(name, parse).map(Some),
            None => Ok(None),
        }
    }

    /// The first of these texts that is there and not empty. One of them must be.
    pub(super) fn required_first<T, E: Into<FieldError>>(
        &self,
        names: &[&'static str],
        parse: fn(&str) -> Result<T, E>,
    ) -> Result<T, MessageError> {
        let given = names.iter().find(|name| self.has(name));
        let name = given.or_else(|| names.first());
        self.required(name.copied().unwrap_or_default(), parse)
    }

    /// An amount that must be there, as an integer.
    pub(super) fn amount(&self, name: &'static str) -> Result<Fen, MessageError> {
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
        let unsigned = match self.digits {
            Digits::Number => value.as_u64(),
            Digits::Text => value.as_str().and_then(only_digits),
        };
        unsigned.ok_or(FieldError::NotUnsigned)
    }

    fn value(&self, name: &'static str) -> Result<Option<&Value>, FieldError> {
        match self.found.get(name) {
            None | Some(Found::Once(Value::Null)) => Ok(None),
            Some(Found::Once(value)) => Ok(Some(value)),
            Some(Found::Repeated) => Err(FieldError::Repeated),
            Some(Found::Misplaced) => Err(FieldError::NotInObject),
        }
    }
}

/// The library's own parser takes a plus sign as well.
fn only_digits(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The same JSON without a byte order mark before it.
pub(super) fn without_bom(json: &[u8]) -> &[u8] {
    json.strip_prefix(BOM).unwrap_or(json)
}

const fn too_many_fields() -> MessageError {
    MessageError::TooManyFields { max: FIELDS_MAX }
}

fn within_limit(bytes: &[u8]) -> Result<(), MessageError> {
    let (len, max) = (bytes.len(), BYTES_MAX);
    if len > max {
        return Err(MessageError::TooLarge { len, max });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
