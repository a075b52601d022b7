//! Reader for values in bincode's standard encoding, without copying the input.
//!
//! The encoding:
//! - A `u8` is one byte. A flag is a byte 0 or 1. An option is a flag, then the value if any.
//! - A wider integer up to 250 is one byte. A larger one is a tag byte and 2, 4 or 8
//!   little-endian bytes. The tags are 251, 252 and 253.
//! - Lengths and variant numbers are integers. A byte string follows its length. Fields follow
//!   each other without names.
//!
//! Bincode's own reader takes 50 % longer, because each of its results has room for a large
//! error value. Tests compare the two readers.
//!
//! The reader rejects every list that claims more elements than there are bytes left. Corrupt input
//! therefore never causes a large allocation.

use std::fmt;

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, SeqAccess, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

/// Error: the bytes are not an encoding of the requested type.
#[derive(Debug)]
pub(super) struct Undecodable;

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("value cannot be decoded")
    }
}

impl std::error::Error for Undecodable {}

impl Error for Undecodable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Largest tag byte that an integer type accepts.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Widest {
    U32 = 252,
    U64 = 253,
}

/// Input that is not read yet.
pub(super) struct Reader<'de> {
    rest: &'de [u8],
}

impl<'de> Reader<'de> {
    pub(super) const fn of(bytes: &'de [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes that were not read.
    pub(super) const fn rest(self) -> &'de [u8] {
        self.rest
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, Undecodable> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Undecodable> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Undecodable)?;
        self.rest = rest;
        Ok(*array)
    }

    #[inline]
    fn integer(&mut self, widest: Widest) -> Result<u64, Undecodable> {
        // Bincode rejects a tag that is wider than the type, even if the value would fit. This
        // reader must do the same, so that both accept the same bytes.
        let tag = self.byte()?;
        if tag > widest as u8 {
            return Err(Undecodable);
        }
        Ok(match tag {
            251 => u16::from_le_bytes(self.array()?).into(),
            252 => u32::from_le_bytes(self.array()?).into(),
            253 => u64::from_le_bytes(self.array()?),
            small => small.into(),
        })
    }

    #[inline]
    fn narrow<T: TryFrom<u64>>(&mut self, widest: Widest) -> Result<T, Undecodable> {
        T::try_from(self.integer(widest)?).map_err(|_| Undecodable)
    }

    #[inline]
    fn flag(&mut self) -> Result<bool, Undecodable> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Undecodable),
        }
    }

    /// Reads a length. Every element takes at least one byte, so a length larger than the rest
    /// of the input is invalid.
    #[inline]
    fn len(&mut self) -> Result<usize, Undecodable> {
        let len = self.narrow(Widest::U64)?;
        if len > self.rest.len() {
            return Err(Undecodable);
        }
        Ok(len)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'de [u8], Undecodable> {
        let len = self.len()?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Undecodable)?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    fn fields<V: Visitor<'de>>(
        &mut self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Undecodable> {
        visitor.visit_seq(Fields { reader: self, left })
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Undecodable;

    fn is_human_readable(&self) -> bool {
        false
    }

    /// Always fails: the encoding does not contain the types of its values.
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Undecodable> {
        Err(Undecodable)
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        visitor.visit_bool(self.flag()?)
    }

    #[inline]
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        visitor.visit_u8(self.byte()?)
    }

    #[inline]
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        visitor.visit_u32(self.narrow(Widest::U32)?)
    }

    #[inline]
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        visitor.visit_u64(self.integer(Widest::U64)?)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        if self.flag()? {
            visitor.visit_some(self)
        } else {
            visitor.visit_none()
        }
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Undecodable> {
        let len = self.len()?;
        self.fields(len, visitor)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Undecodable> {
        self.fields(len, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Undecodable> {
        self.fields(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Undecodable> {
        visitor.visit_enum(self)
    }

    // No stored value contains these types.
    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u16 u128 f32 f64 char str string byte_buf unit unit_struct
        newtype_struct tuple_struct map identifier ignored_any
    }
}

/// Fields of a value, or elements of a list.
struct Fields<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Undecodable;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Undecodable> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut Reader<'de> {
    type Error = Undecodable;
    type Variant = Self;

    #[inline]
    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self), Undecodable> {
        let variant: u32 = self.narrow(Widest::U32)?;
        let variant: U32Deserializer<Undecodable> = variant.into_deserializer();
        Ok((seed.deserialize(variant)?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Reader<'de> {
    type Error = Undecodable;

    #[inline]
    fn unit_variant(self) -> Result<(), Undecodable> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, Undecodable> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Undecodable> {
        self.fields(len, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Undecodable> {
        self.fields(fields.len(), visitor)
    }
}
