//! The caller's own bytes. The store keeps them with an order and never interprets them.
//!
//! Invariants:
//! - There are at most 4096 bytes. The length is checked before the bytes are copied.
//! - They serialize to a string if they are UTF-8, otherwise to `{"hex": "ff00"}`. A string never
//!   means hexadecimal, so the two forms are unambiguous.

use std::fmt;
use std::str;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::Measure;
use super::text_traits::{self, shown_by_length};
use super::value_error::{ValueError, ValueProblem};

/// Up to 4096 bytes of the caller's own data, in any format; empty by default.
///
/// They have no influence on the rules. Do not put names or telephone numbers into them: the
/// store keeps them as long as the order. `Debug` shows only the length.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Metadata(
    // `None` if there are no bytes. All empty slices of the standard library share one counter, and
    // each thread that copies metadata would change it.
    Option<Arc<[u8]>>,
);

impl Metadata {
    /// Maximum length of the metadata, in bytes.
    pub const MAX_LEN: usize = 4096;

    /// Copies the bytes.
    ///
    /// # Errors
    /// [`ValueError`] with [`ValueProblem::TooLong`] above [`Metadata::MAX_LEN`] bytes.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, ValueError> {
        let bytes = bytes.as_ref();
        measure(bytes.len()).within_limit()?;
        Ok(Self::of(bytes))
    }

    fn of(bytes: &[u8]) -> Self {
        Self((!bytes.is_empty()).then(|| bytes.into()))
    }

    /// Returns the bytes exactly as the caller passed them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Returns whether the metadata has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn from_hex(text: &str) -> Result<Self, ValueError> {
        let measure = measure(text.len().div_ceil(2));
        measure.within_limit()?;
        let mut bytes = Vec::with_capacity(measure.len);
        for (pair, at) in text.as_bytes().chunks(2).zip((0..).step_by(2)) {
            let mut digits = pair.iter().copied();
            let mut digit = |at| {
                let value = digits.next().and_then(hex_value);
                value.ok_or(measure.error(ValueProblem::BadHex { at }))
            };
            bytes.push(digit(at)? << 4 | digit(at + 1)?);
        }
        Ok(Self::of(&bytes))
    }
}

fn measure(len: usize) -> Measure {
    Measure {
        what: "metadata",
        allowed: "at most 4096 bytes, in hexadecimal two digits each, like ff00",
        unit: "bytes",
        max: Metadata::MAX_LEN,
        len,
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

shown_by_length!(Metadata);

/// Prints bytes as pairs of lower-case hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Serialized form of bytes that are not UTF-8. [`FromHexForm`] reads it.
#[derive(Serialize)]
struct HexForm<'a> {
    hex: Hex<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FromHexForm {
    #[serde(deserialize_with = "hex_string")]
    hex: Metadata,
}

fn hex_string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Metadata, D::Error> {
    text_traits::deserialize(
        deserializer,
        "at most 4096 bytes in hexadecimal",
        Metadata::from_hex,
    )
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(self.as_bytes()) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => HexForm {
                hex: Hex(self.as_bytes()),
            }
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MetadataVisitor)
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metadata: a string, or a map with hexadecimal digits under `hex`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Metadata, E> {
        Metadata::new(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Metadata, A::Error> {
        let form = FromHexForm::deserialize(MapAccessDeserializer::new(map))?;
        Ok(form.hex)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::check::{json_refuses, round_trip};
    use super::*;

    fn metadata(bytes: &[u8]) -> Metadata {
        Metadata::new(bytes).unwrap()
    }

    #[test]
    fn metadata_above_4096_bytes_is_rejected() {
        assert_eq!(metadata(&[0xff; 4096]).as_bytes(), [0xff; 4096]);
        let error = Metadata::new([0; 4097]).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("metadata has 4097 bytes, more than 4096: "));
    }

    #[test]
    fn default_metadata_is_empty() {
        assert!(Metadata::default().is_empty());
        assert_eq!(Metadata::default(), metadata(b""));
        assert!(!metadata(b"a").is_empty());
    }

    #[test]
    fn metadata_debug_shows_only_length() {
        assert_eq!(
            format!("{:?}", metadata(b"13800138000")),
            "Metadata(11 bytes)"
        );
    }

    #[test]
    fn metadata_json_is_string_or_hex() {
        round_trip(&Metadata::default(), r#""""#);
        round_trip(&metadata("茶\n".as_bytes()), r#""茶\n""#);
        round_trip(&metadata(b"hex"), r#""hex""#);
        round_trip(&metadata(&[0xff, 0x00, 0xa5]), r#"{"hex":"ff00a5"}"#);
    }

    #[test]
    fn hex_metadata_accepts_capitals_and_utf8() {
        let read = |json| serde_json::from_str::<Metadata>(json).unwrap();
        assert_eq!(read(r#"{"hex":"FFaA"}"#), metadata(&[0xff, 0xaa]));
        assert_eq!(read(r#"{"hex":"6162"}"#), metadata(b"ab"));
        assert_eq!(read(r#"{"hex":""}"#), Metadata::default());
    }

    #[test]
    fn invalid_hex_metadata_is_rejected_with_position() {
        let at = |text: &str| Metadata::from_hex(text).unwrap_err().problem;
        assert_eq!(at("f"), ValueProblem::BadHex { at: 1 });
        assert_eq!(at("ffg0"), ValueProblem::BadHex { at: 2 });
        assert_eq!(at("ff+f"), ValueProblem::BadHex { at: 2 });
        assert_eq!(at("ff0x"), ValueProblem::BadHex { at: 3 });
        assert_eq!(at("é"), ValueProblem::BadHex { at: 0 });
        assert!(matches!(
            at(&"0".repeat(8193)),
            ValueProblem::TooLong { .. }
        ));
        assert!(Metadata::from_hex(&"0".repeat(8192)).is_ok());
    }

    #[test]
    fn metadata_rejects_other_json_types() {
        for json in ["1", "null", "[1]", "{}", r#"{"hex":1}"#] {
            json_refuses::<Metadata>(json);
        }
        json_refuses::<Metadata>(r#"{"hex":"00","more":"00"}"#);
        json_refuses::<Metadata>(r#"{"hex":"00","hex":"00"}"#);
        json_refuses::<Metadata>(&format!("{:?}", "a".repeat(4097)));
    }

    proptest! {
        #[test]
        fn metadata_bytes_round_trip_through_json(bytes: Vec<u8>) {
            let value = metadata(&bytes);
            let json = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Metadata>(&json).unwrap(), value);
        }
    }
}
