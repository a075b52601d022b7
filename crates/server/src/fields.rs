//! Fields of a JSON object, in the order of the text, and their conversion to a type.
//!
//! A command has fields from three places: its path, its body, and in a batch the name of the
//! command beside its arguments. All of them end up in one list. The type that reads the list
//! refuses unknown and duplicate fields, wherever they come from.
//!
//! Errors name the field and never repeat its value, which may be personal data.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Error;
use serde_json::value::RawValue;

/// Maximum length of the name of an unknown field in an error, in characters.
const SHOWN_MAX: usize = 40;

/// Fields of an object, not parsed yet.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Parses the object. Its values are parsed later.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| without_value(&error))
    }

    /// Adds a field.
    pub(crate) fn add(&mut self, name: &str, value: &'a RawValue) {
        self.0.push((name.to_owned(), value));
    }

    /// Removes a field and parses its value. A second field of the same name stays.
    pub(crate) fn take<T: Deserialize<'a>>(&mut self, name: &str) -> Result<T, String> {
        let at = self.0.iter().position(|(field, _)| field == name);
        let at = at.ok_or_else(|| format!("missing field `{name}`"))?;
        let (_, value) = self.0.remove(at);
        if self.0.iter().any(|(field, _)| field == name) {
            return Err(format!("duplicate field `{name}`"));
        }
        read(name, value).map_err(|error| error.to_string())
    }

    /// Converts all fields to a type.
    pub(crate) fn decode<T: Deserialize<'a>>(self) -> Result<T, String> {
        let map = Map {
            fields: self.0.into_iter(),
            value: None,
        };
        let decoded = T::deserialize(serde::de::value::MapAccessDeserializer::new(map));
        decoded.map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
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
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

/// Map of the fields, whose errors name the field.
struct Map<'a> {
    fields: std::vec::IntoIter<(String, &'a RawValue)>,
    value: Option<(String, &'a RawValue)>,
}

impl<'de> MapAccess<'de> for Map<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.value = self.fields.next();
        let Some((name, _)) = &self.value else {
            return Ok(None);
        };
        let shown = match name.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => name.get(..end).unwrap_or_default(),
            None => name,
        };
        seed.deserialize(StrDeserializer::new(shown)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (name, value) = self.value.take().ok_or_else(|| Error::custom("no value"))?;
        let read = seed.deserialize(value);
        read.map_err(|error| of_field(&name, &error))
    }
}

fn read<'a, T: Deserialize<'a>>(name: &str, value: &'a RawValue) -> Result<T, Error> {
    T::deserialize(value).map_err(|error| of_field(name, &error))
}

fn of_field(name: &str, error: &Error) -> Error {
    Error::custom(format_args!("`{name}`: {}", without_value(error)))
}

/// Returns the text of an error without its position and without the value that was found.
///
/// serde writes `invalid type: string "…", expected a number`. The position counts from the
/// beginning of the field's value, so a client could not use it.
fn without_value(error: &Error) -> String {
    let text = error.to_string();
    let is_syntax = error.is_syntax() || error.is_eof();
    if is_syntax {
        return format!("invalid JSON: {text}");
    }
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text);
    match text.rsplit_once(", expected ") {
        Some((found, expected)) if !found.starts_with("unknown field") => {
            format!("expected {expected}")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use orderstore::{Fen, OpenId};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "totalFee")]
        fee: Fen,
        openid: Option<OpenId>,
    }

    fn sample(json: &str) -> Result<(u64, bool), String> {
        let sample: Sample = Fields::parse(json.as_bytes())?.decode()?;
        Ok((sample.fee.as_u64(), sample.openid.is_some()))
    }

    #[test]
    fn fields_decode_into_struct() {
        assert_eq!(sample(r#"{"totalFee":7,"openid":null}"#), Ok((7, false)));
        assert_eq!(sample(r#"{"openid":"oUser","totalFee":7}"#), Ok((7, true)));
    }

    #[test]
    fn invalid_field_is_named_without_its_value() {
        for (json, error) in [
            (
                r#"{"totalFee":1,"totalFee":2}"#,
                "duplicate field `totalFee`",
            ),
            (r#"{"openid":"oUser"}"#, "missing field `totalFee`"),
            (r#"{"totalFee":"secret"}"#, "`totalFee`: expected u64"),
            (r#"{"totalFee":1.5}"#, "`totalFee`: expected u64"),
            (r#"["secret"]"#, "expected an object"),
        ] {
            assert_eq!(sample(json), Err(error.to_owned()));
        }
        let other = sample(r#"{"totalFee":1,"total":2}"#).unwrap_err();
        assert!(
            other.starts_with("unknown field `total`, expected"),
            "{other}"
        );
        let openid = sample(r#"{"totalFee":1,"openid":"secret secret"}"#).unwrap_err();
        assert!(openid.starts_with("`openid`: "), "{openid}");
        assert!(!openid.contains("secret"), "{openid}");
        let long = format!(r#"{{"{}":1}}"#, "ä".repeat(9000));
        assert!(sample(&long).unwrap_err().len() < 300);
        assert!(sample("{").unwrap_err().starts_with("invalid JSON"));
    }

    #[test]
    fn taken_field_must_occur_once() {
        let mut fields = Fields::parse(br#"{"a":1,"b":2,"b":3}"#).unwrap();
        assert_eq!(fields.take("a"), Ok(1));
        assert_eq!(fields.take::<u8>("a"), Err("missing field `a`".to_owned()));
        assert_eq!(
            fields.take::<u8>("b"),
            Err("duplicate field `b`".to_owned())
        );
    }
}
