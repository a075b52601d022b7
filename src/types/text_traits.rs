//! Traits that all text values share. All of them build a value only through `parse`.
//!
//! Invariants:
//! - `FromStr`, `TryFrom<&str>` and `Deserialize` call `parse`.
//! - Deserializing accepts only a string. It never converts a JSON number, because most JSON
//!   parsers would lose digits of a number with 32 digits.
//! - The visitor validates borrowed text, so it does not copy a text that it rejects.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

use super::value_error::ValueError;

/// Deserializes one string, and passes it to `parse`.
pub(super) fn deserialize<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expecting: &'static str,
    parse: fn(&str) -> Result<T, ValueError>,
) -> Result<T, D::Error> {
    deserializer.deserialize_str(TextVisitor { expecting, parse })
}

struct TextVisitor<T> {
    expecting: &'static str,
    parse: fn(&str) -> Result<T, ValueError>,
}

// `visit_str` is enough, because serde passes borrowed and owned strings to it by default.
impl<T> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<F: Error>(self, text: &str) -> Result<T, F> {
        (self.parse)(text).map_err(F::custom)
    }
}

/// Implements `FromStr`, `TryFrom<&str>`, `Serialize` and `Deserialize` on top of
/// the type's own `parse` and `as_str`.
macro_rules! text_traits {
    ($name:ident, $expecting:literal) => {
        impl std::str::FromStr for $name {
            type Err = $crate::types::ValueError;

            fn from_str(text: &str) -> Result<Self, $crate::types::ValueError> {
                Self::parse(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::types::ValueError;

            fn try_from(text: &str) -> Result<Self, $crate::types::ValueError> {
                Self::parse(text)
            }
        }

        #[cfg(feature = "openapi")]
        $crate::types::schema::schemas! { $name: $crate::types::schema::text($expecting); }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::types::text_traits::deserialize(deserializer, $expecting, Self::parse)
            }
        }
    };
}

/// Defines a text type of variable length that is cheap to clone. `$rule` validates the text
/// before the type copies it.
macro_rules! short_text {
    ($(#[$meta:meta])* $name:ident, $expecting:literal, $rule:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($crate::types::inline::Text);

        impl $name {
            /// Validates the text against the rule of the type, then copies it.
            ///
            /// # Errors
            /// [`ValueError`](crate::ValueError) with the broken rule and its position.
            pub fn parse(text: &str) -> Result<Self, $crate::types::ValueError> {
                let rule: fn(&str) -> Result<(), $crate::types::ValueError> = $rule;
                rule(text)?;
                Ok(Self(text.into()))
            }

            /// Returns the text exactly as it was parsed.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// Returns the bytes of the text.
            pub(crate) fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        $crate::types::text_traits::text_traits!($name, $expecting);
    };
}

/// Implements `Default` as the empty text, which needs no allocation.
macro_rules! empty_by_default {
    ($($name:ident),+) => {$(
        impl Default for $name {
            fn default() -> Self {
                Self($crate::types::inline::Text::EMPTY)
            }
        }
    )+};
}

/// Implements `Display`, which prints the bare text, and `Debug`, which adds the type name.
macro_rules! shown_in_full {
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name))
                    .field(&self.as_str())
                    .finish()
            }
        }
    };
}

/// Implements `Debug`, which prints only the length in bytes, so that no log contains the
/// text.
macro_rules! shown_by_length {
    ($name:ident) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(
                    f,
                    concat!(stringify!($name), "({} bytes)"),
                    self.as_bytes().len()
                )
            }
        }
    };
}

pub(super) use {empty_by_default, short_text, shown_by_length, shown_in_full, text_traits};
