//! Access to the fields of one record by name, for JSON objects and CSV rows.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::FieldProblem;
use super::input::Row;

/// All fields of one record.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, Raw<'a>)>);

#[derive(Clone, Copy)]
/// Unparsed value of a field.
enum Raw<'a> {
    Json(&'a str),
    Cell(&'a str),
}

/// Value of a field, as text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    /// A number with its original digits, since a float would lose some.
    Number(Cow<'a, str>),
    /// A boolean, an array, or an object that does not wrap a number or a date.
    Other,
}

impl<'a> Fields<'a> {
    pub(super) fn of_json(json: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Reads the cells of a CSV row. An empty cell counts as a missing field.
    pub(super) fn of_row(row: Row<'a>) -> Self {
        let bare = |cell: &'a str| cell.strip_prefix('`').unwrap_or(cell);
        let cells = row.cells().map(|(name, cell)| (name, bare(cell)));
        let filled = cells.filter(|(_, cell)| !cell.is_empty());
        let raw = filled.map(|(name, cell)| (Cow::Borrowed(name), Raw::Cell(cell)));
        Self(raw.collect())
    }

    /// Value of a field; `None` if the field is missing, null or empty.
    pub(super) fn find(&self, name: &str) -> Result<Option<Value<'a>>, FieldProblem> {
        let mut found = self.0.iter().filter(|(own, _)| own == name);
        let first = found.next().and_then(|(_, raw)| raw.value());
        match found.next() {
            None => Ok(first),
            Some(_) => Err(FieldProblem::Repeated),
        }
    }

    /// Removes every field with this name.
    pub(super) fn forget(&mut self, name: &str) {
        self.0.retain(|(own, _)| own != name);
    }

    /// The remaining fields as one JSON object; an empty text if none remain.
    ///
    /// The function sorts the fields by name and removes white space. The text becomes the
    /// order's metadata, and a second import of the same record must produce the same bytes.
    pub(super) fn rest(mut self) -> String {
        self.0.retain(|(_, raw)| raw.value().is_some());
        self.0.sort_by(|(left, _), (right, _)| left.cmp(right));
        let mut text = String::new();
        for (name, raw) in &self.0 {
            text.push(if text.is_empty() { '{' } else { ',' });
            push_text(&mut text, name);
            text.push(':');
            match raw {
                Raw::Json(json) => push_compact(&mut text, json),
                Raw::Cell(cell) => push_text(&mut text, cell),
            }
        }
        if !text.is_empty() {
            text.push('}');
        }
        text
    }
}

impl<'a> Raw<'a> {
    fn value(self) -> Option<Value<'a>> {
        match self {
            Self::Cell(cell) => Some(Value::Text(Cow::Borrowed(cell))),
            Self::Json(json) => value_of(json, NESTED_MAX),
        }
    }
}

/// Maximum number of JSON objects that wrap a value. `{"$date":{"$numberLong":"0"}}` has two.
const NESTED_MAX: u8 = 2;

/// Reads a JSON value. An export may wrap a number or a date in an object with one `$` field.
///
/// `nested` limits the recursion, so that a deeply nested input cannot overflow the stack.
fn value_of(json: &str, nested: u8) -> Option<Value<'_>> {
    match json.as_bytes().first() {
        None | Some(b'n') => None,
        Some(b'"') => {
            let text: Text<'_> = serde_json::from_str(json).ok()?;
            (!text.0.is_empty()).then_some(Value::Text(text.0))
        }
        Some(b'-' | b'0'..=b'9') => Some(Value::Number(Cow::Borrowed(json))),
        Some(b'{') => Some(unwrapped(json, nested).unwrap_or(Value::Other)),
        Some(_) => Some(Value::Other),
    }
}

/// Reads a number or a date from the JSON object that wraps it; `None` for any other object.
fn unwrapped(json: &str, nested: u8) -> Option<Value<'_>> {
    let nested = nested.checked_sub(1)?;
    let fields = Fields::of_json(json).ok()?;
    let [(name, Raw::Json(inner))] = fields.0.as_slice() else {
        return None;
    };
    let inner = value_of(inner, nested)?;
    match (&**name, inner) {
        ("$date", inner) => Some(inner),
        (
            "$numberLong" | "$numberInt" | "$numberDouble" | "$numberDecimal",
            Value::Text(text) | Value::Number(text),
        ) => Some(Value::Number(text)),
        _ => None,
    }
}

/// Appends a text as a JSON string, with quotes and escapes.
fn push_text(to: &mut String, text: &str) {
    to.push_str(&serde_json::Value::from(text).to_string());
}

/// Appends JSON without the white space between its tokens. White space in strings stays.
fn push_compact(to: &mut String, json: &str) {
    let (mut is_text, mut is_escaped) = (false, false);
    for char in json.chars() {
        if is_text {
            let ends = char == '"' && !is_escaped;
            is_escaped = char == '\\' && !is_escaped;
            is_text = !ends;
        } else if char.is_ascii_whitespace() {
            continue;
        } else {
            is_text = char == '"';
        }
        to.push(char);
    }
}

/// A JSON string. It borrows from the input if the string contains no escape.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let raw: &'de RawValue = map.next_value()?;
            fields.push((name.0, Raw::Json(raw.get())));
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the value of a field that has this JSON text.
    fn find(json: &str) -> Option<Value<'static>> {
        let text = format!("{{\"x\":{json}}}");
        let found = Fields::of_json(&text).unwrap().find("x").unwrap();
        found.map(|value| match value {
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Number(text) => Value::Number(Cow::Owned(text.into_owned())),
            Value::Other => Value::Other,
        })
    }

    fn number(text: &str) -> Option<Value<'static>> {
        Some(Value::Number(Cow::Owned(text.to_owned())))
    }

    fn text(text: &str) -> Option<Value<'static>> {
        Some(Value::Text(Cow::Owned(text.to_owned())))
    }

    #[test]
    fn wrapped_number_or_date_is_unwrapped() {
        assert_eq!(find("19.900000000000002"), number("19.900000000000002"));
        assert_eq!(
            find(r#"{"$numberLong":"1647840000000"}"#),
            number("1647840000000")
        );
        assert_eq!(find(r#"{ "$numberDouble": 0.57 }"#), number("0.57"));
        assert_eq!(
            find(r#"{"$date":"2022-03-21T05:19:59.001Z"}"#),
            text("2022-03-21T05:19:59.001Z")
        );
        assert_eq!(find(r#"{"$date":{"$numberLong":"7"}}"#), number("7"));
        assert_eq!(find(r#""a\nb""#), text("a\nb"));
        assert_eq!(find("null"), None);
        assert_eq!(find(r#""""#), None);
        for other in [
            "true",
            "[]",
            "{}",
            r#"{"$oid":"7"}"#,
            r#"{"$date":1,"x":2}"#,
        ] {
            assert_eq!(find(other), Some(Value::Other), "{other}");
        }
        let deep = format!("{}1{}", r#"{"$date":"#.repeat(200), "}".repeat(200));
        assert_eq!(find(&deep), Some(Value::Other));
    }

    #[test]
    fn repeated_field_name_is_an_error() {
        let fields = Fields::of_json(r#"{"x":1,"\u0078":1,"y":1}"#).unwrap();
        assert_eq!(fields.find("x"), Err(FieldProblem::Repeated));
        assert_eq!(
            fields.find("y"),
            Ok(Some(Value::Number(Cow::Borrowed("1"))))
        );
        assert_eq!(fields.find("z"), Ok(None));
    }

    #[test]
    fn metadata_text_is_independent_of_json_layout() {
        let spaced =
            "{\"b\": [ 1, { \"c\" : \" \\\" \" } ],\n \"_id\":\"7\", \"n\":null, \"gone\":1}";
        let compact = r#"{"_id":"7","gone":1,"b":[1,{"c":" \" "}]}"#;
        for json in [spaced, compact] {
            let mut fields = Fields::of_json(json).unwrap();
            fields.forget("gone");
            let rest = fields.rest();
            assert_eq!(rest, r#"{"_id":"7","b":[1,{"c":" \" "}]}"#);
            assert!(serde_json::from_str::<serde_json::Value>(&rest).is_ok());
        }
        assert_eq!(Fields::of_json("{\"n\":null}").unwrap().rest(), "");
    }
}
