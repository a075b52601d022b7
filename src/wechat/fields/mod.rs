//! Reader of the raw fields of a message by name, from JSON or XML.
//!
//! Invariants:
//! - The parser keeps only the fields of the message's form. It skips the values of all others.
//! - If a field occurs twice, the parser uses neither value. It returns an error for a required
//!   field, and drops an optional field.
//! - The parser stops at [`BYTES_MAX`] bytes and at [`FIELDS_MAX`] fields. Otherwise a hostile
//!   sender could keep a thread busy.

mod json;
mod xml;

use std::collections::BTreeMap;

use serde::Deserializer;
use serde_json::Value;

use super::error::{FieldError, MessageError};
use crate::types::Fen;

/// Maximum length of a message: 256 KiB. The largest message of the channel, a combined payment of
/// 50 orders with all coupons, is shorter.
const BYTES_MAX: usize = 256 << 10;

/// Maximum number of fields in a message. No message of the channel has as many. Unknown fields
/// count, too.
const FIELDS_MAX: usize = 10_000;

/// Byte order mark that some senders and editors write before UTF-8 text.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// Known fields of one kind of message. The name of a nested field is its path, separated by dots.
#[derive(Debug)]
pub(super) struct Form {
    /// Description of the expected message, for the error about a message of another kind.
    pub(super) wanted: &'static str,
    /// Fields that affect the money, identity, time or state. A malformed value is an error.
    pub(super) deciding: &'static [&'static str],
    /// Optional fields. A malformed value is dropped.
    pub(super) optional: &'static [&'static str],
}

/// Known fields of one message.
pub(super) struct Fields {
    form: &'static Form,
    found: BTreeMap<&'static str, Found>,
    digits: Digits,
}

/// Value of a field.
enum Found {
    Once(Value),
    /// The field occurs more than once.
    Repeated,
    /// The parent of the field is not an object.
    Misplaced,
}

/// Representation of integers in a message.
#[derive(Clone, Copy)]
enum Digits {
    /// JSON numbers.
    Number,
    /// Text, the only type of XML.
    Text,
}

impl Fields {
    /// Reads the fields of a JSON object.
    ///
    /// A JSON parser stops at a number, an escape or a depth that it does not support. If such a
    /// value is in an optional field, a second pass skips all optional fields. Without it, the
    /// payment would be lost.
    pub(super) fn from_json(json: &[u8], form: &'static Form) -> Result<Self, MessageError> {
        within_limit(json)?;
        json::read(without_bom(json), form)
    }

    /// Reads the fields of an XML element.
    pub(super) fn from_xml(xml: &[u8], form: &'static Form) -> Result<Self, MessageError> {
        within_limit(xml)?;
        xml::read(xml, form)
    }

    /// Reads the fields of an object from any `serde` deserializer.
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

    /// Returns the error for a message of another kind.
    pub(super) const fn wrong_kind(&self) -> MessageError {
        MessageError::WrongKind {
            wanted: self.form.wanted,
        }
    }

    /// Returns whether the field has a value other than null and the empty string.
    pub(super) fn has(&self, name: &'static str) -> bool {
        match self.value(name) {
            Ok(None) => false,
            Ok(Some(Value::String(text))) => !text.is_empty(),
            _ => true,
        }
    }

    /// Returns whether one of these fields has a value.
    pub(super) fn has_any(&self, names: &[&'static str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    /// Parses a required string.
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

    /// Parses a string that may be missing or empty. A malformed value is an error.
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

    /// Parses the first of these strings that is present and not empty.
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

    /// Parses the first of these strings that is present and not empty. At least one is required.
    pub(super) fn required_first<T, E: Into<FieldError>>(
        &self,
        names: &[&'static str],
        parse: fn(&str) -> Result<T, E>,
    ) -> Result<T, MessageError> {
        let given = names.iter().find(|name| self.has(name));
        let name = given.or_else(|| names.first());
        self.required(name.copied().unwrap_or_default(), parse)
    }

    /// Reads a required amount, as an integer.
    pub(super) fn amount(&self, name: &'static str) -> Result<Fen, MessageError> {
        self.unsigned(name)
            .and_then(|fen| Ok(Fen::new(fen)?))
            .map_err(|error| error.of(name))
    }

    /// Parses an optional string; `None` if it is malformed.
    pub(super) fn lossy<T, E>(
        &self,
        name: &'static str,
        parse: fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(self.text(name).ok()??).ok()
    }

    /// Reads an optional amount; `None` if it is malformed.
    pub(super) fn lossy_amount(&self, name: &'static str) -> Option<Fen> {
        self.amount(name).ok()
    }

    /// Returns the string of a field; `None` if the field is missing or null.
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

/// Parses an unsigned integer of digits only. `str::parse` alone would accept a plus sign.
fn only_digits(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Removes a byte order mark before the JSON.
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
